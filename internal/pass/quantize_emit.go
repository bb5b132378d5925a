package pass

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// emit adds a node of the source. Values in float are made right here; so are
// integers, of which each knows how it is stored.
func (q *quantizer) emit(id graph.ID) {
	n := q.src.Node(id)
	switch n.Op.(type) {
	case graph.Constant:
		return // added where it is used
	case graph.Input:
		q.reals[id] = q.keep(q.g.AddInput(n.Name, n.Type))
		return
	case graph.Variable:
		q.fail("variable %q: fold the graph first", n.Name)
		return
	}
	if head, ok := q.head[id]; ok { // done by the node before
		q.ints[id] = q.ints[head]
		return
	}
	if !q.integer[id] {
		in := make([]graph.ID, len(n.In))
		for i, src := range n.In {
			in[i] = q.real(src)
		}
		q.reals[id] = q.op(n.Name, n.Op, in...)
		return
	}
	name, out := n.Name, q.stored[id]
	if tail, ok := q.tail[id]; ok {
		name, out = q.src.Node(tail).Name, q.stored[tail]
	}
	out.Act(q.bound[id])
	q.ints[id] = q.lower(id, name, out)
}

// lower adds the integer form of a node.
func (q *quantizer) lower(id graph.ID, name string, out graph.Stored) graph.ID {
	n := q.src.Node(id)
	switch op := n.Op.(type) {
	case graph.Conv2D:
		return q.conv(n, op, name, out)
	case graph.Activation:
		return q.activation(n, op.Act, name, out)
	case graph.Binary:
		out.Act(op.Act)
		a, b := q.integers(n.In[0]), q.integers(n.In[1])
		return q.op(name, graph.QBinary{Stored: out, Fn: op.Fn, Rounding: q.opt.Rounding}, a, b)
	case graph.GlobalAvgPool:
		rule := graph.MeanExact
		if q.opt.Rounding == graph.DoubleRounding {
			rule = graph.MeanDivided
		}
		return q.op(name, graph.QMean{Stored: out, Rule: rule, Rounding: q.opt.Rounding}, q.integers(n.In[0]))
	case graph.Softmax:
		return q.op(name, graph.QSoftmax{Stored: out, Beta: 1}, q.integers(n.In[0]))
	case graph.Pool:
		return q.op(name, graph.QPool{Window: op.Window, Stored: out, Max: op.Max}, q.as(n.In[0], out))
	}
	// What only moves integers takes them as its result is stored.
	in := make([]graph.ID, len(n.In))
	for i, src := range n.In {
		in[i] = q.as(src, out)
	}
	return q.op(name, n.Op, in...)
}

// activation adds a function of one value.
func (q *quantizer) activation(n *graph.Node, act graph.Act, name string, out graph.Stored) graph.ID {
	x := q.integers(n.In[0])
	table := func(name string, a graph.Act, s graph.Stored, x graph.ID) graph.ID {
		rule := graph.RuleTFLite
		switch a.Kind {
		case graph.GELU:
			rule = graph.RuleFloat
		}
		return q.op(name, graph.QActivation{Stored: s, Act: a, Rule: rule, Rounding: q.opt.Rounding}, x)
	}
	switch act.Kind {
	case graph.Linear, graph.ReLU, graph.ReLU6, graph.Clip:
		out.Act(act)
		return table(name, graph.Act{}, out, x)
	case graph.HSigmoid, graph.HardSigmoid:
		// min(max(A*x + B, 0), 1) is A * min(max(x + B/A, 0), 1/A).
		shift, top := float32(3), float32(6)
		if act.Kind == graph.HardSigmoid {
			shift, top = act.B/act.A, 1/act.A
		}
		sum := storedRange(Range{0, top})
		sum.Act(graph.ActClip(0, top))
		y := q.op(name+".sum", graph.QBinary{Stored: sum, Fn: graph.Add, Rounding: q.opt.Rounding}, x, q.scalar(name+".shift", shift))
		return q.op(name, graph.QBinary{Stored: out, Fn: graph.Mul, Rounding: q.opt.Rounding}, y, q.scalar(name+".factor", act.A))
	case graph.Swish:
		gate := table(name+".gate", graph.ActSigmoid, unit, x)
		return q.op(name, graph.QBinary{Stored: out, Fn: graph.Mul, Rounding: q.opt.Rounding}, x, gate)
	case graph.Sigmoid:
		return q.fixed(name, out, unit, table(name, act, unit, x))
	case graph.Tanh:
		return q.fixed(name, out, signedUnit, table(name, act, signedUnit, x))
	}
	return table(name, act, out, x)
}

