package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

func TestByteConcat(t *testing.T) {
	for _, inner := range [][]int{{1}, {3, 5}, {64, 1, 127, 0, 13}, {4000, 96}} {
		a := kernel.ByteConcat{Outer: 37, Inner: inner}
		for i, n := range inner {
			a.Xs = append(a.Xs, randomBytes(n*a.Outer, uint64(i)))
			a.Y = append(a.Y, a.Xs[i]...)
		}
		checkBytes(t, kernel.ByteConcatKernels(), a, ref.Concat[uint8])
	}
}

func TestBytePad(t *testing.T) {
	for _, a := range []kernel.BytePad{
		{N: 1, H: 1, W: 1, C: 1, Value: 7},
		{N: 2, H: 7, W: 5, C: 13, Top: 1, Left: 1, Bottom: 2, Right: 2, Value: 255},
		{N: 1, H: 56, W: 56, C: 64, Bottom: 1, Right: 1, Value: 128},
	} {
		a.X = randomBytes(a.N*a.H*a.W*a.C, 1)
		a.Y = make([]uint8, a.N*(a.H+a.Top+a.Bottom)*(a.W+a.Left+a.Right)*a.C)
		checkBytes(t, kernel.BytePadKernels(), a, ref.Pad[uint8])
	}
}

func TestByteTranspose(t *testing.T) {
	for _, a := range []kernel.ByteTranspose{
		{Rank: 0}, {Rank: 1, Shape: [6]int{7}},
		{Rank: 4, Shape: [6]int{2, 7, 13, 3}, Perm: [6]int{0, 3, 1, 2}},
		{Rank: 4, Shape: [6]int{1, 3, 30, 40}, Perm: [6]int{0, 2, 3, 1}},
		{Rank: 5, Shape: [6]int{2, 3, 5, 7, 4}, Perm: [6]int{1, 0, 2, 3, 4}},
	} {
		n := 1
		for i := range a.Rank {
			n *= a.Shape[i]
		}
		a.X, a.Y = randomBytes(n, 3), make([]uint8, n)
		checkBytes(t, kernel.ByteTransposeKernels(), a, ref.Transpose[uint8])
	}
}

func TestByteResize(t *testing.T) {
	for _, s := range [][6]int{{1, 1, 1, 1, 1, 1}, {1, 1, 1, 3, 7, 62}, {2, 7, 5, 13, 13, 11}, {1, 9, 9, 21, 65, 65}, {1, 13, 40, 8, 5, 3}, {1, 3, 3, 256, 6, 6}} {
		for mode := range 12 {
			a := kernel.ByteResize{N: s[0], H: s[1], W: s[2], C: s[3], OH: s[4], OW: s[5], Rule: ref.ResizeRule(mode % 3), Nearest: mode&4 != 0, Signed: mode >= 6}
			a.X, a.Y = randomBytes(a.N*a.H*a.W*a.C, 5), make([]uint8, a.N*a.OH*a.OW*a.C)
			checkBytes(t, kernel.ByteResizeKernels(), a, ref.ByteResize)
		}
	}
}

// TestByteResizeKnown: doubling a line of two pixels interpolates between
// them, rounding to the nearest, halves away from the zero of int8s.
func TestByteResizeKnown(t *testing.T) {
	for _, c := range []struct {
		signed bool
		want   [4]uint8
	}{{false, [4]uint8{10, 13, 19, 22}}, {true, [4]uint8{10, 13, 19, 22}}} {
		a := kernel.ByteResize{N: 1, H: 1, W: 2, C: 1, OH: 1, OW: 4, Signed: c.signed, X: []uint8{10, 22}, Y: make([]uint8, 4)}
		ref.ByteResize(&a)
		if [4]uint8(a.Y) != c.want {
			t.Errorf("signed %t: %v, want %v", c.signed, a.Y, c.want)
		}
		a.X, a.OW, a.Rule, a.Y = []uint8{10, 13}, 3, ref.AlignCorners, make([]uint8, 3)
		want := uint8(12) // 11.5 of a uint8; -116.5 of an int8 goes to -117
		if c.signed {
			want = 11
		}
		if ref.ByteResize(&a); a.Y[1] != want {
			t.Errorf("signed %t: the middle of 10 and 13 is %d, want %d", c.signed, a.Y[1], want)
		}
	}
}

func TestArgMax(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {300, 21}, {3, 1001}, {7, 64}, {5, 127}} {
		a := kernel.ArgMax{Rows: s[0], Cols: s[1], X: randomBytes(s[0]*s[1], 9), Y: make([]int32, s[0])}
		for i := range a.X {
			a.X[i] &= 15 // equals abound
		}
		checkBytes(t, kernel.ArgMaxKernels(), a, ref.ArgMax)
		clear(a.X)
		checkBytes(t, kernel.ArgMaxKernels(), a, ref.ArgMax)
	}
}
