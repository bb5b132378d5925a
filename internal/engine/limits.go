package engine

import (
	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Limits bound what files from outside may ask for. They are enforced from
// headers, before memory is taken. A zero field means its default.
type Limits struct {
	Pixels        int64 // width x height of a picture; default 2^27
	PictureBytes  int64 // of a picture's file; default 64 MiB
	PixelsPerByte int64 // declared for each byte of a large picture's file; default 20

	FileBytes   int64 // of a model's file; default 2 GiB
	TensorBytes int64 // of all its tensors together; default 2 GiB
	Tensors     int   // their number; default 65536
	Nodes       int   // operators of a TFLite or ONNX graph; default 65536
	Depth       int   // nesting of objects and groups in a checkpoint; default 64, in HDF5 32
	Ratio       int64 // bytes made from a byte of a checkpoint, beyond a first 64 MiB (HDF5: 32); default 8

	// Activations bounds the memory in bytes of one picture's activations at
	// the size a file declares; default 128 MiB. A size the caller asks for,
	// by a recipe or a network, is the caller's own affair.
	Activations int64
}

// Picture is the part for pictures.
func (l Limits) Picture() imageio.Limits {
	return imageio.Limits{MaxPixels: l.Pixels, MaxBytes: l.PictureBytes, MaxPixelsPerByte: l.PixelsPerByte}
}

func (l Limits) weights() weights.Limits {
	return weights.Limits{MaxFileBytes: l.FileBytes, MaxTensorBytes: l.TensorBytes, MaxTensors: l.Tensors, MaxDepth: l.Depth, MaxRatio: l.Ratio}
}

func (l Limits) onnx() onnx.Limits {
	return onnx.Limits{FileBytes: l.FileBytes, Nodes: l.Nodes, Tensors: l.Tensors, TensorBytes: l.TensorBytes}
}

func (l Limits) tflite() tflite.Limits { return tflite.Limits{FileBytes: l.FileBytes} }

// maxActivations is the default of Limits.Activations.
const maxActivations = 128 << 20

// elements is Activations as a number of float32s.
func (l Limits) elements() int {
	bytes := l.Activations
	if bytes <= 0 {
		bytes = maxActivations
	}
	return int(min(bytes/4, 1<<30))
}
