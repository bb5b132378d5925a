package importer

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// convolution is what the two formats say about one.
type convolution struct {
	graph.Window
	groups int
	weight *tensor.Tensor
	// layout is the permutation of the weight's axes that is [O,I,KH,KW], nil
	// when it is stored so.
	layout []int
	bias   *tensor.Tensor // nil if none
	// wq and bq are set where weight and bias are integers with a scale.
	wq, bq *constQuant
	// out is how a convolution of bytes stores its result, nil for one of real
	// numbers.
	out *graph.Stored
}

func (b *build) conv(name string, x val, c convolution) (val, error) {
	x, err := b.asPicture(name, x)
	if err != nil {
		return x, err
	}
	c.Window, x.id = b.foldPad(c.Window, x.id)
	var f func(*tensor.Tensor) (*tensor.Tensor, error)
	if c.layout != nil {
		f = func(t *tensor.Tensor) (*tensor.Tensor, error) { return t.Transpose(c.layout...) }
	}
	return b.emitConv(name, x, c, fmt.Sprint("conv", c.layout), f)
}

func (b *build) emitConv(name string, x val, c convolution, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (val, error) {
	w, err := b.parameter(name+".weight", graph.Weight, c.weight, c.wq, c.out != nil, how, f)
	if err != nil {
		return x, err
	}
	in := []graph.ID{x.id, w}
	if c.bias != nil {
		id, err := b.parameter(name+".bias", graph.Bias, c.bias, c.bq, c.out != nil, "flat", flat)
		if err != nil {
			return x, err
		}
		in = append(in, id)
	}
	var op graph.Op = graph.Conv2D{Window: c.Window, Groups: c.groups, Bias: c.bias != nil}
	if c.out != nil {
		op = graph.QConv2D{Window: c.Window, Stored: *c.out, Groups: c.groups, Bias: c.bias != nil, Rounding: graph.FloatRounding}
	}
	id, err := b.add(name, op, in...)
	if err != nil {
		return x, err
	}
	return b.stored(id, b.picture, x.batch), nil
}

func flat(t *tensor.Tensor) (*tensor.Tensor, error) { return t.Reshape(tensor.Shape{t.Len()}) }

// foldPad takes a zero padding that stands before a window into the window.
func (b *build) foldPad(w graph.Window, x graph.ID) (graph.Window, graph.ID) {
	n := b.g.Node(x)
	p, ok := n.Op.(graph.Pad2D)
	if !ok || p.Value != 0 || w.Pad.Same {
		return w, x
	}
	w.Pad.Top += p.Top
	w.Pad.Bottom += p.Bottom
	w.Pad.Left += p.Left
	w.Pad.Right += p.Right
	return w, n.In[0]
}

// dense is a fully connected layer over the last axis of a [1,K] value: a 1x1
// convolution of a 1x1 picture. weight is [O,K], or [K,O] when turned.
func (b *build) dense(name string, x val, weight *tensor.Tensor, turned bool, bias *tensor.Tensor, scale float32) (val, error) {
	return b.denseConv(name, x, convolution{weight: weight, bias: bias}, turned, scale)
}

// denseConv is dense with weight, bias and result as c has them.
func (b *build) denseConv(name string, x val, c convolution, turned bool, scale float32) (val, error) {
	weight := c.weight
	if len(weight.Shape) != 2 {
		return x, fmt.Errorf("%w: weight of shape %v", ErrUnsupported, weight.Shape)
	}
	o, k := weight.Shape[0], weight.Shape[1]
	if turned {
		o, k = k, o
	}
	if len(x.shape) != 2 || x.shape[1] != k || x.shape[0] != 1 {
		return x, fmt.Errorf("%w: input %v for a weight of %d inputs", ErrUnsupported, tensor.Shape(x.shape), k)
	}
	x, err := b.reorder(name, x, identity(2))
	if err != nil {
		return x, err
	}
	id, err := b.view(name, x.id, tensor.Shape{b.rows(x), 1, 1, k}, x.batch)
	if err != nil {
		return x, err
	}
	convert := func(t *tensor.Tensor) (*tensor.Tensor, error) {
		var err error
		if turned {
			if t, err = t.Transpose(1, 0); err != nil {
				return nil, err
			}
		}
		if t, err = t.Reshape(tensor.Shape{o, k, 1, 1}); err != nil || scale == 1 {
			return t, err
		}
		return scaled(t, scale)
	}
	c.Window = graph.Window{KH: 1, KW: 1}
	if turned && c.wq != nil { // the outputs' axis comes first
		c.wq = c.wq.along(1 - c.wq.Axis)
	}
	y, err := b.emitConv(name, val{id: id, batch: x.batch}, c, fmt.Sprint("dense ", turned, scale), convert)
	if err != nil {
		return y, err
	}
	id, err = b.view(name, y.id, tensor.Shape{b.rows(x), o}, x.batch)
	return val{id: id, shape: []int{1, o}, axes: identity(2), batch: x.batch}, err
}

// rows is the first stored extent of x.
func (b *build) rows(x val) int { return b.g.Node(x.id).Type.Shape[0] }

// scaled is a float32 copy of t times s.
func scaled(t *tensor.Tensor, s float32) (*tensor.Tensor, error) {
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	for i := range v {
		v[i] *= s
	}
	return tensor.FromFloat32(t.Name, t.Shape, v), nil
}

func (b *build) act(name string, x val, a graph.Act) (val, error) {
	if a.Kind == graph.Linear {
		return x, nil
	}
	if x.isConst() {
		return x, fmt.Errorf("%w: activation of a constant", ErrUnsupported)
	}
	id, err := b.add(name, graph.Activation{Act: a}, x.id)
	x.id = id
	return x, err
}

// pool is average or maximum pooling.
func (b *build) pool(name string, x val, p graph.Pool) (val, error) {
	x, err := b.asPicture(name, x)
	if err != nil {
		return x, err
	}
	h, w := b.spatial(x)
	if !p.Max {
		// A padding before an average adds zeros that count.
		if p.CountPad || !p.Pad.Same && p.Pad == (graph.Padding{}) {
			if n := b.g.Node(x.id); n.Op.Kind() == (graph.Pad2D{}).Kind() {
				if win, id := b.foldPad(p.Window, x.id); id != x.id {
					p.Window, x.id, p.CountPad = win, id, true
					h, w = b.spatial(x)
				}
			}
		}
		oh, ow, pad, err := p.Output(h, w)
		if err != nil && !b.im.global[b.at] {
			return x, err
		}
		if b.first && oh == 1 && ow == 1 && p.KH == h && p.KW == w && pad == (graph.Padding{}) {
			b.im.global[b.at] = true
		}
		if b.im.global[b.at] {
			return b.globalPool(name, x)
		}
	}
	var op graph.Op = p
	if t := b.g.Node(x.id).Type; t.Quantized() {
		if !p.Max {
			return x, fmt.Errorf("%w: the mean of bytes without a scale for the result", ErrUnsupported)
		}
		op = graph.QPool{Window: p.Window, Stored: graph.Whole(t.DType, t.Quant.Scales[0], t.Quant.Zeros[0]), Max: true}
	}
	id, err := b.add(name, op, x.id)
	if err != nil {
		return x, err
	}
	return b.stored(id, b.picture, x.batch), nil
}

func (b *build) globalPool(name string, x val) (val, error) {
	x, err := b.asPicture(name, x)
	if err != nil {
		return x, err
	}
	if h, w := b.spatial(x); h == 1 && w == 1 {
		return x, nil
	}
	id, err := b.add(name, graph.GlobalAvgPool{}, x.id)
	if err != nil {
		return x, err
	}
	return b.stored(id, b.picture, x.batch), nil
}

// mean averages over axes of the file. Only the mean over the pixels of a
// picture is in the graph; axes of one element drop out.
func (b *build) mean(name string, x val, axes []int64, keep bool) (val, error) {
	rank := len(x.shape)
	over := make([]bool, rank)
	for _, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) {
			return x, fmt.Errorf("axis %d of %v", a, tensor.Shape(x.shape))
		}
		over[a] = true
	}
	if len(axes) == 0 {
		return x, fmt.Errorf("%w: the mean over all axes", ErrUnsupported)
	}
	reduced := slices.Clone(x.shape)
	var rest []int
	pixels, trivial := rank == 4, true
	for a, on := range over {
		if on {
			trivial = trivial && x.shape[a] == 1
			reduced[a] = 1
		} else {
			rest = append(rest, x.shape[a])
		}
		isPixel := rank == 4 && (a == b.picture[1] || a == b.picture[2])
		pixels = pixels && (on == isPixel || x.shape[a] == 1 && !(on && x.batch && x.axes[0] == a))
	}
	if x.batch && over[x.axes[0]] {
		return x, fmt.Errorf("%w: the mean over the batch axis", ErrUnsupported)
	}
	var err error
	switch {
	case trivial:
	case pixels:
		if x, err = b.globalPool(name, x); err != nil {
			return x, err
		}
	default:
		return x, fmt.Errorf("%w: the mean of %v over axes %v", ErrUnsupported, tensor.Shape(x.shape), axes)
	}
	if keep {
		return b.reshape(name, x, reduced)
	}
	return b.reshape(name, x, rest)
}

