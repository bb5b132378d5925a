package importer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// onnxSource walks an ONNX graph.
type onnxSource struct {
	m     *onnx.Model
	init  map[string]*tensor.Tensor
	input string
	nchw  bool
	opset int64
	// uses counts the readers of a value, so that a node may take over its
	// only reader's work.
	uses map[string]int
	// memo holds what nodes of constants compute, the same in every walk.
	memo map[string]val
	// reals holds the constants that stand for integers with a scale and are
	// needed as float32s; written by the first walk only.
	reals map[arrayKey]*tensor.Tensor
}

// FromONNX imports a parsed ONNX file of operators on real numbers, on bytes
// (QLinear...) or on real numbers between DequantizeLinear and QuantizeLinear.
func FromONNX(f *onnx.Model) (*Imported, error) {
	s := &onnxSource{m: f, init: map[string]*tensor.Tensor{}, uses: map[string]int{}, memo: map[string]val{}, reals: map[arrayKey]*tensor.Tensor{}, opset: f.Opset[""]}
	if s.opset == 0 {
		s.opset = 1 // files before operator sets had versions
	}
	im := &Imported{Format: ONNX, Producer: strings.TrimSpace(f.Producer + " " + f.ProducerVersion), static: map[*tensor.Tensor]bool{}, src: s}
	for _, t := range f.Graph.Initializers {
		s.init[t.Name] = t
		im.static[t] = true
	}
	for i := range f.Graph.Nodes {
		n := &f.Graph.Nodes[i]
		for _, in := range n.Inputs {
			s.uses[in]++
		}
	}
	for _, o := range f.Graph.Outputs {
		s.uses[o.Name]++
	}
	if err := s.findInput(im); err != nil {
		return nil, err
	}
	return im.finish()
}

func onnxLabel(n *onnx.Node) string {
	name := n.Name
	if name == "" && len(n.Outputs) > 0 {
		name = n.Outputs[0]
	}
	op := n.OpType
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	return fmt.Sprintf("'%s' (ONNX op '%s')", name, op)
}

// findInput finds the one input that is not a weight, and which axis of it
// holds the channels.
func (s *onnxSource) findInput(im *Imported) error {
	var in *onnx.ValueInfo
	for i := range s.m.Graph.Inputs {
		v := &s.m.Graph.Inputs[i]
		if s.init[v.Name] != nil {
			continue // files before IR version 4 list weights as inputs too
		}
		if in != nil {
			return fmt.Errorf("%w: two inputs, %q and %q; a network of one picture is needed", ErrUnsupported, in.Name, v.Name)
		}
		in = v
	}
	if in == nil {
		return fmt.Errorf("%w: the graph has no input", ErrUnsupported)
	}
	if in.DType != tensor.F32 && in.DType != tensor.F16 {
		return fmt.Errorf("%w: input %q is %v; this version reads float models", ErrUnsupported, in.Name, in.DType)
	}
	if !in.HasShape || len(in.Shape) != 4 {
		return fmt.Errorf("%w: input %q of shape %v is not a batch of pictures", ErrUnsupported, in.Name, tensor.Shape(in.Shape))
	}
	few := func(d int) bool { return d == 1 || d == 3 || d == 4 }
	d := in.Shape
	switch {
	case few(d[3]) && !few(d[1]): // [N,H,W,3], as files out of TensorFlow have it
	case d[1] > 0:
		s.nchw = true
	default:
		return fmt.Errorf("%w: input %q of shape %v does not say how many colours it has", ErrUnsupported, in.Name, tensor.Shape(d))
	}
	im.C, im.H, im.W = d[1], d[2], d[3]
	if !s.nchw {
		im.H, im.W, im.C = d[1], d[2], d[3]
	}
	if im.H <= 0 || im.W <= 0 {
		im.AnySize = true
		im.H, im.W = 224, 224
	}
	im.Input, s.input = in.Name, in.Name
	return nil
}

// walk builds the graph. Pictures inside an ONNX graph are [N,C,H,W].
func (s *onnxSource) walk(b *build) error {
	b.picture = []int{0, 2, 3, 1}
	order := b.picture
	if !s.nchw {
		order = identity(4)
	}
	in, err := b.input(s.input, b.im.C, order)
	if err != nil {
		return err
	}
	b.vals[s.input] = in
	w := &onnxWalk{s: s, b: b, skip: map[int]bool{}}
	for i := range s.m.Graph.Nodes {
		n := &s.m.Graph.Nodes[i]
		if w.skip[i] || s.done(b, n) {
			continue
		}
		b.at = i
		if err := w.node(i, n); err != nil {
			return fmt.Errorf("node %s: %w", onnxLabel(n), err)
		}
	}
	for _, o := range s.m.Graph.Outputs {
		v, err := w.val(o.Name)
		if err != nil {
			return fmt.Errorf("output %q: %w", o.Name, err)
		}
		if v, err = b.real(o.Name, v); err != nil {
			return err
		}
		if err := b.output(o.Name, v); err != nil {
			return err
		}
	}
	return nil
}

