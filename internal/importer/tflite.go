package importer

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// tfliteSource walks the first subgraph of a TFLite file.
type tfliteSource struct {
	g      *tflite.Subgraph
	consts map[int]*tensor.Tensor
	input  int
	// memo holds what operators on constants compute, the same in every walk.
	memo map[int]*tensor.Tensor
}

// FromTFLite imports a parsed TFLite file of operators on float32s or on bytes.
func FromTFLite(f *tflite.Model) (*Imported, error) {
	if len(f.Subgraphs) == 0 {
		return nil, fmt.Errorf("%w: the file holds no graph", ErrUnsupported)
	}
	g := &f.Subgraphs[0]
	s := &tfliteSource{g: g, consts: map[int]*tensor.Tensor{}, memo: map[int]*tensor.Tensor{}}
	im := &Imported{Format: TFLite, Producer: f.Description, Metadata: f.Metadata, static: map[*tensor.Tensor]bool{}, src: s}
	made := make([]bool, len(g.Tensors))
	for _, o := range g.Operators {
		for _, t := range o.Outputs {
			made[t] = true
		}
	}
	for _, t := range g.Inputs {
		made[t] = true
	}
	for i := range g.Tensors {
		v := &g.Tensors[i]
		if made[i] {
			if bytesWithScale(v) {
				if _, err := quantOf(v); err != nil {
					return nil, err
				}
			}
			continue
		}
		t, err := v.Constant()
		if err != nil {
			continue // an error where it is read, if it ever is
		}
		s.consts[i] = t
		im.static[t] = true
	}
	if len(g.Inputs) != 1 {
		return nil, fmt.Errorf("%w: %d inputs; a network of one picture is needed", ErrUnsupported, len(g.Inputs))
	}
	if len(g.Outputs) == 0 {
		return nil, fmt.Errorf("%w: the graph has no output", ErrUnsupported)
	}
	s.input = g.Inputs[0]
	in := &g.Tensors[s.input]
	if d := in.Type.DType(); d != tensor.F32 && d != tensor.F16 {
		q, err := s.stored(s.input)
		if err != nil {
			return nil, err
		}
		im.Bytes = &q
	}
	if len(in.Shape) != 4 {
		return nil, fmt.Errorf("%w: input %q of shape %v is not a batch of pictures", ErrUnsupported, in.Name, tensor.Shape(in.Shape))
	}
	im.Input, im.H, im.W, im.C = in.Name, in.Shape[1], in.Shape[2], in.Shape[3]
	if sig := in.Signature; len(sig) == 4 && (sig[1] < 0 || sig[2] < 0) || im.H < 1 || im.W < 1 {
		im.AnySize = true
		im.H, im.W = 224, 224
	}
	return im.finish()
}

// walk builds the graph. TFLite's layout is the graph's.
func (s *tfliteSource) walk(b *build) error {
	b.picture = identity(4)
	in, err := b.input(s.g.Tensors[s.input].Name, b.im.C, b.picture)
	if err != nil {
		return err
	}
	if b.im.Bytes != nil {
		if in.id, err = b.add(s.g.Tensors[s.input].Name+".bytes", graph.FromPixels{Stored: *b.im.Bytes}, in.id); err != nil {
			return err
		}
	}
	vals := map[int]val{s.input: in}
	for i := range s.g.Operators {
		o := &s.g.Operators[i]
		if len(o.Outputs) == 1 && !b.first && s.memo[o.Outputs[0]] != nil {
			continue
		}
		b.at = i
		if err := s.operator(b, vals, o, i); err != nil {
			return fmt.Errorf("node %s: %w", s.label(o, i), err)
		}
	}
	taken := map[string]bool{}
	for k, t := range s.g.Outputs {
		v, err := s.val(vals, t)
		if err != nil {
			return err
		}
		name := s.g.Tensors[t].Name
		if name == "" || taken[name] {
			name = fmt.Sprintf("output%d", k)
		}
		taken[name] = true
		if v, err = b.real(name, v); err != nil {
			return err
		}
		if err := b.output(name, v); err != nil {
			return err
		}
	}
	return nil
}

// label names an operator for messages: TFLite gives operators no names, so it
// is its first result's.
func (s *tfliteSource) label(o *tflite.Operator, i int) string {
	name := fmt.Sprintf("#%d", i)
	if len(o.Outputs) > 0 && s.g.Tensors[o.Outputs[0]].Name != "" {
		name = s.g.Tensors[o.Outputs[0]].Name
	}
	return fmt.Sprintf("'%s' (TFLite op '%s')", name, o.Name())
}

func (s *tfliteSource) val(vals map[int]val, t int) (val, error) {
	if v, ok := vals[t]; ok {
		return v, nil
	}
	if c := s.memo[t]; c != nil {
		return val{c: c}, nil
	}
	if c := s.consts[t]; c != nil {
		return val{c: c}, nil
	}
	v := &s.g.Tensors[t]
	if _, err := v.Constant(); err != nil && len(v.Data) > 0 {
		return val{}, fmt.Errorf("%w: %v", ErrUnsupported, err)
	}
	return val{}, fmt.Errorf("%w: tensor %q is not computed before it is read", ErrUnsupported, v.Name)
}

// tfliteCall is one operator with its inputs.
type tfliteCall struct {
	s    *tfliteSource
	b    *build
	o    *tflite.Operator
	name string
	in   []val // the zero val where an optional input is left out
}