// binary is elementwise arithmetic with NumPy's broadcasting.
func (b *build) binary(name string, fn graph.BinaryKind, l, r val) (val, error) {
	if l.isConst() && r.isConst() {
		t, err := foldBinary(fn, l.c, r.c)
		return val{c: t}, err
	}
	return b.elementwise(name, graph.Binary{Fn: fn}, l, r)
}

// elementwise is an operation of two operands, not both constant, with NumPy's
// broadcasting.
func (b *build) elementwise(name string, op graph.Op, l, r val) (val, error) {
	like := l // the operand whose layout the result takes
	if l.isConst() {
		like = r
	}
	ids := make([]graph.ID, 2)
	for i, v := range []val{l, r} {
		var err error
		switch {
		case v.isConst():
			ids[i], err = b.operand(name, v, like, op)
		case len(v.shape) != len(like.shape):
			err = fmt.Errorf("%w: operands of shape %v and %v", ErrUnsupported, tensor.Shape(l.shape), tensor.Shape(r.shape))
		default:
			if v, err = b.reorder(name, v, like.axes); err == nil && v.batch != like.batch {
				err = b.loseBatch()
			}
			ids[i] = v.id
		}
		if err != nil {
			return like, err
		}
	}
	id, err := b.add(name, op, ids...)
	if err != nil {
		return like, err
	}
	return b.stored(id, like.axes, like.batch), nil
}

