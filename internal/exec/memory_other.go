//go:build !linux

package exec

func adviseHuge([]float32) {}
