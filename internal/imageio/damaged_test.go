package imageio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Damaged JPEG files are refused, or decoded as far as they go, as the options say.
func TestJPEGModes(t *testing.T) {
	jpg := readFile(t, "jpeg_420_37x25.jpg")
	scan := bytes.Index(jpg, []byte("\xff\xda"))
	cut := jpg[: (scan+len(jpg))/2 : (scan+len(jpg))/2]
	spoiled := append(bytes.Clone(jpg[:len(jpg)-2]), "garbage\xff\xd9"...)
	whole, info, err := DecodeBytes(jpg, &Options{Mode: Strict})
	if err != nil || info.Coverage != 1 || info.Damage != 0 || info.Reduced != 1 {
		t.Fatalf("%+v %v", info, err)
	}
	for _, c := range []struct {
		name string
		data []byte
		mode Mode
		ok   bool
	}{
		{"cut", cut, Normal, false}, {"cut", cut, Strict, false}, {"cut", cut, Tolerant, true},
		{"spoiled", spoiled, Normal, true}, {"spoiled", spoiled, Strict, false}, {"spoiled", spoiled, Tolerant, true},
	} {
		m, info, err := DecodeBytes(c.data, &Options{Mode: c.mode})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s mode %d: %v", c.name, c.mode, err)
			continue
		}
		if err != nil {
			continue
		}
		if c.name == "cut" {
			if info.Coverage <= 0 || info.Coverage >= 1 || !bytes.Equal(m.Row(0)[:3*16], whole.Row(0)[:3*16]) {
				t.Errorf("cut: %+v, or the part that the file holds differs", info)
			}
		} else if !bytes.Equal(m.Pix, whole.Pix) {
			t.Error("bytes behind the data changed the picture")
		}
	}
	if _, _, err := DecodeBytes(cut, nil); !strings.Contains(err.Error(), "ends early") {
		t.Errorf("the error does not say that the file is cut: %v", err)
	}
}

// AtLeast reduces JPEG files as far as the shorter side allows, and nothing else.
func TestAtLeast(t *testing.T) {
	src, err := New(640, 480)
	if err != nil {
		t.Fatal(err)
	}
	lcg(src.Pix, "mixed", src.W, src.H)
	data := encodeJPEG(t, src)
	for _, c := range []struct{ atLeast, reduced int }{{0, 1}, {1, 8}, {60, 8}, {61, 4}, {120, 4}, {224, 2}, {240, 2}, {241, 1}, {9999, 1}} {
		m, info, err := DecodeBytes(data, &Options{AtLeast: c.atLeast})
		if err != nil || info.Reduced != c.reduced || info.Width != 640 || m.W != 640/c.reduced || m.H != 480/c.reduced {
			t.Errorf("at least %d: %+v %v", c.atLeast, info, err)
		}
	}
	if _, info, err := DecodeBytes(readFile(t, "png_rgb.png"), &Options{AtLeast: 1}); err != nil || info.Reduced != 1 {
		t.Errorf("PNG: %+v %v", info, err)
	}
}
