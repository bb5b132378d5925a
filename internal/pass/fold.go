// Package pass holds the rewrites of graphs: a graph goes in, another comes
// out, and the first is left as it was.
package pass

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Fold turns a training graph into the inference graph that computes the same
// function: batch norms disappear into the convolutions before them,
// activations and residual additions into their epilogues, squeeze-and-excite
// scales into the pointwise convolution after them, dropout and unused nodes
// disappear. Every Variable must have a value; it becomes a constant. What
// stands between Dequantize and Quantize nodes becomes arithmetic on bytes.
//
// A value that is an output, or that two nodes read, is always computed as it
// stands, so that taps stay exact.
func Fold(g *graph.Graph) (*graph.Graph, error) { return new(Folder).Fold(g) }

// Folder folds graphs that share their arrays, as a network and the same
// network with taps, and shares the folded arrays among the results. The zero
// value is ready to use; it serves one goroutine at a time.
type Folder struct {
	// Bounds folds only what integer convolutions and sums have too, for
	// Quantize: batch norms, and activations that are bounds (ReLU, ReLU6,
	// Clip). All others, residual additions and squeeze-and-excite scales stay
	// nodes of their own, with values that have ranges of their own.
	Bounds bool

	arrays map[[2]*graph.Array][2]*graph.Array
	reals  map[*graph.Array]*graph.Array
	biases map[biasKey]*graph.Array
	onesOf map[[3]int]*graph.Array
}

// Fold is the function Fold, with arrays shared between calls.
func (c *Folder) Fold(g *graph.Graph) (*graph.Graph, error) {
	g, err := c.integers(g)
	if err != nil {
		return nil, err
	}
	f := &folder{
		cache: c, src: g, uses: g.Uses(), live: reachable(g),
		convs: make(map[graph.ID]*fused), to: make([]graph.ID, len(g.Nodes)),
	}
	f.plan()
	if err := f.emit(); err != nil {
		return nil, err
	}
	for _, o := range g.Outputs {
		if err := f.out.SetOutput(o.Name, f.to[o.ID]); err != nil {
			return nil, err
		}
	}
	return &f.out, nil
}

// fused is a convolution with what has been folded into it so far. It is
// emitted at the position of the last node it has swallowed, so that all its
// operands exist by then.
type fused struct {
	conv     graph.ID
	bn       graph.ID // None if no batch norm
	op       graph.Conv2D
	x        graph.ID
	residual graph.ID
	scale    graph.ID
	tail     graph.ID
}

type folder struct {
	cache *Folder
	src   *graph.Graph
	out   graph.Graph
	uses  []int
	live  []bool
	convs map[graph.ID]*fused // by tail
	// eaten marks nodes whose work another node does.
	eaten map[graph.ID]bool
	// to maps an old value to the new graph's.
	to []graph.ID
	// binaryTail maps a Binary to the activation it has swallowed.
	binaryTail map[graph.ID]graph.ID
	// tables maps a QActivation to the QConv2D that takes it in.
	tables map[graph.ID]graph.ID
}

func reachable(g *graph.Graph) []bool {
	live := make([]bool, len(g.Nodes))
	for _, o := range g.Outputs {
		live[o.ID] = true
	}
	for _, in := range g.Inputs {
		live[in] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if live[i] {
			for _, in := range g.Nodes[i].In {
				live[in] = true
			}
		}
	}
	return live
}

// skip follows dropouts back to the value they pass on.
func (f *folder) skip(id graph.ID) graph.ID {
	for {
		if _, ok := f.src.Nodes[id].Op.(graph.Dropout); !ok {
			return id
		}
		id = f.src.Nodes[id].In[0]
	}
}

// only reports whether nothing but one node reads the value.
func (f *folder) only(id graph.ID) bool { return f.uses[id] == 1 }

// plan walks the nodes in order and decides what each convolution swallows.
func (f *folder) plan() {
	f.eaten = make(map[graph.ID]bool)
	f.binaryTail = make(map[graph.ID]graph.ID)
	f.tables = make(map[graph.ID]graph.ID)
	for i := range f.src.Nodes {
		id := graph.ID(i)
		n := &f.src.Nodes[i]
		if !f.live[i] {
			continue
		}
		switch op := n.Op.(type) {
		case graph.Conv2D:
			f.startConv(id, n, op)
		case graph.BatchNorm:
			c := f.convs[n.In[0]]
			if c == nil || !f.only(n.In[0]) || c.bn != graph.None || c.op.Act.Kind != graph.Linear || c.residual != graph.None {
				continue
			}
			c.bn = id
			f.move(c, id)
		case graph.Activation:
			if f.cache.Bounds && !isBound(op.Act) {
				continue
			}
			src := n.In[0]
			if c := f.convs[src]; c != nil && f.only(src) && c.op.Act.Kind == graph.Linear && c.residual == graph.None {
				c.op.Act = op.Act
				f.move(c, id)
				continue
			}
			if b, ok := f.src.Nodes[src].Op.(graph.Binary); ok && f.only(src) && b.Act.Kind == graph.Linear && f.convs[src] == nil && !f.eaten[src] {
				f.binaryTail[src] = id
				f.eaten[id] = true
			}
		case graph.Binary:
			f.foldResidual(id, n, op)
		case graph.FakeQuant:
			f.eatRange(n.In[1])
		case graph.QActivation:
			if c, ok := f.src.Nodes[n.In[0]].Op.(graph.QConv2D); ok && c.Then == nil && f.only(n.In[0]) {
				f.tables[id] = n.In[0]
				f.eaten[n.In[0]] = true
			}
		}
	}
}

