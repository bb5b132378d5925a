//go:build amd64 && !purego

package kernel

// vecQConvKernels lists the convolutions of bytes by vectors, best first.
func vecQConvKernels() []QConvKernel {
	return vecQGemmKernels()
}
