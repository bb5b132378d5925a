package arch

// Kind is the shape of a block.
type Kind string

const (
	// Conv is one KxK convolution with batch norm and activation: node "conv".
	Conv Kind = "cn"
	// Separable is V1's block: depthwise, then pointwise, each with batch norm
	// and activation: nodes "dw" and "pw".
	Separable Kind = "ds"
	// Inverted is the inverted residual of V2 and V3: 1x1 expansion (absent for
	// a factor of 1), depthwise, squeeze-and-excite, linear 1x1 projection:
	// nodes "expand", "dw", "se.*", "project", "add".
	Inverted Kind = "ir"
	// Fused is the inverted residual whose expansion and depthwise layer are
	// one full KxK convolution: nodes "expand", "se.*", "project", "add". For a
	// factor of 1 only the 1x1 projection is left.
	Fused Kind = "er"
)

// Family selects, within a dialect, the rules (rounding, batch-norm constants)
// and the naming scheme of published checkpoints.
type Family string

// The families of networks.
const (
	V1      Family = "v1"
	V2      Family = "v2"
	V3      Family = "v3"
	EdgeTPU Family = "edgetpu"
	MnasNet Family = "mnasnet"
)

// Row describes one or more equal blocks the way a paper's table does, before
// the width multiplier and the dialect's rounding are applied.
type Row struct {
	Kind   Kind
	Repeat int // blocks in the row; 0 means 1. Only the first has the stride.
	Kernel int // odd; 0 means 3
	Stride int // 1 or 2; 0 means 1

	// Expand is the expansion as a factor of the block's input channels; 0
	// means 1, which is no expansion layer. ExpandTo is the expansion as a
	// number of channels at width 1. A row that gives both leaves the choice to
	// the dialect: torchvision scales the number, the others the input.
	Expand   float64
	ExpandTo int

	Out       int     // output channels at width 1
	SE        float64 // squeeze-and-excite bottleneck as a ratio; 0 for none
	Act       Act     // empty for the table's
	GroupSize int     // output channels per group of a Fused expansion; 0 for one group
	Dilation  int     // of the KxK convolution; 0 means 1
	NoSkip    bool    // never add the input, even where the shapes allow it
	Join      bool    // belongs to the row above when timm counts stages
}

// Table is a whole network before width and dialect are applied. The zero
// values of its optional fields mean what the dialect says.
type Table struct {
	Name   string // letters, digits, '_', '.' and '-'; empty means "custom"
	Family Family // empty means V2

	StemOut    int // channels of the first convolution at width 1
	StemKernel int // 0 means 3
	StemStride int // 0 means 2
	StemAct    Act // empty for Act

	Rows []Row

	HeadConv int // channels of the 1x1 convolution before pooling; 0 for none
	HeadFC   int // channels of the 1x1 layer after pooling; 0 for none
	HeadAct  Act // of both; empty for Act

	Act  Act // empty means ReLU6
	Gate Act // of squeeze-and-excite; empty means the dialect's h-sigmoid

	// SEOfInput makes SE a ratio of the block's input channels, truncated, as
	// in MnasNet; otherwise it is one of the expanded channels, rounded by the
	// dialect.
	SEOfInput bool

	Padding  Padding // empty for the dialect's
	Epsilon  float64 // of batch norm; 0 for the dialect's
	Momentum float64 // of batch norm, the fraction kept; 0 for the dialect's
}
