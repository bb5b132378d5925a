package hdf5

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMutations changes the test files at random, metadata more than data: no
// panic, no long run, no memory beyond what a small file may take.
func TestMutations(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	const bound = 200 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	accepted, refused := 0, 0
	for _, name := range testFiles {
		orig := unpack(t, name)
		for range rounds {
			b := append([]byte(nil), orig...)
			for range 1 + rng.IntN(8) {
				i := rng.IntN(len(b))
				for b[i] == 0 && rng.IntN(8) > 0 { // what is there is what is read
					i = rng.IntN(len(b))
				}
				switch rng.IntN(4) {
				case 0:
					b[i] = byte(rng.Uint32())
				case 1:
					b[i] ^= 1 << rng.IntN(8)
				case 2:
					b[i] = 0xff
				case 3:
					copy(b[i:], orig[rng.IntN(len(orig)-8):][:8])
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := everything(b, nil)
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("%s: a changed file takes %v", name, d)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > bound {
				t.Errorf("%s: a changed file takes %d MB", name, n>>20)
			}
			if err != nil {
				refused++
			} else {
				accepted++
			}
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("the changes are all harmless or all fatal: they test nothing")
	}
}

// find gives the offset of the nth occurrence of a signature.
func find(t *testing.T, b []byte, sig string, n int) int {
	t.Helper()
	at := 0
	for ; ; n-- {
		i := bytes.Index(b[at:], []byte(sig))
		if i < 0 {
			t.Fatalf("no %s", sig)
		}
		if n == 0 {
			return at + i
		}
		at += i + len(sig)
	}
}

func put64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// TestCycles leads each structure that points to others back to itself.
func TestCycles(t *testing.T) {
	tree := func(level, kind byte) func(b []byte) {
		return func(b []byte) {
			for n := 0; ; n++ {
				at := find(t, b, "TREE", n)
				if b[at+4] == kind && b[at+5] == level {
					key := 8
					if kind == 1 {
						key = 8 + 8*3
					}
					put64(b, at+24+key, uint64(at)) // its first child
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name, file string
		change     func(b []byte)
		want       string
	}{
		{"group tree", "narrow.h5", tree(3, 0), "offset "},
		{"chunk tree", "narrow.h5", tree(5, 1), "offset "},
		{"header continuation", "types.h5", func(b []byte) {
			// The first continuation message: kind 16, 16 bytes.
			at := find(t, b, "\x10\x00\x10\x00\x00\x00\x00\x00", 0)
			put64(b, at+8, uint64(at))
			put64(b, at+16, 24)
		}, "reached twice"},
		{"group in itself", "keras.h5", func(b []byte) {
			// The second symbol node's first entry leads to the root.
			root := binary.LittleEndian.Uint64(b[64:])
			put64(b, find(t, b, "SNOD", 1)+8+8, root)
		}, ""},
	} {
		b := unpack(t, c.file)
		c.change(b)
		f, err := parse(b, nil)
		if err == nil {
			_, err = f.Tensors()
		}
		if c.want == "" {
			if err != nil || len(f.Notes) == 0 || !strings.Contains(f.Notes[0], "another link") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			t.Logf("%s: %v", c.name, err)
		}
	}
}

// TestClaims lets a small file claim values and storage that it has not, and
// bounds the memory that reading it takes.
func TestClaims(t *testing.T) {
	dims := func(shape ...uint64) []byte {
		var b []byte
		for _, n := range shape {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return b
	}
	for name, c := range map[string]struct {
		file     string
		from, to []byte // every dataspace of this shape gets that
		want     string
	}{
		"unwritten":  {"types.h5", dims(3, 2), dims(1<<30, 2), "are left for a file of this size"},
		"contiguous": {"types.h5", dims(2, 3), dims(1<<20, 3), "bytes"},
		"chunked":    {"chunks.h5", dims(5, 7), dims(1<<14, 1<<14), "are left for a file of this size"},
		"grid":       {"chunks.h5", dims(36, 36), dims(1<<20, 1<<20), "are left for a file of this size"},
		"dimension":  {"chunks.h5", dims(5, 7), dims(1<<40, 7), "a dimension of 1099511627776"},
	} {
		b := bytes.ReplaceAll(unpack(t, c.file), c.from, c.to)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := everything(b, nil)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: takes %d MB", name, n>>20)
		}
	}
}

// TestDamaged changes a byte under each kind of checksum.
func TestDamaged(t *testing.T) {
	for want, c := range map[string]struct {
		file string
		at   func(b []byte) int
	}{
		"the superblock is damaged":       {"latest.h5", func(b []byte) int { return 12 }},
		"object header is damaged":        {"latest.h5", func(b []byte) int { return find(t, b, "OHDR", 2) + 12 }},
		"fractal heap is damaged":         {"latest_deep.h5", func(b []byte) int { return find(t, b, "FRHP", 0) + 30 }},
		"heap block is damaged":           {"latest_deep.h5", func(b []byte) int { return find(t, b, "FHDB", 0) + 60 }},
		"tree header is damaged":          {"latest_deep.h5", func(b []byte) int { return find(t, b, "BTHD", 0) + 10 }},
		"tree node is damaged":            {"latest_deep.h5", func(b []byte) int { return find(t, b, "BTLF", 0) + 8 }},
		"chunk index is damaged":          {"latest_chunks.h5", func(b []byte) int { return find(t, b, "FADB", 0) + 16 }},
		"Fletcher-32: the chunk is":       {"chunks.h5", func(b []byte) int { return fletcherChunk(t, b) }},
		"deflate: zlib: invalid checksum": {"chunks.h5", func(b []byte) int { return zlibTail(t, b) }},
	} {
		b := unpack(t, c.file)
		b[c.at(b)] ^= 0x20
		if err := everything(b, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// fletcherChunk finds the values of dataset "odd", three bytes that a
// Fletcher-32 follows.
func fletcherChunk(t *testing.T, b []byte) int {
	t.Helper()
	f, err := parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Root.Dataset("odd").Tensor()
	if err != nil {
		t.Fatal(err)
	}
	return find(t, b, string(binary.LittleEndian.AppendUint32(x.Data[:3:3], fletcher32(x.Data))), 0)
}

// zlibTail finds the last byte of a deflated chunk.
func zlibTail(t *testing.T, b []byte) int {
	t.Helper()
	f, err := parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Root.Dataset("one").Tensor()
	if err != nil {
		t.Fatal(err)
	}
	return find(t, b, string(binary.BigEndian.AppendUint32(nil, adler32.Checksum(x.Data))), 0) + 3
}
