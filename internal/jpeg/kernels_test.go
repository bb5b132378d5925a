package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// coefficients makes blocks like those of files and like those of nobody.
func coefficients(r *rand.Rand, kind int) (c, q [64]int16) {
	for k := range 64 {
		q[k] = int16(1 + r.IntN(60))
		switch kind {
		case 0: // a photograph
			if r.IntN(1+k) < 4 {
				c[k] = int16(r.NormFloat64() * 200 / float64(q[k]) / float64(1+k/8))
			}
		case 1: // loud
			c[k] = int16(r.IntN(512) - 256)
		case 2: // anything at all
			c[k], q[k] = int16(r.Uint32()), int16(r.Uint32())
		case 3: // only the first row
			if k < 8 {
				c[k] = int16(r.IntN(64) - 32)
			}
		case 5, 6: // only the first row, or that and row 4, beyond what fits
			if k < 8 || kind == 6 && k/8 == 4 {
				c[k] = int16(r.Uint32()) >> r.IntN(4)
			}
			q[k] = int16(r.IntN(3) + 1)
		case 4: // the largest values
			c[k], q[k] = []int16{-32768, 32767, 0}[r.IntN(3)], []int16{1, -1, -32768}[r.IntN(3)]
		}
	}
	return c, q
}

// Every implementation of the inverse transforms gives the same samples for any coefficients, writes
// nothing else and clears the block.
func TestTransforms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	best, plain := bestKernels(false), genericKernels()
	if best.place == nil {
		t.Fatal("no kernels")
	}
	for _, f := range []struct {
		name     string
		size     int
		one, two func(dst []byte, pitch int, blk, q *[64]int16)
	}{
		{"8x8", 8, plain.idct8, best.idct8}, {"4x4", 4, plain.idct4, best.idct4}, {"2x2", 2, plain.idct2, best.idct2},
	} {
		for i := range 28000 {
			c, q := coefficients(r, i%7)
			var c2, q2 [64]int16
			for row := range 8 {
				for col := range 8 {
					c2[best.place(row, col)], q2[best.place(row, col)] = c[8*row+col], q[8*row+col]
				}
			}
			was := c
			pitch := f.size + r.IntN(9)
			n := (f.size-1)*pitch + f.size
			one := bytes.Repeat([]byte{7}, n+16)
			two := bytes.Clone(one)
			f.one(one[8:8+n:8+n], pitch, &c, &q)
			f.two(two[8:8+n:8+n], pitch, &c2, &q2)
			if !bytes.Equal(one, two) {
				t.Fatalf("%s: coefficients %v, quantization %v:\n%v\n%v", f.name, was, q, one, two)
			}
			for j, v := range one {
				at := j - 8
				if inside := at >= 0 && at < n && at%pitch < f.size; !inside && v != 7 {
					t.Fatalf("%s wrote at %d", f.name, at)
				}
			}
			if c != ([64]int16{}) || c2 != ([64]int16{}) {
				t.Fatalf("%s left coefficients", f.name)
			}
		}
	}
}

// The transform is close to the cosine sum it stands for.
func TestTransformIsCosines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		c, q := coefficients(r, 0)
		want := cosines(&c, &q)
		var got [64]byte
		idct8(got[:], 8, &c, &q)
		for i, w := range want {
			if d := float64(got[i]) - min(max(w+128, 0), 255); d > 1 || d < -1 {
				t.Fatalf("sample %d: %d, cosines give %.2f", i, got[i], w+128)
			}
		}
	}
}

// Rows of every length are brought to size and converted alike, without a byte beyond.
func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	best, plain := bestKernels(false), genericKernels()
	row := func(n, how int) []byte {
		b := make([]byte, n)
		for i := range b {
			switch how {
			case 0:
				b[i] = byte(r.Uint32())
			case 1:
				b[i] = byte(255 * (i & 1))
			case 2:
				b[i] = 255
			}
		}
		return b[:n:n]
	}
	for n := 1; n < 200; n++ {
		for how := range 4 {
			a, b, c := row(n, how), row(n, how), row(n, (how+1)%4)
			check := func(name string, size int, one, two func(dst []byte)) {
				x := bytes.Repeat([]byte{9}, size+64)
				y := bytes.Clone(x)
				one(x[32 : 32+size : 32+size])
				two(y[32 : 32+size : 32+size])
				if !bytes.Equal(x, y) || !bytes.Equal(x[:32], y[size+32:]) || x[0] != 9 || x[31] != 9 {
					t.Fatalf("%s: %d samples\n%v\n%v", name, n, x, y)
				}
			}
			check("ycc", 3*n, func(d []byte) { plain.ycc(d, a, b, c) }, func(d []byte) { best.ycc(d, a, b, c) })
			if n > 2 {
				check("h2v1", 2*n, func(d []byte) { plain.h2v1(d, a) }, func(d []byte) { best.h2v1(d, a) })
				check("h2v2", 2*n, func(d []byte) { plain.h2v2(d, a, b) }, func(d []byte) { best.h2v2(d, a, b) })
			}
		}
	}
}

// Every colour there is.
func TestColours(t *testing.T) {
	best, plain := bestKernels(false), genericKernels()
	y, cb, cr := make([]byte, 256), make([]byte, 256), make([]byte, 256)
	for i := range y {
		y[i] = byte(i)
	}
	one, two := make([]byte, 768), make([]byte, 768)
	for b := range 256 {
		for c := range 256 {
			for i := range y {
				cb[i], cr[i] = byte(b), byte(c)
			}
			plain.ycc(one, y, cb, cr)
			best.ycc(two, y, cb, cr)
			if !bytes.Equal(one, two) {
				t.Fatalf("cb %d cr %d", b, c)
			}
		}
	}
}
