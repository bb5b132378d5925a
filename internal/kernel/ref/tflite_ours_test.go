package ref_test

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// window is the extents and the padding of one direction.
func (c *kase) window(in, k, s, d int) (out, pad int) {
	span := (k-1)*d + 1
	if c.Valid {
		return (in-span)/s + 1, 0
	}
	out = (in + s - 1) / s
	return out, max((out-1)*s+span-in, 0) / 2
}

func (c *kase) conv() []uint8 {
	x, w := &c.In[0], &c.In[1]
	var a ref.QConvArgs
	switch c.Op {
	case "CONV_2D":
		a.N, a.H, a.W, a.C = x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
		a.O, a.KH, a.KW, a.Groups = w.Shape[0], w.Shape[1], w.Shape[2], 1
	case "DEPTHWISE_CONV_2D":
		a.N, a.H, a.W, a.C = x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
		a.O, a.KH, a.KW, a.Groups = w.Shape[3], w.Shape[1], w.Shape[2], a.C
	case "FULLY_CONNECTED":
		a.C, a.H, a.W = w.Shape[1], 1, 1
		a.N, a.O, a.KH, a.KW = x.elems()/a.C, w.Shape[0], 1, 1
	}
	a.StrideH, a.StrideW, a.DilationH, a.DilationW = c.Stride[0], c.Stride[1], c.Dilation[0], c.Dilation[1]
	a.QConvShape = a.QConvShape.Normal()
	a.OH, a.PadTop = c.window(a.H, a.KH, a.StrideH, a.DilationH)
	a.OW, a.PadLeft = c.window(a.W, a.KW, a.StrideW, a.DilationW)
	a.X, a.XZero = x.stored()
	a.YZero = c.Out.zero()
	a.Lo, a.Hi = c.clamp()
	a.Up = c.Op != "DEPTHWISE_CONV_2D"
	narrow := w.Type == "uint8" || c.Op == "FULLY_CONNECTED"
	a.Bias = make([]int32, a.O)
	if len(c.In) > 2 {
		a.Bias = c.In[2].ints()
	}
	a.HasWZero = w.Type == "uint8"
	cg := a.C / a.Groups
	a.Weight = make([]int8, len(w.Data))
	for o := range a.O {
		for i := range cg {
			for kh := range a.KH {
				for kw := range a.KW {
					from := ((o*a.KH+kh)*a.KW+kw)*cg + i
					if c.Op == "DEPTHWISE_CONV_2D" {
						from = (kh*a.KW+kw)*a.O + o
					}
					v := w.Data[from]
					if w.Type == "uint8" {
						v -= 128
					}
					a.Weight[((o*cg+i)*a.KH+kh)*a.KW+kw] = int8(v)
				}
			}
		}
		a.WZero = append(a.WZero, int32(w.Zero)-128)
		sw := w.Scale[min(o, len(w.Scale)-1)]
		m, s := ref.ConvMultiplier(x.Scale[0], sw, c.Out.Scale[0], narrow)
		a.Mult, a.Shift = append(a.Mult, m), append(a.Shift, s)
	}
	a.Y = make([]uint8, a.N*a.OH*a.OW*a.O)
	ref.QConv(&a)
	return a.Y
}

func four(s []int) (out [4]int) {
	out = [4]int{1, 1, 1, 1}
	copy(out[4-len(s):], s)
	return out
}

func (c *kase) binary() []uint8 {
	a := ref.QBinaryArgs{Fn: map[string]ref.BinaryKind{"ADD": ref.Add, "SUB": ref.Sub, "MUL": ref.Mul}[c.Op],
		AShape: four(c.In[0].Shape), BShape: four(c.In[1].Shape)}
	a.A, a.AZero = c.In[0].stored()
	a.B, a.BZero = c.In[1].stored()
	a.YZero = c.Out.zero()
	a.Lo, a.Hi = c.clamp()
	sa, sb, sy := c.In[0].Scale[0], c.In[1].Scale[0], c.Out.Scale[0]
	a.Scales(float64(sa), float64(sb), float64(sy))
	a.Y = make([]uint8, c.Out.elems())
	ref.QBinary(&a)
	return a.Y
}

func (c *kase) pool() []uint8 {
	s := c.In[0].Shape
	a := ref.QPoolArgs{N: s[0], H: s[1], W: s[2], C: s[3], KH: c.Window[0], KW: c.Window[1], StrideH: c.Stride[0], StrideW: c.Stride[1],
		DilationH: 1, DilationW: 1, Max: c.Op == "MAX_POOL_2D", Signed: c.In[0].Type == "int8"}
	a.OH, a.PadTop = c.window(a.H, a.KH, a.StrideH, 1)
	a.OW, a.PadLeft = c.window(a.W, a.KW, a.StrideW, 1)
	a.X, _ = c.In[0].stored()
	a.Lo, a.Hi = c.clamp()
	a.Y = make([]uint8, a.N*a.OH*a.OW*a.C)
	ref.QPool(&a)
	return a.Y
}

func (c *kase) mean() []uint8 {
	s := c.In[0].Shape
	a := ref.QMeanArgs{N: s[0], H: s[1], W: s[2], C: s[3], Signed: c.In[0].Type == "int8"}
	switch {
	case c.Keep && a.Signed:
		a.Rule = ref.MeanDivided
	case c.Keep:
		a.Rule = ref.MeanBias
	case c.In[0].Scale[0] != c.Out.Scale[0] || c.In[0].Zero != c.Out.Zero:
		a.Rule = ref.MeanFloat
	default:
		a.Rule = ref.MeanTruncated
	}
	a.X, a.XZero = c.In[0].stored()
	a.YZero, a.Lo, a.Hi = c.Out.zero(), 0, 255
	a.SetScales(c.In[0].Scale[0], c.Out.Scale[0])
	a.Y = make([]uint8, a.N*a.C)
	ref.QMean(&a)
	return a.Y
}

