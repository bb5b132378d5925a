package imageio

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "files", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden reads an 8-bit RGB PNG without this package's own conversions.
func golden(t testing.TB, b []byte) *Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := New(m.Bounds().Dx(), m.Bounds().Dy())
	if err != nil {
		t.Fatal(err)
	}
	for y := range out.H {
		for x := range out.W {
			r, g, b, a := m.At(x, y).RGBA()
			if a != 0xffff {
				t.Fatal("golden has alpha")
			}
			copy(out.Pix[3*(y*out.W+x):], []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
		}
	}
	return out
}

// difference returns the mean and the largest absolute difference of two pictures of one size.
func difference(t testing.TB, a, b *Image) (mean float64, largest int) {
	t.Helper()
	if a.W != b.W || a.H != b.H {
		t.Fatalf("sizes %dx%d and %dx%d", a.W, a.H, b.W, b.H)
	}
	sum := 0
	for i, v := range a.Pix[:3*a.W*a.H] {
		d := int(v) - int(b.Pix[i])
		d = max(d, -d)
		sum += d
		largest = max(largest, d)
	}
	return float64(sum) / float64(3*a.W*a.H), largest
}

// goldenFiles lists the pictures of testdata/files without their goldens.
func goldenFiles(t testing.TB) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "files"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".rgb.png") && !strings.HasSuffix(e.Name(), ".upright.png") {
			names = append(names, e.Name())
		}
	}
	return names
}

// Every format and colour kind equals Pillow's convert("RGB") exactly.
func TestDecodeLikePillow(t *testing.T) {
	n := 0
	for _, name := range goldenFiles(t) {
		n++
		t.Run(name, func(t *testing.T) {
			want := golden(t, readFile(t, name+".rgb.png"))
			// Pillow turns TIFF files by itself, no others.
			opt := &Options{IgnoreOrientation: !strings.HasSuffix(name, ".tif")}
			got, info, err := DecodeBytes(readFile(t, name), opt)
			if err != nil {
				t.Fatal(err)
			}
			if info.Width != want.W || info.Height != want.H {
				t.Errorf("info %+v, want %dx%d", info, want.W, want.H)
			}
			mean, largest := difference(t, got, want)
			if largest > 0 {
				t.Errorf("mean difference %.4f, largest %d", mean, largest)
			}
		})
	}
	if n < 60 {
		t.Fatalf("only %d goldens", n)
	}
}

