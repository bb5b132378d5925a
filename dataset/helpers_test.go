package dataset

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
)

// scene is a picture of a few coloured discs, another for each seed.
func scene(seed uint64, w, h int) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 77))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	at := func(x, y int) color.RGBA { return color.RGBA{byte(40 + x*90/w), byte(60 + y*120/h), 90, 255} }
	type disc struct {
		x, y, r int
		c       color.RGBA
	}
	var discs []disc
	for range 7 {
		discs = append(discs, disc{rng.IntN(w), rng.IntN(h), 2 + rng.IntN(w/3+1), color.RGBA{byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), 255}})
	}
	for y := range h {
		for x := range w {
			c := at(x, y)
			for _, d := range discs {
				if (x-d.x)*(x-d.x)+(y-d.y)*(y-d.y) < d.r*d.r {
					c = d.c
				}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func photo(t testing.TB, seed uint64) []byte { return jpegOf(t, scene(seed, 40, 32), 85) }

// files is a data set in memory, by name.
type files map[string][]byte

func (f files) fs() fstest.MapFS {
	out := fstest.MapFS{}
	for name, b := range f {
		out[name] = &fstest.MapFile{Data: b}
	}
	return out
}

func (f files) names() []string {
	var out []string
	for n := range f {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// dir writes the files to a folder; a name that ends in a slash is an empty folder.
func (f files) dir(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for name, b := range f {
		at := filepath.Join(root, filepath.FromSlash(name))
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func (f files) zip(t testing.TB) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "data.zip")
	out, err := os.Create(at)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	for _, name := range f.names() {
		e, err := w.Create(name)
		if err == nil {
			_, err = e.Write(f[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return at
}

// twoClasses are n pictures of each of cat and dog under a prefix.
func twoClasses(t testing.TB, prefix string, n int) files {
	f := files{}
	for i := range n {
		f[fmt.Sprintf("%scat/%02d.jpg", prefix, i)] = photo(t, uint64(i))
		f[fmt.Sprintf("%sdog/%02d.jpg", prefix, i)] = photo(t, uint64(1000+i))
	}
	return f
}
