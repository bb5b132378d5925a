// An emulator of the AMX instructions, for machines without them.
//
// Built as a shared object and preloaded into a dynamically linked Go binary
// (CGO_ENABLED=1, tag amxemu), it takes the SIGILL that a tile instruction
// raises, executes the instruction on tiles kept per thread, and goes on behind
// it. So the machine code of the kernels is what runs, to the byte; only the
// tile unit is software. Any other illegal instruction goes to Go's handler.
//
//   cc -O3 -march=native -ffp-contract=off -shared -fPIC -ftls-model=initial-exec -o amxemu.so amxemu.c -lpthread -lm
//
// Semantics: Intel 64 and IA-32 Architectures SDM, volume 2, instructions
// LDTILECFG to TILEZERO. What the processor answers with an exception (a tile
// that is not configured, shapes that do not fit) ends the process with a
// message. Stricter than the processor: configuring tiles that were not released
// ends it too, since the kernels promise to leave no tile state behind.
//
// The file named by AMXEMU_REPORT holds, at any time, the numbers of
// instructions, products, configurations and signals so far, each as eight bytes.
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

enum { TILES = 8, ROWS = 16, ROW = 64 };

// The tiles of a thread. palette 0 is the state after TILERELEASE.
typedef struct {
	uint8_t palette;
	uint8_t rows[TILES];
	uint16_t colsb[TILES];
	uint8_t data[TILES][ROWS][ROW] __attribute__((aligned(64)));
} tile_state;

static __thread tile_state tiles;
static struct sigaction before;

// Go ends a process without running destructors, so the counts lie in a file.
enum { EXECUTED, PRODUCTS, CONFIGURED, SIGNALS, COUNTS };
static _Atomic uint64_t unreported[COUNTS], *counts = unreported;

static void fail(const ucontext_t *c, const char *what) {
	char line[160];
	int n = snprintf(line, sizeof line, "amxemu: at %#llx: %s\n", (unsigned long long)c->uc_mcontext.gregs[REG_RIP], what);
	if (write(2, line, (size_t)n) < 0) _exit(98);
	_exit(97);
}

// The general registers in the order of their numbers.
static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// An instruction taken apart. VEX keeps its register bits inverted.
typedef struct {
	int len, pp, opcode, mod, reg, rm, vvvv;
	uint64_t base; // of a memory operand, displacement included
	int64_t index; // scaled, the row stride of a tile
} insn;

static int decode(const uint8_t *p, const ucontext_t *c, insn *in) {
	if (p[0] != 0xC4 || (p[1] & 31) != 2 || (p[2] & 0x84) != 0) return 0; // VEX.128.0F38.W0
	in->opcode = p[3];
	if (in->opcode != 0x49 && in->opcode != 0x4B && in->opcode != 0x5C && in->opcode != 0x5E) return 0;
	int r = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20);
	in->vvvv = ~p[2] >> 3 & 15;
	in->pp = p[2] & 3; // none, 66, F3, F2
	in->mod = p[4] >> 6;
	in->reg = (p[4] >> 3 & 7) | r << 3;
	in->rm = (p[4] & 7) | b << 3;
	in->len = 5;
	in->base = 0, in->index = 0;
	if (in->mod == 3) return 1;
	const uint8_t *q = p + 5;
	int has_base = 1, base = in->rm;
	if ((in->rm & 7) == 4) {
		int index = (*q >> 3 & 7) | x << 3, scale = *q >> 6;
		base = (*q & 7) | b << 3;
		q++;
		if (index != 4) in->index = (int64_t)((uint64_t)c->uc_mcontext.gregs[gregs[index]] << scale);
		if ((base & 7) == 5 && in->mod == 0) has_base = 0;
	} else if ((in->rm & 7) == 5 && in->mod == 0) {
		int32_t d;
		memcpy(&d, q, 4);
		q += 4;
		in->len = (int)(q - p);
		in->base = (uint64_t)c->uc_mcontext.gregs[REG_RIP] + (uint64_t)in->len + (uint64_t)(int64_t)d;
		return 1;
	}
	if (has_base) in->base = (uint64_t)c->uc_mcontext.gregs[gregs[base]];
	if (in->mod == 1) {
		in->base += (uint64_t)(int64_t)(int8_t)*q++;
	} else if (in->mod == 2 || !has_base) {
		int32_t d;
		memcpy(&d, q, 4);
		in->base += (uint64_t)(int64_t)d;
		q += 4;
	}
	in->len = (int)(q - p);
	return 1;
}

