//go:build !amd64 || purego

package jpeg

func bestKernels(generic bool) kernels { return genericKernels() }
