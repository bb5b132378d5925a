package jpeg

func bestKernels(generic bool) kernels { return genericKernels() }
