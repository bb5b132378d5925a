package exec

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// BenchmarkTrain measures steps of SGD with momentum, batch 32 at 96 x 96, and
// logs where the time goes.
func BenchmarkTrain(b *testing.B) {
	for _, name := range []string{"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"} {
		b.Run(name, func(b *testing.B) {
			net, err := arch.New(name, arch.Options{Dialect: "torchvision"})
			if err != nil {
				b.Fatal(err)
			}
			plain, err := net.Graph(32, 96, 96)
			if err != nil {
				b.Fatal(err)
			}
			testkit.Fill(plain)
			g := trainable(b, plain, pass.TrainingOptions{}, optimizers["sgd"])
			p, err := CompileTrain(g, Options{})
			if err != nil {
				b.Fatal(err)
			}
			state, err := NewState(g)
			if err != nil {
				b.Fatal(err)
			}
			pool := NewPool(2)
			defer pool.Close()
			s, err := p.NewSession(pool, state)
			if err != nil {
				b.Fatal(err)
			}
			for i, x := range feed(g, 0) {
				copy(s.Input(i), x)
			}
			steps := p.Steps()
			s.Times = make([]time.Duration, len(steps))
			for b.Loop() {
				if err := s.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(p.Bytes())/(1<<20), "MiB")
			byKind := make(map[string]time.Duration)
			var total time.Duration
			for i, d := range s.Times {
				byKind[steps[i].Op+" "+steps[i].Kernel] += d
				total += d
			}
			var lines []string
			for k := range byKind {
				lines = append(lines, k)
			}
			slices.SortFunc(lines, func(x, y string) int { return cmp.Compare(byKind[y], byKind[x]) })
			out := ""
			for _, k := range lines[:min(14, len(lines))] {
				out += fmt.Sprintf("\n%5.1f %% %s", 100*float64(byKind[k])/float64(total), k)
			}
			b.Log(out)
		})
	}
}