// fixed narrows a result that TFLite always stores the same way to the limit of
// an activation after it.
func (q *quantizer) fixed(name string, out, has graph.Stored, x graph.ID) graph.ID {
	if out == has || q.err != nil {
		return x
	}
	return q.op(name+".limit", graph.QActivation{Stored: out, Rounding: q.opt.Rounding}, x)
}

// integers is the integer form of a value of the source.
func (q *quantizer) integers(id graph.ID) graph.ID {
	if q.ints[id] != graph.None || q.err != nil {
		return q.ints[id]
	}
	n := q.src.Node(id)
	if q.constant(id) {
		q.ints[id] = q.numbers(n.Name, n.Value)
		return q.ints[id]
	}
	q.ints[id] = q.op(n.Name+".quantized", graph.Quantize{Stored: q.stored[id]}, q.real(id))
	return q.ints[id]
}

// as is the integer form of a value, brought to the way it must be stored.
func (q *quantizer) as(id graph.ID, s graph.Stored) graph.ID {
	x := q.integers(id)
	if q.err != nil || q.g.Node(x).Type.Quant.Equal(graph.PerTensor(s.Scale, s.Zero)) {
		return x
	}
	return q.op(q.src.Node(id).Name+".rescaled", graph.QActivation{Stored: graph.Whole(s.DType, s.Scale, s.Zero), Rounding: q.opt.Rounding}, x)
}

// real is the form of a value in real numbers.
func (q *quantizer) real(id graph.ID) graph.ID {
	if q.reals[id] != graph.None || q.err != nil {
		return q.reals[id]
	}
	n := q.src.Node(id)
	if q.constant(id) {
		q.reals[id] = q.keep(q.g.AddConstant(fresh(q.g, n.Name), n.Value))
	} else {
		q.reals[id] = q.op(n.Name+".float", graph.Dequantize{}, q.ints[id])
	}
	return q.reals[id]
}

// numbers adds a constant operand of arithmetic as int8s.
func (q *quantizer) numbers(name string, a *graph.Array) graph.ID {
	values := a.Values(nil)
	r := Range{}
	for _, v := range values {
		r.Lo, r.Hi = min(r.Lo, v), max(r.Hi, v)
	}
	s := storedRange(r)
	raw := make([]byte, len(values))
	for i, v := range values {
		raw[i] = byte(int8(min(max(math.Round(float64(v)/float64(s.Scale))+float64(s.Zero), -128), 127)))
	}
	t := graph.Type{DType: tensor.I8, Shape: a.Shape, Quant: graph.PerTensor(s.Scale, s.Zero)}
	return q.keep(q.g.AddIntegers(fresh(q.g, name), t, &graph.Array{Shape: a.Shape, Bytes: raw}))
}

func (q *quantizer) scalar(name string, v float32) graph.ID {
	return q.numbers(name, &graph.Array{Shape: tensor.Shape{1}, Data: []float32{v}})
}

