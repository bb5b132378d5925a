package exec

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Integer values lie in the arena as bytes, four in the place of a float32,
// and all of them as uint8s: an int8 is stored 128 above itself. See package
// kernel/ref.

// words is the length of a value in float32s.
func words(t graph.Type, elems int) int {
	if t.DType == tensor.F32 {
		return elems
	}
	return (elems*t.DType.Size() + 3) / 4
}

// memory is where values lie: a session's, or nothing while a program is
// compiled.
type memory struct {
	floats func(graph.ID) []float32
	bytes  func(graph.ID) []byte
}

var nowhere = memory{func(graph.ID) []float32 { return nil }, func(graph.ID) []byte { return nil }}

// bytes is the memory of a quantized value.
func (s *Session) bytes(id graph.ID) []byte {
	n := s.p.g.Node(id)
	if n.Value != nil {
		return biased(n.Type.DType, n.Value.Bytes)
	}
	if n.Type.DType == tensor.I32 || n.Type.DType == tensor.F32 {
		return nil
	}
	slot := s.p.plan.Slots[id]
	return kernel.Bytes(s.arena[slot.Off : slot.Off+slot.Len])[:n.Type.Shape.Len()]
}

// biased gives a constant's bytes as they lie in memory.
func biased(t tensor.DType, b []byte) []byte {
	if t != tensor.I8 {
		return b
	}
	out := make([]byte, len(b))
	for i, v := range b {
		out[i] = v ^ 0x80
	}
	return out
}

// bias is what is added to an integer of a type to store it.
func bias(t tensor.DType) int32 {
	if t == tensor.I8 {
		return 128
	}
	return 0
}

func zeroOf(t graph.Type) uint8 { return uint8(t.Quant.Zeros[0] + bias(t.DType)) }

func storedAs(s graph.Stored) (zero, lo, hi uint8) {
	b := bias(s.DType)
	return uint8(s.Zero + b), uint8(s.Lo + b), uint8(s.Hi + b)
}

