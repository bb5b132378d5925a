package engine

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Peak measures, in 10^9 multiply-adds a second, what the kernels reach on as
// many threads when nothing but arithmetic limits them: a chain of pointwise
// products of a picture so small that all data stay in the nearest caches, of
// whole tiles and many inputs.
func Peak(ctx context.Context, threads int, kernels, precision string) (float64, error) {
	var b graph.Builder
	const h, w, channels, depth = 7, 8, 128, 12
	// One picture a thread, so that every thread works on its own data.
	x := b.Input("input", max(threads, 1), h, w, channels)
	for i := range depth {
		x = b.Conv(fmt.Sprintf("product%d", i), x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: channels})
	}
	b.Output("output", x)
	if precision == string(exec.INT8) {
		g, err := b.Graph()
		if err != nil {
			return 0, err
		}
		ints, err := integers(g)
		if err != nil {
			return 0, err
		}
		return rateOf(ctx, ints, threads, kernels, "", float64(ints.Cost().MAdds))
	}
	return rate(ctx, &b, threads, kernels, precision, func(g *graph.Graph) float64 { return float64(g.Cost().MAdds) })
}

// Bandwidth measures, in 10^9 bytes a second, how fast as many threads read
// weights that are used once: a matrix-vector product of 16 MiB, the size of a
// network's weights.
func Bandwidth(ctx context.Context, threads int, kernels string) (float64, error) {
	var b graph.Builder
	const in, out = 1024, 4096
	x := b.Input("input", 1, 1, 1, in)
	b.Output("output", b.Conv("product", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: out}))
	return rate(ctx, &b, threads, kernels, "", func(*graph.Graph) float64 { return 4 * in * out })
}

// Roofline sets what each layer of a profile needs at least, with the peak and
// the bandwidth in 10^9 a second.
func (t *Timing) Roofline(peak, bandwidth float64) {
	for i := range t.Layers {
		l := &t.Layers[i]
		l.BoundMS = max(float64(l.MAdds)/peak, float64(l.Bytes)/bandwidth) / 1e6
	}
}

// rate runs a graph of products for a tenth of a second and gives the best
// rate, in 10^9 a second, of what work counts.
func rate(ctx context.Context, b *graph.Builder, threads int, kernels, precision string, work func(*graph.Graph) float64) (float64, error) {
	g, err := b.Graph()
	if err != nil {
		return 0, err
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = &graph.Array{Shape: n.Type.Shape, Data: make([]float32, n.Type.Shape.Len())}
		for i := range n.Value.Data {
			n.Value.Data[i] = 1 / float32(n.Type.Shape[1])
		}
	}
	return rateOf(ctx, g, threads, kernels, precision, work(g))
}

// integers is a chain of convolutions with those of bytes in their place.
func integers(g *graph.Graph) (*graph.Graph, error) {
	out := &graph.Graph{}
	s := graph.Whole(tensor.U8, 1, 0)
	in := g.Node(g.Inputs[0])
	x, err := out.AddInput(in.Name, in.Type)
	if err != nil {
		return nil, err
	}
	if x, err = out.Add("bytes", graph.FromPixels{Stored: s}, x); err != nil {
		return nil, err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		op, ok := n.Op.(graph.Conv2D)
		if !ok {
			continue
		}
		shape := g.Node(n.In[1]).Type.Shape
		w, err := out.AddIntegers(n.Name+".weight", graph.Type{DType: tensor.I8, Shape: shape, Quant: graph.PerTensor(1/float32(shape[1]), 0)},
			&graph.Array{Shape: shape, Bytes: bytes.Repeat([]byte{1}, shape.Len())})
		if err != nil {
			return nil, err
		}
		if x, err = out.Add(n.Name, graph.QConv2D{Window: op.Window, Stored: s, Rounding: graph.UpwardRounding}, x, w); err != nil {
			return nil, err
		}
	}
	if x, err = out.Add("real", graph.Dequantize{}, x); err != nil {
		return nil, err
	}
	return out, out.SetOutput("output", x)
}

// rateOf runs a graph and gives work by the time of its fastest run.
func rateOf(ctx context.Context, g *graph.Graph, threads int, kernels, precision string, work float64) (float64, error) {
	p, err := exec.Compile(g, exec.Options{Impl: kernels, Precision: exec.Precision(precision)})
	if err != nil {
		return 0, err
	}
	pool := exec.NewPool(threads)
	defer pool.Close()
	s, err := p.NewSession(pool)
	if err != nil {
		return 0, err
	}
	best := math.Inf(1)
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		for i := range s.Input(0) {
			s.Input(0)[i] = 1
		}
		begin := time.Now()
		if err := s.Run(ctx); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begin).Seconds())
	}
	return work / best / 1e9, nil
}
