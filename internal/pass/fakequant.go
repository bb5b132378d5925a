package pass

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// QuantizeAware makes of an inference graph, folded with Folder.Bounds, one
// that rounds as the integer graph will that Quantize makes of it: a FakeQuant
// for every value that becomes integers, with the same parameters, and a
// FakeQuantWeight for the weights of every convolution. Its weights and biases
// are variables, and so are the ranges, named after their value with ".range",
// whose first values are opt.Ranges or nothing but 0. Training keeps the ranges
// up to date; Lower makes the integer graph. Of the options, Float and Ranges
// count.
//
// Batch norms are folded before, not while training. What is rounded is then
// what the integer graph multiplies by, the bias is the one that is added in
// 32 bits, and the ranges are those of values that exist in both: the rounding
// graph and the integer graph compute the same but for the last bit. Folding
// with the statistics of the batch rounds other weights at each step than those
// that are used in the end.
func QuantizeAware(g *graph.Graph, opt QuantizeOptions) (*graph.Graph, error) {
	a := &aware{
		quantizer: newQuantizer(g, opt), rounded: nones(len(g.Nodes)), ranges: nones(len(g.Nodes)),
		groups: make(map[graph.ID][]graph.ID), roles: make(map[graph.ID]graph.Role),
	}
	a.plan()
	a.root = a.quantizer.groups()
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		if !a.live[i] {
			continue
		}
		if op, ok := n.Op.(graph.Conv2D); ok {
			a.roles[n.In[1]] = graph.Weight
			if bias, _, _ := op.Operands(); bias >= 0 {
				a.roles[n.In[bias]] = graph.Bias
			}
		}
		if a.measured(id) {
			at := a.root(id)
			a.groups[at] = append(a.groups[at], id)
		}
	}
	for i := range g.Nodes {
		if a.live[i] && a.err == nil {
			a.emit(graph.ID(i))
		}
	}
	for _, o := range g.Outputs {
		id := a.read(o.ID, a.integer[o.ID] && !isInput(g, o.ID))
		if a.err == nil {
			a.err = a.g.SetOutput(o.Name, id)
		}
	}
	if a.err != nil {
		return nil, fmt.Errorf("quantize: %w", a.err)
	}
	return a.g, nil
}

// aware builds the graph with fake quantization. reals holds every value before
// it is rounded, rounded after; ranges is the variable of a value's range.
type aware struct {
	*quantizer
	rounded, ranges []graph.ID
	root            func(graph.ID) graph.ID
	groups          map[graph.ID][]graph.ID // values of one scale that have ranges
	roles           map[graph.ID]graph.Role
}

func isInput(g *graph.Graph, id graph.ID) bool {
	_, ok := g.Nodes[id].Op.(graph.Input)
	return ok
}

// rounds reports a value that is rounded when it is stored.
func (a *aware) rounds(id graph.ID) bool {
	n := a.src.Node(id)
	if a.constant(id) {
		return false
	}
	if _, absorbed := a.tail[id]; absorbed {
		return false
	}
	if !a.integer[id] || isInput(a.src, id) {
		return a.needsStore(id)
	}
	switch n.Op.(type) {
	case graph.Resize2D, graph.Pool:
		return true
	case graph.Concat, graph.Reshape, graph.Transpose, graph.Pad2D:
		for _, in := range n.In {
			if _, fixed := a.fixedStore(in); fixed {
				return true // brought to another scale
			}
		}
		return false
	}
	return true
}

// measured reports a value that is rounded by a range of its own.
func (a *aware) measured(id graph.ID) bool {
	_, fixed := a.store(id)
	return !fixed && a.rounds(id)
}

// store is how a value is stored where that is not free. Gates are: their sum
// within is stored in steps of 6/255, so that a narrower range has no finer
// steps.
func (a *aware) store(id graph.ID) (graph.Stored, bool) {
	if act, ok := a.src.Node(id).Op.(graph.Activation); ok && a.integer[id] {
		switch act.Act.Kind {
		case graph.HSigmoid, graph.HardSigmoid:
			r, _ := a.bounded(a.src.Node(id))
			return storedRange(r), true
		}
	}
	return a.fixedStore(id)
}

func (a *aware) emit(id graph.ID) {
	n := a.src.Node(id)
	switch op := n.Op.(type) {
	case graph.Constant:
		role, trained := a.roles[id]
		if !trained {
			a.reals[id] = a.keep(a.g.AddConstant(n.Name, n.Value))
			return
		}
		a.reals[id] = a.keep(a.g.AddVariable(n.Name, role, n.Type.Shape...))
		if a.err == nil {
			a.g.Node(a.reals[id]).Value = &graph.Array{Shape: n.Value.Shape, Data: n.Value.Values(nil)}
		}
		return
	case graph.Input:
		a.reals[id] = a.keep(a.g.AddInput(n.Name, n.Type))
		return
	case graph.Variable:
		a.fail("variable %q: fold the graph first", n.Name)
		return
	case graph.Activation:
		if op.Act.Kind == graph.Swish && a.integer[id] {
			a.swish(id, n)
			return
		}
	}
	in := make([]graph.ID, len(n.In))
	for i, src := range n.In {
		in[i] = a.read(src, a.integer[id])
	}
	if _, conv := n.Op.(graph.Conv2D); conv && a.integer[id] {
		in[1] = a.op(n.Name+".weight.rounded", graph.FakeQuantWeight{}, a.reals[n.In[1]])
	}
	a.reals[id] = a.op(n.Name, n.Op, in...)
}

