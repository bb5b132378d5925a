package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/hub"
)

func (a *app) bench() *cobra.Command {
	var n netFlags
	var models []string
	var weights, kernels, precision string
	var threads, batch, runs int
	var atLeast time.Duration
	var profile bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast networks run on this machine",
		Long: `Measure how long networks take for a batch of pictures: the minimum, the median
and the slow tail over many runs, the rate in pictures and multiply-adds a
second, and its share of what these threads reach when nothing but arithmetic
limits them. Networks run on generated weights, published names on their own if
they were pulled; --weights measures a file. Nothing is ever downloaded.`,
		Example: `  mobilenet bench
  mobilenet bench --model v3_large --threads 1 --profile
  mobilenet bench --weights model.onnx --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkKernels(kernels); err != nil {
				return err
			}
			if err := checkPrecision(precision); err != nil {
				return err
			}
			switch {
			case batch < 1 || batch > 1024:
				return usagef("--batch %d: give 1 to 1024", batch)
			case runs < 1:
				return usagef("--runs %d: give a number above 0", runs)
			case atLeast < 0:
				return usagef("--time %v: give a time of 0 or more", atLeast)
			case weights != "" && len(models) > 0:
				return usagef("--weights measures a file, --model a network on generated weights: give one of them")
			}
			if weights != "" && n.Options != (arch.Options{Resolution: n.Resolution}) {
				return usagef("--weights measures what the file holds: of the network's flags only --resolution goes with it")
			}
			if weights == "" && len(models) == 0 {
				models = []string{"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"}
			}
			opt := &engine.Options{Threads: threads, Kernels: kernels, Precision: precision}
			var open []func() (*engine.Model, error)
			for _, name := range models {
				net, err := n.net(name)
				if err != nil {
					return err
				}
				file, err := localFile(name)
				if err != nil {
					return err
				}
				open = append(open, func() (*engine.Model, error) {
					if file == "" {
						return engine.Generate(net, opt)
					}
					own := *opt
					own.Net = net
					return engine.Open(file, &own)
				})
			}
			if weights != "" {
				open = append(open, func() (*engine.Model, error) { return openModel(weights, opt) })
			}
			return a.measureAll(c, open, engine.MeasureOptions{Batch: batch, Resolution: n.Resolution, MinRuns: runs, MinTime: max(atLeast, 1), Profile: profile}, kernels, precision)
		},
	}
	n.register(c.Flags())
	f := c.Flags()
	f.StringSliceVar(&models, "model", nil, "networks to measure, by name or spec (default V1, V2, V3-Large and V3-Small)")
	f.StringVar(&weights, "weights", "", "measure the model in this file instead")
	registerPrecision(f, &precision)
	f.IntVar(&batch, "batch", 1, "pictures in one run")
	f.IntVar(&runs, "runs", 100, "runs at least")
	f.DurationVar(&atLeast, "time", time.Second, "time at least for each network")
	f.BoolVar(&profile, "profile", false, "show where the time goes, layer by layer")
	registerRun(f, &threads, &kernels)
	return c
}

func (a *app) measureAll(c *cobra.Command, open []func() (*engine.Model, error), opt engine.MeasureOptions, kernels, precision string) error {
	for i, make := range open {
		m, err := make()
		if err != nil {
			return err
		}
		used := m.Precision()
		a.warnPrecision(precision, used.String(), !used.FellBack())
		t, err := m.Measure(c.Context(), opt)
		m.Close()
		if err != nil {
			return err
		}
		peak, err := engine.Peak(c.Context(), t.Threads, kernels, string(used.Precision))
		if err != nil {
			return err
		}
		t.PeakShare = t.GMACs / peak
		if opt.Profile {
			bandwidth, err := engine.Bandwidth(c.Context(), t.Threads, kernels)
			if err != nil {
				return err
			}
			t.Roofline(peak, bandwidth)
			if !a.json {
				a.say("bounds: %.1f GMAC/s, %.1f GB/s", peak, bandwidth)
			}
		}
		if a.json {
			if err := a.object(t); err != nil {
				return err
			}
			continue
		}
		text := ""
		if i == 0 {
			text = fmt.Sprintf("%-32s %8s %8s %8s %8s %9s %8s %6s\n", "model", "min ms", "median", "90 %", "99 %", "images/s", "GMAC/s", "peak")
		}
		text += fmt.Sprintf("%-32s %8.2f %8.2f %8.2f %8.2f %9.1f %8.1f %4.0f %%\n", clean(t.Model), t.MinMS, t.MedianMS, t.P90MS, t.P99MS, t.ImagesPerS, t.GMACs, 100*t.PeakShare)
		if opt.Profile {
			text += profileTable(t)
		}
		if err := a.print(text); err != nil {
			return err
		}
		a.say("%s", noiseReport(t))
	}
	return nil
}

// noiseReport says how far the runs of a measurement are apart, and whether others
// used the processors meanwhile.
func noiseReport(t *engine.Timing) string {
	above := func(ms float64) float64 { return 100 * (ms/t.MinMS - 1) }
	s := fmt.Sprintf("noise: %s: median %.0f %%, 90 %% of %d runs at most %.0f %% above the minimum", t.Model, above(t.MedianMS), t.Runs, above(t.P90MS))
	switch {
	case t.Others >= 0.1:
		s += fmt.Sprintf("; the machine is busy: others used %.1f processors, compare ratios from one run", t.Others)
	case above(t.MedianMS) > 15:
		s += "; the machine is not quiet: compare ratios from one run"
	case t.Others >= 0:
		s += "; the machine was quiet"
	}
	return s
}

// localFile is the file of a published network's weights, if --model names one and
// they are on this machine; empty otherwise.
func localFile(name string) (string, error) {
	e := published(name)
	if e == nil {
		return "", nil
	}
	client, err := newHub()
	if err != nil {
		return "", err
	}
	file, err := client.Lookup(e)
	if missing := new(hub.NotCachedError); errors.As(err, &missing) {
		return "", nil
	}
	return file, err
}

func profileTable(t *engine.Timing) string {
	rows := [][]string{{"layer", "op", "kernel", "ms", "share", "GMAC/s", "MB", "min ms", "bound ms"}}
	for _, l := range t.Layers {
		rate := ""
		if l.GMACs > 0 {
			rate = fmt.Sprintf("%.1f", l.GMACs)
		}
		rows = append(rows, []string{clean(l.Name), l.Op, l.Kernel, fmt.Sprintf("%.3f", l.MS), fmt.Sprintf("%.1f %%", 100*l.Share), rate,
			fmt.Sprintf("%.2f", float64(l.Bytes)/1e6), fmt.Sprintf("%.3f", l.MinMS), fmt.Sprintf("%.3f", l.BoundMS)})
	}
	return "  " + strings.ReplaceAll(strings.TrimRight(table(rows), "\n"), "\n", "\n  ") + "\n"
}
