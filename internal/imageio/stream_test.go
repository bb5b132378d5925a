package imageio

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDecodeResizedEqualsBoth compares decoding and resizing row by row with
// doing one after the other, for every golden picture, several sizes and
// cut-outs, one Resizer for all.
func TestDecodeResizedEqualsBoth(t *testing.T) {
	var files []string
	for _, pattern := range []string{"testdata/*.jp*g", "testdata/*/*.jp*g", "testdata/*.png", "../jpeg/testdata/*.jp*g", "../../testdata/pictures/*"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	if len(files) < 5 {
		t.Fatalf("%d pictures", len(files))
	}
	var r, plain Resizer
	streamed := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, opt := range []*Options{nil, {IgnoreOrientation: true}} {
			m, want, wantErr := DecodeBytes(data, opt)
			for _, f := range []Filter{Bilinear, Bicubic, Nearest} {
				for _, g := range []struct {
					w, h int
					t    Target
				}{{12, 12, Target{12, 12, 0, 0}}, {7, 9, Target{20, 31, 5, 8}}, {16, 16, Target{9, 40, -3, 7}}, {5, 5, Target{50, 60, 44, 55}}} {
					got, err := New(g.w, g.h)
					if err != nil {
						t.Fatal(err)
					}
					for i := range got.Pix {
						got.Pix[i] = 0xa5
					}
					place := func(w, h int) (Target, error) {
						if m != nil && (w != m.W || h != m.H) {
							t.Fatalf("%s: asked about %d x %d, the picture is %d x %d", name, w, h, m.W, m.H)
						}
						return g.t, nil
					}
					if _, done, _ := r.stream(got, data, opt, f, place); done {
						streamed++
					}
					info, err := r.DecodeResized(got, data, opt, f, place)
					if (err != nil) != (wantErr != nil) {
						t.Fatalf("%s: %v, decoding whole %v", name, err, wantErr)
					}
					if err != nil {
						continue
					}
					info.Resizing = 0
					if info != want {
						t.Errorf("%s: %+v, decoding whole %+v", name, info, want)
					}
					out, err := New(g.w, g.h)
					if err != nil {
						t.Fatal(err)
					}
					if err := plain.ResizeCrop(out, m, g.t.NW, g.t.NH, g.t.Left, g.t.Top, f); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got.Pix, out.Pix) {
						t.Errorf("%s to %+v by %v differs", name, g.t, f)
					}
				}
			}
		}
	}
	if streamed == 0 {
		t.Error("no picture was resized row by row")
	}
}
