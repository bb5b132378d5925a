package pass

import (
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Networks in the QDQ form compute in real numbers between Dequantize and
// Quantize nodes. integers turns what stands between them into operations on
// bytes. It works from two facts:
//
//   - A value that is Dequantize of bytes, or that moves the elements of such a
//     value, has a twin: bytes of which it is the Dequantize.
//   - Quantize of an operation on values with twins is one operation on the
//     twins, if there is integer arithmetic for it. Bounds (ReLU, ReLU6, clips)
//     between the two become the clamp, and the rounding moves through
//     operations that only move elements.
//
// What has no integer arithmetic stays between Dequantize and Quantize. Only
// Quantize nodes that round ties to even, as ONNX does, are looked at, so that
// networks of other formats keep what their files say. A value that is an
// output or has another reader stays as it is.

// integers gives g itself where there is nothing to do.
func (c *Folder) integers(g *graph.Graph) (*graph.Graph, error) {
	if !needsIntegers(g) {
		return g, nil
	}
	l := &lowering{cache: c, src: g, uses: g.Uses(), to: make([]graph.ID, len(g.Nodes)), twins: make(map[graph.ID]graph.ID)}
	for i := range l.to {
		l.to[i] = graph.None
	}
	live := reachable(g)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch n.Op.(type) {
		case graph.Input, graph.Quantize: // in order, so that the rest finds them
			if live[i] {
				l.value(graph.ID(i))
			}
		}
	}
	for _, o := range g.Outputs {
		id := l.value(o.ID)
		if l.err == nil && l.out.Node(id).Type.Quantized() {
			id = l.add(o.Name+".real", graph.Dequantize{}, id) // a tap
		}
		if l.err == nil {
			l.err = l.out.SetOutput(o.Name, id)
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return &l.out, nil
}

// isOutput tells values that a run gives out: a constant among them, as
// detectors' anchors are, stays the Dequantize that it is.
func (l *lowering) isOutput(id graph.ID) bool {
	return slices.ContainsFunc(l.src.Outputs, func(o graph.Output) bool { return o.ID == id })
}

// needsIntegers finds a Quantize of ONNX's, or a weight to be dequantized.
func needsIntegers(g *graph.Graph) bool {
	for i := range g.Nodes {
		switch op := g.Nodes[i].Op.(type) {
		case graph.Quantize:
			if op.Even {
				return true
			}
		case graph.Dequantize:
			if _, ok := g.Nodes[g.Nodes[i].In[0]].Op.(graph.Constant); ok {
				return true
			}
		}
	}
	return false
}

// lowering is one run of integers. Nodes of the new graph are made when they
// are first asked for; after an error every method does nothing.
type lowering struct {
	cache *Folder
	src   *graph.Graph
	out   graph.Graph
	uses  []int
	to    []graph.ID // the new graph's value of an old one
	twins map[graph.ID]graph.ID
	err   error
}

func (l *lowering) add(name string, op graph.Op, in ...graph.ID) graph.ID {
	return l.keep(func(name string) (graph.ID, error) { return l.out.Add(name, op, in...) }, name)
}

// keep makes a node, under another name where the name is taken.
func (l *lowering) keep(f func(name string) (graph.ID, error), name string) graph.ID {
	if l.err != nil {
		return graph.None
	}
	for {
		if _, taken := l.out.Lookup(name); !taken {
			break
		}
		name += "_"
	}
	id, err := f(name)
	l.err = err
	return id
}

func (l *lowering) constant(name string, t graph.Type, a *graph.Array) graph.ID {
	return l.keep(func(name string) (graph.ID, error) { return l.out.AddValue(name, t, a) }, name)
}

// value is the new graph's value of an old one: real numbers of real numbers,
// bytes of bytes.
func (l *lowering) value(id graph.ID) graph.ID {
	if l.err != nil || l.to[id] != graph.None {
		return l.to[id]
	}
	n := l.src.Node(id)
	made := graph.None
	switch op := n.Op.(type) {
	case graph.Input:
		made = l.keep(func(name string) (graph.ID, error) { return l.out.AddInput(name, n.Type) }, n.Name)
	case graph.Constant:
		made = l.constant(n.Name, n.Type, n.Value)
	case graph.Variable:
		made = l.keep(func(name string) (graph.ID, error) { return l.out.AddVariable(name, op.Role, n.Type.Shape...) }, n.Name)
		if l.err == nil {
			l.out.Node(made).Value = n.Value
		}
	case graph.Quantize:
		if plan := l.quantize(n.In[0], op); plan != nil {
			made = plan()
			break
		}
		made = l.copy(n)
	default:
		if k := l.constantOf(id); k != graph.None && !l.isOutput(id) {
			c := l.src.Node(k)
			made = l.constant(n.Name, graph.F32(c.Type.Shape...), l.cache.real(c))
		} else if t := l.twin(id); t != graph.None {
			name := n.Name
			if _, ok := n.Op.(graph.Dequantize); !ok {
				name += ".real"
			}
			made = l.add(name, graph.Dequantize{}, t)
		} else {
			made = l.copy(n)
		}
	}
	l.to[id] = made
	return made
}

func (l *lowering) copy(n *graph.Node) graph.ID {
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = l.value(x)
	}
	return l.add(n.Name, n.Op, in...)
}

// constantOf is the constant of integers whose real numbers a value is.
func (l *lowering) constantOf(id graph.ID) graph.ID {
	n := l.src.Node(id)
	if _, ok := n.Op.(graph.Dequantize); !ok {
		return graph.None
	}
	c := l.src.Node(n.In[0])
	if _, ok := c.Op.(graph.Constant); !ok || c.Type.Quant == nil {
		return graph.None
	}
	return n.In[0]
}

// twin is the bytes of the new graph that a value of real numbers is the
// Dequantize of, None if there are none.
func (l *lowering) twin(id graph.ID) graph.ID {
	if t, ok := l.twins[id]; ok || l.err != nil {
		return t
	}
	t := l.findTwin(id)
	l.twins[id] = t
	return t
}

func (l *lowering) findTwin(id graph.ID) graph.ID {
	n := l.src.Node(id)
	one := func() graph.ID { return l.twin(n.In[0]) }
	move := func(op graph.Op) graph.ID {
		if t := one(); t != graph.None {
			return l.add(n.Name, op, t)
		}
		return graph.None
	}
	switch op := n.Op.(type) {
	case graph.Dequantize:
		if t := l.src.Node(n.In[0]).Type; t.Quantized() && len(t.Quant.Scales) == 1 {
			return l.value(n.In[0])
		}
	case graph.Dropout:
		return one()
	case graph.Reshape, graph.Transpose:
		return move(op)
	case graph.Pad2D:
		if op.Value == 0 {
			return move(op)
		}
	case graph.Resize2D:
		if op.Nearest {
			return move(op)
		}
	case graph.Pool:
		if t := one(); op.Max && t != graph.None {
			return l.add(n.Name, graph.QPool{Window: op.Window, Stored: whole(l.out.Node(t).Type), Max: true}, t)
		}
	case graph.Concat:
		parts := make([]graph.ID, len(n.In))
		for i, x := range n.In {
			parts[i] = l.twin(x)
			if parts[i] == graph.None || !alike(l.out.Node(parts[i]).Type, l.out.Node(parts[0]).Type) {
				return graph.None
			}
		}
		return l.add(n.Name, op, parts...)
	}
	return graph.None
}

// whole is how a value of bytes is stored, without a clamp.
func whole(t graph.Type) graph.Stored {
	return graph.Whole(t.DType, t.Quant.Scales[0], t.Quant.Zeros[0])
}

func alike(a, b graph.Type) bool { return a.DType == b.DType && a.Quant.Equal(b.Quant) }

// bounds reads an activation as a clamp.
func bounds(a graph.Act) (lo, hi float32, ok bool) {
	inf := float32(math.Inf(1))
	switch a.Kind {
	case graph.ReLU:
		return 0, inf, true
	case graph.ReLU6:
		return 0, 6, true
	case graph.Clip:
		return a.A, a.B, true
	}
	return 0, 0, false
}

// narrowed is s with the clamp that bounds before the rounding come to.
func narrowed(s graph.Stored, lo, hi float32) graph.Stored {
	s.Lo, s.Hi = s.Nearest(lo), s.Nearest(hi)
	return s
}

// real is a constant of integers as real numbers. Large ones, which are
// weights, are made when they are packed.
func (c *Folder) real(n *graph.Node) *graph.Array {
	if a, ok := c.reals[n.Value]; ok {
		return a
	}
	t, bytes := n.Type, n.Value.Bytes
	fill := func(dst []float32) {
		inner, k := len(dst), len(t.Quant.Scales)
		if k > 1 {
			inner = t.Shape[t.Quant.Axis+1:].Len()
		}
		for i := range dst {
			j := i / inner % k
			dst[i] = t.Quant.Scales[j] * float32(int64(integer(t.DType, bytes, i))-int64(t.Quant.Zeros[j]))
		}
	}
	a := &graph.Array{Shape: n.Value.Shape}
	if len(t.Shape) == 4 && t.Shape.Len() >= 1<<12 {
		a.Make = fill
	} else {
		a.Data = make([]float32, t.Shape.Len())
		fill(a.Data)
	}
	if c.reals == nil {
		c.reals = make(map[*graph.Array]*graph.Array)
	}
	c.reals[n.Value] = a
	return a
}

// integer is element i of a constant of a quantized type.
func integer(t tensor.DType, b []byte, i int) int32 {
	switch t {
	case tensor.U8:
		return int32(b[i])
	case tensor.I8:
		return int32(int8(b[i]))
	}
	return int32(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24)
}
