package tflite

import (
	"fmt"
	"math"
	"reflect"
)

// The fields of a table. One that has the schema's default is left out, as is
// a reference to nothing.

func (w *writer) i8(slot int, v int8) { w.PrependInt8Slot(slot, v, 0) }

func (w *writer) i32(slot, v, def int) { w.PrependInt32Slot(slot, int32(v), int32(def)) }

func (w *writer) f32(slot int, v float32) {
	// A negative zero is not the default, though it compares equal.
	if math.Float32bits(v) != 0 {
		w.PrependFloat32(v)
		w.Slot(slot)
	}
}

func (w *writer) flag(slot int, v bool) { w.PrependBoolSlot(slot, v, false) }

func (w *writer) ref(slot int, at offset) { w.PrependUOffsetTSlot(slot, at, 0) }

// The values a table refers to; 0 for one that is left out. An empty list that
// is not nil is written, so that it is read back so.

func (w *writer) text(s string) offset {
	if s == "" {
		return 0
	}
	return w.CreateString(s)
}

func (w *writer) bytes(b []byte, align int) offset {
	if b == nil {
		return 0
	}
	w.StartVector(1, len(b), align)
	// The builder fills from the end, where it has just made room.
	for i := len(b) - 1; i >= 0; i-- {
		w.PlaceByte(b[i])
	}
	return w.EndVector(len(b))
}

func (w *writer) list(tables []offset) offset {
	if len(tables) == 0 {
		return 0
	}
	w.StartVector(4, len(tables), 4)
	for i := len(tables) - 1; i >= 0; i-- {
		w.PrependUOffsetT(tables[i])
	}
	return w.EndVector(len(tables))
}

func (w *writer) ints(v []int) offset {
	if v == nil {
		return 0
	}
	w.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		w.PrependInt32(int32(v[i]))
	}
	return w.EndVector(len(v))
}

func (w *writer) longs(v []int64) offset {
	if v == nil {
		return 0
	}
	w.StartVector(8, len(v), 8)
	for i := len(v) - 1; i >= 0; i-- {
		w.PrependInt64(v[i])
	}
	return w.EndVector(len(v))
}

func (w *writer) floats(v []float32) offset {
	if v == nil {
		return 0
	}
	w.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		w.PrependFloat32(v[i])
	}
	return w.EndVector(len(v))
}

// options writes an operator's options; kind is their member of the schema's
// union, 0 where there are none.
func (w *writer) options(o *Operator) (kind uint8, at offset, err error) {
	if o.Options == nil {
		return 0, 0, nil
	}
	want, ok := optionsOf[o.Code.Builtin]
	if !ok || reflect.TypeOf(want.read(table{r: &reader{}})) != reflect.TypeOf(o.Options) {
		return 0, 0, fmt.Errorf("%T are not its options", o.Options)
	}
	var list offset
	switch v := o.Options.(type) {
	case *ReshapeOptions:
		list = w.ints(v.NewShape)
	case *SqueezeOptions:
		list = w.ints(v.Dims)
	}
	w.StartObject(8)
	w.ref(0, list)
	switch v := o.Options.(type) {
	case *Conv2DOptions:
		w.i8(0, int8(v.Padding))
		w.nums(1, v.StrideW, v.StrideH)
		w.i8(3, int8(v.Activation))
		w.i32(4, v.DilationW, 1)
		w.i32(5, v.DilationH, 1)
	case *DepthwiseConv2DOptions:
		w.i8(0, int8(v.Padding))
		w.nums(1, v.StrideW, v.StrideH, v.Multiplier)
		w.i8(4, int8(v.Activation))
		w.i32(5, v.DilationW, 1)
		w.i32(6, v.DilationH, 1)
	case *Pool2DOptions:
		w.i8(0, int8(v.Padding))
		w.nums(1, v.StrideW, v.StrideH, v.FilterW, v.FilterH)
		w.i8(5, int8(v.Activation))
	case *FullyConnectedOptions:
		w.i8(0, int8(v.Activation))
		w.flag(1, v.Shuffled)
		w.flag(2, v.KeepNumDims)
	case *SoftmaxOptions:
		w.f32(0, v.Beta)
	case *ConcatenationOptions:
		w.nums(0, v.Axis)
		w.i8(1, int8(v.Activation))
	case *BinaryOptions:
		w.i8(0, int8(v.Activation))
	case *ResizeOptions:
		first := 0
		if o.Code.Builtin == ResizeBilinear {
			first = 2
		}
		w.flag(first, v.AlignCorners)
		w.flag(first+1, v.HalfPixelCenters)
	case *ReducerOptions:
		w.flag(0, v.KeepDims)
	case *StridedSliceOptions:
		w.nums(0, v.BeginMask, v.EndMask, v.EllipsisMask, v.NewAxisMask, v.ShrinkAxisMask)
		w.flag(5, v.Offset)
	case *SplitOptions:
		w.nums(0, v.Splits)
	case *GatherOptions:
		w.nums(0, v.Axis, v.BatchDims)
	case *CastOptions:
		w.i8(0, int8(v.In))
		w.i8(1, int8(v.Out))
	case *ArgMaxOptions:
		w.i8(0, int8(v.Output))
	case *ShapeOptions:
		w.i8(0, int8(v.Output))
	case *PackOptions:
		w.nums(0, v.Count, v.Axis)
	case *UnpackOptions:
		w.nums(0, v.Count, v.Axis)
	case *LeakyReLUOptions:
		w.f32(0, v.Alpha)
	case *BlockOptions:
		w.nums(0, v.Size)
	case *TransposeConvOptions:
		w.i8(0, int8(v.Padding))
		w.nums(1, v.StrideW, v.StrideH)
		w.i8(3, int8(v.Activation))
	case *GeluOptions:
		w.flag(0, v.Approximate)
	case *MirrorPadOptions:
		w.flag(0, v.Symmetric)
	case *ReshapeOptions, *SqueezeOptions: // their list is all
	default:
		return 0, 0, fmt.Errorf("no way to write %T", v)
	}
	return want.kind, w.EndObject(), nil
}

// nums are int32 fields one after the other, with the default 0.
func (w *writer) nums(first int, v ...int) {
	for i, n := range v {
		w.i32(first+i, n, 0)
	}
}
