package importer

import (
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// onnxOps are the operators by name.
var onnxOps = map[string]func(*onnxCall) (val, error){
	"Conv": (*onnxCall).conv, "Gemm": (*onnxCall).gemm, "MatMul": (*onnxCall).matMul,
	"AveragePool": (*onnxCall).pool, "MaxPool": (*onnxCall).pool,
	"GlobalAveragePool": func(c *onnxCall) (val, error) { return one(c, c.b.globalPool) },
	"GlobalMaxPool":     (*onnxCall).globalMax, "ReduceMean": (*onnxCall).reduceMean,
	"BatchNormalization": (*onnxCall).batchNorm, "Softmax": (*onnxCall).softmax,
	"Pad": (*onnxCall).pad, "Resize": (*onnxCall).resize, "Upsample": (*onnxCall).resize,

	"Relu":      actOp(func(*onnxCall) (graph.Act, error) { return graph.ActReLU, nil }),
	"Sigmoid":   actOp(func(*onnxCall) (graph.Act, error) { return graph.ActSigmoid, nil }),
	"HardSwish": actOp(func(*onnxCall) (graph.Act, error) { return graph.ActHSwish, nil }),
	"Tanh":      actOp(func(*onnxCall) (graph.Act, error) { return graph.Act{Kind: graph.Tanh}, nil }),
	"LeakyRelu": actOp(func(c *onnxCall) (graph.Act, error) { return graph.ActLeakyReLU(c.n.Float("alpha", 0.01)), nil }),
	"Clip":      actOp((*onnxCall).clip), "HardSigmoid": actOp((*onnxCall).hardSigmoid), "Gelu": actOp((*onnxCall).gelu),
	"PRelu": (*onnxCall).prelu,

	"QuantizeLinear": (*onnxCall).quantizeLinear, "DequantizeLinear": (*onnxCall).dequantizeLinear,
	"QLinearConv": (*onnxCall).qlinearConv, "QLinearMatMul": (*onnxCall).qlinearMatMul,

	"Add": binaryOp(graph.Add), "Sub": binaryOp(graph.Sub), "Mul": binaryOp(graph.Mul), "Div": binaryOp(graph.Div),
	"Max": extremeOp(true), "Min": extremeOp(false),

	"Concat": (*onnxCall).concat, "Reshape": (*onnxCall).reshape, "Flatten": (*onnxCall).flatten,
	"Squeeze": (*onnxCall).squeeze, "Unsqueeze": (*onnxCall).unsqueeze, "Transpose": (*onnxCall).transpose,
	"Identity": (*onnxCall).identity, "Dropout": (*onnxCall).identity, "Cast": (*onnxCall).cast,

	"Constant": (*onnxCall).constant, "ConstantOfShape": (*onnxCall).constantOfShape, "Shape": (*onnxCall).shape,
	"Gather": (*onnxCall).gather, "Slice": (*onnxCall).slice, "Expand": (*onnxCall).expand,
	"Floor": unaryOp(math.Floor, same), "Ceil": unaryOp(math.Ceil, same), "Sqrt": unaryOp(math.Sqrt, nil),
	"Neg":        unaryOp(func(x float64) float64 { return -x }, func(x int64) int64 { return -x }),
	"Abs":        unaryOp(math.Abs, func(x int64) int64 { return max(x, -x) }),
	"Reciprocal": unaryOp(func(x float64) float64 { return 1 / x }, nil),
}

// one applies an operation of a name and one input.
func one(c *onnxCall, f func(string, val) (val, error)) (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	return f(c.name, c.in[0])
}

func actOp(f func(*onnxCall) (graph.Act, error)) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		if err := c.need(1); err != nil {
			return val{}, err
		}
		a, err := f(c)
		if err != nil {
			return val{}, err
		}
		return c.b.act(c.name, c.in[0], a)
	}
}

func binaryOp(fn graph.BinaryKind) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		if err := c.need(2); err != nil {
			return val{}, err
		}
		l, r := c.in[0], c.in[1]
		if l.isConst() && r.isConst() {
			var err error
			if l, err = c.w.float(l); err != nil {
				return val{}, err
			}
			if r, err = c.w.float(r); err != nil {
				return val{}, err
			}
		}
		return c.b.binary(c.name, fn, l, r)
	}
}

// extremeOp is a maximum or minimum with a constant: a clamp on one side.
func extremeOp(max bool) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		if err := c.need(2); err != nil {
			return val{}, err
		}
		return c.b.extreme(c.name, max, c.in)
	}
}