func (s *tfliteSource) operator(b *build, vals map[int]val, o *tflite.Operator, i int) error {
	if len(o.Outputs) != 1 {
		return fmt.Errorf("%w: with %d outputs", ErrUnsupported, len(o.Outputs))
	}
	out := o.Outputs[0]
	if _, dup := vals[out]; dup {
		return fmt.Errorf("the tensor is computed twice")
	}
	c := &tfliteCall{s: s, b: b, o: o, name: s.g.Tensors[out].Name, in: make([]val, len(o.Inputs))}
	if c.name == "" {
		c.name = fmt.Sprintf("op%d", i)
	}
	static := true
	for k, t := range o.Inputs {
		if t < 0 {
			continue
		}
		v, err := s.val(vals, t)
		if err != nil {
			return err
		}
		c.in[k] = v
		static = static && v.isConst() && b.im.static[v.c]
	}
	ops := tfliteOps
	if s.quantized(o, c.in) {
		ops = tfliteIntOps
	}
	f, ok := ops[o.Code.Builtin]
	if !ok || o.Code.Builtin == tflite.Custom {
		return ErrUnsupported
	}
	v, err := f(c)
	if err != nil {
		return err
	}
	kept, err := b.fold(v, c.in, static)
	if err != nil {
		return err
	}
	if kept {
		s.memo[out] = v.c
		return nil
	}
	vals[out] = v
	return nil
}

func (c *tfliteCall) has(i int) bool { return i < len(c.in) && c.o.Inputs[i] >= 0 }

func (c *tfliteCall) need(k int) error {
	for i := range k {
		if !c.has(i) {
			return fmt.Errorf("input %d is missing", i)
		}
	}
	return nil
}

// weight is input i as a constant, nil when it is left out.
func (c *tfliteCall) weight(i int) (*tensor.Tensor, error) {
	if !c.has(i) {
		return nil, nil
	}
	if !c.in[i].isConst() {
		return nil, fmt.Errorf("%w: input %d is not a constant", ErrUnsupported, i)
	}
	if t := &c.s.g.Tensors[c.o.Inputs[i]]; t.Quant != nil && len(t.Quant.Scale) > 0 && !t.Type.DType().Float() {
		return nil, fmt.Errorf("%w: tensor %q is a quantized weight; this version reads float models", ErrUnsupported, t.Name)
	}
	return c.in[i].c, nil
}

// fused applies the activation that is part of an operator.
func (c *tfliteCall) fused(x val, err error, a tflite.Activation) (val, error) {
	if err != nil {
		return x, err
	}
	var act graph.Act
	switch a {
	case tflite.ActNone:
		return x, nil
	case tflite.ActReLU:
		act = graph.ActReLU
	case tflite.ActReLU6:
		act = graph.ActReLU6
	case tflite.ActReLUN1To1:
		act = graph.ActClip(-1, 1)
	case tflite.ActTanh:
		act = graph.Act{Kind: graph.Tanh}
	default:
		return x, fmt.Errorf("%w: fused activation %v", ErrUnsupported, a)
	}
	return c.b.act(c.name+".act", x, act)
}

func window(p tflite.Padding, kh, kw, sh, sw, dh, dw int) (w graph.Window, err error) {
	for _, v := range []int{kh, kw, sh, sw, dh, dw} {
		if v < 1 || v > 1<<20 {
			return w, fmt.Errorf("a window of %d x %d, stride %d x %d, dilation %d x %d", kh, kw, sh, sw, dh, dw)
		}
	}
	w = graph.Window{KH: kh, KW: kw, StrideH: sh, StrideW: sw, DilationH: dh, DilationW: dw}
	switch p {
	case tflite.Same:
		w.Pad = graph.SamePadding
	case tflite.Valid:
	default:
		return w, fmt.Errorf("padding %v", p)
	}
	return w, nil
}

// dequantized is a constant of integers with a scale as float32.
func dequantized(t *tflite.Tensor, c *tensor.Tensor) (*tensor.Tensor, error) {
	q := t.Quant
	if q == nil || len(q.Scale) == 0 || q.Custom {
		return nil, fmt.Errorf("%w: tensor %q has no scale", ErrUnsupported, t.Name)
	}
	v, err := c.Float32s()
	if err != nil {
		return nil, err
	}
	inner, n := len(v), len(q.Scale)
	if n > 1 {
		if q.Dimension < 0 || q.Dimension >= len(c.Shape) || c.Shape[q.Dimension] != n {
			return nil, fmt.Errorf("tensor %q has %d scales along axis %d of %v", t.Name, n, q.Dimension, c.Shape)
		}
		inner = c.Shape[q.Dimension+1:].Len()
	}
	if len(q.ZeroPoint) != 0 && len(q.ZeroPoint) != n {
		return nil, fmt.Errorf("tensor %q has %d scales and %d zero points", t.Name, n, len(q.ZeroPoint))
	}
	for i := range v {
		k := 0
		if n > 1 {
			k = i / inner % n
		}
		zero := float64(0)
		if len(q.ZeroPoint) > 0 {
			zero = float64(q.ZeroPoint[k])
		}
		v[i] = float32(float64(q.Scale[k]) * (float64(v[i]) - zero))
	}
	return tensor.FromFloat32(t.Name, c.Shape, v), nil
}
