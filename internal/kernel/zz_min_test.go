package kernel_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

func TestZZMin(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	tot := map[string]time.Duration{}
	layers := v1Layers(224)
	layers = append(layers, same(1, 28, 28, 120, 120, 5, 1, 120), same(1, 14, 14, 672, 672, 5, 2, 672), same(1, 7, 7, 960, 960, 5, 1, 960), same(1, 14, 14, 72, 72, 3, 1, 72))
	v1 := map[string]time.Duration{}
	for i, f := range layers {
		if f.Groups == 1 {
			continue
		}
		s := byteShape(f, 2)
		s.Up = false; s.HasWZero, s.HasTable, s.Single, s.XPixel, s.YPixel = os.Getenv("ZZ") == "w", os.Getenv("ZZ") == "t", os.Getenv("ZZ") == "s", s.C, s.O
		runs := map[string]func(){}
		for _, k := range kernel.QConvKernels() {
			if k.Impl == "ref" || k.Impl == "go" || !k.Available() || !k.Accepts(&s) {
				continue
			}
			k := k
			if runs["q"+k.Impl] == nil {
				runs["q"+k.Impl] = newByteLayer(s, &k).run
			}
		}
		for _, k := range kernel.ConvKernels() {
			if k.Impl == "ref" || k.Impl == "go" || !k.Available() || !k.Accepts(&f) {
				continue
			}
			k := k
			if runs["f"+k.Impl] == nil {
				l := newLayer(f, &k, 1)
				runs["f"+k.Impl] = func() { l.run() }
			}
		}
		best := map[string]time.Duration{}
		for n := range 60 {
			for name, r := range runs {
				t0 := time.Now()
				r()
				d := time.Since(t0)
				if n == 0 || d < best[name] {
					best[name] = d
				}
			}
		}
		fmt.Printf("%-40s", shapeName(&f))
		for _, n := range []string{"qavx512", "qavx2", "favx512", "favx2"} {
			fmt.Printf(" %s %8.1f", n, float64(best[n].Nanoseconds())/1000)
			tot[n] += best[n]
			if i < len(v1Layers(224)) {
				v1[n] += best[n]
			}
		}
		fmt.Println()
	}
	fmt.Println("v1", v1)
}
