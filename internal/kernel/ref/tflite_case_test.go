package ref_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// value is a tensor of a case: with Data an operand, constant if Const.
type value struct {
	Type  string    `json:"type"`
	Shape []int     `json:"shape"`
	Scale []float32 `json:"scale,omitempty"`
	Zero  int       `json:"zero,omitempty"`
	Axis  int       `json:"axis,omitempty"`
	Const bool      `json:"const,omitempty"`
	Data  []byte    `json:"data"`
}

// kase is one operator of TFLite with operands and, once it was asked, the
// library's answer in Out.Data.
type kase struct {
	Op  string  `json:"op"`
	In  []value `json:"in"`
	Out value   `json:"out"`

	Valid    bool    `json:"valid,omitempty"` // padding
	Stride   [2]int  `json:"stride,omitzero"`
	Dilation [2]int  `json:"dilation,omitzero"`
	Window   [2]int  `json:"window,omitzero"`
	Act      int     `json:"act,omitempty"`
	Beta     float32 `json:"beta,omitempty"`
	Axis     int     `json:"axis,omitempty"`
	Align    bool    `json:"align,omitempty"`
	Half     bool    `json:"half,omitempty"`
	Keep     bool    `json:"keep,omitempty"`
}

var typeOf = map[string]tflite.Type{"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int8": 9}

var opOf = func() map[string]tflite.Builtin {
	m := map[string]tflite.Builtin{}
	for b := range tflite.Builtin(160) {
		m[b.String()] = b
	}
	return m
}()

// file is the case as a model of one operator.
func (c *kase) file() ([]byte, error) {
	op := tflite.Operator{Code: tflite.OperatorCode{Builtin: opOf[c.Op], Version: 1}}
	m := &tflite.Model{Version: 3, Buffers: [][]byte{nil}}
	g := tflite.Subgraph{}
	add := func(v value, name string) int {
		t := tflite.Tensor{Name: name, Shape: v.Shape, Type: typeOf[v.Type]}
		if len(v.Scale) > 0 {
			t.Quant = &tflite.Quantization{Scale: v.Scale, Dimension: v.Axis, ZeroPoint: slices.Repeat([]int64{int64(v.Zero)}, len(v.Scale))}
		}
		if v.Const {
			t.Buffer, t.Data = len(m.Buffers), v.Data
			m.Buffers = append(m.Buffers, v.Data)
		}
		g.Tensors = append(g.Tensors, t)
		return len(g.Tensors) - 1
	}
	for i, v := range c.In {
		k := add(v, fmt.Sprint("in", i))
		if op.Inputs = append(op.Inputs, k); !v.Const {
			g.Inputs = append(g.Inputs, k)
		}
		if v.Type == "int8" {
			op.Code.Version = 3
		}
	}
	k := add(c.Out, "out")
	op.Outputs, g.Outputs = []int{k}, []int{k}
	pad, act := tflite.Same, tflite.Activation(c.Act)
	if c.Valid {
		pad = tflite.Valid
	}
	switch op.Code.Builtin {
	case tflite.Conv2D:
		op.Options = &tflite.Conv2DOptions{Padding: pad, StrideH: c.Stride[0], StrideW: c.Stride[1], Activation: act, DilationH: c.Dilation[0], DilationW: c.Dilation[1]}
	case tflite.DepthwiseConv2D:
		op.Options = &tflite.DepthwiseConv2DOptions{Padding: pad, StrideH: c.Stride[0], StrideW: c.Stride[1], Multiplier: c.In[1].Shape[3] / c.In[0].Shape[3], Activation: act, DilationH: c.Dilation[0], DilationW: c.Dilation[1]}
	case tflite.FullyConnected:
		op.Options, op.Code.Version = &tflite.FullyConnectedOptions{Activation: act}, 4
	case tflite.AveragePool2D, tflite.MaxPool2D:
		op.Options = &tflite.Pool2DOptions{Padding: pad, StrideH: c.Stride[0], StrideW: c.Stride[1], FilterH: c.Window[0], FilterW: c.Window[1], Activation: act}
	case tflite.Add, tflite.Sub, tflite.Mul:
		op.Options = &tflite.BinaryOptions{Activation: act}
	case tflite.Softmax:
		op.Options = &tflite.SoftmaxOptions{Beta: c.Beta}
	case tflite.LeakyReLU:
		op.Options = &tflite.LeakyReLUOptions{Alpha: c.Beta}
	case tflite.Mean:
		op.Options = &tflite.ReducerOptions{KeepDims: c.Keep}
	case tflite.Concatenation:
		op.Options = &tflite.ConcatenationOptions{Axis: c.Axis}
	case tflite.ResizeBilinear, tflite.ResizeNearestNeighbor:
		op.Options, op.Code.Version = &tflite.ResizeOptions{AlignCorners: c.Align, HalfPixelCenters: c.Half}, 3
	case tflite.ArgMax:
		op.Options = &tflite.ArgMaxOptions{Output: typeOf[c.Out.Type]}
	}
	if op.Code.Version == 3 && !slices.Contains([]tflite.Builtin{tflite.Conv2D, tflite.DepthwiseConv2D, tflite.ResizeBilinear, tflite.ResizeNearestNeighbor}, op.Code.Builtin) {
		op.Code.Version = 2
	}
	if op.Code.Builtin == tflite.HardSwish || op.Code.Builtin == tflite.ReLUN1To1 {
		op.Code.Version = 1
	}
	g.Operators = []tflite.Operator{op}
	m.Subgraphs = []tflite.Subgraph{g}
	return tflite.Marshal(m)
}

// inputs are the bytes of what is not constant.
func (c *kase) inputs() (in [][]byte) {
	for _, v := range c.In {
		if !v.Const {
			in = append(in, v.Data)
		}
	}
	return in
}

// stored are the bytes of a value as they lie in our memory, and its zero
// point there.
func (v *value) stored() ([]uint8, uint8) {
	return flip(v.Data, v.Type), v.zero()
}

func (v *value) zero() uint8 {
	if v.Type == "int8" {
		return uint8(v.Zero + 128)
	}
	return uint8(v.Zero)
}

func flip(b []byte, typ string) []uint8 {
	b = slices.Clone(b)
	if typ == "int8" {
		for i := range b {
			b[i] ^= 0x80
		}
	}
	return b
}

func (v *value) ints() []int32 {
	out := make([]int32, len(v.Data)/4)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(v.Data[4*i:]))
	}
	return out
}

func (v *value) floats() []float32 {
	out := make([]float32, len(v.Data)/4)
	for i, b := range v.ints() {
		out[i] = math.Float32frombits(uint32(b))
	}
	return out
}

func (v *value) elems() int { return tensor.Shape(v.Shape).Len() }

func bytesOf[T int32 | float32](v ...T) []byte {
	b, _ := binary.Append(nil, binary.LittleEndian, v)
	return b
}

// clamp is the range of the output in memory that a fused activation leaves.
func (c *kase) clamp() (lo, hi uint8) {
	l, h := 0.0, 255.0
	z, s := float64(c.Out.zero()), float64(c.Out.Scale[0])
	at := func(v float64) float64 { return z + math.Round(v/s) }
	switch tflite.Activation(c.Act) {
	case tflite.ActReLU:
		l = max(l, at(0))
	case tflite.ActReLU6:
		l, h = max(l, at(0)), min(h, at(6))
	case tflite.ActReLUN1To1:
		l, h = max(l, at(-1)), min(h, at(1))
	}
	return uint8(l), uint8(min(max(h, 0), 255))
}