func (b *build) extreme(name string, max bool, in []val) (val, error) {
	if len(in) == 2 && in[0].isConst() != in[1].isConst() {
		x, k := in[0], in[1].c
		if in[0].isConst() {
			x, k = in[1], in[0].c
		}
		if v, err := k.Float32s(); err == nil && len(v) == 1 {
			a := graph.ActClip(negInf, v[0])
			if max {
				a = graph.ActClip(v[0], -negInf)
			}
			return b.act(name, x, a)
		}
	}
	return val{}, fmt.Errorf("%w: only with one number", ErrUnsupported)
}

func same(x int64) int64 { return x }

// unaryOp applies f to a constant; whole numbers, which sizes are computed
// with, stay whole where the operator has a form for them.
func unaryOp(f func(float64) float64, whole func(int64) int64) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		if err := c.need(1); err != nil {
			return val{}, err
		}
		if !c.in[0].isConst() {
			return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
		}
		t, err := foldUnary(c.in[0].c, f, whole)
		return val{c: t}, err
	}
}

// window reads the attributes that convolution and pooling share.
func (c *onnxCall) window(x val, kernel []int64) (w graph.Window, err error) {
	small := func(name string, n int, def int64) ([]int, error) {
		v := c.n.Ints(name, nil)
		out := make([]int, n)
		for i := range out {
			k := def
			if len(v) == n {
				k = v[i]
			} else if len(v) != 0 {
				return nil, fmt.Errorf("%w: %s %v", ErrUnsupported, name, v)
			}
			if k < def || k > 1<<20 {
				return nil, fmt.Errorf("%s %v", name, v)
			}
			out[i] = int(k)
		}
		return out, nil
	}
	if len(kernel) != 2 || kernel[0] < 1 || kernel[1] < 1 || kernel[0] > 1<<20 || kernel[1] > 1<<20 {
		return w, fmt.Errorf("%w: a window of %v", ErrUnsupported, kernel)
	}
	stride, err := small("strides", 2, 1)
	if err != nil {
		return w, err
	}
	dil, err := small("dilations", 2, 1)
	if err != nil {
		return w, err
	}
	pads, err := small("pads", 4, 0)
	if err != nil {
		return w, err
	}
	w = graph.Window{KH: int(kernel[0]), KW: int(kernel[1]), StrideH: stride[0], StrideW: stride[1], DilationH: dil[0], DilationW: dil[1]}
	switch mode := c.n.String("auto_pad", "NOTSET"); mode {
	case "NOTSET", "":
		w.Pad = graph.Padding{Top: pads[0], Left: pads[1], Bottom: pads[2], Right: pads[3]}
	case "VALID":
	case "SAME_UPPER":
		w.Pad = graph.SamePadding
	case "SAME_LOWER": // the odd pixel goes to the top and the left
		if len(x.shape) != 4 {
			return w, fmt.Errorf("%w: input of shape %v", ErrUnsupported, tensor.Shape(x.shape))
		}
		w.Pad = graph.SamePadding
		_, _, p, err := w.Output(x.shape[2], x.shape[3])
		if err != nil {
			return w, err
		}
		w.Pad = graph.Padding{Top: p.Bottom, Bottom: p.Top, Left: p.Right, Right: p.Left}
	default:
		return w, fmt.Errorf("%w: auto_pad %q", ErrUnsupported, mode)
	}
	return w, nil
}

func (c *onnxCall) conv() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	w, err := c.weight(1)
	if err != nil {
		return val{}, err
	}
	bias, err := c.weight(2)
	if err != nil {
		return val{}, err
	}
	groups, win, err := c.convWindow(c.in[0], w)
	if err != nil {
		return val{}, err
	}
	return c.b.conv(c.name, c.in[0], convolution{Window: win, groups: groups, weight: w, bias: bias, wq: c.in[1].q, bq: c.quantOf(2)})
}

// convWindow reads the attributes of a convolution with the weight w.
func (c *onnxCall) convWindow(x val, w *tensor.Tensor) (groups int, win graph.Window, err error) {
	if len(w.Shape) != 4 {
		return 0, win, fmt.Errorf("%w: weight of shape %v", ErrUnsupported, w.Shape)
	}
	kernel := []int64{int64(w.Shape[2]), int64(w.Shape[3])}
	if k := c.n.Ints("kernel_shape", kernel); !slices.Equal(k, kernel) {
		return 0, win, fmt.Errorf("kernel_shape %v for a weight of shape %v", k, w.Shape)
	}
	if win, err = c.window(x, kernel); err != nil {
		return 0, win, err
	}
	g := c.n.Int("group", 1)
	if g < 1 || g > math.MaxInt32 {
		return 0, win, fmt.Errorf("group %d", g)
	}
	return int(g), win, nil
}

