package main

import (
	"github.com/spf13/pflag"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

func registerPrecision(f *pflag.FlagSet, precision *string) {
	f.StringVar(precision, "precision", "fp32", "arithmetic of the products: fp32, bf16 (fast, two digits) or bf16x3 (nearly fp32)")
}

func checkPrecision(name string) error {
	for _, p := range engine.Precisions() {
		if name == p || name == "" {
			return nil
		}
	}
	return usagef("--precision %q%s: use fp32, bf16 or bf16x3", name, suggest.DidYouMean(name, engine.Precisions()))
}

// checkTrainPrecision is checkPrecision for training.
func checkTrainPrecision(name string) error {
	if name == "" || name == "fp32" || name == "bf16" {
		return nil
	}
	return usagef("--precision %q%s: training takes fp32 or bf16", name, suggest.DidYouMean(name, []string{"fp32", "bf16"}))
}

// warnPrecision tells a person who asked for a precision that it is not used, and
// of toggles in the environment that were not understood.
func (a *app) warnPrecision(asked, used string, asAsked bool) {
	_, kernels := cpu.Limit()
	_, way := cpu.BF16Way()
	for _, err := range []error{kernels, way} {
		if err != nil {
			a.say("warning: %v", err)
		}
	}
	if !asAsked {
		a.say("warning: --precision %s is not used: %s", asked, used)
	}
}

// environmentPrecision is a line of `mobilenet env`.
type environmentPrecision struct {
	Precision string `json:"precision"` // asked for
	Used      string `json:"used"`
}

// precisions tells what every precision comes to with the kernels up to a
// rung.
func precisions(kernels string) (out []environmentPrecision) {
	for _, p := range engine.Precisions() {
		used, _ := engine.ResolvePrecision(p, kernels)
		out = append(out, environmentPrecision{p, used})
	}
	return out
}