func (f *folder) startConv(id graph.ID, n *graph.Node, op graph.Conv2D) {
	_, residual, scale := op.Operands()
	c := &fused{conv: id, bn: graph.None, op: op, x: n.In[0], residual: graph.None, scale: graph.None, tail: id}
	if residual >= 0 {
		c.residual = n.In[residual]
	}
	if scale >= 0 {
		c.scale = n.In[scale]
	}
	// A gate that multiplies the input of a pointwise convolution.
	if x := n.In[0]; !f.cache.Bounds && c.scale == graph.None && op.KH == 1 && op.KW == 1 && op.GroupCount() == 1 && f.only(x) && !f.eaten[x] && f.convs[x] == nil {
		if b, ok := f.src.Nodes[x].Op.(graph.Binary); ok && b.Fn == graph.Mul && b.Act.Kind == graph.Linear {
			a, g := f.src.Nodes[x].In[0], f.src.Nodes[x].In[1]
			if isGate(f.src, g, a) {
				c.x, c.scale = a, g
				f.eaten[x] = true
			} else if isGate(f.src, a, g) {
				c.x, c.scale = g, a
				f.eaten[x] = true
			}
		}
	}
	f.convs[id] = c
}

// isBound reports an activation that only limits its input.
func isBound(a graph.Act) bool {
	switch a.Kind {
	case graph.Linear, graph.ReLU, graph.ReLU6, graph.Clip:
		return true
	}
	return false
}

// isGate reports whether gate holds one factor per picture and channel of x.
func isGate(g *graph.Graph, gate, x graph.ID) bool {
	s, t := g.Nodes[gate].Type.Shape, g.Nodes[x].Type.Shape
	return len(t) == 4 && s.Equal(tensor.Shape{t[0], 1, 1, t[3]})
}

func (f *folder) foldResidual(id graph.ID, n *graph.Node, op graph.Binary) {
	if f.cache.Bounds || op.Fn != graph.Add || op.Act.Kind != graph.Linear {
		return
	}
	for _, k := range [2]int{1, 0} {
		src, other := f.skip(n.In[k]), n.In[1-k]
		c := f.convs[src]
		if c == nil || c.residual != graph.None || !f.only(n.In[k]) || !f.only(src) {
			continue
		}
		if !f.src.Nodes[other].Type.Shape.Equal(n.Type.Shape) || !f.src.Nodes[src].Type.Shape.Equal(n.Type.Shape) {
			continue
		}
		c.residual = other
		f.move(c, id)
		return
	}
}

// move makes id the node at which the convolution is emitted.
func (f *folder) move(c *fused, id graph.ID) {
	delete(f.convs, c.tail)
	f.eaten[c.tail] = true
	c.tail = id
	f.convs[id] = c
}

