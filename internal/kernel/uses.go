package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// Use is a kind of work with the kernel that is chosen for it.
type Use struct {
	For    string `json:"for"`
	Kernel string `json:"kernel"`
	Impl   string `json:"impl"`
}

// Uses lists, for the shapes that networks have, which kernels are chosen
// within a rung.
func Uses(limit string) []Use {
	var out []Use
	conv := func(what string, c, o, groups, k, stride, dilation, side int, scale bool) {
		pad := (k - 1) / 2 * dilation
		s := ConvShape{
			N: 1, H: side, W: side, C: c, OH: (side + stride - 1) / stride, OW: (side + stride - 1) / stride, O: o,
			KH: k, KW: k, StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation, PadTop: pad, PadLeft: pad,
			Groups: groups, XPixel: c, XBlock: 16, YPixel: o, YBlock: 16, HasScale: scale,
		}
		k1 := SelectConv(&s, limit)
		out = append(out, Use{what, k1.Name, k1.Impl})
	}
	conv("stem 3x3", 3, 32, 1, 3, 2, 1, 224, false)
	conv("pointwise", 96, 24, 1, 1, 1, 1, 56, false)
	conv("pointwise, scaled", 120, 40, 1, 1, 1, 1, 28, true)
	conv("classifier", 1280, 1000, 1, 1, 1, 1, 1, false)
	conv("dense 3x3", 32, 64, 1, 3, 1, 1, 56, false)
	conv("depthwise 3x3", 96, 96, 96, 3, 1, 1, 56, false)
	conv("depthwise 3x3 /2", 96, 96, 96, 3, 2, 1, 112, false)
	conv("depthwise 5x5", 120, 120, 120, 5, 1, 1, 28, false)
	conv("depthwise 5x5 /2", 72, 72, 72, 5, 2, 1, 56, false)
	conv("depthwise, dilated", 96, 96, 96, 3, 1, 2, 28, false)
	shape := [4]int{1, 28, 28, 96}
	out = append(out,
		use("activation", SelectActivation(&Activation{Len: 4096, Act: Act{Kind: ref.HSwish}}, limit)),
		use("sum", SelectBinary(&Binary{Fn: ref.Add, AShape: shape, BShape: shape}, limit)),
		use("scale of channels", SelectBinary(&Binary{Fn: ref.Mul, AShape: shape, BShape: [4]int{1, 1, 1, 96}}, limit)),
		use("mean over a picture", SelectGlobalAvgPool(&GlobalAvgPool{N: 1, H: 7, W: 7, C: 960}, limit)),
		use("pooling", SelectPool(&Pool{}, limit)),
		use("softmax", SelectSoftmax(&Softmax{}, limit)),
		use("resize", SelectResize(&Resize{}, limit)),
	)
	return out
}

func use[A any](what string, k *Kernel[A]) Use { return Use{what, k.Name, k.Impl} }
