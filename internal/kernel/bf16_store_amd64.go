//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

func vecStoreBF16(x []float32, y []uint16) bool {
	if !cpu.BF16() {
		return false
	}
	storeBF16AVX512(&storeArgs{wide: &x[0], half: &y[0], n: len(x)})
	return true
}

func vecLoadBF16(x []uint16, y []float32) bool {
	if !cpu.BF16() {
		return false
	}
	loadBF16AVX512(&storeArgs{wide: &y[0], half: &x[0], n: len(x)})
	return true
}