// gemm is alpha*x*W + beta*bias.
func (c *onnxCall) gemm() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	w, err := c.weight(1)
	if err != nil {
		return val{}, err
	}
	bias, err := c.weight(2)
	if err != nil {
		return val{}, err
	}
	if c.n.Int("transA", 0) != 0 || c.in[0].isConst() {
		return val{}, fmt.Errorf("%w: a first operand that is constant or transposed", ErrUnsupported)
	}
	turned := c.n.Int("transB", 0) == 0
	wq, bq := c.in[1].q, c.quantOf(2)
	if bias != nil {
		out := 0
		if len(w.Shape) == 2 {
			out = w.Shape[0]
			if turned {
				out = w.Shape[1]
			}
		}
		if bias.Len() != out {
			return val{}, fmt.Errorf("%w: a third operand of shape %v for %d outputs", ErrUnsupported, bias.Shape, out)
		}
		if beta := c.n.Float("beta", 1); beta != 1 {
			if bias, bq, err = c.w.floats(bias, bq); err != nil {
				return val{}, err
			}
			if bias, err = scaled(bias, beta); err != nil {
				return val{}, err
			}
		}
	}
	alpha := c.n.Float("alpha", 1)
	if alpha != 1 {
		if w, wq, err = c.w.floats(w, wq); err != nil {
			return val{}, err
		}
	}
	return c.b.denseConv(c.name, c.in[0], convolution{weight: w, bias: bias, wq: wq, bq: bq}, turned, alpha)
}

// matMul takes an addition of a vector that follows as its bias.
func (c *onnxCall) matMul() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	if c.in[0].isConst() {
		return val{}, fmt.Errorf("%w: a constant times a value", ErrUnsupported)
	}
	w, err := c.weight(1)
	if err != nil {
		return val{}, err
	}
	var bias *tensor.Tensor
	var bq *constQuant
	nodes := c.w.s.m.Graph.Nodes
	if i := c.index + 1; i < len(nodes) && len(w.Shape) == 2 && c.w.s.uses[c.n.Outputs[0]] == 1 {
		next := &nodes[i]
		if next.OpType == "Add" && next.Domain == "" && len(next.Inputs) == 2 && len(next.Outputs) == 1 {
			k := slices.Index(next.Inputs, c.n.Outputs[0])
			if k >= 0 {
				if v, err := c.w.val(next.Inputs[1-k]); err == nil && v.isConst() && len(v.c.Shape) > 0 && v.c.Len() == w.Shape[1] && v.c.Shape[len(v.c.Shape)-1] == w.Shape[1] {
					bias, bq, c.out = v.c, v.q, next.Outputs[0]
					c.w.skip[i] = true
				}
			}
		}
	}
	return c.b.denseConv(c.name, c.in[0], convolution{weight: w, bias: bias, wq: c.in[1].q, bq: bq}, true, 1)
}

func (c *onnxCall) pool() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	w, err := c.window(x, c.n.Ints("kernel_shape", nil))
	if err != nil {
		return val{}, err
	}
	p := graph.Pool{Window: w, Max: c.n.OpType == "MaxPool", CountPad: c.n.Int("count_include_pad", 0) != 0}
	if c.n.Int("storage_order", 0) != 0 {
		return val{}, fmt.Errorf("%w: storage_order", ErrUnsupported)
	}
	if c.n.Int("ceil_mode", 0) != 0 && !w.Pad.Same && len(x.shape) == 4 {
		// Rounding up is padding at the far edge, unless the last window would
		// start in that padding.
		extra := func(in, before, after, k, stride, dil int) int {
			span := in + before + after - ((k-1)*dil + 1)
			n := (span+stride-1)/stride + 1
			if (n-1)*stride >= in+before {
				n--
			}
			return max((n-1)*stride-span, 0)
		}
		eh := extra(x.shape[2], w.Pad.Top, w.Pad.Bottom, w.KH, w.StrideH, w.DilationH)
		ew := extra(x.shape[3], w.Pad.Left, w.Pad.Right, w.KW, w.StrideW, w.DilationW)
		if p.CountPad && (eh > 0 || ew > 0) {
			return val{}, fmt.Errorf("%w: ceil_mode together with count_include_pad", ErrUnsupported)
		}
		p.Pad.Bottom += eh
		p.Pad.Right += ew
	}
	return c.b.pool(c.name, x, p)
}

