// Package graph is the one intermediate form that every network passes
// through: tables and imported files become a Graph, passes rewrite it, exec
// runs it.
//
// A Graph is a flat slice of nodes in topological order; a node's value is
// named by its index. Activations are [N,H,W,C], convolution weights are
// [O,I/groups,KH,KW] (the layout of PyTorch checkpoints), vectors are [C].
// A graph owns its Variables (weights, batch-norm statistics) and Constants;
// both carry their values in an Array that several graphs may share.
package graph

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// ID names a node and the one value it produces: its index in Graph.Nodes.
type ID int32

// None is the ID of no node.
const None ID = -1

// Type is the element type and shape of a value and, of one that is quantized,
// what its integers stand for.
type Type struct {
	DType tensor.DType
	Shape tensor.Shape
	Quant *Quant
}

// String is the type as "float32[1,112,112,32]".
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// F32 is the float32 type of the given extents.
func F32(shape ...int) Type { return Type{DType: tensor.F32, Shape: shape} }

// Op is what a node does. Each kind is a small struct of attributes in a file
// of its own, next to its shape inference and its cost.
type Op interface {
	// Kind is the operation's name in lower case, as "conv2d".
	Kind() string
	// Infer gives the type of the result, or says what is wrong with the inputs.
	Infer(in []Type) (Type, error)
	// Cost counts the arithmetic of one execution.
	Cost(in []Type, out Type) Cost
}

// Array is the value of a Variable or a Constant, row-major. It is shared
// between graphs and must not be changed once a graph that uses it has been
// compiled, except through an Assign.
type Array struct {
	Shape tensor.Shape
	Data  []float32
	// Make, where Data is nil, writes the values to dst: of weights that follow
	// from others and are read once, when they are packed.
	Make func(dst []float32)
	// Bytes are the elements of a constant that is not float32, little-endian;
	// Data is then nil.
	Bytes []byte
}

// Len is the number of values.
func (a *Array) Len() int { return a.Shape.Len() }

// Values are the array's values: Data, or made in buf, which grows if need be.
func (a *Array) Values(buf []float32) []float32 {
	if a.Data != nil || a.Make == nil {
		return a.Data
	}
	n := a.Len()
	if cap(buf) < n {
		buf = make([]float32, n)
	}
	a.Make(buf[:n])
	return buf[:n]
}

// Node is one operation.
type Node struct {
	// Name is the canonical dotted name, as "blocks.3.dw"; unique in a graph.
	Name string
	Op   Op
	In   []ID
	Type Type
	// Value holds the data of Variable and Constant nodes. A Variable that
	// has not been bound to a checkpoint yet has a nil Value.
	Value *Array
}

// Output names a value that a run returns.
type Output struct {
	Name string
	ID   ID
}

// Graph is a whole computation. The zero value is an empty graph.
type Graph struct {
	Nodes   []Node
	Inputs  []ID
	Outputs []Output
	byName  map[string]ID
}

// Add appends a node after checking its inputs and inferring its type.
func (g *Graph) Add(name string, op Op, in ...ID) (ID, error) {
	types := make([]Type, len(in))
	for i, id := range in {
		if id < 0 || int(id) >= len(g.Nodes) {
			return None, fmt.Errorf("node %q (%s): input %d does not exist", name, op.Kind(), i)
		}
		types[i] = g.Nodes[id].Type
	}
	if err := checkReal(op, types); err != nil {
		return None, fmt.Errorf("node %q (%s): %w", name, op.Kind(), err)
	}
	t, err := op.Infer(types)
	if err != nil {
		return None, fmt.Errorf("node %q (%s): %w", name, op.Kind(), err)
	}
	if _, err := t.Shape.Elems(); err != nil {
		return None, fmt.Errorf("node %q (%s): %w", name, op.Kind(), err)
	}
	return g.append(Node{Name: name, Op: op, In: slices.Clone(in), Type: t})
}

// AddInput appends an input of the given type.
func (g *Graph) AddInput(name string, t Type) (ID, error) {
	id, err := g.append(Node{Name: name, Op: Input{}, Type: t})
	if err == nil {
		g.Inputs = append(g.Inputs, id)
	}
	return id, err
}

// AddVariable appends a named weight or statistic without a value.
func (g *Graph) AddVariable(name string, role Role, shape ...int) (ID, error) {
	if _, err := tensor.Shape(shape).Elems(); err != nil {
		return None, fmt.Errorf("variable %q: %w", name, err)
	}
	return g.append(Node{Name: name, Op: Variable{Role: role}, Type: F32(shape...)})
}

