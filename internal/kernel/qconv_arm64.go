//go:build arm64 && !purego

package kernel

// vecQConvKernels lists the convolutions of bytes by vectors, best first.
func vecQConvKernels() []QConvKernel {
	var out []QConvKernel
	for _, dot := range []bool{true, false} {
		out = append(out, intDWKernel(3, 1, dot), intDWKernel(3, 2, dot), intDWKernel(5, 1, dot), intDWKernel(5, 2, dot))
	}
	return append(out, intNEONDot.kernel(), intNEONMul.kernel())
}
