package kernel

import "fmt"

// shapeName is a short unique name of a shape.
func shapeName(s *ConvShape) string {
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