// swish is computed as integers compute it: from a sigmoid that is stored.
func (a *aware) swish(id graph.ID, n *graph.Node) {
	x := a.read(n.In[0], true)
	gate := a.op(n.Name+".gate", graph.Activation{Act: graph.ActSigmoid}, x)
	gate = a.op(n.Name+".gate.rounded", graph.FakeQuant{}, gate, a.constantRange(n.Name+".gate.range", unit))
	a.reals[id] = a.op(n.Name, graph.Binary{Fn: graph.Mul}, x, gate)
}

// read is a value as others read it: in integers as it is stored.
func (a *aware) read(id graph.ID, integers bool) graph.ID {
	n := a.src.Node(id)
	if _, leaf := a.roles[id]; leaf || a.err != nil {
		return a.reals[id]
	}
	own := a.integer[id] && !isInput(a.src, id)
	if !own && !integers {
		return a.reals[id]
	}
	if a.rounded[id] == graph.None {
		switch {
		case a.constant(id):
			a.rounded[id] = a.constantOperand(n)
		case a.rounds(id):
			a.rounded[id] = a.op(n.Name+".rounded", graph.FakeQuant{}, a.reals[id], a.rangeFor(id))
		default:
			a.rounded[id] = a.reals[id]
		}
	}
	return a.rounded[id]
}

// constantOperand rounds a constant of arithmetic as Quantize does.
func (a *aware) constantOperand(n *graph.Node) graph.ID {
	r := Range{}
	for _, v := range n.Value.Values(nil) {
		r.Lo, r.Hi = min(r.Lo, v), max(r.Hi, v)
	}
	return a.op(n.Name+".rounded", graph.FakeQuant{}, a.reals[a.find(n)], a.constantRange(n.Name+".range", storedRange(r)))
}

func (a *aware) find(n *graph.Node) graph.ID {
	id, _ := a.src.Lookup(n.Name)
	return id
}

// constantRange is the range of what is always stored the same way.
func (a *aware) constantRange(name string, s graph.Stored) graph.ID {
	if a.err != nil {
		return graph.None
	}
	at := func(q int32) float32 { return float32(q-s.Zero) * s.Scale }
	return a.keep(a.g.AddConstant(fresh(a.g, name), &graph.Array{Shape: tensor.Shape{2}, Data: []float32{at(-128), at(127)}}))
}

// rangeFor is the range by which a value is rounded: its own, first, and those
// of all that are stored alike.
func (a *aware) rangeFor(id graph.ID) graph.ID {
	n := a.src.Node(id)
	if s, fixed := a.store(id); fixed {
		return a.constantRange(n.Name+".range", s)
	}
	all := []graph.ID{a.rangeVar(id)}
	for _, other := range a.groups[a.root(id)] {
		if other != id {
			all = append(all, a.rangeVar(other))
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	joined := a.op(n.Name+".ranges", graph.Concat{}, all...)
	return a.op(n.Name+".range.union", graph.MinMax{}, joined)
}

func (a *aware) rangeVar(id graph.ID) graph.ID {
	if a.ranges[id] == graph.None && a.err == nil {
		n := a.src.Node(id)
		a.ranges[id] = a.keep(a.g.AddVariable(fresh(a.g, n.Name+".range"), graph.Range, 2))
		if a.err == nil {
			r := a.opt.Ranges[n.Name]
			a.g.Node(a.ranges[id]).Value = &graph.Array{Shape: tensor.Shape{2}, Data: []float32{r.Lo, r.Hi}}
		}
	}
	return a.ranges[id]
}

// rangeNodes lists the ranges, variables or a constant, that the range of a
// FakeQuant is the union of, its value's own first.
func rangeNodes(g *graph.Graph, id graph.ID) []graph.ID {
	n := g.Node(id)
	if _, union := n.Op.(graph.MinMax); union {
		if from := g.Node(n.In[0]); len(from.In) > 0 {
			return from.In
		}
	}
	return []graph.ID{id}
}

// rangeOf is the value of a FakeQuant's range.
func rangeOf(g *graph.Graph, id graph.ID) (Range, error) {
	r := Range{}
	for i, part := range rangeNodes(g, id) {
		n := g.Node(part)
		switch n.Op.(type) {
		case graph.Variable, graph.Constant:
		default:
			return r, fmt.Errorf("range %q is computed by an operation %s", n.Name, n.Op.Kind())
		}
		a, err := array(n)
		if err != nil {
			return r, err
		}
		v := a.Values(nil)
		if len(v) != 2 || !(v[0] <= v[1]) || math.IsInf(float64(v[0]), 0) || math.IsInf(float64(v[1]), 0) {
			return r, fmt.Errorf("range %q is %v: train or calibrate it", n.Name, v)
		}
		if i == 0 {
			r = Range{v[0], v[1]}
		}
		r = Range{min(r.Lo, v[0]), max(r.Hi, v[1])}
	}
	return r, nil
}