// operand emits a constant with its axes stored as those of like, as integers
// where op takes them.
func (b *build) operand(name string, v val, like val, op graph.Op) (graph.ID, error) {
	t := v.c
	s := t.Shape
	for len(s) > len(like.shape) && s[0] == 1 {
		s = s[1:]
	}
	if len(s) > len(like.shape) {
		return graph.None, fmt.Errorf("%w: a constant of shape %v with a value of shape %v", ErrUnsupported, t.Shape, tensor.Shape(like.shape))
	}
	full := make(tensor.Shape, len(like.shape))
	for i := range full {
		full[i] = 1
		if j := i - (len(full) - len(s)); j >= 0 {
			full[i] = s[j]
		}
	}
	if like.batch && full[like.axes[0]] != 1 {
		return graph.None, fmt.Errorf("%w: a constant of shape %v reaches over the batch axis", ErrUnsupported, t.Shape)
	}
	const suffix = ".constant"
	how := fmt.Sprint("operand", full, like.axes)
	arrange := func(t *tensor.Tensor) (*tensor.Tensor, error) {
		t, err := t.Reshape(full)
		if err != nil {
			return nil, err
		}
		return t.Transpose(like.axes...)
	}
	if v.q == nil {
		return b.constant(name+suffix, t, how, arrange)
	}
	if len(v.q.Scales) != 1 {
		return graph.None, fmt.Errorf("%w: a constant with a scale for each channel", ErrUnsupported)
	}
	_, ints := op.(graph.QBinary)
	return b.parameter(name+suffix, graph.Weight, t, v.q, ints, how, arrange)
}

func (b *build) concat(name string, axis int64, xs []val) (val, error) {
	like := -1
	for i, x := range xs {
		if !x.isConst() {
			like = i
			break
		}
	}
	if like < 0 {
		ts := make([]*tensor.Tensor, len(xs))
		for i, x := range xs {
			ts[i] = x.c
		}
		t, err := foldConcat(ts, axis)
		return val{c: t}, err
	}
	x := xs[like]
	if axis < 0 {
		axis += int64(len(x.shape))
	}
	at := slices.Index(x.axes, int(axis))
	if at < 0 {
		return x, fmt.Errorf("axis %d of %v", axis, tensor.Shape(x.shape))
	}
	if x.batch && at == 0 {
		return x, fmt.Errorf("%w: joining along the batch axis", ErrUnsupported)
	}
	ids := make([]graph.ID, len(xs))
	for i, v := range xs {
		if v.isConst() {
			return x, fmt.Errorf("%w: joining a constant to a value", ErrUnsupported)
		}
		v, err := b.reorder(name, v, x.axes)
		if err != nil {
			return x, err
		}
		if v.batch != x.batch {
			if err := b.loseBatch(); err != nil {
				return x, err
			}
		}
		ids[i] = v.id
	}
	id, err := b.add(name, graph.Concat{Axis: at}, ids...)
	if err != nil {
		return x, err
	}
	return b.stored(id, x.axes, x.batch), nil
}

