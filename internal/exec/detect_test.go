package exec

import (
	"context"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// boxes is a detector of 36 anchors.
func boxes(t *testing.T, batch int, regular bool) *graph.Graph {
	t.Helper()
	var b graph.Builder
	x := b.Input("image", batch, 6, 6, 3)
	head := func(name string, out int) graph.ID {
		y := b.Conv(name, x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: out, Bias: true})
		return b.Op(name+".view", graph.Reshape{Shape: tensor.Shape{0, 36, out}}, y)
	}
	anchors := &graph.Array{Shape: tensor.Shape{36, 4}}
	for i := range 36 {
		anchors.Data = append(anchors.Data, float32(i/6)/6, float32(i%6)/6, 0.3, 0.2)
	}
	box, score := head("box", 4), head("score", 5)
	id, err := b.G.AddConstant("anchors", anchors)
	if err != nil {
		t.Fatal(err)
	}
	b.Output("detections", b.Op("detections", graph.DetectionPostProcess{Classes: 4, Max: 7, PerAnchor: 2, PerClass: 5, Regular: regular,
		Overlap: 0.4, Score: -0.5, ScaleY: 10, ScaleX: 10, ScaleH: 5, ScaleW: 5}, box, score, id))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	fill(g)
	if g, err = pass.Fold(g); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestDetections: pictures of a batch get the boxes they get alone, for any
// number of threads, and a run allocates nothing.
func TestDetections(t *testing.T) {
	ctx := context.Background()
	for _, regular := range []bool{false, true} {
		var alone []float32
		for batch := 1; batch < 4; batch++ {
			p, err := Compile(boxes(t, batch, regular), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for threads := 1; threads < 3; threads++ {
				pool := NewPool(threads)
				s, err := p.NewSession(pool)
				if err != nil {
					t.Fatal(err)
				}
				if n := testing.AllocsPerRun(5, func() {
					for i, in := 0, s.Input(0); i < len(in); i++ {
						in[i] = float32((i*37+i/108*11)%29)/10 - 1
					}
					s.Run(ctx)
				}); n != 0 {
					t.Errorf("%d pictures, %d threads: %v allocations", batch, threads, n)
				}
				y := slices.Clone(s.Output(0))
				if y[5] == 0 || y[11] == 0 {
					t.Fatalf("no boxes: %v", y)
				}
				if batch == 1 {
					alone = y
				}
				if !slices.Equal(y[:len(alone)], alone) || len(y) != batch*len(alone) || batch > 1 && slices.Equal(y[len(alone):2*len(alone)], alone) {
					t.Errorf("%d pictures, %d threads, regular %v: other boxes than alone", batch, threads, regular)
				}
				pool.Close()
			}
		}
	}
}

func TestDetectionsRefused(t *testing.T) {
	good := graph.DetectionPostProcess{Classes: 4, Max: 7, PerAnchor: 2, PerClass: 5, Overlap: 0.4, ScaleY: 1, ScaleX: 1, ScaleH: 1, ScaleW: 1}
	in := []graph.Type{graph.F32(1, 9, 4), graph.F32(1, 9, 5), graph.F32(9, 4)}
	if _, err := good.Infer(in); err != nil {
		t.Fatal(err)
	}
	for i, f := range []func(d *graph.DetectionPostProcess){
		func(d *graph.DetectionPostProcess) { d.Max = 0 }, func(d *graph.DetectionPostProcess) { d.Max = 1 << 17 },
		func(d *graph.DetectionPostProcess) { d.Max, d.PerAnchor = 1<<16, 4 }, func(d *graph.DetectionPostProcess) { d.PerAnchor = 5 },
		func(d *graph.DetectionPostProcess) { d.PerClass = -1 }, func(d *graph.DetectionPostProcess) { d.Classes = 6 },
		func(d *graph.DetectionPostProcess) { d.ScaleH = 0 }, func(d *graph.DetectionPostProcess) { d.Overlap = 1.5 },
	} {
		d := good
		f(&d)
		if _, err := d.Infer(in); err == nil {
			t.Errorf("case %d: no error", i)
		}
	}
	for _, bad := range [][]graph.Type{{in[0], in[1]}, {in[0], in[1], graph.F32(8, 4)}, {graph.F32(1, 9, 5), in[1], in[2]}, {graph.F32(2, 9, 4), in[1], in[2]}} {
		if _, err := good.Infer(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}