// conv adds a convolution with its weights and biases as integers.
func (q *quantizer) conv(n *graph.Node, op graph.Conv2D, name string, out graph.Stored) graph.ID {
	out.Act(op.Act)
	x := q.integers(n.In[0])
	if q.err != nil {
		return graph.None
	}
	wn := q.src.Node(n.In[1])
	w := wn.Value.Values(nil)
	outs := wn.Type.Shape[0]
	var bias []float32
	if op.Bias {
		bias = q.src.Node(n.In[2]).Value.Values(nil)
	}
	in := q.g.Node(x).Type.Quant.Scales[0]
	scales, err := weightScales(w, bias, outs, in, q.opt.WeightScales[n.Name], q.opt.PerTensor)
	if err != nil {
		q.fail("node %q: %v", n.Name, err)
		return graph.None
	}
	t := graph.Type{DType: tensor.I8, Shape: wn.Type.Shape, Quant: &graph.Quant{Scales: scales, Zeros: make([]int32, len(scales))}}
	ints := &graph.Array{Shape: wn.Type.Shape, Bytes: quantizeWeights(w, scales)}
	if means := q.opt.Means[q.src.Node(n.In[0]).Name]; len(means) == wn.Type.Shape[1]*op.GroupCount() && op.Bias {
		bias = correctBias(bias, w, ints.Bytes, scales, means, op.GroupCount())
	}
	ids := []graph.ID{x, q.keep(q.g.AddIntegers(fresh(q.g, wn.Name), t, ints))}
	if op.Bias {
		b := q.src.Node(n.In[2])
		raw, sums := quantizeBias(bias, in, scales)
		t := graph.Type{DType: tensor.I32, Shape: tensor.Shape{outs}, Quant: &graph.Quant{Scales: sums, Zeros: make([]int32, len(sums))}}
		ids = append(ids, q.keep(q.g.AddIntegers(fresh(q.g, b.Name), t, &graph.Array{Shape: tensor.Shape{outs}, Bytes: raw})))
	}
	rounding := q.opt.Rounding
	if rounding == graph.DoubleRounding && op.GroupCount() == 1 {
		rounding = graph.UpwardRounding
	}
	return q.op(name, graph.QConv2D{Window: op.Window, Stored: out, Groups: op.Groups, Bias: op.Bias, Rounding: rounding}, ids...)
}

// weightScales are the scales of a convolution's weights. A scale is widened
// where the bias at the scale of the sums would not fit.
func weightScales(w, bias []float32, outs int, in float32, given []float32, perTensor bool) ([]float32, error) {
	n := outs
	if perTensor {
		n = 1
	}
	if given != nil {
		if len(given) != 1 && len(given) != outs {
			return nil, fmt.Errorf("%d scales for the weights of %d outputs", len(given), outs)
		}
		n = len(given)
	}
	per, top := len(w)/n, float32(0)
	scales := make([]float32, n)
	for i := range scales {
		var most float32
		for _, v := range w[i*per : (i+1)*per] {
			most = max(most, abs32(v))
		}
		scales[i] = most / 127
		if given != nil {
			scales[i] = given[i]
		}
		top = max(top, scales[i])
	}
	if top == 0 {
		top = 1
	}
	for o := range outs {
		i := o % n
		if n > 1 {
			i = o
		}
		if scales[i] == 0 { // weights of zero mean the same at any scale
			scales[i] = top
		}
		if bias != nil {
			scales[i] = max(scales[i], abs32(bias[o])/in/maxBias)
		}
		if s := float64(scales[i]); !(s > 0) || math.IsInf(s, 0) || float32(in)*scales[i] == 0 {
			return nil, fmt.Errorf("weights of output %d have the scale %v: they are damaged or too small for integers", o, s)
		}
	}
	return scales, nil
}

func quantizeWeights(w []float32, scales []float32) []byte {
	raw := make([]byte, len(w))
	per := len(w) / len(scales)
	for i, v := range w {
		raw[i] = byte(int8(min(max(math.Round(float64(v)/float64(scales[i/max(per, 1)])), -127), 127)))
	}
	return raw
}

// correctBias adds to a bias what the rounding of the weights takes from the
// mean of each output.
func correctBias(bias, w []float32, ints []byte, scales []float32, means []float64, groups int) []float32 {
	out := make([]float32, len(bias))
	inputs := len(means) / groups // of a group
	per, outs := len(w)/len(bias), len(bias)/groups
	taps := per / inputs
	for o, b := range bias {
		scale := float64(scales[min(o, len(scales)-1)])
		lost := 0.0
		for k := o * per; k < (o+1)*per; k++ {
			lost += (float64(w[k]) - scale*float64(int8(ints[k]))) * means[o/outs*inputs+(k-o*per)/taps]
		}
		out[o] = float32(float64(b) + lost)
	}
	return out
}

// quantizeBias gives little-endian int32s and their scales.
func quantizeBias(bias []float32, in float32, scales []float32) (raw []byte, sums []float32) {
	sums = make([]float32, len(scales))
	for i, s := range scales {
		sums[i] = in * s
	}
	for o, v := range bias {
		i := o
		if len(scales) == 1 {
			i = 0
		}
		b := math.Round(float64(v) / (float64(in) * float64(scales[i])))
		raw = binary.LittleEndian.AppendUint32(raw, uint32(int32(min(max(b, math.MinInt32), math.MaxInt32))))
	}
	return raw, sums
}

func abs32(v float32) float32 { return float32(math.Abs(float64(v))) }
