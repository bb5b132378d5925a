package imageio

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestColor(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"bmp_rgb.bmp", "rgb"}, {"bmp_palette.bmp", "palette"}, {"gif_global.gif", "palette"},
		{"exif_1.jpg", "rgb"}, {"exif_8.webp", "rgb"}, {"exif_3.tif", "rgb"},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "files", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if got := Color(b); got != c.want {
			t.Errorf("%s: %q, want %q", c.file, got, c.want)
		}
	}
	if got := Color([]byte("text")); got != "" {
		t.Errorf("text: %q", got)
	}
}

// TestInto checks that a lent picture is used, changes nothing, and takes no memory for pixels.
func TestInto(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "files", "exif_1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := DecodeBytes(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	lent := &Image{W: 1, H: 1, Pix: bytes.Repeat([]byte{9}, len(want.Pix)+5)}
	got, _, err := DecodeBytes(b, &Options{Into: lent})
	if err != nil {
		t.Fatal(err)
	}
	if got != lent || got.W != want.W || got.H != want.H || !bytes.Equal(got.Pix, want.Pix) {
		t.Error("a lent picture is not used, or changes the pixels")
	}
	small := &Image{W: 1, H: 1, Pix: make([]byte, 3)}
	if got, _, err = DecodeBytes(b, &Options{Into: small}); err != nil || got == small || !bytes.Equal(got.Pix, want.Pix) {
		t.Error("a picture that is too small is not left alone")
	}
}
