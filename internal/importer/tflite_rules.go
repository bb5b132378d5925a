package importer

import (
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// The choices between the arithmetics of quantized operators that make results
// the bytes of TFLite: docs/quantization.md says how each was found.

// tfliteRounding is the rounding of an operator's rescaling. What TFLite
// computes as a matrix product rounds as its product kernels do.
func tfliteRounding(op tflite.Builtin) graph.Rounding {
	switch op {
	case tflite.Conv2D, tflite.FullyConnected:
		return graph.UpwardRounding
	}
	return graph.DoubleRounding
}

// tfliteNarrow tells operators that multiply the scales of input and weight in
// float32 from those that do so in float64.
func tfliteNarrow(op tflite.Builtin, t tensor.DType) bool {
	return t == tensor.U8 || op == tflite.FullyConnected
}

// tfliteMean is the rule of a MEAN over the rows and columns of a picture.
func tfliteMean(keepDims bool, in graph.Type, out graph.Stored) graph.MeanRule {
	switch {
	case keepDims && in.DType == tensor.I8:
		return graph.MeanDivided
	case keepDims:
		return graph.MeanBias
	case in.DType == out.DType && in.Quant.Equal(graph.PerTensor(out.Scale, out.Zero)):
		return graph.MeanTruncated
	}
	return graph.MeanFloat
}
