package exec

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestTrainSmooth trains a network whose norms are followed by activations
// without kinks: the losses and the variables are those in float64, and their
// bits depend neither on the threads nor on what is fused.
func TestTrainSmooth(t *testing.T) {
	net := logitsOnly(t, 3, 33)
	for i := range net.Nodes {
		if a, ok := net.Nodes[i].Op.(graph.Activation); ok {
			switch a.Act.Kind {
			case graph.ActHSwish.Kind, graph.ActReLU6.Kind:
				net.Nodes[i].Op = graph.Activation{Act: graph.ActSwish}
			case graph.ActReLU.Kind:
				net.Nodes[i].Op = graph.Activation{Act: graph.ActSigmoid}
			}
		}
	}
	g := trainable(t, net, pass.TrainingOptions{DropPath: 0.2}, optimizers["rmsprop"])
	losses, r := referenceTrained(t, g, 3)
	for _, opt := range []Options{{Impl: "go"}, {Impl: "avx2"}, {}, {Impl: "go", fusions: 1}, {fusions: 1}} {
		name := fmt.Sprintf("kernels %q fused from %d", opt.Impl, opt.fusions)
		got, vars := trained(t, g, opt, nil, 3)
		for i, l := range got {
			if e := math.Abs(float64(l)/losses[i] - 1); !(e < 1e-5) {
				t.Errorf("%s: loss %d is %g, want %g", name, i, l, losses[i])
			}
		}
		changed, wrong := 0.0, 0.0
		for _, id := range g.Variables() {
			n := g.Node(id)
			want := r.Variable(n.Name)
			for i, v := range vars[n.Name] {
				changed += math.Pow(want[i]-float64(n.Value.Data[i]), 2)
				wrong += math.Pow(want[i]-float64(v), 2)
			}
		}
		if e := math.Sqrt(wrong / changed); !(e < 1e-4) || changed == 0 {
			t.Errorf("%s: variables changed by %g, relative error %g", name, math.Sqrt(changed), e)
		} else {
			t.Logf("%s: relative error %.2g", name, e)
		}
		for _, threads := range []int{2, 3} {
			pool := NewPool(threads)
			_, same := trained(t, g, opt, pool, 3)
			pool.Close()
			for v, x := range same {
				if !slices.Equal(x, vars[v]) {
					t.Fatalf("%s, %d threads: variable %s differs", name, threads, v)
				}
			}
		}
	}
}
