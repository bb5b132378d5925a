package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// environment is the line of JSON of `mobilenet env`.
type environment struct {
	Version string `json:"version"`
	cpu.Report
	Rungs []cpu.RungState `json:"rungs"` // every instruction set: used or not, and why
	Uses  []kernel.Use    `json:"uses"`  // the kernel chosen for each kind of work
	// Convolutions are the kernels that may be chosen, best first.
	Convolutions []string `json:"convolutions"`
	// Precisions tells what each precision comes to here, and why.
	Precisions []environmentPrecision `json:"precisions"`
	Build      map[string]string      `json:"build"` // settings of the Go tool chain that matter
}

func (a *app) env() *cobra.Command {
	var limit string
	c := &cobra.Command{
		Use:   "env",
		Short: "Show the machine, the kernels in use and the build",
		Long: `Show the machine, the kernels in use and the build: what to put into a report of
a problem. Of every instruction set it says whether it is used and why, and of
every kind of work which kernel does it. ` + cpu.KernelsEnv + `=go limits the kernels,
to step around broken ones (ref, go, neon, avx2, avx512 or amx);
` + cpu.BF16Env + `=amx|avx512|off decides what multiplies bfloat16.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			e := environment{Version: version().Version, Report: cpu.NewReport(), Build: buildSettings()}
			if limit != "" {
				if err := checkKernels(limit); err != nil {
					return err
				}
				e.LimitTo(limit, "--kernels")
			}
			e.Rungs, e.Uses = cpu.States(e.Limit, e.LimitBy), kernel.Uses(e.Limit)
			e.Convolutions = convolutions(e.Limit)
			e.Precisions = precisions(e.Limit)
			if e.Features == nil {
				e.Features = []string{}
			}
			if a.json {
				return a.object(e)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%-12s%s\n%s", "version", e.Version, e.Report)
			for _, r := range e.Rungs {
				fmt.Fprintf(&b, "  %-10s%-11s%s\n", r.Name, r.State, r.Why)
			}
			b.WriteString("uses\n")
			for _, u := range e.Uses {
				fmt.Fprintf(&b, "  %-21s%s\n", u.For, u.Kernel)
			}
			fmt.Fprintf(&b, "%-12s%s\n", "convolution", strings.Join(e.Convolutions, " "))
			for _, p := range e.Precisions {
				fmt.Fprintf(&b, "%-12s%s\n", p.Precision, p.Used)
			}
			for _, k := range buildKeys {
				if v := e.Build[k]; v != "" {
					fmt.Fprintf(&b, "%-12s%s\n", k, v)
				}
			}
			return a.print(b.String())
		},
	}
	c.Flags().StringVar(&limit, "kernels", "", "show what this limit leaves: ref, go, neon, avx2, avx512 or amx")
	return c
}

// convolutions names the convolution kernels of this machine up to a rung.
func convolutions(limit string) []string {
	var out []string
	for _, k := range kernel.ConvKernels() {
		if k.Available() && cpu.Rung(k.Impl) <= cpu.Rung(limit) {
			out = append(out, k.Name)
		}
	}
	return out
}

var buildKeys = []string{"CGO_ENABLED", "GOAMD64", "GOARM64", "-tags", "vcs.revision", "vcs.modified"}

func buildSettings() map[string]string {
	out := make(map[string]string)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, s := range info.Settings {
		for _, k := range buildKeys {
			if s.Key == k {
				out[k] = s.Value
			}
		}
	}
	return out
}
