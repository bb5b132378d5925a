package exec

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// Precision is the arithmetic of a network's products. The empty one is fp32.
type Precision string

const (
	FP32 Precision = "fp32"
	// BF16 rounds the operands of products to bfloat16 and keeps values
	// between convolutions so.
	BF16 Precision = "bf16"
	// BF16x3 splits every operand of a product in two bfloat16 and leaves out
	// the product of the low parts: nearly fp32.
	BF16x3 Precision = "bf16x3"
)

// Precisions are the names that are known.
func Precisions() []string { return []string{string(FP32), string(BF16), string(BF16x3)} }

// CheckPrecision is an error for a name that is none.
func (p Precision) CheckPrecision() error {
	switch p {
	case "", FP32, BF16, BF16x3:
		return nil
	}
	return fmt.Errorf("unknown precision %q: use one of %s", string(p), strings.Join(Precisions(), ", "))
}

// Used is what a precision comes to on this machine.
type Used struct {
	Asked, Precision Precision
	// By is the rung that multiplies bfloat16 or bytes, empty for fp32.
	By string
	// Why tells why it is not what was asked.
	Why string
}

// String is for people: "bf16 by amx", "fp32: no AMX or AVX512-BF16 here".
func (u Used) String() string {
	switch {
	case u.Precision == INT8:
		name := "int8 by " + u.By
		if u.By == "avx512" {
			name += "-vnni"
		}
		if u.Why != "" {
			name += ": " + u.Why
		}
		return name
	case u.By == "avx512":
		return string(u.Precision) + " by avx512-bf16"
	case u.By != "":
		return string(u.Precision) + " by " + u.By
	case u.Why != "":
		return string(u.Precision) + ": " + u.Why
	}
	return string(u.Precision)
}

// FellBack reports that the precision asked for is not used.
func (u Used) FellBack() bool { return u.Asked != u.Precision }

// Resolve finds out how a precision is computed here with the kernels up to a
// rung; an empty one is cpu.Limit.
func (p Precision) Resolve(impl string) Used {
	if p == "" || p == FP32 {
		return Used{Asked: FP32, Precision: FP32}
	}
	if impl == "" {
		impl, _ = cpu.Limit()
	}
	within := func(rung string) bool { return cpu.Rung(impl) >= cpu.Rung(rung) }
	tiles, vectors := cpu.AMX() && within("amx"), cpu.BF16() && within("avx512")
	fall := func(why string) Used { return Used{p, FP32, "", why} }
	by := func(rung string) Used { return Used{p, p, rung, ""} }
	way, _ := cpu.BF16Way()
	missing := "no AMX here"
	if cpu.AMX() {
		missing = "the kernels are limited to " + impl
	}
	switch {
	case way == "off":
		return fall("switched off by " + cpu.BF16Env)
	case way == "amx" && tiles || way == "auto" && tiles:
		return by("amx")
	case way == "amx":
		return fall(missing)
	case !vectors && cpu.BF16():
		return fall("the kernels are limited to " + impl)
	case !vectors:
		return fall("no AMX or AVX512-BF16 here")
	case way == "avx512":
		return by("avx512")
	case !cpu.BF16Fast():
		return fall(missing + ", and AVX512-BF16 is slower than fp32 on this processor; " + cpu.BF16Env + "=avx512 takes it")
	case p == BF16x3:
		return fall(missing + ", and three products by AVX512-BF16 are slower than one of fp32; " + cpu.BF16Env + "=avx512 takes them")
	}
	return by("avx512")
}

// limit is the rung that kernels are chosen up to.
func (u Used) limit(impl string) string {
	if u.By == "avx512" {
		return u.By
	}
	return impl
}
