package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// The written form of a graph's structure: one JSON object a node, without
// the arrays, which travel as tensors named after their nodes.

type nodeJSON struct {
	Name  string       `json:"name"`
	Op    string       `json:"op"`
	In    []ID         `json:"in,omitempty"`
	Shape tensor.Shape `json:"shape,omitempty"` // leaves only
	// Type and Quant are those of constants of integers.
	Type  string          `json:"type,omitempty"`
	Quant *quantJSON      `json:"quant,omitempty"`
	Attr  json.RawMessage `json:"attr,omitempty"`
}

// quantJSON is a Quant; zero points that are all 0 are left out.
type quantJSON struct {
	Scales list[float32] `json:"scales"`
	Zeros  list[int32]   `json:"zeros,omitempty"`
	Axis   int           `json:"axis,omitempty"`
}

type graphJSON struct {
	Nodes   list[nodeJSON] `json:"nodes"`
	Outputs list[Output]   `json:"outputs"`
}

// list is a slice of at most maxNodes elements, of which a file cannot make
// more before they are counted: an empty one is two bytes long and takes a
// hundred in memory.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("not a list: %.40q", b)
	}
	for d.More() {
		if len(*l) == maxNodes {
			return fmt.Errorf("more than %d elements in a list", maxNodes)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
	}
	return nil
}

// ops lists every kind of operation that can be read back, by its written
// name. Binary and Pool have one name for all their functions.
func newOp(kind string) Op {
	switch kind {
	case "input":
		return &Input{}
	case "variable":
		return &Variable{}
	case "constant":
		return &Constant{}
	case "conv2d":
		return &Conv2D{}
	case "batch_norm":
		return &BatchNorm{}
	case "dropout":
		return &Dropout{}
	case "softmax":
		return &Softmax{}
	case "binary":
		return &Binary{}
	case "global_avg_pool":
		return &GlobalAvgPool{}
	case "pool":
		return &Pool{}
	case "activation":
		return &Activation{}
	case "reshape":
		return &Reshape{}
	case "transpose":
		return &Transpose{}
	case "concat":
		return &Concat{}
	case "pad":
		return &Pad2D{}
	case "resize":
		return &Resize2D{}
	case "fake_quant":
		return &FakeQuant{}
	case "fake_quant_weight":
		return &FakeQuantWeight{}
	case "min_max":
		return &MinMax{}
	}
	return newIntegerOp(kind)
}

func written(op Op) string {
	switch op.(type) {
	case Binary:
		return "binary"
	case Pool:
		return "pool"
	}
	return writtenInteger(op)
}

// MarshalJSON writes the structure of the graph; the arrays of its Variables
// and Constants are left out.
func (g *Graph) MarshalJSON() ([]byte, error) {
	out := graphJSON{Nodes: make(list[nodeJSON], len(g.Nodes)), Outputs: g.Outputs}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		attr, err := json.Marshal(n.Op)
		if err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, n.Op.Kind(), err)
		}
		j := nodeJSON{Name: n.Name, Op: written(n.Op), In: n.In}
		if string(attr) != "{}" {
			j.Attr = attr
		}
		switch n.Op.(type) {
		case Input, Variable, Constant:
			j.Shape = n.Type.Shape
		}
		if n.Type.DType != tensor.F32 && len(n.In) == 0 {
			j.Type, j.Quant = n.Type.DType.String(), writtenQuant(n.Type.Quant)
		}
		out.Nodes[i] = j
	}
	return json.Marshal(out)
}

// maxNodes and maxText bound a graph read from a file.
const (
	maxNodes = 1 << 16
	maxText  = 4 << 20
)

// Unmarshal reads what MarshalJSON wrote and fetches the array of every
// Variable and Constant by its node's name. Every node is checked as if it
// were added by hand.
func Unmarshal(data []byte, fetch func(name string, t Type) (*Array, error)) (*Graph, error) {
	if len(data) > maxText {
		return nil, fmt.Errorf("graph: %d bytes of text, the limit is %d", len(data), maxText)
	}
	var in graphJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	g := &Graph{}
	for _, n := range in.Nodes {
		op := newOp(n.Op)
		if op == nil {
			return nil, fmt.Errorf("graph: node %q: unknown operation %q", clip(n.Name), clip(n.Op))
		}
		if len(n.Attr) > 0 {
			if err := json.Unmarshal(n.Attr, op); err != nil {
				return nil, fmt.Errorf("graph: node %q (%s): %w", clip(n.Name), n.Op, err)
			}
		}
		if err := g.read(n, op, fetch); err != nil {
			return nil, fmt.Errorf("graph: %w", err)
		}
	}
	for _, o := range in.Outputs {
		if err := g.SetOutput(o.Name, o.ID); err != nil {
			return nil, fmt.Errorf("graph: %w", err)
		}
	}
	return g, nil
}

func (g *Graph) read(n nodeJSON, op Op, fetch func(string, Type) (*Array, error)) error {
	switch op := op.(type) {
	case *Input:
		if elems, err := n.Shape.Elems(); err != nil || elems > math.MaxInt32 {
			return fmt.Errorf("input %q: bad shape %v", clip(n.Name), n.Shape)
		}
		_, err := g.AddInput(n.Name, F32(n.Shape...))
		return err
	case *Constant:
		t, err := n.constant()
		if err != nil {
			return err
		}
		a, err := fetch(n.Name, t)
		if err != nil {
			return err
		}
		if t.DType == tensor.F32 {
			_, err = g.AddConstant(n.Name, a)
		} else {
			_, err = g.AddIntegers(n.Name, t, a)
		}
		return err
	case *Variable:
		a, err := fetch(n.Name, F32(n.Shape...))
		if err != nil {
			return err
		}
		id, err := g.AddVariable(n.Name, op.Role, n.Shape...)
		if err == nil {
			g.Nodes[id].Value = a
		}
		return err
	}
	_, err := g.Add(n.Name, deref(op), n.In...)
	return err
}

// deref turns the pointer that JSON filled into the value that a Node holds.
func deref(op Op) Op {
	switch op := op.(type) {
	case *Conv2D:
		return *op
	case *BatchNorm:
		return *op
	case *Dropout:
		return *op
	case *Softmax:
		return *op
	case *Binary:
		return *op
	case *GlobalAvgPool:
		return *op
	case *Pool:
		return *op
	case *Activation:
		return *op
	case *Reshape:
		return *op
	case *Transpose:
		return *op
	case *Concat:
		return *op
	case *Pad2D:
		return *op
	case *Resize2D:
		return *op
	case *FakeQuant:
		return *op
	case *FakeQuantWeight:
		return *op
	case *MinMax:
		return *op
	}
	return derefInteger(op)
}

// clip keeps a name from a file short enough for an error message.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
