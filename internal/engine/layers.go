package engine

import (
	"context"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
)

// layerRef is a convolution of the folded graph.
type layerRef struct {
	name  string
	shape tensor.Shape
}

// layers lists the convolutions of the inference graph, in order.
func (m *Model) layers() ([]layerRef, error) {
	g, err := m.run.folded(Shape{Batch: 1, H: m.Info.H, W: m.Info.W})
	if err != nil {
		return nil, err
	}
	var out []layerRef
	for i := range g.Nodes {
		if _, ok := g.Nodes[i].Op.(graph.Conv2D); ok {
			out = append(out, layerRef{g.Nodes[i].Name, g.Nodes[i].Type.Shape})
		}
	}
	return out, nil
}

// layerValues runs the inference graph with every convolution as an output.
// Nothing is folded differently from a plain run, so the values are those of
// one.
func (m *Model) layerValues(ctx context.Context, layers []layerRef, pic *transform.Image, cropped bool) ([][]float32, error) {
	g, err := m.run.folded(Shape{Batch: 1, H: m.Info.H, W: m.Info.W})
	if err != nil {
		return nil, err
	}
	tapped := *g
	tapped.Outputs = nil
	for _, l := range layers {
		id, _ := g.Lookup(l.name)
		if err := tapped.SetOutput(l.name, id); err != nil {
			return nil, err
		}
	}
	p, err := exec.Compile(&tapped, exec.Options{Impl: m.run.impl, Precision: m.run.precision, Packs: &m.run.packs})
	if err != nil {
		return nil, err
	}
	s, err := p.NewSession(m.run.pool)
	if err != nil {
		return nil, err
	}
	pipe, err := transform.NewPipeline(m.Info.Recipe)
	if err != nil {
		return nil, err
	}
	apply := pipe.Apply
	if cropped {
		apply = pipe.ApplyCropped
	}
	if err := apply(pic, s.Input(0)); err != nil {
		return nil, err
	}
	if err := s.Run(ctx); err != nil {
		return nil, err
	}
	out := make([][]float32, len(layers))
	for i := range layers {
		out[i] = slices.Clone(s.Output(i))
	}
	return out, nil
}

// variant is the model with another recipe or a changed graph. It shares the
// arrays and the workers, so it needs no Close.
func (m *Model) variant(recipe transform.Recipe, change func(*graph.Graph) (*graph.Graph, error)) *Model {
	v := &Model{Info: m.Info, net: m.net}
	v.Info.Recipe = recipe
	v.run.name, v.run.impl, v.run.pool = m.run.name, m.run.impl, m.run.pool
	v.run.build = m.run.build
	if change != nil {
		v.run.build = func(batch, h, w int) (*graph.Graph, error) {
			g, err := m.run.build(batch, h, w)
			if err != nil {
				return nil, err
			}
			return change(g)
		}
	}
	return v
}

// otherPadding swaps the two ways of padding a window, TensorFlow's SAME and
// PyTorch's symmetric one. It returns nil where no window is padded.
func otherPadding(g *graph.Graph) (*graph.Graph, error) {
	return rewrite(g, func(op graph.Op) graph.Op {
		switch op := op.(type) {
		case graph.Conv2D:
			op.Window = swapPadding(op.Window)
			return op
		case graph.Pool:
			op.Window = swapPadding(op.Window)
			return op
		}
		return op
	})
}

func swapPadding(w graph.Window) graph.Window {
	w = w.Normal()
	p := w.Pad
	symmetric := !p.Same && p.Top == p.Bottom && p.Left == p.Right
	switch {
	case w.KH == 1 && w.KW == 1:
	case symmetric && p.Top == 0 && p.Left == 0:
	case symmetric:
		w.Pad = graph.SamePadding
	default: // SAME, or written out one-sided as imported files have it
		h, v := (w.KH-1)/2*w.DilationH, (w.KW-1)/2*w.DilationW
		w.Pad = graph.Padding{Top: h, Bottom: h, Left: v, Right: v}
	}
	return w
}

// withEpsilon sets the epsilon of every batch norm.
func withEpsilon(eps float64) func(*graph.Graph) (*graph.Graph, error) {
	return func(g *graph.Graph) (*graph.Graph, error) {
		return rewrite(g, func(op graph.Op) graph.Op {
			if bn, ok := op.(graph.BatchNorm); ok {
				bn.Epsilon = eps
				return bn
			}
			return op
		})
	}
}

// epsilons lists the different epsilons of a graph's batch norms.
func epsilons(g *graph.Graph) []float64 {
	var out []float64
	for i := range g.Nodes {
		if bn, ok := g.Nodes[i].Op.(graph.BatchNorm); ok && !slices.Contains(out, bn.Epsilon) {
			out = append(out, bn.Epsilon)
		}
	}
	return out
}

// rewrite is the graph with every operation replaced, shapes inferred anew.
func rewrite(g *graph.Graph, change func(graph.Op) graph.Op) (*graph.Graph, error) {
	s := g.Node(g.Inputs[0]).Type.Shape
	changed := *g
	changed.Nodes = slices.Clone(g.Nodes)
	for i := range changed.Nodes {
		changed.Nodes[i].Op = change(changed.Nodes[i].Op)
	}
	return changed.Resize(s[0], s[1], s[2])
}
