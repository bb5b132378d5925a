package kernel_test

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

var relu6 = kernel.Act{Kind: ref.ReLU6}

// v2Layers are the convolutions of MobileNetV2 1.0 at a resolution, in order;
// its classifier last.
func v2Layers(resolution int) (layers []kernel.ConvShape) {
	h, c := resolution, 3
	add := func(o, k, stride, groups int, act kernel.Act, residual bool) {
		s := same(1, h, h, c, o, k, stride, groups)
		s.Act, s.HasResidual = act, residual
		layers = append(layers, s)
		h, c = s.OH, o
	}
	add(32, 3, 2, 1, relu6, false)
	for _, r := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range r[2] {
			stride := 1
			if i == 0 {
				stride = r[3]
			}
			wide := c * r[0]
			if r[0] > 1 {
				add(wide, 1, 1, 1, relu6, false)
			}
			add(wide, 3, stride, wide, relu6, false)
			add(r[1], 1, 1, 1, kernel.Act{}, i > 0)
		}
	}
	add(1280, 1, 1, 1, relu6, false)
	h = 1
	add(1000, 1, 1, 1, kernel.Act{}, false)
	return layers
}

// same is a convolution with k/2 padding.
func same(n, h, w, c, o, k, stride, groups int) kernel.ConvShape {
	return kernel.ConvShape{N: n, H: h, W: w, C: c, OH: (h + stride - 1) / stride, OW: (w + stride - 1) / stride, O: o,
		KH: k, KW: k, StrideH: stride, StrideW: stride, PadTop: k / 2, PadLeft: k / 2, Groups: groups}.Normal()
}

// window is a convolution with everything given; the output extents follow
// from the padding on all four sides.
func window(s kernel.ConvShape, bottom, right int) kernel.ConvShape {
	s = s.Normal()
	s.OH = (s.H+s.PadTop+bottom-(s.KH-1)*s.DilationH-1)/s.StrideH + 1
	s.OW = (s.W+s.PadLeft+right-(s.KW-1)*s.DilationW-1)/s.StrideW + 1
	return s
}

