package ref

import "math"

// ResizeRule says how output pixels map to input pixels, in the order of the
// graph's own list.
type ResizeRule uint8

const (
	// HalfPixel maps pixel centres: (i+0.5)*in/out - 0.5.
	HalfPixel ResizeRule = iota
	// AlignCorners maps corners to corners: i*(in-1)/(out-1).
	AlignCorners
	// Asymmetric is i*in/out.
	Asymmetric
)

// ResizeArgs changes the size of [N,H,W,C] to [N,OH,OW,C].
type ResizeArgs[T Float] struct {
	N, H, W, C, OH, OW int
	Nearest            bool
	Rule               ResizeRule
	X, Y               []T
}

// ResizeSource gives the two input pixels of output pixel i and the weight of
// the second. Nearest takes floor(i*in/out), floor((i+0.5)*in/out) for
// HalfPixel, and the rounded position for AlignCorners, as TensorFlow does.
func ResizeSource(i, in, out int, rule ResizeRule, nearest bool) (lo, hi int, frac float64) {
	at := float64(i) * float64(in) / float64(out)
	switch {
	case rule == AlignCorners && out > 1:
		at = float64(i) * float64(in-1) / float64(out-1)
	case rule == AlignCorners:
		at = 0
	case rule == HalfPixel && nearest:
		at = (float64(i) + 0.5) * float64(in) / float64(out)
	case rule == HalfPixel:
		at = max((float64(i)+0.5)*float64(in)/float64(out)-0.5, 0)
	}
	if nearest {
		if rule == AlignCorners {
			at += 0.5
		}
		lo = min(int(at), in-1)
		return lo, lo, 0
	}
	lo = min(int(math.Floor(at)), in-1)
	return lo, min(lo+1, in-1), at - float64(lo)
}

// Resize interpolates along each row first, then between the two rows.
func Resize[T Float](a *ResizeArgs[T]) {
	for i := range a.N * a.OH * a.OW * a.C {
		c, ow, oh, n := i%a.C, i/a.C%a.OW, i/a.C/a.OW%a.OH, i/a.C/a.OW/a.OH
		h0, h1, fh := ResizeSource(oh, a.H, a.OH, a.Rule, a.Nearest)
		w0, w1, fw := ResizeSource(ow, a.W, a.OW, a.Rule, a.Nearest)
		at := func(h, w int) float64 { return float64(a.X[((n*a.H+h)*a.W+w)*a.C+c]) }
		top := at(h0, w0) + (at(h0, w1)-at(h0, w0))*fw
		bottom := at(h1, w0) + (at(h1, w1)-at(h1, w0))*fw
		a.Y[i] = T(top + (bottom-top)*fh)
	}
}

// PadArgs surrounds [N,H,W,C] with a constant.
type PadArgs[T Element] struct {
	N, H, W, C               int
	Top, Bottom, Left, Right int
	Value                    float32
	X, Y                     []T
}

// Pad copies the picture into its frame.
func Pad[T Element](a *PadArgs[T]) {
	oh, ow := a.H+a.Top+a.Bottom, a.W+a.Left+a.Right
	for i := range a.N * oh * ow * a.C {
		c, w, h, n := i%a.C, i/a.C%ow-a.Left, i/a.C/ow%oh-a.Top, i/a.C/ow/oh
		if h < 0 || h >= a.H || w < 0 || w >= a.W {
			a.Y[i] = T(a.Value)
		} else {
			a.Y[i] = a.X[((n*a.H+h)*a.W+w)*a.C+c]
		}
	}
}

// ConcatArgs joins inputs along an axis: every input i is Outer runs of
// Inner[i] elements (its extent on the axis times all extents after it).
type ConcatArgs[T Element] struct {
	Outer int
	Inner []int
	Xs    [][]T
	Y     []T
}

// Concat interleaves the runs.
func Concat[T Element](a *ConcatArgs[T]) {
	at := 0
	for o := range a.Outer {
		for i, n := range a.Inner {
			at += copy(a.Y[at:], a.Xs[i][o*n:][:n])
		}
	}
}

// TransposeArgs reorders axes: axis i of the result is axis Perm[i] of X.
type TransposeArgs[T Element] struct {
	Rank        int
	Shape, Perm [6]int
	X, Y        []T
}

// Transpose places every element of the result.
func Transpose[T Element](a *TransposeArgs[T]) {
	total := 1
	var stride [6]int
	for d := a.Rank - 1; d >= 0; d-- {
		stride[d] = total
		total *= a.Shape[d]
	}
	for i := range total {
		rest, from := i, 0
		for d := a.Rank - 1; d >= 0; d-- {
			from += rest % a.Shape[a.Perm[d]] * stride[a.Perm[d]]
			rest /= a.Shape[a.Perm[d]]
		}
		a.Y[i] = a.X[from]
	}
}
