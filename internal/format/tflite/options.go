package tflite

import "fmt"

// Padding is how a window meets the edge.
type Padding int8

// The two paddings of the schema.
const (
	Same Padding = iota
	Valid
)

func (p Padding) String() string {
	if p == Same || p == Valid {
		return [...]string{"SAME", "VALID"}[p]
	}
	return fmt.Sprintf("PADDING_%d", int8(p))
}

// MarshalText gives the name, for reports.
func (p Padding) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Activation is an activation function fused into an operator.
type Activation int8

// The activations of the schema.
const (
	ActNone Activation = iota
	ActReLU
	ActReLUN1To1
	ActReLU6
	ActTanh
	ActSignBit
)

func (a Activation) String() string {
	if a < 0 || a > ActSignBit {
		return fmt.Sprintf("ACTIVATION_%d", int8(a))
	}
	return [...]string{"NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"}[a]
}

// MarshalText gives the name, for reports.
func (a Activation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText gives the name, for reports.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// The options of the operators; the tags are the schema's field names.
type (
	// Conv2DOptions go with CONV_2D.
	Conv2DOptions struct {
		Padding    Padding    `json:"padding"`
		StrideW    int        `json:"stride_w"`
		StrideH    int        `json:"stride_h"`
		Activation Activation `json:"fused_activation_function"`
		DilationW  int        `json:"dilation_w_factor"`
		DilationH  int        `json:"dilation_h_factor"`
	}
	// DepthwiseConv2DOptions go with DEPTHWISE_CONV_2D. Multiplier is the
	// number of output channels for each input channel; newer files may leave
	// it 0, the weights say it too.
	DepthwiseConv2DOptions struct {
		Padding    Padding    `json:"padding"`
		StrideW    int        `json:"stride_w"`
		StrideH    int        `json:"stride_h"`
		Multiplier int        `json:"depth_multiplier"`
		Activation Activation `json:"fused_activation_function"`
		DilationW  int        `json:"dilation_w_factor"`
		DilationH  int        `json:"dilation_h_factor"`
	}
	// Pool2DOptions go with AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D.
	Pool2DOptions struct {
		Padding    Padding    `json:"padding"`
		StrideW    int        `json:"stride_w"`
		StrideH    int        `json:"stride_h"`
		FilterW    int        `json:"filter_width"`
		FilterH    int        `json:"filter_height"`
		Activation Activation `json:"fused_activation_function"`
	}
	// FullyConnectedOptions go with FULLY_CONNECTED. Shuffled weights are a
	// private layout of an old runtime.
	FullyConnectedOptions struct {
		Activation  Activation `json:"fused_activation_function"`
		Shuffled    bool       `json:"-"`
		KeepNumDims bool       `json:"keep_num_dims"`
	}
	// SoftmaxOptions go with SOFTMAX: the logits are multiplied by Beta.
	SoftmaxOptions struct {
		Beta float32 `json:"beta"`
	}
	// ConcatenationOptions go with CONCATENATION.
	ConcatenationOptions struct {
		Axis       int        `json:"axis"`
		Activation Activation `json:"fused_activation_function"`
	}
	// BinaryOptions go with ADD, MUL, SUB and DIV.
	BinaryOptions struct {
		Activation Activation `json:"fused_activation_function"`
	}
	// ResizeOptions go with RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.
	ResizeOptions struct {
		AlignCorners     bool `json:"align_corners"`
		HalfPixelCenters bool `json:"half_pixel_centers"`
	}
	// ReshapeOptions go with RESHAPE; a second input takes precedence.
	ReshapeOptions struct {
		NewShape []int `json:"new_shape,omitempty"`
	}
	// ReducerOptions go with MEAN, SUM, REDUCE_MAX and REDUCE_MIN.
	ReducerOptions struct {
		KeepDims bool `json:"keep_dims"`
	}
	// SqueezeOptions go with SQUEEZE; no dimensions means all extents of 1.
	SqueezeOptions struct {
		Dims []int `json:"squeeze_dims,omitempty"`
	}
	// StridedSliceOptions go with STRIDED_SLICE; the masks have a bit an axis.
	StridedSliceOptions struct {
		BeginMask      int  `json:"begin_mask"`
		EndMask        int  `json:"end_mask"`
		EllipsisMask   int  `json:"ellipsis_mask"`
		NewAxisMask    int  `json:"new_axis_mask"`
		ShrinkAxisMask int  `json:"shrink_axis_mask"`
		Offset         bool `json:"offset"`
	}
	// SplitOptions go with SPLIT and SPLIT_V.
	SplitOptions struct {
		Splits int `json:"num_splits"`
	}
	// GatherOptions go with GATHER.
	GatherOptions struct {
		Axis      int `json:"axis"`
		BatchDims int `json:"batch_dims"`
	}
	// CastOptions go with CAST.
	CastOptions struct {
		In  Type `json:"in_data_type"`
		Out Type `json:"out_data_type"`
	}
	// ArgMaxOptions go with ARG_MAX.
	ArgMaxOptions struct {
		Output Type `json:"output_type"`
	}
	// ShapeOptions go with SHAPE.
	ShapeOptions struct {
		Output Type `json:"out_type"`
	}
	// PackOptions go with PACK.
	PackOptions struct {
		Count int `json:"values_count"`
		Axis  int `json:"axis"`
	}
	// UnpackOptions go with UNPACK.
	UnpackOptions struct {
		Count int `json:"num"`
		Axis  int `json:"axis"`
	}
	// LeakyReLUOptions go with LEAKY_RELU.
	LeakyReLUOptions struct {
		Alpha float32 `json:"alpha"`
	}
	// BlockOptions go with SPACE_TO_DEPTH and DEPTH_TO_SPACE.
	BlockOptions struct {
		Size int `json:"block_size"`
	}
	// TransposeConvOptions go with TRANSPOSE_CONV.
	TransposeConvOptions struct {
		Padding    Padding    `json:"padding"`
		StrideW    int        `json:"stride_w"`
		StrideH    int        `json:"stride_h"`
		Activation Activation `json:"fused_activation_function"`
	}
	// GeluOptions go with GELU.
	GeluOptions struct {
		Approximate bool `json:"approximate"`
	}
	// MirrorPadOptions go with MIRROR_PAD.
	MirrorPadOptions struct {
		Symmetric bool `json:"-"`
	}
)

// optionsOf says for each operator which member of the schema's union its
// options are, and how to read them. A table left out reads as all defaults.
var optionsOf = map[Builtin]struct {
	kind uint8
	read func(t table) any
}{
	Conv2D: {1, func(t table) any {
		return &Conv2DOptions{Padding(t.i8(0)), t.num(1), t.num(2), Activation(t.i8(3)), int(t.i32(4, 1)), int(t.i32(5, 1))}
	}},
	DepthwiseConv2D: {2, func(t table) any {
		return &DepthwiseConv2DOptions{Padding(t.i8(0)), t.num(1), t.num(2), t.num(3), Activation(t.i8(4)), int(t.i32(5, 1)), int(t.i32(6, 1))}
	}},
	AveragePool2D: {5, pool}, MaxPool2D: {5, pool}, L2Pool2D: {5, pool},
	FullyConnected: {8, func(t table) any { return &FullyConnectedOptions{Activation(t.i8(0)), t.i8(1) != 0, t.bool(2)} }},
	Softmax:        {9, func(t table) any { return &SoftmaxOptions{t.f32(0)} }},
	Concatenation:  {10, func(t table) any { return &ConcatenationOptions{t.num(0), Activation(t.i8(1))} }},
	Add:            {11, binaryOptions}, Mul: {21, binaryOptions}, Sub: {28, binaryOptions}, Div: {29, binaryOptions},
	ResizeBilinear:        {15, func(t table) any { return &ResizeOptions{t.bool(2), t.bool(3)} }}, // 0 and 1 held the size once
	ResizeNearestNeighbor: {74, func(t table) any { return &ResizeOptions{t.bool(0), t.bool(1)} }},
	Reshape:               {17, func(t table) any { return &ReshapeOptions{t.ints(0)} }},
	SpaceToDepth:          {19, block}, DepthToSpace: {94, block},
	Gather: {23, func(t table) any { return &GatherOptions{t.num(0), t.num(1)} }},
	Mean:   {27, reducer}, Sum: {27, reducer}, ReduceMax: {27, reducer}, ReduceMin: {27, reducer},
	Squeeze: {30, func(t table) any { return &SqueezeOptions{t.ints(0)} }},
	StridedSlice: {32, func(t table) any {
		return &StridedSliceOptions{t.num(0), t.num(1), t.num(2), t.num(3), t.num(4), t.bool(5)}
	}},
	Split:  {35, func(t table) any { return &SplitOptions{t.num(0)} }},
	SplitV: {79, func(t table) any { return &SplitOptions{t.num(0)} }},
	Cast:   {37, func(t table) any { return &CastOptions{Type(t.i8(0)), Type(t.i8(1))} }},
	ArgMax: {40, func(t table) any { return &ArgMaxOptions{Type(t.i8(0))} }},
	TransposeConv: {49, func(t table) any {
		return &TransposeConvOptions{Padding(t.i8(0)), t.num(1), t.num(2), Activation(t.i8(3))}
	}},
	Shape:     {55, func(t table) any { return &ShapeOptions{Type(t.i8(0))} }},
	Pack:      {59, func(t table) any { return &PackOptions{t.num(0), t.num(1)} }},
	Unpack:    {64, func(t table) any { return &UnpackOptions{t.num(0), t.num(1)} }},
	LeakyReLU: {75, func(t table) any { return &LeakyReLUOptions{t.f32(0)} }},
	MirrorPad: {77, func(t table) any { return &MirrorPadOptions{t.i8(0) != 0} }},
	Gelu:      {116, func(t table) any { return &GeluOptions{t.bool(0)} }},
}

func (t table) num(slot int) int { return int(t.i32(slot, 0)) }

func pool(t table) any {
	return &Pool2DOptions{Padding(t.i8(0)), t.num(1), t.num(2), t.num(3), t.num(4), Activation(t.i8(5))}
}

func binaryOptions(t table) any { return &BinaryOptions{Activation(t.i8(0))} }

func reducer(t table) any { return &ReducerOptions{t.bool(0)} }

func block(t table) any { return &BlockOptions{t.num(0)} }
