package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestSameBits runs whole networks by every instruction set of this machine:
// neither 1, 2, 3 or 8 threads nor a batch of 1 or 7 change a bit. The vector
// kernels run at the size that makes chains of layers; slower rungs run
// smaller networks.
func TestSameBits(t *testing.T) {
	nets := []struct {
		name string
		opt  arch.Options
	}{
		{"mobilenet_v1", arch.Options{}},
		{"mobilenet_v2", arch.Options{}},
		{"mobilenet_v3_large", arch.Options{}},
		{"mobilenet_v3_small", arch.Options{}},
		{"mobilenet_edgetpu", arch.Options{Width: 0.5}},
	}
	for _, impl := range cpu.Present() {
		for _, n := range nets {
			switch {
			case impl == "ref" && testing.Short():
				continue
			case impl == "ref":
				n.opt.Width, n.opt.Resolution, n.opt.Classes = 0.35, 32, 10
			case impl == "go" || testing.Short():
				n.opt.Width, n.opt.Resolution = 0.5, 96
			}
			if n.name == "mobilenet_v1" && n.opt.Width == 0.35 {
				n.opt.Width = 0.25
			}
			t.Run(impl+"/"+n.name, func(t *testing.T) { sameBits(t, impl, n.name, n.opt) })
		}
	}
}

func sameBits(t *testing.T, impl, name string, o arch.Options) {
	const batch = 7
	net, err := arch.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	res := net.Options.Resolution
	g, err := net.Graph(1, res, res)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(g)
	one, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	all, err := one.Resize(batch, res, res)
	if err != nil {
		t.Fatal(err)
	}
	packs := &exec.Packs{}
	compile := func(g *graph.Graph) *exec.Program {
		p, err := exec.Compile(g, exec.Options{Impl: impl, Packs: packs})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(p *exec.Program, threads int, in []float32) []float32 {
		pool := exec.NewPool(threads)
		defer pool.Close()
		s, err := p.NewSession(pool)
		if err != nil {
			t.Fatal(err)
		}
		var out []float32
		// Twice: the second run finds the arena as the first has left it.
		for range 2 {
			copy(s.Input(0), in)
			if err := s.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			again := slices.Clone(s.Output(0))
			if out != nil && !slices.Equal(out, again) {
				t.Errorf("%d threads: a second run differs", threads)
			}
			out = again
		}
		return out
	}
	in := make([]float32, 0, batch*res*res*3)
	for i := range batch {
		for _, v := range testkit.Input(res, res) {
			in = append(in, v*(1-0.1*float32(i)))
		}
	}
	many, single := compile(all), compile(one)
	want := run(many, 1, in)
	if slices.Equal(want[:len(want)/batch], want[len(want)/batch:2*len(want)/batch]) {
		t.Error("two different pictures have the same scores: the test sees nothing")
	}
	for _, threads := range []int{2, 3, 8} {
		if got := run(many, threads, in); !slices.Equal(got, want) {
			t.Errorf("%d threads change the scores of a batch of %d", threads, batch)
		}
	}
	per, classes := res*res*3, len(want)/batch
	for i := range batch {
		pic, scores := in[i*per:][:per], want[i*classes:][:classes]
		if got := run(single, 1+i, pic); !slices.Equal(got, scores) {
			t.Errorf("picture %d alone, on %d threads, differs from the batch", i, 1+i)
		}
	}
	for _, threads := range []int{1, 2, 3, 8} {
		if got := run(single, threads, in[:per]); !slices.Equal(got, want[:classes]) {
			t.Errorf("a picture alone on %d threads differs from the batch", threads)
		}
	}
}
