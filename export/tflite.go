// Package export writes networks in the formats of other engines, from the
// graph that inference runs.
package export

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// TFLiteOptions say how a TFLite file is written. The zero value keeps inputs
// and outputs as the graph has them.
type TFLiteOptions struct {
	// Description is a line of text about the model.
	Description string
	// Input and Output are the element types of the file's inputs and outputs:
	// float32, uint8 or int8. The zero value takes bytes where the graph
	// quantizes a picture's bytes, and real numbers where it reads or gives
	// real numbers. A network of real numbers has only those.
	Input, Output tensor.DType
	// Name, Labels, Mean and Std go into the file's metadata: labels as an
	// associated file, and per channel what is subtracted from a pixel of 0 to
	// 255 and what the difference is divided by.
	Name      string
	Labels    []string
	Mean, Std []float32
	// Recipe is the whole preprocessing as text, for our own reader.
	Recipe string
}

// TFLite writes an inference graph of one picture as a TensorFlow Lite file
// that its 2.9 and later runtimes read. A graph with batch norms is folded
// first. The notes say what the runtime may compute otherwise than the graph:
// integers of a graph that came from a TFLite file, or from Quantize, give
// none, and the runtime's bytes are the graph's.
func TFLite(w io.Writer, g *graph.Graph, opt *TFLiteOptions) (notes []string, err error) {
	if opt == nil {
		opt = &TFLiteOptions{}
	}
	if g, err = pass.Fold(g); err != nil {
		return nil, err
	}
	x := &tfliteWriter{g: g, opt: opt, uses: g.Uses(), at: map[graph.ID]int{}, taken: map[string]bool{}, consts: map[string]int{}}
	x.m = tflite.Model{Version: 3, Description: opt.Description, Buffers: [][]byte{nil}, Metadata: map[string][]byte{}}
	if err := x.all(); err != nil {
		return nil, err
	}
	x.m.Subgraphs = []tflite.Subgraph{x.sub}
	// The runtime's own converter leaves this; 1.5.0 is the first that reads
	// any file, the versions of operators say the rest.
	x.m.Metadata["min_runtime_version"] = append([]byte("1.5.0"), make([]byte, 11)...)
	meta := tflite.Meta{Name: opt.Name, Description: opt.Description, Mean: opt.Mean, Std: opt.Std}
	files := map[string][]byte{}
	if len(opt.Labels) > 0 {
		meta.Labels = "labels.txt"
		files[meta.Labels] = []byte(strings.Join(opt.Labels, "\n") + "\n")
	}
	if opt.Name != "" || meta.Labels != "" || len(meta.Mean) > 0 {
		x.m.Metadata[tflite.MetaKey] = meta.Marshal()
	}
	if opt.Recipe != "" {
		x.m.Metadata[tflite.RecipeKey] = []byte(opt.Recipe)
	}
	data, err := tflite.Marshal(&x.m)
	if err != nil {
		return nil, err
	}
	if data, err = tflite.WithFiles(data, files); err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	return x.notes, err
}

// tfliteWriter lowers one graph.
type tfliteWriter struct {
	g     *graph.Graph
	opt   *TFLiteOptions
	uses  []int
	m     tflite.Model
	sub   tflite.Subgraph
	at    map[graph.ID]int // the tensor of a value
	taken map[string]bool
	// consts are the small constants by type and bytes, shared.
	consts map[string]int
	notes  []string
}

func (x *tfliteWriter) all() error {
	if len(x.g.Inputs) == 0 || len(x.g.Outputs) == 0 {
		return fmt.Errorf("the graph has %d inputs and %d outputs", len(x.g.Inputs), len(x.g.Outputs))
	}
	for _, id := range x.g.Inputs {
		if s := x.g.Node(id).Type.Shape; len(s) == 0 || s[0] != 1 {
			return fmt.Errorf("input %q of shape %v: a TFLite file is of one picture", x.g.Node(id).Name, s)
		}
	}
	// The outputs' names come first, so that no value in between takes them.
	for _, o := range x.g.Outputs {
		x.taken[o.Name] = true
	}
	for i := range x.g.Nodes {
		id := graph.ID(i)
		if x.uses[i] == 0 && !slices.Contains(x.g.Inputs, id) {
			continue // a constant that folding left behind
		}
		if err := x.node(id); err != nil {
			n := x.g.Node(id)
			return fmt.Errorf("node %q (%s) as TFLite: %w", n.Name, n.Op.Kind(), err)
		}
	}
	for _, o := range x.g.Outputs {
		if err := x.output(o); err != nil {
			return fmt.Errorf("output %q as TFLite: %w", o.Name, err)
		}
	}
	return nil
}

func (x *tfliteWriter) node(id graph.ID) error {
	n := x.g.Node(id)
	switch n.Op.(type) {
	case graph.Input:
		return x.input(id)
	case graph.Variable, graph.Constant:
		return nil // written where they are read, in the operator's layout
	}
	if ok, err := x.integer(id, n); ok {
		return err
	}
	return x.float(id, n)
}

// name is a name of no other tensor.
func (x *tfliteWriter) name(want string) string {
	name := want
	for i := 1; x.taken[name]; i++ {
		name = fmt.Sprintf("%s.%d", want, i)
	}
	x.taken[name] = true
	return name
}