// done reports that an earlier walk found the node's result constant.
func (s *onnxSource) done(b *build, n *onnx.Node) bool {
	if b.first || len(n.Outputs) == 0 {
		return false
	}
	return s.memo[n.Outputs[0]].isConst()
}

// onnxWalk is the state of one walk over an ONNX graph.
type onnxWalk struct {
	s    *onnxSource
	b    *build
	skip map[int]bool // nodes whose work an earlier one has done
}

// val is the value of a name.
func (w *onnxWalk) val(name string) (val, error) {
	if v, ok := w.b.vals[name]; ok {
		return v, nil
	}
	if v := w.s.memo[name]; v.isConst() {
		return v, nil
	}
	if t := w.s.init[name]; t != nil {
		return val{c: t}, nil
	}
	return val{}, fmt.Errorf("%w: value %q is not computed before it is read", ErrUnsupported, name)
}

// name is what the nodes made for n are called.
func (w *onnxWalk) name(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	if len(n.Outputs) > 0 && n.Outputs[0] != "" {
		return n.Outputs[0]
	}
	return strings.ToLower(n.OpType)
}

// node does one operator.
func (w *onnxWalk) node(i int, n *onnx.Node) error {
	f := onnxOps[n.OpType]
	switch n.Domain {
	case "", "ai.onnx":
	case "com.microsoft":
		f = microsoftOps[n.OpType]
	default:
		f = nil
	}
	if f == nil {
		return ErrUnsupported
	}
	if len(n.Outputs) == 0 || n.Outputs[0] == "" {
		return fmt.Errorf("the node has no output")
	}
	for _, o := range n.Outputs[1:] {
		if w.s.uses[o] > 0 && o != "" {
			return fmt.Errorf("%w: its output %q", ErrUnsupported, o)
		}
	}
	if _, dup := w.b.vals[n.Outputs[0]]; dup {
		return fmt.Errorf("value %q is computed twice", n.Outputs[0])
	}
	static := true
	in := make([]val, len(n.Inputs))
	for k, name := range n.Inputs {
		if name == "" {
			continue
		}
		v, err := w.val(name)
		if err != nil {
			return err
		}
		if v.q != nil && !takesIntegers[n.OpType] {
			if v, err = w.float(v); err != nil {
				return fmt.Errorf("input %q: %w", name, err)
			}
		}
		in[k] = v
		static = static && v.isConst() && w.b.im.static[v.c]
	}
	c := &onnxCall{w: w, b: w.b, n: n, index: i, name: w.name(n), in: in}
	v, err := f(c)
	if err != nil {
		return err
	}
	kept, err := w.b.fold(v, in, static)
	if err != nil {
		return err
	}
	if kept {
		w.s.memo[n.Outputs[0]] = v
		return nil
	}
	w.b.vals[c.output()] = v
	return nil
}

// onnxCall is one operator with its inputs.
type onnxCall struct {
	w     *onnxWalk
	b     *build
	n     *onnx.Node
	index int
	name  string
	in    []val // the zero val where an optional input is left out
	out   string
}

// output is the name of the result: that of the reader taken over, if any.
func (c *onnxCall) output() string {
	if c.out != "" {
		return c.out
	}
	return c.n.Outputs[0]
}

// has reports whether optional input i is given.
func (c *onnxCall) has(i int) bool { return i < len(c.in) && c.n.Inputs[i] != "" }

// need checks that the first k inputs are given.
func (c *onnxCall) need(k int) error {
	for i := range k {
		if !c.has(i) {
			return fmt.Errorf("input %d is missing", i)
		}
	}
	return nil
}

// weight is input i as a constant, nil when it is left out.
func (c *onnxCall) weight(i int) (*tensor.Tensor, error) {
	if !c.has(i) {
		return nil, nil
	}
	if !c.in[i].isConst() {
		return nil, fmt.Errorf("%w: input %q is not a constant", ErrUnsupported, c.n.Inputs[i])
	}
	return c.in[i].c, nil
}

// list is a list of integers that stands in an attribute in older operator
// sets and in input i in newer ones; ok is false when it is in neither.
func (c *onnxCall) list(attr string, i int) (v []int64, ok bool, err error) {
	if c.has(i) {
		v, err = ints(c.in[i])
		return v, true, err
	}
	return slices.Clone(c.n.Ints(attr, nil)), c.n.Has(attr), nil
}

// scalar is a number that stands in an attribute in older operator sets and in
// input i in newer ones.
func (c *onnxCall) scalar(attr string, i int, def float32) (float32, error) {
	if !c.has(i) {
		return c.n.Float(attr, def), nil
	}
	t, err := c.weight(i)
	if err != nil {
		return 0, err
	}
	v, err := t.Float32s()
	if err != nil {
		return 0, err
	}
	if len(v) != 1 || math.IsNaN(float64(v[0])) {
		return 0, fmt.Errorf("input %q of shape %v where one number is needed", c.n.Inputs[i], t.Shape)
	}
	return v[0], nil
}