func (c *onnxCall) globalMax() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	if len(x.shape) != 4 {
		return val{}, fmt.Errorf("%w: input of shape %v", ErrUnsupported, tensor.Shape(x.dims()))
	}
	return c.b.pool(c.name, x, graph.Pool{Window: graph.Window{KH: x.shape[2], KW: x.shape[3]}, Max: true})
}

func (c *onnxCall) reduceMean() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	axes, _, err := c.list("axes", 1)
	if err != nil {
		return val{}, err
	}
	if c.in[0].isConst() {
		return val{}, fmt.Errorf("%w: the mean of a constant", ErrUnsupported)
	}
	return c.b.mean(c.name, c.in[0], axes, c.n.Int("keepdims", 1) != 0)
}

func (c *onnxCall) batchNorm() (val, error) {
	if err := c.need(5); err != nil {
		return val{}, err
	}
	if c.n.Int("training_mode", 0) != 0 || c.n.Int("spatial", 1) == 0 || c.in[0].isConst() {
		return val{}, fmt.Errorf("%w: in training mode, by position or of a constant", ErrUnsupported)
	}
	var ts [4]*tensor.Tensor
	for i := range ts {
		var err error
		if ts[i], err = c.weight(i + 1); err != nil {
			return val{}, err
		}
	}
	op := graph.BatchNorm{Epsilon: float64(c.n.Float("epsilon", 1e-5)), Momentum: float64(c.n.Float("momentum", 0.9))}
	return c.b.batchNorm(c.name, c.in[0], ts, op)
}

func (c *onnxCall) softmax() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	def := int64(-1)
	if c.w.s.opset < 13 {
		def = 1
	}
	axis, err := axisOf(c.n.Int("axis", def), len(x.dims()))
	if err != nil {
		return val{}, err
	}
	if c.w.s.opset < 13 {
		// Older files mean all axes from this one on, taken together.
		wide := 0
		for a := axis; a < len(x.dims()); a++ {
			if x.dims()[a] != 1 {
				wide++
				axis = a
			}
		}
		if wide > 1 {
			return val{}, fmt.Errorf("%w: softmax over several axes of %v", ErrUnsupported, tensor.Shape(x.dims()))
		}
	}
	return c.b.softmax(c.name, x, axis)
}

func (c *onnxCall) pad() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	if mode := c.n.String("mode", "constant"); mode != "constant" {
		return val{}, fmt.Errorf("%w: mode %q", ErrUnsupported, mode)
	}
	attr := "pads"
	if c.w.s.opset < 2 {
		attr = "paddings"
	}
	pads, ok, err := c.list(attr, 1)
	if err != nil {
		return val{}, err
	}
	rank := len(c.in[0].dims())
	amounts := make([][2]int64, rank)
	if axes, given, err := c.list("axes", 3); err != nil {
		return val{}, err
	} else if given && len(axes)*2 == len(pads) {
		for i, a := range axes {
			k, err := axisOf(a, rank)
			if err != nil {
				return val{}, err
			}
			amounts[k] = [2]int64{pads[i], pads[i+len(axes)]}
		}
	} else if !ok || given || len(pads) != 2*rank {
		return val{}, fmt.Errorf("%d amounts of padding for %d axes", len(pads), rank)
	} else {
		for i := range amounts {
			amounts[i] = [2]int64{pads[i], pads[i+rank]}
		}
	}
	value, err := c.scalar("value", 2, 0)
	if err != nil {
		return val{}, err
	}
	if x := c.in[0]; !x.isConst() && c.b.g.Node(x.id).Type.Quantized() {
		if zero := c.b.g.Node(x.id).Type.Quant.Zeros[0]; value != float32(zero) {
			return val{}, fmt.Errorf("%w: padding of bytes by %v, which is not their zero point %d", ErrUnsupported, value, zero)
		}
		value = 0 // as a real number
	}
	return c.b.pad(c.name, c.in[0], amounts, value)
}

