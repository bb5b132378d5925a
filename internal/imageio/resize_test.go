package imageio

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// lcg fills pix with the generated picture that testdata/goldens.py calls by the same name.
func lcg(pix []byte, kind string, w, h int) {
	s := uint32(12345)
	for i := range pix {
		s = s*1664525 + 1013904223
		v := int(s >> 24)
		switch kind {
		case "hard":
			v = v >> 7 * 255
		case "mixed":
			c, x, y := i%3, i/3%w, i/3/w
			v = min(255, (x*255/max(w-1, 1)*(c+1)/3+y*255/max(h-1, 1))/2+v/16)
		}
		pix[i] = byte(v)
	}
}

func encodeJPEG(t testing.TB, m *Image) []byte {
	t.Helper()
	g := image.NewNRGBA(image.Rect(0, 0, m.W, m.H))
	for i := range m.W * m.H {
		copy(g.Pix[4*i:], m.Pix[3*i:3*i+3])
		g.Pix[4*i+3] = 255
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, g, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func filterNamed(t testing.TB, name string) Filter {
	t.Helper()
	for _, f := range Filters() {
		if f.String() == name {
			return f
		}
	}
	t.Fatalf("no filter %q", name)
	return 0
}

type resizeCase struct {
	w, h, nw, nh           int
	kind, filter, checksum string
}

func resizeCases(t testing.TB) (cases []resizeCase) {
	t.Helper()
	f, err := os.Open("testdata/resize.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var c resizeCase
		if _, err := fmt.Sscan(s.Text(), &c.w, &c.h, &c.kind, &c.nw, &c.nh, &c.filter, &c.checksum); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) < 200 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

// Every result equals Pillow 9.4's to the byte, whole and cropped, with reused buffers.
func TestResizeLikePillow(t *testing.T) {
	var shared Resizer
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range resizeCases(t) {
		name := fmt.Sprintf("%dx%d %s to %dx%d %s", c.w, c.h, c.kind, c.nw, c.nh, c.filter)
		src, err := New(c.w, c.h)
		if err != nil {
			t.Fatal(err)
		}
		lcg(src.Pix, c.kind, c.w, c.h)
		f := filterNamed(t, c.filter)
		got, err := Resize(src, c.nw, c.nh, f)
		if err != nil {
			t.Fatal(name, err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(got.Pix)); sum[:16] != c.checksum {
			t.Errorf("%s: differs from Pillow", name)
			continue
		}
		for range 3 {
			left, top := rnd.IntN(c.nw+4)-2, rnd.IntN(c.nh+4)-2
			want, err := got.Crop(left, top, 1+rnd.IntN(c.nw+2), 1+rnd.IntN(c.nh+2))
			if err != nil {
				t.Fatal(err)
			}
			part := &Image{W: want.W, H: want.H, Pix: bytes.Repeat([]byte{99}, len(want.Pix))}
			if err := shared.ResizeCrop(part, src, c.nw, c.nh, left, top, f); err != nil {
				t.Fatal(name, err)
			}
			if !bytes.Equal(part.Pix, want.Pix) {
				t.Errorf("%s: crop %dx%d at (%d,%d) differs from cropping the whole", name, want.W, want.H, left, top)
			}
		}
	}
}

func TestResizeRefuses(t *testing.T) {
	m, _ := New(3, 3)
	if _, err := Resize(m, 0, 5, Bilinear); err == nil {
		t.Error("width 0 accepted")
	}
	if _, err := Resize(m, 1<<20, 1<<20, Bilinear); err == nil {
		t.Error("2^40 pixels accepted")
	}
	if _, err := Resize(m, 2, 2, TFBilinear); err == nil {
		t.Error("TensorFlow's filter gave bytes")
	}
	if _, err := Resize(m, 2, 2, 200); err == nil {
		t.Error("unknown filter accepted")
	}
	if _, err := Resize(&Image{W: 3, H: 3, Pix: make([]byte, 5)}, 2, 2, Bilinear); err == nil {
		t.Error("short picture accepted")
	}
	if _, err := Resize(nil, 2, 2, Bilinear); err == nil {
		t.Error("nil accepted")
	}
}

func TestResizeSteadyStateAllocatesNothing(t *testing.T) {
	src, _ := New(50, 37)
	dst, _ := New(22, 22)
	floats := make([]float32, 3*22*22)
	var r Resizer
	if n := testing.AllocsPerRun(10, func() {
		for _, f := range []Filter{Bilinear, Bicubic, Nearest} {
			if err := r.ResizeCrop(dst, src, 34, 25, 6, 1, f); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.ResizeFloat(floats, 22, 22, src, 22, 22, 0, 0, TFBilinear); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConstantStaysConstant(t *testing.T) {
	src, _ := New(31, 17)
	for i := range src.Pix {
		src.Pix[i] = 200
	}
	var r Resizer
	for _, f := range Filters() {
		for _, s := range [][2]int{{7, 5}, {64, 50}, {31, 17}, {1, 1}} {
			out := make([]float32, 3*s[0]*s[1])
			if err := r.ResizeFloat(out, s[0], s[1], src, s[0], s[1], 0, 0, f); err != nil {
				t.Fatal(f, err)
			}
			if lo, hi := slices.Min(out), slices.Max(out); lo < 199.999 || hi > 200.001 {
				t.Errorf("%s to %v: %v..%v", f, s, lo, hi)
			}
		}
	}
}

func BenchmarkResize(b *testing.B) {
	for _, size := range [][2]int{{500, 375}, {4000, 3000}} {
		src, err := New(size[0], size[1])
		if err != nil {
			b.Fatal(err)
		}
		lcg(src.Pix, "mixed", src.W, src.H)
		dst, _ := New(224, 224)
		for _, f := range []Filter{Bilinear, Bicubic} {
			b.Run(fmt.Sprintf("%dx%d/%s", size[0], size[1], f), func(b *testing.B) {
				var r Resizer
				for b.Loop() {
					if err := r.ResizeCrop(dst, src, 341, 256, 58, 16, f); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