func TestOrientation(t *testing.T) {
	n := 0
	for _, name := range goldenFiles(t) {
		if !strings.HasPrefix(name, "exif_") {
			continue
		}
		n++
		want := golden(t, readFile(t, name+".upright.png"))
		got, info, err := Decode(bytes.NewReader(readFile(t, name)), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if o := int(name[5] - '0'); info.Orientation != o {
			t.Errorf("%s: orientation %d", name, info.Orientation)
		}
		if mean, largest := difference(t, got, want); largest > 0 {
			t.Errorf("%s: differs from the upright picture: mean %.3f, largest %d", name, mean, largest)
		}
	}
	if n != 11 {
		t.Errorf("%d files with an orientation", n)
	}
}

// FromImage agrees with the generic per-pixel path on every type and on sub-images.
func TestFromImage(t *testing.T) {
	r := image.Rect(3, 2, 14, 11)
	sub := image.Rect(5, 4, 12, 9)
	fill := func(pix []byte) {
		s := uint32(1)
		for i := range pix {
			s = s*1664525 + 1013904223
			pix[i] = byte(s >> 24)
		}
	}
	gray, gray16 := image.NewGray(r), image.NewGray16(r)
	nrgba, nrgba64 := image.NewNRGBA(r), image.NewNRGBA64(r)
	rgba := image.NewRGBA(r)
	fill(gray.Pix)
	fill(gray16.Pix)
	fill(nrgba.Pix)
	fill(nrgba64.Pix)
	for i := range rgba.Pix {
		rgba.Pix[i] = 255
		if i%4 != 3 {
			rgba.Pix[i] = byte(7 * i)
		}
	}
	pal := image.NewPaletted(r, color.Palette{color.NRGBA{1, 2, 3, 0}, color.RGBA{4, 5, 6, 255}})
	for i := range pal.Pix {
		pal.Pix[i] = byte(i % 2)
	}
	type subber interface {
		image.Image
		SubImage(image.Rectangle) image.Image
	}
	for _, m := range []subber{gray, gray16, nrgba, nrgba64, rgba, pal} {
		s := m.SubImage(sub)
		got, err := FromImage(s)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		for y := range got.H {
			for x := range got.W {
				var want [3]byte
				switch c := s.At(sub.Min.X+x, sub.Min.Y+y).(type) {
				case color.NRGBA:
					want = [3]byte{c.R, c.G, c.B}
				case color.NRGBA64:
					want = [3]byte{byte(c.R >> 8), byte(c.G >> 8), byte(c.B >> 8)}
				case color.RGBA:
					want = [3]byte{c.R, c.G, c.B}
				case color.Gray:
					want = [3]byte{c.Y, c.Y, c.Y}
				case color.Gray16:
					want = [3]byte{byte(c.Y >> 8), byte(c.Y >> 8), byte(c.Y >> 8)}
				}
				if g := [3]byte(got.Row(y)[3*x:]); g != want {
					t.Fatalf("%T (%d,%d): %v, want %v", m, x, y, g, want)
				}
			}
		}
	}
	half := image.NewRGBA(image.Rect(0, 0, 1, 1))
	copy(half.Pix, []byte{100, 50, 0, 128})
	got, err := FromImage(half)
	if err != nil || [3]byte(got.Pix) != [3]byte{199, 99, 0} {
		t.Errorf("premultiplied: %v %v", got, err)
	}
	if _, err := FromImage(nil); err == nil {
		t.Error("nil accepted")
	}
	if _, err := FromImage(image.NewRGBA(image.Rect(0, 0, 0, 5))); err == nil {
		t.Error("empty picture accepted")
	}
}

func TestErrors(t *testing.T) {
	jpg := readFile(t, "jpeg_420_37x25.jpg")
	for _, c := range []struct {
		name string
		data []byte
		kind error
		say  string
	}{
		{"empty", nil, ErrMalformed, "empty"},
		{"text", []byte("<html><body>not found</body></html>"), ErrUnsupported, "JPEG, PNG, GIF, WebP, BMP and TIFF"},
		{"heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), ErrUnsupported, "HEIF"},
		{"short jpeg", jpg[:4], ErrMalformed, "JPEG"},
		{"cut jpeg", jpg[:len(jpg)/2], ErrMalformed, "JPEG"},
		{"cut png", readFile(t, "png_rgb.png")[:100], ErrMalformed, "PNG"},
		{"cut gif", readFile(t, "gif_global.gif")[:300], ErrMalformed, "GIF"},
		{"cut webp", readFile(t, "webp_q90_37x25.webp")[:100], ErrMalformed, "WEBP"},
		{"cut bmp", readFile(t, "bmp_rgb.bmp")[:100], ErrMalformed, "BMP"},
		{"cut tiff", readFile(t, "tiff_rgb_raw.tif")[:60], ErrMalformed, "TIFF"},
	} {
		m, _, err := DecodeBytes(c.data, nil)
		if m != nil || !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", c.name, m, err)
		}
	}
	broken := errors.New("disk on fire")
	if _, _, err := Decode(&failing{broken}, nil); !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
		t.Errorf("reader's error came out as %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func BenchmarkDecodeJPEG(b *testing.B) {
	src, err := New(500, 375)
	if err != nil {
		b.Fatal(err)
	}
	lcg(src.Pix, "mixed", src.W, src.H)
	data := encodeJPEG(b, src)
	b.SetBytes(int64(len(src.Pix)))
	for b.Loop() {
		if _, _, err := DecodeBytes(data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
