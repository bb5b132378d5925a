//go:build !amd64 || purego

package kernel

// vecQDepthwise: assembly for bytes is for amd64.
func vecQDepthwise() []QConvKernel { return nil }