static void configure(const ucontext_t *c, const uint8_t *m) {
	if (tiles.palette) fail(c, "LDTILECFG over tiles that were not released");
	memset(&tiles, 0, sizeof tiles);
	if (m[0] == 0) return;
	if (m[0] != 1 || m[1] != 0) fail(c, "LDTILECFG: palette or start row is wrong");
	for (int i = 2; i < 16; i++)
		if (m[i]) fail(c, "LDTILECFG: reserved bytes are not 0");
	for (int i = 0; i < 16; i++) {
		uint16_t colsb;
		memcpy(&colsb, m + 16 + 2 * i, 2);
		int rows = m[48 + i];
		if (i >= TILES ? colsb || rows : colsb > ROW || rows > ROWS || !colsb != !rows) fail(c, "LDTILECFG: a tile's shape is wrong");
		if (i < TILES) tiles.colsb[i] = colsb, tiles.rows[i] = (uint8_t)rows;
	}
	tiles.palette = 1;
	counts[CONFIGURED]++;
}

static void tile(const ucontext_t *c, int t) {
	if (!tiles.palette) fail(c, "a tile instruction without LDTILECFG");
	if (t >= TILES || !tiles.rows[t]) fail(c, "a tile that is not configured");
}

static void load(const ucontext_t *c, const insn *in) {
	tile(c, in->reg);
	const int t = in->reg, rows = tiles.rows[t], cols = tiles.colsb[t];
	memset(tiles.data[t], 0, sizeof tiles.data[t]);
	for (int r = 0; r < rows; r++) memcpy(tiles.data[t][r], (const void *)(in->base + (uint64_t)(r * in->index)), (size_t)cols);
}

static void store(const ucontext_t *c, const insn *in) {
	tile(c, in->reg);
	for (int r = 0; r < tiles.rows[in->reg]; r++)
		memcpy((void *)(in->base + (uint64_t)(r * in->index)), tiles.data[in->reg][r], tiles.colsb[in->reg]);
}

// shapes checks the three tiles of a product.
static void shapes(const ucontext_t *c, int d, int a, int b) {
	tile(c, d), tile(c, a), tile(c, b);
	if (d == a || d == b || a == b) fail(c, "a product whose tiles are not distinct");
	if (tiles.colsb[d] & 3 || tiles.colsb[a] & 3 || tiles.colsb[b] & 3) fail(c, "a product of tiles with odd columns");
	if (tiles.rows[d] != tiles.rows[a] || tiles.colsb[a] / 4 != tiles.rows[b] || tiles.colsb[d] != tiles.colsb[b]) fail(c, "a product of tiles that do not fit each other");
}

// bf16 adds the products of pairs: even and odd members are summed apart over
// all of K by fused steps from zero, and their sum is added at the end;
// denormals are zeros on both sides, rounding is to nearest even.
static void bf16(const ucontext_t *c, int d, int a, int b) {
	shapes(c, d, a, b);
	const unsigned csr = _mm_getcsr();
	_mm_setcsr(0x9FC0);
	const int k = tiles.rows[b], n = tiles.colsb[d] / 4;
	for (int m = 0; m < tiles.rows[d]; m++) {
		float even[16] = {0}, odd[16] = {0}, *y = (float *)tiles.data[d][m];
		for (int i = 0; i < k; i++) {
			uint32_t pair, lo, hi;
			memcpy(&pair, &tiles.data[a][m][4 * i], 4);
			float x0, x1;
			lo = pair << 16, hi = pair & 0xFFFF0000u;
			memcpy(&x0, &lo, 4), memcpy(&x1, &hi, 4);
			uint32_t w[16], w0[16], w1[16];
			float f0[16], f1[16];
			memcpy(w, tiles.data[b][i], 64);
			for (int j = 0; j < 16; j++) w0[j] = w[j] << 16, w1[j] = w[j] & 0xFFFF0000u;
			memcpy(f0, w0, 64), memcpy(f1, w1, 64);
			for (int j = 0; j < 16; j++) even[j] = fmaf(x0, f0[j], even[j]), odd[j] = fmaf(x1, f1[j], odd[j]);
		}
		for (int j = 0; j < n; j++) y[j] = y[j] + (even[j] + odd[j]);
	}
	_mm_setcsr(csr);
	counts[PRODUCTS]++;
}

