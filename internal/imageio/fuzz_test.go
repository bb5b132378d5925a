package imageio

import (
	"errors"
	"strings"
	"testing"
)

// FuzzDecode holds Decode to its promises on any bytes: no panic, an error of a known class in one
// line, a consistent picture, and no more memory than the limits allow.
func FuzzDecode(f *testing.F) {
	for _, name := range goldenFiles(f) {
		f.Add(readFile(f, name))
	}
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,"))
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPVP8X\xff\xff\xff\xff"))
	f.Add([]byte("II*\x00\xff\xff\xff\xff"))
	opt := &Options{Limits: Limits{MaxPixels: 1 << 20, FreeMemory: 4 << 20}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		var (
			m   *Image
			err error
		)
		n := allocated(func() { m, _, err = DecodeBytes(b, opt) })
		if n > 64<<20 {
			t.Errorf("took %d bytes for a file of %d", n, len(b))
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrLimit) {
				t.Errorf("error of no class: %v", err)
			}
			if strings.ContainsAny(err.Error(), "\n\r") || m != nil {
				t.Errorf("error %q, picture %v", err, m != nil)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzEXIF(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"))
	f.Add([]byte("II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := exifOrientation(b); o < 0 || o > 8 {
			t.Errorf("orientation %d", o)
		}
		jpegHeader(append([]byte("\xff\xd8\xff\xe1"), b...))
		pngChunk(b, "eXIf")
	})
}

// FuzzResize checks that a part computed alone equals the part of the whole, whatever the sizes.
func FuzzResize(f *testing.F) {
	f.Add(uint8(9), uint8(7), uint8(4), uint8(12), int8(-1), int8(2), uint8(0))
	f.Add(uint8(1), uint8(200), uint8(3), uint8(3), int8(0), int8(0), uint8(5))
	f.Fuzz(func(t *testing.T, w, h, nw, nh uint8, left, top int8, filter uint8) {
		src, err := New(int(w)+1, int(h)+1)
		if err != nil {
			t.Fatal(err)
		}
		lcg(src.Pix, "hard", src.W, src.H)
		flt := Filter(filter % uint8(TFBilinear))
		whole, err := Resize(src, int(nw)+1, int(nh)+1, flt)
		if err != nil {
			t.Fatal(err)
		}
		want, err := whole.Crop(int(left), int(top), 11, 9)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := New(11, 9)
		var r Resizer
		if err := r.ResizeCrop(got, src, whole.W, whole.H, int(left), int(top), flt); err != nil {
			t.Fatal(err)
		}
		if string(got.Pix) != string(want.Pix) {
			t.Errorf("%dx%d to %dx%d %s at (%d,%d): part differs", src.W, src.H, whole.W, whole.H, flt, left, top)
		}
	})
}
