package pass

import (
	"encoding/binary"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// plan makes the nodes that were found possible.
type plan func() graph.ID

// quantize finds how Quantize of a value comes about in integers; nil if it
// does not. Nothing is made before the whole is known to be possible.
func (l *lowering) quantize(id graph.ID, q graph.Quantize) plan {
	if !q.Even || l.err != nil {
		return nil
	}
	return l.rounded(id, q.Stored)
}

// rounded is how a value comes about stored as s.
func (l *lowering) rounded(id graph.ID, s graph.Stored) plan {
	if t := l.twin(id); t != graph.None {
		return func() graph.ID { return l.rescale(l.src.Node(id).Name, t, s) }
	}
	if l.uses[id] != 1 || l.err != nil {
		return nil
	}
	n := l.src.Node(id)
	switch op := n.Op.(type) {
	case graph.Dropout:
		return l.rounded(n.In[0], s)
	case graph.Reshape, graph.Transpose, graph.Resize2D:
		return l.moved(n, n.Op, s)
	case graph.Pad2D:
		if zero := s.Nearest(op.Value); op.Value == 0 && zero == s.Zero {
			return l.moved(n, op, s)
		}
	case graph.Concat:
		parts := make([]plan, len(n.In))
		for i, x := range n.In {
			if parts[i] = l.rounded(x, s); parts[i] == nil {
				return nil
			}
		}
		return func() graph.ID {
			in := make([]graph.ID, len(parts))
			for i, p := range parts {
				in[i] = p()
			}
			return l.add(n.Name, op, in...)
		}
	case graph.Activation:
		if t := l.twin(n.In[0]); t != graph.None {
			return func() graph.ID {
				return l.add(n.Name, graph.QActivation{Stored: s, Act: op.Act, Rule: graph.RuleFloat}, t)
			}
		}
		if lo, hi, ok := bounds(op.Act); ok {
			return l.rounded(n.In[0], narrowed(s, lo, hi))
		}
	case graph.Conv2D:
		return l.conv(n, op, s)
	case graph.Binary:
		return l.binary(n, op, s)
	case graph.GlobalAvgPool:
		if t := l.twin(n.In[0]); t != graph.None {
			return func() graph.ID { return l.add(n.Name, graph.QMean{Stored: s, Rounding: graph.FloatRounding}, t) }
		}
	case graph.Pool:
		if op.Max {
			return l.moved(n, graph.QPool{Window: op.Window, Stored: graph.Whole(s.DType, s.Scale, s.Zero), Max: true}, s)
		}
		return l.mean(n, op, s)
	}
	return nil
}

// moved rounds before the elements move.
func (l *lowering) moved(n *graph.Node, op graph.Op, s graph.Stored) plan {
	inner := l.rounded(n.In[0], s)
	if inner == nil {
		return nil
	}
	return func() graph.ID { return l.add(n.Name, op, inner()) }
}

// rescale is bytes stored as s: themselves where they are so already.
func (l *lowering) rescale(name string, t graph.ID, s graph.Stored) graph.ID {
	have := whole(l.out.Node(t).Type)
	if have == s {
		return t
	}
	return l.add(name+".scale", graph.QActivation{Stored: s, Rule: graph.RuleFloat}, t)
}

func (l *lowering) conv(n *graph.Node, op graph.Conv2D, s graph.Stored) plan {
	if op.Act.Kind != graph.Linear || op.Residual || op.Scale {
		return nil
	}
	x, k := l.twin(n.In[0]), l.constantOf(n.In[1])
	if x == graph.None || k == graph.None {
		return nil
	}
	w := l.src.Node(k)
	if q := w.Type.Quant; !w.Type.Quantized() || len(q.Scales) > 1 && q.Axis != 0 {
		return nil
	}
	var bias *graph.Array
	if op.Bias {
		if bias = l.bias(n.In[2], w, l.out.Node(x).Type.Quant.Scales[0]); bias == nil {
			return nil
		}
	}
	return func() graph.ID {
		in := []graph.ID{x, l.value(k)}
		if bias != nil {
			in = append(in, l.constant(n.Name+".bias", graph.Type{DType: tensor.I32, Shape: bias.Shape}, bias))
		}
		return l.add(n.Name, graph.QConv2D{Window: op.Window, Stored: s, Groups: op.Groups, Bias: op.Bias, Rounding: graph.FloatRounding}, in...)
	}
}

// biasKey tells biases apart that are rounded to the scale of a product.
type biasKey struct {
	bias, weight *graph.Array
	scale        float32
}

// maxBias bounds a bias that is rounded here, so that sums have room.
const maxBias = 1 << 30

// sameScale is how near to the products' scale that of a file's bias must be
// for its integers to be taken as they are: writers multiply in float32.
const sameScale = 1e-5

// bias gives a bias as integers of the scale of the products of the weight w
// and an input of scale x, nil where they would not hold it.
func (l *lowering) bias(id graph.ID, w *graph.Node, x float32) *graph.Array {
	from := l.src.Node(id)
	if k := l.constantOf(id); k != graph.None {
		from = l.src.Node(k)
	}
	if from.Value == nil || from.Type.Shape.Len() != w.Type.Shape[0] {
		return nil
	}
	key := biasKey{from.Value, w.Value, x}
	if a, ok := l.cache.biases[key]; ok {
		return a
	}
	a := roundBias(from, w.Type.Quant, x, w.Type.Shape[0])
	if l.cache.biases == nil {
		l.cache.biases = make(map[biasKey]*graph.Array)
	}
	l.cache.biases[key] = a
	return a
}

func roundBias(from *graph.Node, w *graph.Quant, x float32, outputs int) *graph.Array {
	own := from.Type.Quant
	real := from.Value.Values(nil)
	a := &graph.Array{Shape: tensor.Shape{outputs}, Bytes: make([]byte, 4*outputs)}
	for o := range outputs {
		step := float64(x) * float64(w.Scales[min(o, len(w.Scales)-1)])
		var v float64
		if own != nil {
			j := min(o, len(own.Scales)-1)
			scale := float64(own.Scales[j])
			i := int64(integer(from.Type.DType, from.Value.Bytes, o)) - int64(own.Zeros[j])
			if math.Abs(scale/step-1) < sameScale && i == int64(int32(i)) {
				binary.LittleEndian.PutUint32(a.Bytes[4*o:], uint32(i))
				continue
			}
			v = scale * float64(i)
		} else if o < len(real) {
			v = float64(real[o])
		} else {
			return nil
		}
		q := math.RoundToEven(v / step)
		if !(math.Abs(q) <= maxBias) {
			return nil
		}
		binary.LittleEndian.PutUint32(a.Bytes[4*o:], uint32(int32(q)))
	}
	return a
}

// operand is one side of arithmetic on bytes: a value with a twin, or one
// number, which is a byte of its own scale exactly.
func (l *lowering) operand(id graph.ID, invert bool) func(t tensor.DType) graph.ID {
	n := l.src.Node(id)
	if _, ok := n.Op.(graph.Constant); ok && n.Value != nil && len(n.Value.Data) == 1 {
		v := n.Value.Data[0]
		if invert {
			v = 1 / v
		}
		q := graph.PerTensor(float32(math.Abs(float64(v))), 0)
		b := byte(1)
		switch {
		case v == 0:
			q.Scales[0], b = 1, 0
		case v < 0:
			q.Zeros[0], b = 1, 0
		}
		for _, t := range []tensor.DType{tensor.U8, tensor.I8} {
			if q.Check(t, n.Type.Shape) != nil {
				return nil
			}
		}
		return func(t tensor.DType) graph.ID {
			return l.constant(n.Name, graph.Type{DType: t, Shape: n.Type.Shape, Quant: q}, &graph.Array{Shape: n.Type.Shape, Bytes: []byte{b}})
		}
	}
	t := l.twin(id)
	if t == graph.None || invert {
		return nil
	}
	return func(to tensor.DType) graph.ID {
		s := whole(l.out.Node(t).Type)
		if s.DType == to {
			return t
		}
		// The other type holds the same bytes, 128 apart.
		shift := int32(128)
		if to == tensor.I8 {
			shift = -128
		}
		return l.rescale(n.Name, t, graph.Whole(to, s.Scale, s.Zero+shift))
	}
}

func (l *lowering) binary(n *graph.Node, op graph.Binary, s graph.Stored) plan {
	if op.Act.Kind != graph.Linear {
		return nil
	}
	fn := op.Fn
	if fn == graph.Div { // by a number
		fn = graph.Mul
	}
	a, b := l.operand(n.In[0], false), l.operand(n.In[1], op.Fn == graph.Div)
	if a == nil || b == nil {
		return nil
	}
	return func() graph.ID {
		return l.add(n.Name, graph.QBinary{Stored: s, Fn: fn, Rounding: graph.FloatRounding}, a(s.DType), b(s.DType))
	}
}

// maxOnes bounds the weights of a mean that is written as a convolution.
const maxOnes = 1 << 18

// mean is an average over windows. Where the result keeps the scale it is a
// pooling of bytes; else a depthwise convolution with weights of 1/n, which
// rounds once, unless the padding makes n differ from place to place.
func (l *lowering) mean(n *graph.Node, op graph.Pool, s graph.Stored) plan {
	x := l.twin(n.In[0])
	if x == graph.None {
		return nil
	}
	in := l.out.Node(x).Type
	padded := op.Pad != graph.Padding{}
	if have := whole(in); (!padded || !op.CountPad) && have.DType == s.DType && have.Scale == s.Scale && have.Zero == s.Zero {
		return func() graph.ID { return l.add(n.Name, graph.QPool{Window: op.Window, Stored: s}, x) }
	}
	c := in.Shape[len(in.Shape)-1]
	if padded && !op.CountPad {
		return func() graph.ID {
			return l.rescale(n.Name, l.add(n.Name, graph.QPool{Window: op.Window, Stored: whole(in)}, x), s)
		}
	}
	if op.KH*op.KW*c > maxOnes {
		return nil
	}
	return func() graph.ID {
		w := l.constant(n.Name+".weight", graph.Type{DType: tensor.I8, Shape: tensor.Shape{c, 1, op.KH, op.KW}, Quant: graph.PerTensor(1/float32(op.KH*op.KW), 0)}, l.cache.ones(c, op.KH, op.KW))
		return l.add(n.Name, graph.QConv2D{Window: op.Window, Stored: s, Groups: c, Rounding: graph.FloatRounding}, x, w)
	}
}

// ones is weights of 1, shared among graphs.
func (c *Folder) ones(channels, kh, kw int) *graph.Array {
	key := [3]int{channels, kh, kw}
	if a, ok := c.onesOf[key]; ok {
		return a
	}
	a := &graph.Array{Shape: tensor.Shape{channels, 1, kh, kw}, Bytes: make([]byte, channels*kh*kw)}
	for i := range a.Bytes {
		a.Bytes[i] = 1
	}
	if c.onesOf == nil {
		c.onesOf = make(map[[3]int]*graph.Array)
	}
	c.onesOf[key] = a
	return a
}