// int8 adds the products of fours; signed_a and signed_b tell the operands.
static void int8(const ucontext_t *c, int d, int a, int b, int signed_a, int signed_b) {
	shapes(c, d, a, b);
	const int k = tiles.rows[b], n = tiles.colsb[d] / 4;
	for (int m = 0; m < tiles.rows[d]; m++) {
		uint32_t *y = (uint32_t *)tiles.data[d][m];
		for (int i = 0; i < k; i++) {
			for (int j = 0; j < n; j++) {
				int32_t sum = 0;
				for (int e = 0; e < 4; e++) {
					const uint8_t u = tiles.data[a][m][4 * i + e], v = tiles.data[b][i][4 * j + e];
					sum += (signed_a ? (int8_t)u : (int)u) * (signed_b ? (int8_t)v : (int)v);
				}
				y[j] += (uint32_t)sum;
			}
		}
	}
	counts[PRODUCTS]++;
}

// execute does one instruction; 0 means it is not one of ours.
static int execute(ucontext_t *c, const insn *in) {
	const int mem = in->mod != 3;
	switch (in->opcode << 4 | in->pp) {
	case 0x490:
		if (mem) {
			configure(c, (const uint8_t *)in->base);
		} else if (in->reg == 0 && in->rm == 0) {
			memset(&tiles, 0, sizeof tiles);
		} else {
			return 0;
		}
		return 1;
	case 0x493: // TILEZERO
		if (mem) return 0;
		tile(c, in->reg);
		memset(tiles.data[in->reg], 0, sizeof tiles.data[0]);
		return 1;
	case 0x4B3: // TILELOADD
	case 0x4B1: // TILELOADDT1
		if (!mem) return 0;
		load(c, in);
		return 1;
	case 0x4B2:
		if (!mem) return 0;
		store(c, in);
		return 1;
	case 0x5C2:
		if (mem) return 0;
		bf16(c, in->reg, in->rm, in->vvvv);
		return 1;
	case 0x5E0: // TDPBUUD
	case 0x5E1: // TDPBUSD
	case 0x5E2: // TDPBSUD
	case 0x5E3: // TDPBSSD
		if (mem) return 0;
		int8(c, in->reg, in->rm, in->vvvv, in->pp >= 2, in->pp & 1);
		return 1;
	}
	return 0;
}

static void on_sigill(int sig, siginfo_t *info, void *context) {
	ucontext_t *c = context;
	insn in;
	int n = 0;
	// Neighbouring tile instructions go by in one signal.
	while (decode((const uint8_t *)c->uc_mcontext.gregs[REG_RIP], c, &in) && execute(c, &in)) {
		c->uc_mcontext.gregs[REG_RIP] += in.len;
		n++;
	}
	if (n) {
		counts[EXECUTED] += (unsigned)n;
		counts[SIGNALS]++;
		return;
	}
	before.sa_sigaction(sig, info, context);
}

// install waits until Go has set up its handlers, then steps before it.
static void *install(void *unused) {
	(void)unused;
	for (;; usleep(20)) {
		sigaction(SIGILL, NULL, &before);
		if (before.sa_flags & SA_SIGINFO) break;
	}
	struct sigaction own;
	memset(&own, 0, sizeof own);
	own.sa_sigaction = on_sigill;
	own.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&own.sa_mask);
	sigaction(SIGILL, &own, NULL);
	return NULL;
}

__attribute__((constructor)) static void start(void) {
	sigset_t all, old;
	pthread_t thread;
	const char *name = getenv("AMXEMU_REPORT");
	int f = name ? open(name, O_RDWR | O_CREAT, 0644) : -1;
	if (f >= 0) {
		void *m = ftruncate(f, sizeof unreported) ? MAP_FAILED : mmap(NULL, sizeof unreported, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
		if (m != MAP_FAILED) counts = m;
		close(f);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, install, NULL)) _exit(96);
	pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