func (c *kase) softmax() []uint8 {
	s := c.In[0].Shape
	a := ref.QSoftmaxArgs{Cols: s[len(s)-1], Exp: new([256]float32), YScale: c.Out.Scale[0], YZero: c.Out.zero(), Lo: 0, Hi: 255}
	a.Rows = c.In[0].elems() / a.Cols
	a.X, _ = c.In[0].stored()
	for d := range a.Exp {
		a.Exp[d] = float32(math.Exp(float64(-c.In[0].Scale[0] * c.Beta * float32(d))))
	}
	a.Y = make([]uint8, len(a.X))
	ref.QSoftmax(&a)
	return a.Y
}

func (c *kase) spec() ref.TableSpec {
	s := ref.TableSpec{XScale: c.In[0].Scale[0], YScale: c.Out.Scale[0], XZero: c.In[0].zero(), YZero: c.Out.zero(), Hi: 255}
	return s
}

func (c *kase) table(t [256]uint8) []uint8 {
	a := ref.TableArgs{Len: c.In[0].elems(), Table: &t}
	a.X, _ = c.In[0].stored()
	a.Y = make([]uint8, a.Len)
	ref.Table(&a)
	return a.Y
}

// ours is the answer of the reference kernels, as TFLite stores it.
func (c *kase) ours() []byte {
	var y []uint8
	switch c.Op {
	case "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED":
		y = c.conv()
	case "ADD", "SUB", "MUL":
		y = c.binary()
	case "AVERAGE_POOL_2D", "MAX_POOL_2D":
		y = c.pool()
	case "MEAN":
		y = c.mean()
	case "SOFTMAX":
		y = c.softmax()
	case "HARD_SWISH":
		y = c.table(ref.HSwishTable(c.spec()))
	case "LOGISTIC":
		y = c.table(ref.FloatTable(c.spec(), func(x float32) float32 { return 1 / (1 + float32(math.Exp(float64(-x)))) }, false))
	case "TANH":
		y = c.table(ref.FloatTable(c.spec(), func(x float32) float32 { return float32(math.Tanh(float64(x))) }, false))
	case "QUANTIZE":
		if c.In[0].Type == "float32" {
			a := ref.QuantizeArgs{Len: c.In[0].elems(), Scale: c.Out.Scale[0], Zero: c.Out.zero(), Hi: 255, X: c.In[0].floats(), Y: make([]uint8, c.Out.elems())}
			ref.Quantize(&a)
			y = a.Y
		} else {
			y = c.table(ref.RescaleTable(c.spec(), false))
		}
	case "DEQUANTIZE":
		a := ref.DequantizeArgs{Len: c.In[0].elems(), Scale: c.In[0].Scale[0], Y: make([]float32, c.Out.elems())}
		a.X, a.Zero = c.In[0].stored()
		ref.Dequantize(&a)
		return bytesOf(a.Y...)
	case "RELU", "RELU6", "RELU_N1_TO_1":
		c := *c
		c.Act = map[string]int{"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}[c.Op]
		s := c.spec()
		s.Lo, s.Hi = c.clamp()
		y = c.table(ref.RescaleTable(s, false))
	case "LEAKY_RELU":
		y = c.table(ref.LeakyTable(c.spec(), c.Beta))
	case "ARG_MAX":
		a := ref.ArgMaxArgs{Cols: c.In[0].Shape[1], Rows: c.In[0].Shape[0], Y: make([]int32, c.Out.elems())}
		a.X, _ = c.In[0].stored()
		ref.ArgMax(&a)
		return bytesOf(a.Y...)
	case "CONCATENATION":
		y = c.concat()
	case "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR":
		y = c.resize()
	case "PAD":
		s, p := c.In[0].Shape, c.In[1].ints()
		a := ref.PadArgs[uint8]{N: s[0], H: s[1], W: s[2], C: s[3], Top: int(p[2]), Bottom: int(p[3]), Left: int(p[4]), Right: int(p[5]), Value: float32(c.Out.zero()), Y: make([]uint8, c.Out.elems())}
		a.X, _ = c.In[0].stored()
		ref.Pad(&a)
		y = a.Y
	default:
		panic(fmt.Sprint("no reference for ", c.Op))
	}
	return flip(y, c.Out.Type)
}

func (c *kase) concat() (y []uint8) {
	for i := range c.In {
		part := *c
		part.In = c.In[i : i+1]
		s := part.spec()
		x, _ := part.In[0].stored()
		if s.XScale != s.YScale || s.XZero != s.YZero {
			x = part.table(ref.JoinTable(s))
		}
		y = append(y, x...)
	}
	return y
}

func (c *kase) resize() []uint8 {
	s, o := c.In[0].Shape, c.Out.Shape
	a := ref.ByteResizeArgs{N: s[0], H: s[1], W: s[2], C: s[3], OH: o[1], OW: o[2], Nearest: c.Op != "RESIZE_BILINEAR", Signed: c.In[0].Type == "int8", Y: make([]uint8, c.Out.elems())}
	switch {
	case c.Align:
		a.Rule = ref.AlignCorners
	case !c.Half:
		a.Rule = ref.Asymmetric
	}
	a.X, _ = c.In[0].stored()
	ref.ByteResize(&a)
	return a.Y
}
