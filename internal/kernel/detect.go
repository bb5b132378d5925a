package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// Detect is the argument block of a detector's last step; package ref
// documents it.
type Detect = ref.DetectArgs[float32]

// DetectKernels lists the last steps of detectors. A picture has a few thousand
// anchors, nearly all of them below the least score, so that one task does.
func DetectKernels() []Kernel[Detect] {
	return []Kernel[Detect]{refKernel("detectF32Ref", 0, ref.Detect[float32])}
}