// lowerInts turns a node on integers into the argument block of its kernel; ok
// is false for a node that works on float32s alone.
func lowerInts(g *graph.Graph, id graph.ID, m memory) (args any, ok bool, err error) {
	n := &g.Nodes[id]
	in, out := g.InTypes(id), n.Type.Shape
	x := func(i int) []byte { return m.bytes(n.In[i]) }
	switch op := n.Op.(type) {
	case graph.FromPixels:
		_, lo, hi := storedAs(op.Stored)
		args = &kernel.Quantize{Len: out.Len(), Scale: 1, Lo: lo, Hi: hi, X: m.floats(n.In[0]), Y: m.bytes(id)}
	case graph.Quantize:
		zero, lo, hi := storedAs(op.Stored)
		args = &kernel.Quantize{Len: out.Len(), Scale: op.Scale, Zero: zero, Lo: lo, Hi: hi, Even: op.Even, X: m.floats(n.In[0]), Y: m.bytes(id)}
	case graph.Dequantize:
		if !in[0].Quantized() || len(in[0].Quant.Scales) != 1 {
			return nil, true, fmt.Errorf("node %q (dequantize): %v has a scale for each channel; only weights may", n.Name, in[0])
		}
		args = &kernel.Dequantize{Len: out.Len(), Scale: in[0].Quant.Scales[0], Zero: zeroOf(in[0]), X: x(0), Y: m.floats(id)}
	case graph.QActivation:
		table, err := tableOf(in[0], op)
		if err != nil {
			return nil, true, fmt.Errorf("node %q (%s): %w", n.Name, op.Kind(), err)
		}
		args = &kernel.Table{Len: out.Len(), Table: table, X: x(0), Y: m.bytes(id)}
	case graph.QBinary:
		a := &kernel.QBinary{Fn: ref.BinaryKind(op.Fn), Single: op.Rounding == graph.SingleRounding,
			Float: op.Rounding == graph.FloatRounding, Signed: op.DType == tensor.I8, A: x(0), B: x(1), Y: m.bytes(id)}
		if a.AShape, a.BShape, err = collapse(in[0].Shape, in[1].Shape); err != nil {
			return nil, true, fmt.Errorf("node %q (%s): %w", n.Name, op.Kind(), err)
		}
		a.AZero, a.BZero = zeroOf(in[0]), zeroOf(in[1])
		a.YZero, a.Lo, a.Hi = storedAs(op.Stored)
		a.Scales(float64(in[0].Quant.Scales[0]), float64(in[1].Quant.Scales[0]), float64(op.Scale))
		args = a
	case graph.QPool:
		s, w := in[0].Shape, op.Normal()
		_, _, pad, err := op.Output(s[1], s[2])
		if err != nil {
			return nil, true, fmt.Errorf("node %q (%s): %w", n.Name, op.Kind(), err)
		}
		_, lo, hi := storedAs(op.Stored)
		args = &kernel.QPool{N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], KH: w.KH, KW: w.KW,
			StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
			PadTop: pad.Top, PadLeft: pad.Left, Max: op.Max, Signed: op.DType == tensor.I8, Lo: lo, Hi: hi, X: x(0), Y: m.bytes(id)}
	case graph.QMean:
		s := in[0].Shape
		a := &kernel.QMean{N: s[0], H: s[1], W: s[2], C: s[3], XZero: zeroOf(in[0]), Rule: ref.MeanRule(op.Rule),
			Signed: op.DType == tensor.I8, Single: op.Rounding == graph.SingleRounding, Float: op.Rounding == graph.FloatRounding, X: x(0), Y: m.bytes(id)}
		a.YZero, a.Lo, a.Hi = storedAs(op.Stored)
		a.SetScales(in[0].Quant.Scales[0], op.Scale)
		args = a
	case graph.QSoftmax:
		c := out[len(out)-1]
		a := &kernel.QSoftmax{Rows: out.Len() / max(c, 1), Cols: c, Exp: new([256]float32), YScale: op.Scale, X: x(0), Y: m.bytes(id)}
		a.YZero, a.Lo, a.Hi = storedAs(op.Stored)
		step := -in[0].Quant.Scales[0] * op.Beta
		for d := range a.Exp {
			a.Exp[d] = float32(math.Exp(float64(step * float32(d))))
		}
		args = a
	case graph.ArgMax:
		s := in[0].Shape
		c := s[len(s)-1]
		if !in[0].Quantized() {
			return nil, true, fmt.Errorf("node %q (arg_max): of %v; only quantized values have it", n.Name, in[0])
		}
		args = &kernel.ArgMax{Rows: s.Len() / c, Cols: c, X: x(0), Y: kernel.Int32s(m.floats(id))}
	case graph.ToFloat:
		args = &kernel.ToFloat{Len: out.Len(), X: kernel.Int32s(m.floats(n.In[0])), Y: m.floats(id)}
	case graph.QConv2D:
		args, err = lowerQConv(g, id, op, m)
	case graph.Reshape:
		return nil, n.Type.DType != tensor.F32, nil
	default:
		if n.Type.DType == tensor.F32 {
			return nil, false, nil
		}
		args, err = lowerMove(g, id, m)
	}
	return args, true, err
}

// tableOf makes the table of an activation.
func tableOf(in graph.Type, op graph.QActivation) (*[256]uint8, error) {
	s := ref.TableSpec{XScale: in.Quant.Scales[0], YScale: op.Scale, XZero: zeroOf(in)}
	s.YZero, s.Lo, s.Hi = storedAs(op.Stored)
	var t [256]uint8
	switch {
	case op.Rule == graph.RuleJoin:
		t = ref.JoinTable(s)
	case op.Rule == graph.RuleTFLite && op.Act.Kind == graph.Linear:
		t = ref.RescaleTable(s, op.Rounding == graph.SingleRounding)
	case op.Rule == graph.RuleTFLite && op.Act.Kind == graph.HSwish:
		t = ref.HSwishTable(s)
	case op.Rule == graph.RuleTFLite && op.Act.Kind == graph.LeakyReLU:
		t = ref.LeakyTable(s, op.Act.A)
	default:
		a, f := act(op.Act), ref.ApplyAct[float32]
		if op.Rule == graph.RuleFloat {
			f = ref.ONNXAct
		}
		t = ref.FloatTable(s, func(x float32) float32 { return f(a, x) }, op.Rule == graph.RuleFloat)
	}
	return &t, nil
}

