//go:build !linux

package kernel_test

// wall leaves room for canaries on both sides.
func wall(n int, _ bool) *walled {
	const around = 64
	return &walled{all: make([]byte, n+2*around), from: around, to: around + n, free: func() {}}
}