// softmax is over one axis of the file, which must be stored last.
func (b *build) softmax(name string, x val, axis int) (val, error) {
	if x.isConst() || axis < 0 || axis >= len(x.shape) {
		return x, fmt.Errorf("%w: softmax over axis %d of %v", ErrUnsupported, axis, tensor.Shape(x.dims()))
	}
	if x.axes[len(x.axes)-1] != axis {
		want := slices.DeleteFunc(slices.Clone(x.axes), func(a int) bool { return a == axis })
		var err error
		if x, err = b.reorder(name, x, append(want, axis)); err != nil {
			return x, err
		}
	}
	id, err := b.add(name, graph.Softmax{}, x.id)
	x.id = id
	return x, err
}

// pad surrounds a picture; amounts are [before, after] for each file axis.
func (b *build) pad(name string, x val, amounts [][2]int64, value float32) (val, error) {
	if x.isConst() || len(amounts) != len(x.shape) {
		return x, fmt.Errorf("%w: %d pairs of padding for %v", ErrUnsupported, len(amounts), tensor.Shape(x.dims()))
	}
	var p graph.Padding
	any := false
	for axis, a := range amounts {
		if a == [2]int64{} {
			continue
		}
		any = true
		if a[0] < 0 || a[1] < 0 || a[0] > 1<<20 || a[1] > 1<<20 {
			return x, fmt.Errorf("%w: padding of %d", ErrUnsupported, a)
		}
		switch {
		case len(x.shape) == 4 && axis == b.picture[1]:
			p.Top, p.Bottom = int(a[0]), int(a[1])
		case len(x.shape) == 4 && axis == b.picture[2]:
			p.Left, p.Right = int(a[0]), int(a[1])
		default:
			return x, fmt.Errorf("%w: padding along axis %d of %v", ErrUnsupported, axis, tensor.Shape(x.shape))
		}
	}
	if !any {
		return x, nil
	}
	x, err := b.asPicture(name, x)
	if err != nil {
		return x, err
	}
	id, err := b.add(name, graph.Pad2D{Padding: p, Value: value}, x.id)
	if err != nil {
		return x, err
	}
	return b.stored(id, b.picture, x.batch), nil
}

func (b *build) resize(name string, x val, r graph.Resize2D) (val, error) {
	x, err := b.asPicture(name, x)
	if err != nil {
		return x, err
	}
	if h, w := b.spatial(x); r.ScaleH == 0 && h == r.H && w == r.W || r.ScaleH == 1 && r.ScaleW == 1 {
		return x, nil
	}
	id, err := b.add(name, r, x.id)
	if err != nil {
		return x, err
	}
	return b.stored(id, b.picture, x.batch), nil
}

// batchNorm normalises the channels of a picture or of a vector. ts are
// gamma, beta, mean and variance.
func (b *build) batchNorm(name string, x val, ts [4]*tensor.Tensor, op graph.BatchNorm) (val, error) {
	var err error
	if len(x.shape) == 2 {
		x, err = b.reorder(name, x, identity(2))
	} else {
		x, err = b.asPicture(name, x)
	}
	if err != nil {
		return x, err
	}
	in := []graph.ID{x.id}
	for i, role := range []graph.Role{graph.Gamma, graph.Beta, graph.Mean, graph.Var} {
		suffix := [...]string{".weight", ".bias", ".mean", ".var"}[i]
		id, err := b.variable(name+suffix, role, ts[i], "flat", flat)
		if err != nil {
			return x, err
		}
		in = append(in, id)
	}
	id, err := b.add(name, op, in...)
	x.id = id
	return x, err
}

// prelu is x above zero and slope*x below. One slope for all is a leaky ReLU;
// one for each channel is written as relu(x) + slope*min(x, 0).
func (b *build) prelu(name string, x val, slope *tensor.Tensor) (val, error) {
	v, err := slope.Float32s()
	if err != nil || len(v) == 0 {
		return x, fmt.Errorf("%w: slope of shape %v", ErrUnsupported, slope.Shape)
	}
	if !slices.ContainsFunc(v, func(s float32) bool { return s != v[0] }) {
		return b.act(name, x, graph.ActLeakyReLU(v[0]))
	}
	pos, err := b.act(name+".positive", x, graph.ActReLU)
	if err != nil {
		return x, err
	}
	neg, err := b.act(name+".negative", x, graph.ActClip(negInf, 0))
	if err != nil {
		return x, err
	}
	if neg, err = b.binary(name+".slope", graph.Mul, neg, val{c: slope}); err != nil {
		return x, err
	}
	return b.binary(name, graph.Add, pos, neg)
}