func (f *folder) emit() error {
	for i := range f.to {
		f.to[i] = graph.None
	}
	for i := range f.src.Nodes {
		id := graph.ID(i)
		n := &f.src.Nodes[i]
		if !f.live[i] {
			continue
		}
		var err error
		switch op := n.Op.(type) {
		case graph.Input:
			f.to[i], err = f.out.AddInput(n.Name, n.Type)
		case graph.Variable, graph.Constant, graph.FakeQuantWeight:
			// Added where used, as constants.
		case graph.FakeQuant:
			f.to[i], err = f.emitRounding(n)
		case graph.Dropout:
			f.to[i], err = f.value(n.In[0])
		default:
			if c := f.convs[id]; c != nil {
				f.to[i], err = f.emitConv(c)
			} else if !f.eaten[id] {
				f.to[i], err = f.emitOp(id, n, op)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) emitOp(id graph.ID, n *graph.Node, op graph.Op) (graph.ID, error) {
	if conv, ok := f.tables[id]; ok {
		then := op.(graph.QActivation)
		n = &f.src.Nodes[conv]
		c := n.Op.(graph.QConv2D)
		c.Then = &then
		op = c
	}
	in, err := f.values(n.In)
	if err != nil {
		return graph.None, err
	}
	tail, ok := f.binaryTail[id]
	if ok {
		b := op.(graph.Binary)
		b.Act = f.src.Nodes[tail].Op.(graph.Activation).Act
		op = b
	}
	out, err := f.out.Add(n.Name, op, in...)
	if ok {
		// The activation stands later and is skipped there: it is eaten.
		f.to[tail] = out
	}
	return out, err
}

func (f *folder) values(ids []graph.ID) ([]graph.ID, error) {
	out := make([]graph.ID, len(ids))
	for i, id := range ids {
		var err error
		if out[i], err = f.value(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// value is the new graph's ID for an old value; leaves are added on first use.
func (f *folder) value(id graph.ID) (graph.ID, error) {
	if f.to[id] != graph.None {
		return f.to[id], nil
	}
	n := &f.src.Nodes[id]
	switch n.Op.(type) {
	case graph.Variable, graph.Constant, graph.FakeQuantWeight:
		a, err := f.array(n)
		if err != nil {
			return graph.None, err
		}
		f.to[id], err = f.out.AddValue(n.Name, n.Type, a)
		return f.to[id], err
	}
	return graph.None, fmt.Errorf("fold: node %q is used before it is computed", n.Name)
}

func array(n *graph.Node) (*graph.Array, error) {
	if n.Value == nil {
		return nil, fmt.Errorf("variable %q has no value: load or generate weights first", n.Name)
	}
	if !n.Value.Shape.Equal(n.Type.Shape) {
		return nil, fmt.Errorf("variable %q is %v, its value %v", n.Name, n.Type.Shape, n.Value.Shape)
	}
	return n.Value, nil
}

func (f *folder) emitConv(c *fused) (graph.ID, error) {
	n := &f.src.Nodes[c.conv]
	weight, bias, err := f.weights(c, n)
	if err != nil {
		return graph.None, err
	}
	x, err := f.value(c.x)
	if err != nil {
		return graph.None, err
	}
	w, err := f.constant(n.Name+".weight", weight)
	if err != nil {
		return graph.None, err
	}
	in := []graph.ID{x, w}
	if c.op.Bias = bias != nil; c.op.Bias {
		b, err := f.constant(n.Name+".bias", bias)
		if err != nil {
			return graph.None, err
		}
		in = append(in, b)
	}
	for _, extra := range [2]graph.ID{c.residual, c.scale} {
		if extra == graph.None {
			continue
		}
		id, err := f.value(extra)
		if err != nil {
			return graph.None, err
		}
		in = append(in, id)
	}
	c.op.Residual, c.op.Scale = c.residual != graph.None, c.scale != graph.None
	return f.out.Add(n.Name, c.op, in...)
}

// constant adds a constant, or finds it when an unchanged array is shared.
func (f *folder) constant(name string, a *graph.Array) (graph.ID, error) {
	if id, ok := f.out.Lookup(name); ok {
		if f.out.Nodes[id].Value == a {
			return id, nil
		}
		name += ".folded"
	}
	return f.out.AddConstant(name, a)
}

// weights gives the convolution's weight and bias with the batch norm folded
// in, computed in float64 and rounded once. The bias is nil if there is none.
func (f *folder) weights(c *fused, n *graph.Node) (weight, bias *graph.Array, err error) {
	if weight, err = f.array(&f.src.Nodes[n.In[1]]); err != nil {
		return nil, nil, err
	}
	if b, _, _ := n.Op.(graph.Conv2D).Operands(); b >= 0 {
		if bias, err = array(&f.src.Nodes[n.In[b]]); err != nil {
			return nil, nil, err
		}
	}
	if c.bn == graph.None {
		return weight, bias, nil
	}
	bn := &f.src.Nodes[c.bn]
	var p [4]*graph.Array
	for i := range p {
		if p[i], err = array(&f.src.Nodes[bn.In[i+1]]); err != nil {
			return nil, nil, err
		}
	}
	key := [2]*graph.Array{weight, p[0]}
	if done, ok := f.cache.arrays[key]; ok {
		return done[0], done[1], nil
	}
	gamma, beta, mean, variance := p[0].Data, p[1].Data, p[2].Data, p[3].Data
	out := weight.Shape[0]
	// The weights are made when they are packed: kept as well, they would be in
	// memory three times.
	scale, src := make([]float64, out), weight
	w := &graph.Array{Shape: weight.Shape, Make: func(dst []float32) { scaleRows(src, scale, dst) }}
	b := &graph.Array{Shape: tensor.Shape{out}, Data: make([]float32, out)}
	eps := bn.Op.(graph.BatchNorm).Epsilon
	for o := range out {
		if !(float64(variance[o])+eps > 0) {
			return nil, nil, fmt.Errorf("node %q (batch_norm): the variance of channel %d is %v: the weights are damaged", bn.Name, o, variance[o])
		}
		s := float64(gamma[o]) / math.Sqrt(float64(variance[o])+eps)
		scale[o] = s
		shift := float64(beta[o]) - float64(mean[o])*s
		if bias != nil {
			shift += float64(bias.Data[o]) * s
		}
		b.Data[o] = float32(shift)
	}
	if f.cache.arrays == nil {
		f.cache.arrays = make(map[[2]*graph.Array][2]*graph.Array)
	}
	f.cache.arrays[key] = [2]*graph.Array{w, b}
	return w, b, nil
}

// scaleRows writes the rows of w times their factors to dst, each product
// rounded once.
func scaleRows(w *graph.Array, scale []float64, dst []float32) {
	from := w.Values(nil)
	per := len(from) / max(len(scale), 1)
	for o, s := range scale {
		to := dst[o*per:][:per]
		for i, v := range from[o*per:][:per] {
			to[i] = float32(float64(v) * s)
		}
	}
}
