package pass

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Channels is what was seen of a value, channel by channel.
type Channels struct {
	Mean   []float64
	Lo, Hi []float32
}

// Equalize scales the channels between two convolutions so that the weights
// before and after them, and with them the values, use their ranges alike
// (Nagel et al., arXiv 1906.04721): a row of the first is divided by what the
// columns of the second are multiplied with, which the linear function and ReLU
// between them let through. A depthwise convolution in between is equalized
// with both its neighbours.
//
// Activations with an upper bound let it through only where the bound was never
// reached, before or after scaling: seen, from Folder.Bounds' graph and by
// names, tells. What is not in seen is left alone. It returns the graph and
// the number of pairs; the network computes the same function, as far as seen
// holds.
func Equalize(g *graph.Graph, seen map[string]*Channels) (*graph.Graph, int) {
	e := &equalizer{g: g, uses: g.Uses(), seen: seen, w: make(map[graph.ID][]float32), hi: make(map[graph.ID][]float32)}
	var pairs [][2]graph.ID
	for i := range g.Nodes {
		if p, ok := e.pair(graph.ID(i)); ok {
			pairs = append(pairs, p)
		}
	}
	// Pairs that share a convolution pull at each other: some rounds settle it.
	for range equalizeRounds {
		for _, p := range pairs {
			e.level(p[0], p[1])
		}
	}
	out := *g
	out.Nodes = append([]graph.Node(nil), g.Nodes...)
	for id, w := range e.w {
		shape := g.Node(id).Type.Shape
		out.Nodes[id].Value = &graph.Array{Shape: shape, Data: w}
	}
	return &out, len(pairs)
}

const equalizeRounds = 10

type equalizer struct {
	g    *graph.Graph
	uses []int
	seen map[string]*Channels
	w    map[graph.ID][]float32 // changed weights and biases, by constant
	hi   map[graph.ID][]float32 // the highest elements of a value's channels now
}

// pair finds the convolution whose result a convolution alone reads.
func (e *equalizer) pair(second graph.ID) (p [2]graph.ID, ok bool) {
	n := e.g.Node(second)
	c, conv := n.Op.(graph.Conv2D)
	if !conv || c.Scale || e.uses[n.In[0]] != 1 {
		return p, false
	}
	first := n.In[0]
	f := e.g.Node(first)
	d, conv := f.Op.(graph.Conv2D)
	if !conv || d.Residual || !scalable(d.Act) || e.seen[f.Name] == nil {
		return p, false
	}
	depthwise := func(c graph.Conv2D, id graph.ID) bool { return c.Depthwise(e.g.InTypes(id)) }
	for _, w := range []struct {
		c  graph.Conv2D
		id graph.ID
	}{{c, second}, {d, first}} {
		if w.c.GroupCount() > 1 && !depthwise(w.c, w.id) {
			return p, false
		}
		for k, in := range e.g.Node(w.id).In[1:] {
			if _, constant := e.g.Node(in).Op.(graph.Constant); !constant || e.uses[in] != 1 || k > 1 {
				return p, false
			}
		}
	}
	// A depthwise convolution with several outputs an input.
	if s := e.g.Node(n.In[1]).Type.Shape; depthwise(c, second) && s[0] != c.GroupCount() {
		return p, false
	}
	return [2]graph.ID{first, second}, true
}

// scalable reports whether f(s*x) = s*f(x) for positive s, below its bound.
func scalable(a graph.Act) bool {
	switch a.Kind {
	case graph.Linear, graph.ReLU, graph.ReLU6:
		return true
	case graph.Clip:
		return a.A <= 0 && a.B >= 0
	}
	return false
}

func (e *equalizer) values(id graph.ID) []float32 {
	if e.w[id] == nil {
		e.w[id] = append([]float32(nil), e.g.Node(id).Value.Values(nil)...)
	}
	return e.w[id]
}