// oddShapes hold what real networks do not: extents of 1, 7, 13, 15 and 127,
// asymmetric padding, strides and dilations that differ, groups, slices of
// wider tensors, channel-blocked layouts, batches.
func oddShapes() []kernel.ConvShape {
	type S = kernel.ConvShape
	shapes := []S{
		same(1, 1, 1, 1, 1, 1, 1, 1),
		same(1, 1, 1, 127, 13, 1, 1, 1),
		same(3, 1, 1, 127, 15, 1, 1, 1),
		same(1, 13, 15, 7, 127, 1, 1, 1),
		same(2, 7, 7, 13, 15, 1, 1, 1),
		same(2, 13, 7, 15, 7, 3, 1, 1),
		same(1, 15, 13, 3, 13, 3, 2, 1),
		same(1, 9, 9, 16, 24, 1, 2, 1),
		same(2, 7, 7, 13, 13, 3, 1, 13),
		same(1, 1, 1, 7, 7, 3, 1, 7),
		same(1, 1, 2, 15, 15, 5, 1, 15),
		same(2, 13, 15, 7, 7, 3, 2, 7),
		same(1, 127, 3, 13, 13, 3, 2, 13),
		same(2, 7, 13, 15, 15, 5, 1, 15),
		same(1, 15, 13, 13, 13, 5, 2, 13),
		same(1, 13, 13, 7, 7, 7, 1, 7),
		same(2, 7, 7, 12, 24, 3, 1, 12),
		same(1, 7, 7, 12, 18, 3, 1, 6),
		same(2, 7, 5, 12, 20, 1, 1, 4),
		window(S{N: 1, H: 9, W: 11, C: 5, O: 6, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 0, PadLeft: 0}, 1, 1),
		window(S{N: 1, H: 9, W: 11, C: 5, O: 5, Groups: 5, KH: 3, KW: 3, StrideH: 2, StrideW: 2}, 1, 1),
		window(S{N: 1, H: 9, W: 12, C: 5, O: 5, Groups: 5, KH: 5, KW: 5, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1}, 2, 2),
		window(S{N: 2, H: 9, W: 11, C: 5, O: 6, KH: 2, KW: 4, StrideH: 3, StrideW: 2, DilationH: 2, PadTop: 2, PadLeft: 1}, 0, 3),
		window(S{N: 1, H: 13, W: 15, C: 9, O: 9, Groups: 9, KH: 3, KW: 3, DilationH: 2, DilationW: 2, PadTop: 2, PadLeft: 2}, 2, 2),
		window(S{N: 1, H: 13, W: 15, C: 9, O: 9, Groups: 9, KH: 5, KW: 5, DilationH: 3, DilationW: 3, PadTop: 6, PadLeft: 6}, 6, 6),
		window(S{N: 1, H: 13, W: 40, C: 3, O: 3, Groups: 3, KH: 3, KW: 3, StrideH: 2, DilationW: 4, PadTop: 1, PadLeft: 1}, 1, 1),
		window(S{N: 1, H: 9, W: 9, C: 7, O: 7, Groups: 7, KH: 3, KW: 3, StrideH: 2, StrideW: 2, DilationH: 2, DilationW: 2, PadTop: 2, PadLeft: 2}, 2, 2),
		window(S{N: 1, H: 9, W: 9, C: 7, O: 7, Groups: 7, KH: 3, KW: 5, PadTop: 1, PadLeft: 2}, 1, 2),
		window(S{N: 1, H: 5, W: 5, C: 6, O: 8, KH: 5, KW: 5}, 0, 0),
		window(S{N: 1, H: 4, W: 4, C: 6, O: 8, KH: 1, KW: 1, PadTop: 2, PadLeft: 1}, 1, 2),
		window(S{N: 1, H: 4, W: 4, C: 6, O: 8, KH: 1, KW: 1}, 1, 2),
	}
	// Every epilogue on a product, a gathered product and a depthwise.
	acts := []kernel.Act{{}, {Kind: ref.ReLU}, relu6, {Kind: ref.Clip, A: -0.5, B: 0.75}, {Kind: ref.LeakyReLU, A: 0.1},
		{Kind: ref.Swish}, {Kind: ref.Sigmoid}, {Kind: ref.HSwish, A: 1. / 6}, {Kind: ref.HSigmoid, A: 0.16667},
		{Kind: ref.HardSigmoid, A: 0.2, B: 0.5}, {Kind: ref.Tanh}, {Kind: ref.GELU}}
	for i, act := range acts {
		for _, s := range []S{same(2, 5, 3, 20, 9, 1, 1, 1), same(1, 5, 6, 4, 6, 3, 1, 1), same(1, 6, 5, 11, 11, 3, 1, 11), same(1, 6, 5, 8, 8, 5, 2, 8)} {
			s.Act = act
			s.HasResidual = i%2 == 1
			s.HasScale = i%3 == 1
			shapes = append(shapes, s)
		}
	}
	// Slices of wider tensors, and channel blocks of 16.
	for _, s := range []S{same(2, 5, 3, 20, 24, 1, 1, 1), same(2, 6, 5, 20, 20, 3, 1, 20), same(1, 6, 5, 20, 20, 5, 2, 20), same(1, 6, 5, 20, 12, 3, 2, 1)} {
		s.XPixel, s.YPixel, s.HasResidual = s.C+5, s.O+3, true
		shapes = append(shapes, s)
		s.XPixel, s.XBlock = 16, s.N*s.H*s.W*16
		s.YPixel, s.YBlock = 16, s.N*s.OH*s.OW*16
		shapes = append(shapes, s)
	}
	return shapes
}

// shapeName is a short name of a shape.
func shapeName(s *kernel.ConvShape) string {
	n := fmt.Sprintf("%dx%dx%dx%d_o%d_k%dx%d_s%d", s.N, s.H, s.W, s.C, s.O, s.KH, s.KW, s.StrideW)
	if s.Groups > 1 {
		n += fmt.Sprintf("_g%d", s.Groups)
	}
	if s.DilationH*s.DilationW > 1 {
		n += fmt.Sprintf("_d%dx%d", s.DilationH, s.DilationW)
	}
	if s.HasResidual {
		n += "_res"
	}
	if s.HasScale {
		n += "_se"
	}
	return n
}