func dtype(t tensor.DType) (tflite.Type, error) {
	for k := tflite.Type(0); k < 20; k++ {
		if k.DType() == t && t != tensor.Invalid {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%v is no type of a TFLite file", t)
}

// quant is the parameters of a value whose scales, if several, lie along axis.
func quant(q *graph.Quant, axis int) *tflite.Quantization {
	if q == nil {
		return nil
	}
	out := &tflite.Quantization{Scale: q.Scales, ZeroPoint: make([]int64, len(q.Zeros))}
	if len(q.Scales) > 1 {
		out.Dimension = axis
	}
	for i, z := range q.Zeros {
		out.ZeroPoint[i] = int64(z)
	}
	return out
}

// add appends a tensor.
func (x *tfliteWriter) add(name string, t graph.Type, axis int, data []byte) (int, error) {
	typ, err := dtype(t.DType)
	if err != nil {
		return 0, err
	}
	v := tflite.Tensor{Name: x.name(name), Shape: append([]int{}, t.Shape...), Type: typ, Quant: quant(t.Quant, axis)}
	if data != nil {
		v.Buffer, v.Data = len(x.m.Buffers), data
		x.m.Buffers = append(x.m.Buffers, data)
	}
	x.sub.Tensors = append(x.sub.Tensors, v)
	return len(x.sub.Tensors) - 1, nil
}

// value is the tensor of a value that an operator reads.
func (x *tfliteWriter) value(id graph.ID) (int, error) {
	if t, ok := x.at[id]; ok {
		return t, nil
	}
	n := x.g.Node(id)
	if n.Value == nil {
		return 0, fmt.Errorf("%q has no value", n.Name)
	}
	data := n.Value.Bytes
	if n.Type.DType == tensor.F32 {
		data = floats(n.Value.Values(nil))
	}
	t, err := x.add(n.Name, n.Type, 0, data)
	if err == nil {
		x.at[id] = t
	}
	return t, err
}

// constant is a small constant, one for all its readers.
func (x *tfliteWriter) constant(name string, t graph.Type, data []byte) (int, error) {
	key := fmt.Sprintf("%v %v %x", t, t.Quant, data)
	if i, ok := x.consts[key]; ok {
		return i, nil
	}
	i, err := x.add(name, t, 0, data)
	x.consts[key] = i
	return i, err
}

func (x *tfliteWriter) ints(name string, v ...int) (int, error) {
	return x.constant(name, graph.Type{DType: tensor.I32, Shape: tensor.Shape{len(v)}}, int32s(v))
}

func int32s(v []int) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, n := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(n)))
	}
	return b
}

// scalar is a constant real number.
func (x *tfliteWriter) scalar(v float32) (int, error) {
	return x.constant(fmt.Sprint("constant ", v), graph.Type{DType: tensor.F32, Shape: tensor.Shape{}}, floats([]float32{v}))
}

func floats(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, f := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(f))
	}
	return b
}

// emit appends an operator with a new tensor as its result.
func (x *tfliteWriter) emit(op tflite.Builtin, name string, t graph.Type, options any, in ...int) (int, error) {
	out, err := x.add(name, t, 0, nil)
	if err != nil {
		return 0, err
	}
	o := tflite.Operator{Inputs: in, Outputs: []int{out}, Options: options}
	o.Code = tflite.OperatorCode{Builtin: op, Version: x.version(op, &o)}
	x.sub.Operators = append(x.sub.Operators, o)
	return out, nil
}

// result is emit for the result of a node.
func (x *tfliteWriter) result(id graph.ID, op tflite.Builtin, options any, in ...int) error {
	n := x.g.Node(id)
	t, err := x.emit(op, n.Name, n.Type, options, in...)
	x.at[id] = t
	return err
}

// version is the first version of an operator that knows its operands, as
// runtime 2.9 registers them.
func (x *tfliteWriter) version(op tflite.Builtin, o *tflite.Operator) int {
	first := x.sub.Tensors[o.Inputs[0]].Type.DType()
	result := x.sub.Tensors[o.Outputs[0]].Type.DType()
	v := 1
	if first == tensor.I8 {
		v = 2
	}
	switch options := o.Options.(type) {
	case *tflite.Conv2DOptions:
		if v == 2 {
			return 3
		}
		return 1
	case *tflite.DepthwiseConv2DOptions:
		if v == 2 {
			return 3
		}
		if options.DilationH > 1 || options.DilationW > 1 {
			return 2
		}
	case *tflite.FullyConnectedOptions:
		switch {
		case options.KeepNumDims:
			return 5
		case v == 2:
			return 4
		}
	case *tflite.ResizeOptions:
		if options.HalfPixelCenters {
			return 3
		}
	}
	switch op {
	case tflite.HardSwish, tflite.Reshape, tflite.Cast, tflite.ReLUN1To1, tflite.PReLU, tflite.Div, tflite.Gelu:
		return 1
	case tflite.Quantize:
		if first != tensor.F32 || result == tensor.U8 {
			return 2
		}
		return 1
	}
	return v
}
