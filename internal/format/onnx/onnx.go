// Package onnx reads and writes ONNX model files: the protobuf message
// ModelProto with one graph, as operators, attributes and tensors. It knows the
// bytes and nothing of what an operator does.
//
// The field numbers are those of the published onnx.proto; the messages are
// walked on the wire, so that every size is checked before memory is taken and
// an error can name its offset in the file. Tensors stored as raw bytes alias
// the input.
//
// Refused by name: data in external files, sparse and string tensors,
// subgraphs in attributes (If, Loop, Scan), functions local to the model.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// The kinds of failure; every error of this package wraps one of them.
var (
	ErrMalformed   = errors.New("malformed ONNX file")
	ErrUnsupported = errors.New("unsupported in an ONNX file")
	ErrLimit       = errors.New("limit exceeded in an ONNX file")
)

// Model is one ONNX file.
type Model struct {
	IRVersion       int64
	Opset           map[string]int64 // operator set version by domain; "" is ONNX's own
	Producer        string
	ProducerVersion string
	Metadata        map[string]string
	Graph           Graph
}

// Graph is a list of nodes in an order in which they can run.
type Graph struct {
	Name         string
	Nodes        []Node
	Initializers []*tensor.Tensor
	Inputs       []ValueInfo // may list initializers too, as files before IR version 4 do
	Outputs      []ValueInfo
	Values       []ValueInfo // what the producer knew of values between nodes
}

// ValueInfo is the declared type of a value.
type ValueInfo struct {
	Name  string
	DType tensor.DType // Invalid when it is not a dense tensor of numbers
	// HasShape is false when the rank is unknown. An extent that is symbolic
	// or unknown is -1 in Shape and its name, if any, stands in Symbols.
	HasShape bool
	Shape    []int
	Symbols  []string
}

// Node is one operator. An optional input left out is the empty string.
type Node struct {
	Name    string
	OpType  string
	Domain  string
	Inputs  []string
	Outputs []string
	Attrs   map[string]Attr
}

// AttrKind says which field of an Attr holds its value; the numbers are ONNX's.
type AttrKind int32

// The attribute kinds this package reads.
const (
	AttrFloat   AttrKind = 1
	AttrInt     AttrKind = 2
	AttrString  AttrKind = 3
	AttrTensor  AttrKind = 4
	AttrFloats  AttrKind = 6
	AttrInts    AttrKind = 7
	AttrStrings AttrKind = 8
	AttrTensors AttrKind = 9
)

// Attr is the value of an attribute; one field is meaningful, by Kind.
type Attr struct {
	Kind    AttrKind
	F       float32
	I       int64
	S       string
	T       *tensor.Tensor
	Floats  []float32
	Ints    []int64
	Strings []string
	Tensors []*tensor.Tensor
}

// Own gives every tensor memory of its own, so that the bytes of the file,
// which tensors may alias, can be freed.
func (m *Model) Own() {
	own := func(t *tensor.Tensor) {
		if t != nil {
			t.Data = slices.Clone(t.Data)
		}
	}
	for _, t := range m.Graph.Initializers {
		own(t)
	}
	for i := range m.Graph.Nodes {
		for _, a := range m.Graph.Nodes[i].Attrs {
			own(a.T)
			for _, t := range a.Tensors {
				own(t)
			}
		}
	}
}

// Int is the named integer attribute, or def when the node has none of that
// name and kind.
func (n *Node) Int(name string, def int64) int64 {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrInt {
		return a.I
	}
	return def
}

// Float is the named float attribute, or def.
func (n *Node) Float(name string, def float32) float32 {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrFloat {
		return a.F
	}
	return def
}

// String is the named string attribute, or def.
func (n *Node) String(name, def string) string {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrString {
		return a.S
	}
	return def
}

// Ints is the named integer list, or def.
func (n *Node) Ints(name string, def []int64) []int64 {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrInts {
		return a.Ints
	}
	return def
}

// Floats is the named float list, or def.
func (n *Node) Floats(name string, def []float32) []float32 {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrFloats {
		return a.Floats
	}
	return def
}

// Tensor is the named tensor attribute, or nil.
func (n *Node) Tensor(name string) *tensor.Tensor {
	if a, ok := n.Attrs[name]; ok && a.Kind == AttrTensor {
		return a.T
	}
	return nil
}

// Has reports whether the node carries the attribute, of whatever kind.
func (n *Node) Has(name string) bool {
	_, ok := n.Attrs[name]
	return ok
}

// Limits bound what reading a file may cost. A zero field is its default.
type Limits struct {
	FileBytes   int64 // size of the file; 2 GiB, protobuf's own bound
	Nodes       int   // 65536
	Tensors     int   // initializers and tensor attributes together; 65536
	TensorBytes int64 // memory for tensors that do not alias the file; 256 MiB
	// Structure bounds the memory for everything that is not tensor data:
	// nodes, names, attributes, shapes; 64 MiB. A few bytes of a file can ask
	// for a hundred times their size in structures.
	Structure int64
}

func (l Limits) withDefaults() Limits {
	if l.FileBytes == 0 {
		l.FileBytes = 2<<30 - 1
	}
	if l.Nodes == 0 {
		l.Nodes = 1 << 16
	}
	if l.Tensors == 0 {
		l.Tensors = 1 << 16
	}
	if l.TensorBytes == 0 {
		l.TensorBytes = 256 << 20
	}
	if l.Structure == 0 {
		l.Structure = 64 << 20
	}
	return l
}

// Open reads the file at path.
func Open(path string, lim Limits) (*Model, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if max := lim.withDefaults().FileBytes; st.Size() > max {
		return nil, fmt.Errorf("%s: %w: %d bytes, more than %d", path, ErrLimit, st.Size(), max)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Parse(data, lim)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
