//go:build arm64 && !purego

package kernel

// vecQConvKernels lists the convolutions of bytes by vectors, best first.
func vecQConvKernels() []QConvKernel {
	var out []QConvKernel
	for _, dot := range []bool{true, false} {
		out = append(out, qdwKernel(3, 1, dot), qdwKernel(3, 2, dot), qdwKernel(5, 1, dot), qdwKernel(5, 2, dot))
	}
	return append(out, qneonDot.kernel(), qneonMul.kernel())
}
