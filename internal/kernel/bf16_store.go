package kernel

// StoreBF16 rounds float32s to bfloat16s, LoadBF16 widens them. They are
// passes of their own: a value goes between the caches and memory in half the
// bytes, and kernels of float32 take it from the cache.

// StoreBF16 writes len(x) numbers to y.
func StoreBF16(x []float32, y []uint16) {
	if len(x) == 0 || vecStoreBF16(x, y[:len(x)]) {
		return
	}
	for i, v := range x {
		y[i] = RoundBF16(v)
	}
}

// LoadBF16 writes len(x) numbers to y.
func LoadBF16(x []uint16, y []float32) {
	if len(x) == 0 || vecLoadBF16(x, y[:len(x)]) {
		return
	}
	for i, v := range x {
		y[i] = WidenBF16(v)
	}
}