// AddIntegers appends a constant of integers, with what they stand for if they
// are quantized.
func (g *Graph) AddIntegers(name string, t Type, a *Array) (ID, error) {
	lo, hi := IntRange(t.DType)
	if lo > hi {
		return None, fmt.Errorf("constant %q: %v is no integer type of a graph", name, t.DType)
	}
	if n, err := t.Shape.Elems(); err != nil || n*t.DType.Size() != len(a.Bytes) || !a.Shape.Equal(t.Shape) {
		return None, fmt.Errorf("constant %q: %d bytes for %v", name, len(a.Bytes), t)
	}
	if t.Quant != nil {
		if err := t.Quant.Check(t.DType, t.Shape); err != nil {
			return None, fmt.Errorf("constant %q: %w", name, err)
		}
	}
	return g.append(Node{Name: name, Op: Constant{}, Type: t, Value: a})
}

// AddValue appends a constant of any type.
func (g *Graph) AddValue(name string, t Type, a *Array) (ID, error) {
	if t.DType == tensor.F32 {
		return g.AddConstant(name, a)
	}
	return g.AddIntegers(name, t, a)
}

// AddConstant appends a constant.
func (g *Graph) AddConstant(name string, a *Array) (ID, error) {
	if n, err := a.Shape.Elems(); err != nil || n != len(a.Data) && (a.Data != nil || a.Make == nil) {
		return None, fmt.Errorf("constant %q: shape %v does not hold %d values", name, a.Shape, len(a.Data))
	}
	return g.append(Node{Name: name, Op: Constant{}, Type: F32(a.Shape...), Value: a})
}

func (g *Graph) append(n Node) (ID, error) {
	if n.Name == "" {
		return None, fmt.Errorf("a %s node has no name", n.Op.Kind())
	}
	if g.byName == nil {
		g.byName = make(map[string]ID)
	}
	if _, dup := g.byName[n.Name]; dup {
		return None, fmt.Errorf("node %q: the name is taken", n.Name)
	}
	id := ID(len(g.Nodes))
	g.byName[n.Name] = id
	g.Nodes = append(g.Nodes, n)
	return id, nil
}

// SetOutput declares a value as an output under a name.
func (g *Graph) SetOutput(name string, id ID) error {
	if id < 0 || int(id) >= len(g.Nodes) {
		return fmt.Errorf("output %q: node %d does not exist", name, id)
	}
	for i, o := range g.Outputs {
		if o.Name == name {
			g.Outputs[i].ID = id
			return nil
		}
	}
	g.Outputs = append(g.Outputs, Output{name, id})
	return nil
}

// Node is the node that produces a value.
func (g *Graph) Node(id ID) *Node { return &g.Nodes[id] }

// Lookup finds a node by name.
func (g *Graph) Lookup(name string) (ID, bool) {
	id, ok := g.byName[name]
	return id, ok
}

// InTypes is the list of the types of a node's inputs.
func (g *Graph) InTypes(id ID) []Type {
	n := &g.Nodes[id]
	out := make([]Type, len(n.In))
	for i, in := range n.In {
		out[i] = g.Nodes[in].Type
	}
	return out
}

// Variables lists the variables in order of their first use.
func (g *Graph) Variables() []ID {
	var out []ID
	for i := range g.Nodes {
		if _, ok := g.Nodes[i].Op.(Variable); ok {
			out = append(out, ID(i))
		}
	}
	return out
}

// Uses counts for every value the nodes and outputs that read it.
func (g *Graph) Uses() []int {
	uses := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		for _, in := range g.Nodes[i].In {
			uses[in]++
		}
	}
	for _, o := range g.Outputs {
		uses[o.ID]++
	}
	return uses
}

// Resize rebuilds the graph for another batch size and input picture size by
// inferring every type again. Arrays are shared with g. It fails where an
// operation fixes the size, naming the node.
func (g *Graph) Resize(batch, h, w int) (*Graph, error) {
	if batch <= 0 || h <= 0 || w <= 0 {
		return nil, fmt.Errorf("input of %d pictures of %d x %d: every extent must be positive", batch, h, w)
	}
	out := &Graph{Nodes: make([]Node, 0, len(g.Nodes)), byName: make(map[string]ID, len(g.Nodes))}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		var err error
		switch n.Op.(type) {
		case Input:
			t := n.Type
			if len(t.Shape) == 4 {
				t = moved(t, tensor.Shape{batch, h, w, t.Shape[3]})
			}
			_, err = out.AddInput(n.Name, t)
		case Variable, Constant:
			_, err = out.append(*n)
		default:
			_, err = out.Add(n.Name, n.Op, n.In...)
		}
		if err != nil {
			return nil, fmt.Errorf("input %d x %d x %d: %w", batch, h, w, err)
		}
	}
	out.Outputs = slices.Clone(g.Outputs)
	return out, nil
}
