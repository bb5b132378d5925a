package cpu

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// Features names the vector instructions of this processor that kernels use
// or may come to use, in a fixed order. It is empty on other architectures.
func Features() []string {
	found := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"sse4.1", cpu.X86.HasSSE41},
		{"avx", cpu.X86.HasAVX},
		{"f16c", cpu.X86.HasF16C},
		{"avx2", cpu.X86.HasAVX2},
		{"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F},
		{"avx512bw", cpu.X86.HasAVX512BW},
		{"avx512dq", cpu.X86.HasAVX512DQ},
		{"avx512vl", cpu.X86.HasAVX512VL},
		{"avx512vbmi", cpu.X86.HasAVX512VBMI},
		{"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"avx512bf16", cpu.X86.HasAVX512BF16},
		{"avxvnni", cpu.X86.HasAVXVNNI},
		{"amx-tile", cpu.X86.HasAMXTile},
		{"amx-int8", cpu.X86.HasAMXInt8},
		{"amx-bf16", cpu.X86.HasAMXBF16},
		{"asimd", runtime.GOARCH == "arm64"},
		{"asimdhp", cpu.ARM64.HasASIMDHP},
		{"asimddp", cpu.ARM64.HasASIMDDP},
		{"sve", cpu.ARM64.HasSVE},
	} {
		if f.has {
			found = append(found, f.name)
		}
	}
	return found
}

// AVX2 reports that 256-bit fused multiply-adds may be used.
func AVX2() bool { return !pureGo && cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// AVX512 reports the AVX-512 subset of every server since Skylake.
func AVX512() bool {
	return AVX2() && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
}

// VNNI reports 512-bit int8 dot products.
func VNNI() bool { return AVX512() && cpu.X86.HasAVX512VNNI }

// VBMI reports permutations of 512 bits by bytes, which look a table of 256
// bytes up.
func VBMI() bool { return AVX512() && cpu.X86.HasAVX512VBMI }

// BF16 reports 512-bit products of bfloat16 pairs and the conversions to it.
func BF16() bool { return AVX512() && cpu.X86.HasAVX512BF16 }

// AMX reports products of bfloat16 tiles: the instructions, and the operating
// system's permission to use them, which the first call asks for. No tile
// instruction may run before it.
func AMX() bool { return BF16() && tilesAllowed() }

// AMXInt8 reports products of tiles of bytes, under the conditions of AMX.
func AMXInt8() bool { return VNNI() && tilesAllowed() && tileBytes() }

// NEON reports 128-bit vectors on arm64, which every system that Go runs on
// there has, whether it tells or not.
func NEON() bool { return !pureGo && runtime.GOARCH == "arm64" }

// DotProd reports int8 dot products on arm64.
func DotProd() bool { return NEON() && cpu.ARM64.HasASIMDDP }

// Present lists the rungs whose instructions this process may use, in the
// order of Rungs.
func Present() []string {
	has := map[string]bool{"ref": true, "go": true, "neon": NEON(), "avx2": AVX2(), "avx512": AVX512(), "amx": AMX()}
	var out []string
	for _, r := range Rungs() {
		if has[r] {
			out = append(out, r)
		}
	}
	return out
}
