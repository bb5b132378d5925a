// Package ref holds the reference kernels: each operation in its obviously
// right form, generic over float32 and float64, and the argument blocks that
// every other implementation takes as well. Nothing here is optimised and
// nothing here may be: the fast kernels are proven against it, and a whole
// program compiled from it in float64 proves gradients and training steps.
package ref

// Float is an element type of the reference kernels.
type Float interface{ ~float32 | ~float64 }

// Element is what operations that only move elements take.
type Element interface{ Float | ~uint8 }

// ConvShape is everything about a convolution that is known before it runs:
// extents, window, layout and epilogue. Kernels are chosen, weights packed and
// work divided by it alone, so two convolutions of one shape always do the
// same arithmetic in the same order.
//
// Channel c of pixel p (counted over the batch: p = (n*H+h)*W+w) of the input
// is X[p*XPixel + c/16*XBlock + c%16]; the output and the residual follow
// YPixel and YBlock. Plain NHWC has XPixel = C and XBlock = 16; a larger
// XPixel is a slice of a wider tensor.
type ConvShape struct {
	N, H, W, C           int
	OH, OW, O            int
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	PadTop, PadLeft      int
	Groups               int
	XPixel, XBlock       int
	YPixel, YBlock       int
	Act                  Act
	HasScale             bool // Scale is given
	HasResidual          bool // Residual is given
	BF16                 BF16
}

// BF16 says what of a convolution is bfloat16, the upper half of a float32;
// the zero value is nothing. Values stored so lie in the memory of the
// float32s all the same, two in one: XPixel and YPixel still count float32s,
// a pixel's channels are padded to a multiple of 32, and the padding is zeros,
// or at least finite. Kernels of this package know nothing of it.
type BF16 struct {
	// Parts is what the factors of products become: 0 leaves them, 1 rounds
	// them to one bfloat16, 2 splits them in a high and a low one and leaves
	// out the product of the low ones.
	Parts int8
	X, Y  bool // the input; the output and the residual
}

// Normal returns s with zero strides, dilations and groups replaced by 1, and
// a zero layout replaced by plain NHWC.
func (s ConvShape) Normal() ConvShape {
	for _, p := range []*int{&s.StrideH, &s.StrideW, &s.DilationH, &s.DilationW, &s.Groups} {
		*p = max(*p, 1)
	}
	if s.XPixel == 0 {
		s.XPixel, s.XBlock = s.C, 16
	}
	if s.YPixel == 0 {
		s.YPixel, s.YBlock = s.O, 16
	}
	return s
}

// ConvArgs is one convolution, with everything that is fused into it:
//
//	y = act(conv(x * scale, w) + bias) + residual
//
// The shape must be Normal. Bias has O elements and is never nil (zeros where
// the layer has none). Scale, [N,C], multiplies the input channels; it is nil
// exactly when HasScale is false, and Residual likewise. Weight is [O,C/Groups,KH,KW]
// for the reference and as packed by the kernel's own Pack for the others. Y
// may be the same slice as Residual; it must not overlap X. Ahead is memory
// that later steps will use, and AheadToo more of it: a kernel may have it
// fetched by the way, and no result depends on it.
type ConvArgs[T Float] struct {
	ConvShape
	X, Weight, Bias, Scale, Residual, Y []T
	Ahead, AheadToo                     []T
}

// Conv computes a convolution by its definition.
func Conv[T Float](a *ConvArgs[T]) {
	cg, og := a.C/a.Groups, a.O/a.Groups
	for p := range a.N * a.OH * a.OW {
		n, oh, ow := p/(a.OH*a.OW), p/a.OW%a.OH, p%a.OW
		for o := range a.O {
			var sum T
			for kh := range a.KH {
				for kw := range a.KW {
					h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
					if h < 0 || h >= a.H || w < 0 || w >= a.W {
						continue
					}
					for i := range cg {
						c := o/og*cg + i
						x := a.X[((n*a.H+h)*a.W+w)*a.XPixel+c/16*a.XBlock+c%16]
						if a.HasScale {
							x *= a.Scale[n*a.C+c]
						}
						sum += x * a.Weight[((o*cg+i)*a.KH+kh)*a.KW+kw]
					}
				}
			}
			y := p*a.YPixel + o/16*a.YBlock + o%16
			v := ApplyAct(a.Act, sum+a.Bias[o])
			if a.HasResidual {
				v += a.Residual[y]
			}
			a.Y[y] = v
		}
	}
}
