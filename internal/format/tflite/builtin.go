package tflite

import "fmt"

// Builtin is an operator by its number in the schema.
type Builtin int32

// The operators whose options this package reads, and those that the family's
// graphs use without options. Every other operator still has its name.
const (
	Add                   Builtin = 0
	AveragePool2D         Builtin = 1
	Concatenation         Builtin = 2
	Conv2D                Builtin = 3
	DepthwiseConv2D       Builtin = 4
	DepthToSpace          Builtin = 5
	Dequantize            Builtin = 6
	FullyConnected        Builtin = 9
	L2Pool2D              Builtin = 12
	Logistic              Builtin = 14
	MaxPool2D             Builtin = 17
	Mul                   Builtin = 18
	ReLU                  Builtin = 19
	ReLUN1To1             Builtin = 20
	ReLU6                 Builtin = 21
	Reshape               Builtin = 22
	ResizeBilinear        Builtin = 23
	Softmax               Builtin = 25
	SpaceToDepth          Builtin = 26
	Tanh                  Builtin = 28
	Custom                Builtin = 32
	Pad                   Builtin = 34
	Gather                Builtin = 36
	BatchToSpaceND        Builtin = 37
	SpaceToBatchND        Builtin = 38
	Transpose             Builtin = 39
	Mean                  Builtin = 40
	Sub                   Builtin = 41
	Div                   Builtin = 42
	Squeeze               Builtin = 43
	StridedSlice          Builtin = 45
	Exp                   Builtin = 47
	Split                 Builtin = 49
	Cast                  Builtin = 53
	PReLU                 Builtin = 54
	Maximum               Builtin = 55
	ArgMax                Builtin = 56
	Minimum               Builtin = 57
	PadV2                 Builtin = 60
	Slice                 Builtin = 65
	TransposeConv         Builtin = 67
	Tile                  Builtin = 69
	ExpandDims            Builtin = 70
	Sum                   Builtin = 74
	Shape                 Builtin = 77
	ReduceMax             Builtin = 82
	Pack                  Builtin = 83
	Unpack                Builtin = 88
	ReduceMin             Builtin = 89
	ResizeNearestNeighbor Builtin = 97
	LeakyReLU             Builtin = 98
	MirrorPad             Builtin = 100
	SplitV                Builtin = 102
	Quantize              Builtin = 114
	HardSwish             Builtin = 117
	Gelu                  Builtin = 150
	ReLU0To1              Builtin = 152
)

// String is the operator's name in the schema.
func (b Builtin) String() string {
	if b < 0 || int(b) >= len(builtinNames) {
		return fmt.Sprintf("BUILTIN_%d", int32(b))
	}
	return builtinNames[b]
}

// builtinNames is indexed by the operator's number.
var builtinNames = [...]string{
	"ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "EMBEDDING_LOOKUP", "FLOOR",
	"FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D", "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM",
	"MAX_POOL_2D", "MUL", "RELU", "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
	"CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD", "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND",
	"SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB", "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN",
	"EXP", "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM", "ARG_MAX", "MINIMUM", "LESS",
	"NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS",
	"EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR",
	"ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE",
	"RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND",
	"COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
	"NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM", "BATCH_MATMUL",
	"PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE",
	"HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
	"BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE", "RELU_0_TO_1",
	"UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2", "UNSORTED_SEGMENT_MIN", "SIGN", "BITCAST", "BITWISE_XOR",
	"RIGHT_SHIFT", "STABLEHLO_LOGISTIC", "STABLEHLO_ADD", "STABLEHLO_DIVIDE", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_RESHAPE",
	"STABLEHLO_CLAMP", "STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM", "STABLEHLO_CONVOLUTION", "STABLEHLO_SLICE", "STABLEHLO_CUSTOM_CALL",
	"STABLEHLO_REDUCE", "STABLEHLO_ABS", "STABLEHLO_AND", "STABLEHLO_COSINE", "STABLEHLO_EXPONENTIAL", "STABLEHLO_FLOOR", "STABLEHLO_LOG",
	"STABLEHLO_MINIMUM", "STABLEHLO_NEGATE", "STABLEHLO_OR", "STABLEHLO_POWER", "STABLEHLO_REMAINDER", "STABLEHLO_RSQRT", "STABLEHLO_SELECT",
	"STABLEHLO_SUBTRACT", "STABLEHLO_TANH", "STABLEHLO_SCATTER", "STABLEHLO_COMPARE", "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE",
	"STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD", "STABLEHLO_IOTA", "STABLEHLO_DOT_GENERAL", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SORT",
	"STABLEHLO_WHILE", "STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE", "DILATE", "STABLEHLO_RNG_BIT_GENERATOR", "REDUCE_WINDOW", "STABLEHLO_COMPOSITE",
}
