package pass

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Lower turns what QuantizeAware made into the integer graph that computes the
// same, with the ranges and the weights that the variables hold. Of the
// options, Float, which must be what QuantizeAware was given, and Rounding
// count.
func Lower(g *graph.Graph, opt QuantizeOptions) (*graph.Graph, error) {
	plain, found, err := strip(g, true)
	if err != nil {
		return nil, err
	}
	opt.Ranges, opt.WeightScales = found.Ranges, found.WeightScales
	return Quantize(plain, opt)
}

// Unrounded takes fake quantization out of a graph, whose weights become
// constants as they are, and gives the ranges and scales that it rounds by as
// options for Quantize.
func Unrounded(g *graph.Graph) (*graph.Graph, QuantizeOptions, error) { return strip(g, false) }

// FakeQuantized reports a graph that rounds as integers would.
func FakeQuantized(g *graph.Graph) bool {
	for i := range g.Nodes {
		switch g.Nodes[i].Op.(type) {
		case graph.FakeQuant, graph.FakeQuantWeight:
			return true
		}
	}
	return false
}

// strip is Unrounded; with round the weights are those that were rounded to.
func strip(g *graph.Graph, round bool) (*graph.Graph, QuantizeOptions, error) {
	opt := QuantizeOptions{Ranges: make(map[string]Range), WeightScales: make(map[string][]float32)}
	a := &adder{g: &graph.Graph{}}
	to := nones(len(g.Nodes))
	live := reachable(withoutRanges(g))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if !live[i] {
			continue
		}
		in := make([]graph.ID, len(n.In))
		for k, x := range n.In {
			in[k] = to[x]
		}
		switch n.Op.(type) {
		case graph.Input:
			to[i] = a.keep(a.g.AddInput(n.Name, n.Type))
		case graph.Variable, graph.Constant:
			v, err := array(n)
			if err != nil {
				return nil, opt, err
			}
			to[i] = a.keep(a.g.AddConstant(n.Name, v))
		case graph.FakeQuant:
			to[i] = in[0]
			r, err := rangeOf(g, n.In[1])
			if err != nil {
				return nil, opt, err
			}
			opt.Ranges[g.Node(n.In[0]).Name] = r
		case graph.FakeQuantWeight:
			w := g.Node(n.In[0])
			v, err := array(w)
			if err != nil {
				return nil, opt, err
			}
			rounded := v
			if round {
				rounded, _ = roundWeights(v)
			}
			to[i] = a.keep(a.g.AddConstant(fresh(a.g, w.Name), rounded))
		default:
			to[i] = a.op(n.Name, n.Op, in...)
			if _, conv := n.Op.(graph.Conv2D); conv {
				if w := g.Node(n.In[1]); len(w.In) > 0 {
					v := g.Node(w.In[0]).Value
					_, opt.WeightScales[n.Name] = roundWeights(v)
				}
			}
		}
		if a.err != nil {
			return nil, opt, fmt.Errorf("lower: %w", a.err)
		}
	}
	for _, o := range g.Outputs {
		if err := a.g.SetOutput(o.Name, to[o.ID]); err != nil {
			return nil, opt, err
		}
	}
	return a.g, opt, nil
}

// withoutRanges is a graph whose FakeQuants read no ranges and whose
// FakeQuantWeights read nothing, to tell what is left without them.
func withoutRanges(g *graph.Graph) *graph.Graph {
	out := *g
	out.Nodes = append([]graph.Node(nil), g.Nodes...)
	for i := range out.Nodes {
		if n := &out.Nodes[i]; len(n.In) > 1 {
			if _, ok := n.Op.(graph.FakeQuant); ok {
				n.In = n.In[:1]
			}
		} else if _, ok := n.Op.(graph.FakeQuantWeight); ok {
			n.In = nil
		}
	}
	return &out
}

// roundWeights is what FakeQuantWeight makes of weights, with their scales: the
// arithmetic of ref.FakeQuantWeight in float32. A scale of 0 stands for one that
// does not matter.
func roundWeights(a *graph.Array) (*graph.Array, []float32) {
	w := a.Values(nil)
	outs := a.Shape[0]
	per := len(w) / max(outs, 1)
	out, scales := make([]float32, len(w)), make([]float32, outs)
	for o := range outs {
		x, y := w[o*per:][:per], out[o*per:][:per]
		var top float32
		for _, v := range x {
			top = max(top, abs32(v))
		}
		scale := top / 127
		inv := 1 / scale
		if float64(inv) > math.MaxFloat32 {
			continue // all round to 0
		}
		scales[o] = scale
		for i, v := range x {
			y[i] = float32(math.RoundToEven(float64(v*inv))+0) * scale
		}
	}
	return &graph.Array{Shape: a.Shape, Data: out}, scales
}
