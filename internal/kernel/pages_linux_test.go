package kernel_test

import (
	"math"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// fenced copies numbers to memory of their own between two pages that may not
// be touched: up against the one behind, or the one before. A kernel that
// reads past the end, even to throw the value away, ends the test.
func fenced(t *testing.T, x []float32, atEnd bool) []float32 {
	t.Helper()
	if len(x) == 0 {
		return x
	}
	page := syscall.Getpagesize()
	size := (4*len(x) + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { syscall.Munmap(all) })
	for _, fence := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Skip(err)
		}
	}
	from := page
	if atEnd {
		from += size - 4*len(x)
	}
	y := unsafe.Slice((*float32)(unsafe.Pointer(&all[from])), len(x))
	copy(y, x)
	return y
}

// TestReadsStayInside runs the vector kernels with every buffer between pages
// that may not be read.
func TestReadsStayInside(t *testing.T) {
	shapes := append(append(tileShapes(), tailShapes()...), oddShapes()...)
	for i, s := range shapes {
		if testing.Short() && i%3 != 0 && s.Groups == 1 {
			continue
		}
		for _, k := range kernel.ConvKernels() {
			if k.Impl == "ref" || k.Impl == "go" || !k.Available() || !k.Accepts(&s) {
				continue
			}
			l := newLayer(s, &k, 1)
			l.run()
			want := l.a.Y
			for _, atEnd := range []bool{true, false} {
				t.Run(k.Name+" "+shapeName(&s), func(t *testing.T) {
					f := newLayer(s, &k, 1)
					for _, b := range []*[]float32{&f.a.X, &f.a.Y, &f.a.Weight, &f.a.Bias, &f.a.Residual, &f.a.Scale, &f.scratch[0]} {
						*b = fenced(t, *b, atEnd)
					}
					f.run()
					if !slices.Equal(f.a.Y, want) {
						t.Error("the place in memory changes the result")
					}
				})
			}
		}
	}
	for _, n := range []int{1, 7, 8, 9, 31, 32, 33, 40, 127} {
		for _, atEnd := range []bool{true, false} {
			x, b, y := fenced(t, testkit.Noise(n, 1), atEnd), fenced(t, testkit.Noise(n, 2), atEnd), fenced(t, make([]float32, n), atEnd)
			shape := [4]int{1, 1, 1, n}
			for _, act := range fusedActs {
				runAll(kernel.ActivationKernels(), &kernel.Activation{Len: n, Act: act, X: x, Y: y})
				for _, fn := range []ref.BinaryKind{ref.Add, ref.Mul} {
					runAll(kernel.BinaryKernels(), &kernel.Binary{Fn: fn, Act: act, AShape: shape, BShape: shape, A: x, B: b, Y: y})
				}
			}
			runAll(kernel.GlobalAvgPoolKernels(), &kernel.GlobalAvgPool{N: 1, H: 1, W: 1, C: n, X: x, Y: y})
			if y[0] != x[0] || math.IsNaN(float64(y[n-1])) {
				t.Error("the mean of one pixel is another")
			}
		}
	}
}

// runAll runs every kernel of a table that takes the arguments.
func runAll[A any](table []kernel.Kernel[A], a *A) {
	for _, k := range table {
		if !k.Available() || !k.Accepts(a) {
			continue
		}
		for task := range k.Tasks(a) {
			k.Run(a, task, nil)
		}
	}
}