// level scales the channels between two convolutions once.
func (e *equalizer) level(first, second graph.ID) {
	f, s := e.g.Node(first), e.g.Node(second)
	w1, w2 := e.values(f.In[1]), e.values(s.In[1])
	shape1, shape2 := e.g.Node(f.In[1]).Type.Shape, e.g.Node(s.In[1]).Type.Shape
	channels := shape1[0]
	per := len(w1) / channels
	column := newColumns(shape2, channels)
	var bias []float32
	if len(f.In) > 2 {
		bias = e.values(f.In[2])
	}
	lo, hi := cuts(f.Op.(graph.Conv2D).Act)
	seen := e.seen[f.Name]
	top := e.hi[first]
	if top == nil {
		top = make([]float32, 2*channels)
		copy(top, seen.Hi)
		copy(top[channels:], seen.Lo)
		e.hi[first] = top
	}
	for c := range channels {
		row := w1[c*per : (c+1)*per]
		r1, r2 := greatest(row), column.greatest(w2, c)
		if r1 == 0 || r2 == 0 {
			continue
		}
		// Both rows become sqrt(r1*r2): the first is divided by by.
		by := math.Sqrt(float64(r1) / float64(r2))
		up, down := float64(top[c]), float64(top[channels+c])
		// A bound that was reached pins the channel; one that was not must not
		// be reached, by a margin, afterwards.
		if reached(up, hi) || reached(-down, -lo) {
			continue
		}
		if !math.IsInf(hi, 1) && up > 0 {
			by = math.Max(by, up/(hi*boundMargin))
		}
		if !math.IsInf(lo, -1) && lo < 0 && down < 0 {
			by = math.Max(by, down/(lo*boundMargin))
		}
		by = math.Min(math.Max(by, 1.0/maxScaling), maxScaling)
		scale32(row, 1/by)
		if bias != nil {
			bias[c] = float32(float64(bias[c]) / by)
		}
		column.scale(w2, c, by)
		top[c], top[channels+c] = float32(up/by), float32(down/by)
	}
}

// boundMargin is how much of the room below a bound may be used by what was
// seen; the rest is for what was not.
const boundMargin = 0.75

// maxScaling bounds one step, so that channels that are next to nothing do not
// run away.
const maxScaling = 1 << 10

// reached reports a channel that its bound has cut, or is about to.
func reached(v, bound float64) bool {
	return bound > 0 && !math.IsInf(bound, 1) && v > bound*boundMargin
}

// cuts is what an activation cuts at; a lower bound of 0 cuts nothing that
// scales.
func cuts(a graph.Act) (lo, hi float64) {
	switch a.Kind {
	case graph.ReLU:
		return 0, math.Inf(1)
	case graph.ReLU6:
		return 0, 6
	case graph.Clip:
		return float64(a.A), float64(a.B)
	}
	return math.Inf(-1), math.Inf(1)
}

func greatest(w []float32) float32 {
	var m float32
	for _, v := range w {
		m = max(m, abs32(v))
	}
	return m
}

func scale32(w []float32, by float64) {
	for i, v := range w {
		w[i] = float32(float64(v) * by)
	}
}

// columns are the weights of a convolution that read one input channel.
type columns struct {
	outs, inner, step, offset int
}

func newColumns(shape tensor.Shape, channels int) columns {
	inner := shape[2] * shape[3]
	if shape[1] == 1 && shape[0] == channels { // depthwise: the channel's own row
		return columns{outs: 1, inner: inner, step: 0, offset: inner}
	}
	return columns{outs: shape[0], inner: inner, step: shape[1] * inner, offset: inner}
}

func (k columns) each(w []float32, c int, f func(part []float32)) {
	for o := range k.outs {
		at := o*k.step + c*k.offset
		f(w[at : at+k.inner])
	}
}

func (k columns) greatest(w []float32, c int) float32 {
	var m float32
	k.each(w, c, func(part []float32) { m = max(m, greatest(part)) })
	return m
}

func (k columns) scale(w []float32, c int, by float64) {
	k.each(w, c, func(part []float32) { scale32(part, by) })
}