func (c *onnxCall) resize() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	if x.isConst() || len(x.shape) != 4 {
		return val{}, fmt.Errorf("%w: input of shape %v", ErrUnsupported, tensor.Shape(x.dims()))
	}
	var r graph.Resize2D
	switch mode := c.n.String("mode", "nearest"); mode {
	case "nearest":
		r.Nearest = true
	case "linear", "bilinear":
	default:
		return val{}, fmt.Errorf("%w: mode %q", ErrUnsupported, mode)
	}
	scales, sizes := 2, 3 // Resize from 11: x, roi, scales, sizes
	def := "half_pixel"
	if c.n.OpType == "Upsample" || c.w.s.opset < 11 {
		scales, sizes, def = 1, -1, "asymmetric"
	}
	switch how := c.n.String("coordinate_transformation_mode", def); how {
	case "half_pixel":
	case "pytorch_half_pixel": // differs for an output of one pixel only
	case "align_corners":
		r.Rule = graph.AlignCorners
	case "asymmetric":
		r.Rule = graph.Asymmetric
	default:
		return val{}, fmt.Errorf("%w: coordinate_transformation_mode %q", ErrUnsupported, how)
	}
	if r.Nearest {
		// The graph rounds as TensorFlow does, which is ONNX's floor for
		// asymmetric coordinates.
		if how := c.n.String("nearest_mode", "round_prefer_floor"); r.Rule != graph.Asymmetric || how != "floor" && scales == 2 {
			return val{}, fmt.Errorf("%w: nearest_mode %q with these coordinates", ErrUnsupported, how)
		}
	}
	if c.n.Int("antialias", 0) != 0 || c.n.Int("exclude_outside", 0) != 0 || c.n.Has("axes") {
		return val{}, fmt.Errorf("%w: antialias, exclude_outside or axes", ErrUnsupported)
	}
	if sizes > 0 && c.has(sizes) {
		v, err := ints(c.in[sizes])
		if err != nil {
			return val{}, err
		}
		if len(v) != 4 || v[0] != 1 || v[1] != int64(x.shape[1]) || v[2] < 1 || v[3] < 1 || v[2] > 1<<20 || v[3] > 1<<20 {
			return val{}, fmt.Errorf("%w: a size of %v for %v", ErrUnsupported, v, tensor.Shape(x.shape))
		}
		r.H, r.W = int(v[2]), int(v[3])
		return c.b.resize(c.name, x, r)
	}
	v := c.n.Floats("scales", nil)
	if c.has(scales) {
		t, err := c.weight(scales)
		if err != nil {
			return val{}, err
		}
		if v, err = t.Float32s(); err != nil {
			return val{}, err
		}
	}
	if len(v) != 4 || v[0] != 1 || v[1] != 1 || !(v[2] > 0 && v[2] < 1<<16) || !(v[3] > 0 && v[3] < 1<<16) {
		return val{}, fmt.Errorf("%w: scales of %v", ErrUnsupported, v)
	}
	if v[2] == float32(int(v[2])) && v[3] == float32(int(v[3])) {
		r.ScaleH, r.ScaleW = int(v[2]), int(v[3])
	} else {
		r.H = int(math.Floor(float64(x.shape[2]) * float64(v[2])))
		r.W = int(math.Floor(float64(x.shape[3]) * float64(v[3])))
	}
	return c.b.resize(c.name, x, r)
}

func (c *onnxCall) clip() (a graph.Act, err error) {
	lo, err := c.scalar("min", 1, float32(math.Inf(-1)))
	if err != nil {
		return a, err
	}
	hi, err := c.scalar("max", 2, float32(math.Inf(1)))
	if err != nil {
		return a, err
	}
	if lo > hi {
		lo = hi // as the operator is defined: the upper bound wins
	}
	return clamp(lo, hi), nil
}

func (c *onnxCall) hardSigmoid() (graph.Act, error) {
	alpha, beta := c.n.Float("alpha", 0.2), c.n.Float("beta", 0.5)
	if alpha == graph.Sixth && beta == 0.5 {
		return graph.ActHSigmoid, nil
	}
	return graph.Act{Kind: graph.HardSigmoid, A: alpha, B: beta}, nil
}

func (c *onnxCall) gelu() (graph.Act, error) {
	if how := c.n.String("approximate", "none"); how != "none" {
		return graph.Act{}, fmt.Errorf("%w: approximate %q", ErrUnsupported, how)
	}
	return graph.Act{Kind: graph.GELU}, nil
}

func (c *onnxCall) prelu() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	slope, err := c.weight(1)
	if err != nil {
		return val{}, err
	}
	return c.b.prelu(c.name, c.in[0], slope)
}
