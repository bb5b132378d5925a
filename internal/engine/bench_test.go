package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// BenchmarkInfer times whole networks on generated weights, one picture of
// 224 x 224, from a filled input to the logits.
func BenchmarkInfer(b *testing.B) {
	for _, name := range []string{"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"} {
		for _, threads := range []int{1, 2} {
			for _, impl := range cpu.Present()[1:] {
				b.Run(fmt.Sprintf("model=%s/threads=%d/impl=%s", name, threads, impl), func(b *testing.B) {
					benchInfer(b, name, threads, impl)
				})
			}
		}
	}
}

func benchInfer(b *testing.B, name string, threads int, impl string) {
	net, err := arch.New(name, arch.Options{})
	if err != nil {
		b.Fatal(err)
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	testkit.Fill(g)
	folded, err := pass.Fold(g)
	if err != nil {
		b.Fatal(err)
	}
	p, err := exec.Compile(folded, exec.Options{Impl: impl})
	if err != nil {
		b.Fatal(err)
	}
	pool := exec.NewPool(threads)
	defer pool.Close()
	s, err := p.NewSession(pool)
	if err != nil {
		b.Fatal(err)
	}
	in := testkit.Input(224, 224)
	ctx := context.Background()
	// Once before counting, so that the workers and their scratch exist.
	if err := s.Run(ctx); err != nil {
		b.Fatal(err)
	}
	times := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		copy(s.Input(0), in)
		if err := s.Run(ctx); err != nil {
			b.Fatal(err)
		}
		if len(times) < cap(times) {
			times = append(times, time.Since(start))
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[0])/1e6, "min-ms")
	b.ReportMetric(float64(times[len(times)/2])/1e6, "median-ms")
	b.ReportMetric(float64(g.Cost().MAdds)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
	b.ReportMetric(float64(p.Plan().Bytes(4))/(1<<20), "arena-MiB")
}