// qconvShape is all a kernel is chosen by.
func qconvShape(g *graph.Graph, id graph.ID) (ref.QConvShape, error) {
	n := &g.Nodes[id]
	op := n.Op.(graph.QConv2D)
	in, out := g.InTypes(id), n.Type.Shape
	s, w := in[0].Shape, op.Normal()
	_, _, pad, err := op.Output(s[1], s[2])
	if err != nil {
		return ref.QConvShape{}, fmt.Errorf("node %q (%s): %w", n.Name, op.Kind(), err)
	}
	q := ref.QConvShape{
		N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], O: out[3], KH: w.KH, KW: w.KW,
		StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
		PadTop: pad.Top, PadLeft: pad.Left, Groups: op.GroupCount(),
		XZero: zeroOf(in[0]), HasTable: op.Then != nil,
		Single: op.Rounding == graph.SingleRounding, Up: op.Rounding == graph.UpwardRounding, Float: op.Rounding == graph.FloatRounding,
	}
	q.YZero, q.Lo, q.Hi = storedAs(op.Stored)
	for _, z := range in[1].Quant.Zeros {
		q.HasWZero = q.HasWZero || weightZero(in[1].DType, z) != 0
	}
	return q.Normal(), nil
}

// weightZero is a weight's zero point as kernels take it, for weights of int8.
func weightZero(t tensor.DType, zero int32) int32 {
	if t == tensor.U8 {
		return zero - 128
	}
	return zero
}

// lowerQConv gives the arguments without the packed constants.
func lowerQConv(g *graph.Graph, id graph.ID, op graph.QConv2D, m memory) (*kernel.QConv, error) {
	s, err := qconvShape(g, id)
	if err != nil {
		return nil, err
	}
	n := &g.Nodes[id]
	a := &kernel.QConv{QConvShape: s, X: m.bytes(n.In[0]), Y: m.bytes(id)}
	if op.Then != nil {
		t, _ := op.Stored.Type(n.Type.Shape)
		if a.Table, err = tableOf(t, *op.Then); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, op.Kind(), err)
		}
	}
	return a, nil
}

// intTask is the step of an integer node, nil for a view. With packs it packs
// the constants of a convolution, without it uses those packed before.
func (p *Program) intTask(id graph.ID, args any, packs *Packs) (namedTask, error) {
	a, ok := args.(*kernel.QConv)
	if !ok {
		if args == nil {
			return nil, nil
		}
		return newTask(args, p.impl), nil
	}
	k := kernel.SelectQConv(&a.QConvShape, p.impl)
	if packs != nil {
		q, err := packs.qconv(p.g, id, &a.QConvShape, k)
		if err != nil {
			return nil, err
		}
		p.qconvs[id] = q
		p.qorder, p.qlist = append(p.qorder, id), append(p.qlist, newIntConv(&a.QConvShape, q.packed))
	}
	p.qconvs[id].bind(a)
	a.Ahead = p.qahead[id]
	return newQConvTask(a, k), nil
}

// newIntTask chooses the kernel of an operation on integers, nil if args is
// none.
func newIntTask(args any, impl string) namedTask {
	switch a := args.(type) {
	case *kernel.Table:
		return newOpTask(a, kernel.Select(kernel.TableKernels(), a, impl))
	case *kernel.QBinary:
		return newOpTask(a, kernel.Select(kernel.QBinaryKernels(), a, impl))
	case *kernel.Quantize:
		return newOpTask(a, kernel.Select(kernel.QuantizeKernels(), a, impl))
	case *kernel.Dequantize:
		return newOpTask(a, kernel.Select(kernel.DequantizeKernels(), a, impl))
	case *kernel.QPool:
		return newOpTask(a, kernel.Select(kernel.QPoolKernels(), a, impl))
	case *kernel.QMean:
		return newOpTask(a, kernel.Select(kernel.QMeanKernels(), a, impl))
	case *kernel.QSoftmax:
		return newOpTask(a, kernel.Select(kernel.QSoftmaxKernels(), a, impl))
	case *kernel.ArgMax:
		return newOpTask(a, kernel.Select(kernel.ArgMaxKernels(), a, impl))
	case *kernel.ByteConcat:
		return newOpTask(a, kernel.Select(kernel.ByteConcatKernels(), a, impl))
	case *kernel.BytePad:
		return newOpTask(a, kernel.Select(kernel.BytePadKernels(), a, impl))
	case *kernel.ByteTranspose:
		return newOpTask(a, kernel.Select(kernel.ByteTransposeKernels(), a, impl))
	case *kernel.ByteResize:
		return newOpTask(a, kernel.Select(kernel.ByteResizeKernels(), a, impl))
	case *kernel.ToFloat:
		return newOpTask(a, kernel.Select(kernel.ToFloatKernels(), a, impl))
	}
	return nil
}
