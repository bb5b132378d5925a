package arch

import (
	"fmt"
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// Padding says how a convolution with a stride meets the picture's edge.
type Padding string

const (
	// Symmetric pads (k-1)/2 pixels on every side.
	Symmetric Padding = "symmetric"
	// Same is TensorFlow's rule: ceil(in/stride) outputs, the odd pixel of
	// padding at the bottom and the right.
	Same Padding = "same"
	// SameCorner is Same, except that a strided depthwise layer always pads
	// as for an even size, whatever the size is: Keras's V1.
	SameCorner Padding = "same_corner"
)

// Rounding turns a scaled number of channels into a whole one.
type Rounding string

const (
	// Divisible8 rounds to the nearest multiple of 8, at least 8, and one up
	// where that loses more than a tenth.
	Divisible8 Rounding = "divisible8"
	// TruncDivisible8 drops the fraction first.
	TruncDivisible8 Rounding = "trunc_divisible8"
	// Trunc drops the fraction.
	Trunc Rounding = "trunc"
	// TruncMin8 drops the fraction and gives at least 8.
	TruncMin8 Rounding = "trunc_min8"
)

// Scaling says whether a layer follows the width multiplier.
type Scaling string

const (
	// Scaled multiplies by the width.
	Scaled Scaling = "scaled"
	// ScaledUp multiplies by widths above 1 only.
	ScaledUp Scaling = "scaled_above_1"
	// Fixed ignores the width.
	Fixed Scaling = "fixed"
	// FixedBelow075 ignores widths below 0.75.
	FixedBelow075 Scaling = "fixed_below_0.75"
	// FromLast keeps the table's ratio to the last block's output, which is
	// itself scaled.
	FromLast Scaling = "ratio_of_last_block"
)

// Expansion says how many channels an expansion layer has.
type Expansion string

const (
	// ExpandPlain is the factor times the input, rounded to a whole number.
	ExpandPlain Expansion = "factor"
	// ExpandDivisible is the factor times the input, rounded as Divisible8.
	ExpandDivisible Expansion = "factor_divisible8"
	// ExpandDigits is ExpandDivisible with the factor rounded to two decimals.
	ExpandDigits Expansion = "factor_2_digits_divisible8"
	// ExpandAbsolute scales the row's number of channels by the width; a row
	// without one is expanded as by ExpandPlain.
	ExpandAbsolute Expansion = "absolute"
)

// Squeeze says how wide the bottleneck of squeeze-and-excite is, given a
// ratio of the expanded channels.
type Squeeze string

const (
	// SqueezeDivisible rounds ratio*expanded as Divisible8.
	SqueezeDivisible Squeeze = "divisible8"
	// SqueezeFloorDivisible drops the fraction of ratio*expanded first.
	SqueezeFloorDivisible Squeeze = "floor_divisible8"
)

// Dilating says what happens to a block whose stride is removed to keep an
// output stride below 32.
type Dilating string

const (
	// DilateAfter leaves that block's own rate alone and doubles the rate of
	// the blocks after it.
	DilateAfter Dilating = "blocks_after"
	// DilateAt doubles its own rate too.
	DilateAt Dilating = "block_itself"
)

// Rules are a dialect's conventions for one family.
type Rules struct {
	Padding   Padding
	Epsilon   float64 // of batch norm
	Momentum  float64 // of batch norm: the fraction of the old average kept
	Dropout   float64 // fraction dropped before the classifier
	Width     Rounding
	Stem      Scaling
	Expansion Expansion
	Squeeze   Squeeze
	HeadConv  Scaling
	HeadFC    Scaling
}

// Dialect is one published implementation's way of building networks from the
// papers' tables. At width 1 the dialects have equal layers; they differ in
// padding, in batch-norm constants and at every other width. A dialect is
// never mixed with another.
type Dialect struct {
	Name    string
	Source  string // the code that it follows
	Classes int    // rows of the published classifiers: 1001 where row 0 is a background class
	// HSigmoid is the default gate of squeeze-and-excite.
	HSigmoid Act
	// UnexpandedAct is the activation after the 1x1 convolution that is left
	// of a Fused row with factor 1; empty for the table's.
	UnexpandedAct Act
	Dilating      Dilating

	V1, V2, V3, EdgeTPU, MnasNet Rules
}

// Rules gives the dialect's conventions for a family.
func (d Dialect) Rules(f Family) (Rules, error) {
	switch f {
	case V1:
		return d.V1, nil
	case V2:
		return d.V2, nil
	case V3:
		return d.V3, nil
	case EdgeTPU:
		return d.EdgeTPU, nil
	case MnasNet:
		return d.MnasNet, nil
	}
	return Rules{}, fmt.Errorf("unknown family %q: use v1, v2, v3, edgetpu or mnasnet", string(f))
}

// Dialects lists every dialect.
func Dialects() []Dialect {
	return []Dialect{torchvision(), timm(), timmTF(), keras(), slim(), slimFinegrain()}
}

// DialectByName finds a dialect. "slim_plain" is another name of "slim".
func DialectByName(name string) (Dialect, error) {
	if name == "slim_plain" {
		name = "slim"
	}
	var names []string
	for _, d := range Dialects() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Dialect{}, fmt.Errorf("unknown dialect %q%s: use one of %s", name, suggest.DidYouMean(name, names), strings.Join(names, ", "))
}

// Limits on what a table may ask for: far above any real network, low enough
// that no product of them overflows and no graph grows without bound.
const (
	maxChannels = 1 << 16
	maxKernel   = 31
	maxRepeat   = 64
	maxBlocks   = 512
	maxClasses  = 1 << 20
	// defaultClasses is ImageNet's number, in every dialect.
	defaultClasses = 1000
	maxWidth       = 64
	maxSide        = 1 << 14
	maxDilation    = 64
	maxFactor      = 1024
)

// divisible8 rounds to the nearest multiple of 8, at least 8, and one up where
// that would lose more than a tenth.
func divisible8(v float64) int {
	n := max(8, int(v+4)/8*8)
	if float64(n) < 0.9*v {
		n += 8
	}
	return n
}

// channels applies f to v if v is in range, so that the conversion to int is
// exact on every platform, and checks the result.
func channels(what string, v float64, f func(float64) int) (int, error) {
	if !(v >= 0 && v <= maxChannels) {
		return 0, fmt.Errorf("%s: %g channels are outside 1 to %d", what, v, maxChannels)
	}
	n := f(v)
	if n < 1 || n > maxChannels {
		return 0, fmt.Errorf("%s: %d channels are outside 1 to %d", what, n, maxChannels)
	}
	return n, nil
}

func trunc(v float64) int { return int(v) }

func (r Rounding) apply(v float64) int {
	switch r {
	case Trunc:
		return int(v)
	case TruncMin8:
		return max(int(v), 8)
	case TruncDivisible8:
		return divisible8(math.Trunc(v))
	default:
		return divisible8(v)
	}
}

// scale gives the width of a stem or head layer; last is the ratio-preserving
// alternative, used by FromLast.
func (r Rules) scale(what string, s Scaling, c int, width float64, last func() float64) (int, error) {
	switch {
	case s == Fixed, s == ScaledUp && width <= 1, s == FixedBelow075 && width < 0.75:
		return channels(what, float64(c), trunc)
	case s == FromLast && last != nil:
		return channels(what, last(), func(v float64) int { return int(math.Round(v)) })
	default:
		return channels(what, float64(c)*width, r.Width.apply)
	}
}

// expand gives the width of a row's expansion for an input of in channels.
func (r Rules) expand(what string, row Row, in int, width float64) (int, error) {
	if row.ExpandTo > 0 && (r.Expansion == ExpandAbsolute || row.Expand == 0) {
		return channels(what, float64(row.ExpandTo)*width, r.Width.apply)
	}
	f := row.Expand
	if f == 0 || f == 1 {
		return in, nil
	}
	if r.Expansion == ExpandDigits {
		f = math.Round(f*100) / 100
	}
	if r.Expansion == ExpandPlain || r.Expansion == ExpandAbsolute {
		return channels(what, float64(in)*f, func(v float64) int { return int(math.Round(v)) })
	}
	return channels(what, float64(in)*f, divisible8)
}

// squeeze gives the bottleneck of squeeze-and-excite.
func (r Rules) squeeze(what string, t *Table, ratio float64, in, mid int) (int, error) {
	if t.SEOfInput {
		return channels(what, float64(in)*ratio, func(v float64) int { return max(1, int(v)) })
	}
	v := float64(mid) * ratio
	if r.Squeeze == SqueezeFloorDivisible {
		v = math.Floor(v)
	}
	return channels(what, v, divisible8)
}
