package exec

import (
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// chainNets are networks with every kind of chain, folded: stems, strides,
// residuals, 5x5 kernels, squeeze-and-excite in between, odd extents.
func chainNets(t *testing.T) map[string]*graph.Graph {
	t.Helper()
	out := map[string]*graph.Graph{}
	for _, n := range []struct {
		name string
		h, w int
	}{{"mobilenet_v1", 96, 70}, {"mobilenet_v2", 97, 64}, {"mobilenet_v3_large", 64, 96}, {"mobilenet_v3_small", 75, 99}} {
		net, err := arch.New(n.name, arch.Options{Width: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		g, err := net.Graph(2, n.h, n.w)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Fill(g)
		folded, err := pass.Fold(g)
		if err != nil {
			t.Fatal(err)
		}
		out[n.name] = folded
	}
	return out
}

// TestChainsKeepBits runs networks with every chain there is and with none, by
// any number of threads.
func TestChainsKeepBits(t *testing.T) {
	for name, g := range chainNets(t) {
		s := g.Node(g.Inputs[0]).Type.Shape
		in := noise(s.Len())
		for _, impl := range cpu.Present()[1:] {
			chains := findChains(g, impl, 1)
			// A limit allows everything before it as well.
			vector := slices.ContainsFunc(kernel.ConvKernels(), func(k kernel.ConvKernel) bool {
				return cpu.Rung(k.Impl) > cpu.Rung("go") && cpu.Rung(k.Impl) <= cpu.Rung(impl) && k.Available()
			})
			if vector != (len(chains) > 0) {
				t.Errorf("%s, kernels %s: %d chains", name, impl, len(chains))
			}
			want := run(t, g, Options{Impl: impl, chains: -1}, NewPool(1), in)
			counts := []int{1, 2, 3, 8}
			if testing.Short() && !vector {
				counts = counts[2:3] // nothing is chained: the same program again
			} else if testing.Short() {
				counts = counts[1:]
			}
			for _, threads := range counts {
				pool := NewPool(threads)
				got := run(t, g, Options{Impl: impl, chains: 1}, pool, in)
				pool.Close()
				for i := range want {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("%s, kernels %s, %d threads: output %d is not the same with chains", name, impl, threads, i)
					}
				}
			}
		}
	}
}

// TestChainsOfOneUse checks that nothing disappears into a chain that someone
// else reads.
func TestChainsOfOneUse(t *testing.T) {
	for name, g := range chainNets(t) {
		for _, c := range findChains(g, "", 1) {
			for i, id := range c[:len(c)-1] {
				uses := 0
				for j := range g.Nodes {
					for _, in := range g.Nodes[j].In {
						if in == id {
							uses++
						}
					}
				}
				for _, o := range g.Outputs {
					if o.ID == id {
						uses += 2
					}
				}
				if uses != 1 || g.Nodes[c[i+1]].In[0] != id {
					t.Errorf("%s: %q is inside of a chain and has %d uses", name, g.Node(id).Name, uses)
				}
			}
		}
	}
}
