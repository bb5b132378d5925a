package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

func noise(w, h int) *Image {
	m := &Image{W: w, H: h, Pix: make([]byte, 3*w*h)}
	s := uint32(12345)
	for i := range m.Pix {
		s = s*1664525 + 1013904223
		m.Pix[i] = byte(s >> 24)
	}
	return m
}

func pipeline(t testing.TB, recipe string) *Pipeline {
	t.Helper()
	r, err := Parse(recipe, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPipeline(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Bytes equal torchvision's on Pillow exactly, floats too, also where the crop exceeds the picture.
func TestLikeTorchvision(t *testing.T) {
	b, err := os.ReadFile("testdata/torchvision.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		W, H           int
		Recipe, Sha256 string
		At             []int
		Values         []float32
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 40 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		p := pipeline(t, c.Recipe)
		m := noise(c.W, c.H)
		pix, floats := make([]byte, p.Len()), make([]float32, p.Len())
		if err := p.ApplyBytes(m, pix); err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(pix)); sum[:16] != c.Sha256 {
			t.Errorf("%dx%d %s: differs from torchvision", c.W, c.H, c.Recipe)
		}
		if err := p.Apply(m, floats); err != nil {
			t.Fatal(err)
		}
		for i, at := range c.At {
			if floats[at] != c.Values[i] {
				t.Errorf("%dx%d %s: value %d is %v, want %v", c.W, c.H, c.Recipe, at, floats[at], c.Values[i])
			}
		}
	}
}

func TestRanges(t *testing.T) {
	m := noise(9, 7)
	for spec, f := range map[string]func(v float64, c int) float64{
		"range=-1..1":  func(v float64, _ int) float64 { return (v - 127.5) / 127.5 },
		"range=0..1":   func(v float64, _ int) float64 { return v / 255 },
		"range=0..255": func(v float64, _ int) float64 { return v },
		"range=imagenet": func(v float64, c int) float64 {
			return (v/255 - []float64{.485, .456, .406}[c]) / []float64{.229, .224, .225}[c]
		},
		"range=0..255,mean=1:2:3,std=4:5:6": func(v float64, c int) float64 {
			return (v - []float64{1, 2, 3}[c]) / []float64{4, 5, 6}[c]
		},
	} {
		for _, order := range []string{"rgb", "bgr"} {
			for _, filter := range []string{"bilinear", "tf-bilinear"} { // by table and by arithmetic
				p := pipeline(t, "resize=squash,crop=9x7,filter="+filter+",order="+order+","+spec)
				got, again := make([]float32, p.Len()), make([]float32, p.Len())
				pix := make([]byte, p.Len())
				if err := p.Apply(m, got); err != nil {
					t.Fatal(err)
				}
				if err := p.ApplyCropped(m, again); err != nil {
					t.Fatal(err)
				}
				if err := p.ApplyBytes(m, pix); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					c := i % 3
					if order == "bgr" {
						c = 2 - c
					}
					v := m.Pix[i-i%3+c]
					if want := f(float64(v), c); math.Abs(float64(got[i])-want) > 1e-5 || got[i] != again[i] || pix[i] != v {
						t.Fatalf("%s %s: value %d: %v, %v, byte %d, want %v of %d", spec, order, i, got[i], again[i], pix[i], want, v)
					}
				}
			}
		}
	}
}

// "slim" keeps the centre first; done here by hand.
func TestFraction(t *testing.T) {
	m := noise(100, 60)
	p := pipeline(t, "slim,crop=24")
	got, want := make([]float32, p.Len()), make([]float32, p.Len())
	if err := p.Apply(m, got); err != nil {
		t.Fatal(err)
	}
	center, err := m.Crop(6, 3, 88, 54) // (100-87.5)/2 and (60-52.5)/2, rounded down
	if err != nil {
		t.Fatal(err)
	}
	if err := pipeline(t, "resize=squash,filter=tf-bilinear-legacy,range=-1..1,crop=24").Apply(center, want); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("value %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	p := pipeline(t, "crop=8")
	m, buf := noise(9, 9), make([]float32, p.Len())
	for name, err := range map[string]error{
		"length":         p.Apply(m, buf[:5]),
		"length, bytes":  p.ApplyBytes(m, nil),
		"no picture":     p.Apply(nil, buf),
		"short picture":  p.Apply(&Image{W: 9, H: 9}, buf),
		"cropped size":   p.ApplyCropped(m, buf),
		"cropped nil":    p.ApplyCropped(nil, buf),
		"cropped bytes":  p.ApplyBytesCropped(m, make([]byte, p.Len())),
		"empty go image": p.ApplyImage(image.NewGray(image.Rectangle{}), buf),
		"bad recipe":     Recipe{Filter: 99}.Apply(m, buf),
	} {
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.ApplyImage(image.NewGray(image.Rect(0, 0, 30, 20)), buf); err != nil {
		t.Error(err)
	}
	if err := (Recipe{Width: 8}).Apply(m, buf); err != nil {
		t.Error(err)
	}
	// A picture of absurd shape costs what its crop costs.
	thin := noise(1, 60000)
	for _, s := range []string{"torchvision", "tf,filter=nearest", "slim", "tf,filter=tf-area"} {
		p := pipeline(t, s)
		if err := p.Apply(thin, make([]float32, p.Len())); err != nil {
			t.Error(s, err)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	m := noise(100, 75)
	for _, s := range []string{"crop=56", "crop=56,filter=bicubic", "slim,crop=56", "crop=56,filter=tf-bilinear"} {
		p := pipeline(t, s)
		floats, pix := make([]float32, p.Len()), make([]byte, p.Len())
		if n := testing.AllocsPerRun(5, func() {
			if err := p.Apply(m, floats); err != nil {
				t.Fatal(err)
			}
			if err := p.ApplyBytes(m, pix); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test data at %s; set MOBILENET_TESTDATA to run this test", dir)
	}
	return dir
}

// The whole way from a JPEG to the input, against Pillow's on 50 photos: every byte is equal.
func TestPhotoCrops(t *testing.T) {
	images := filepath.Join(dataDir(t), "images")
	crops, err := filepath.Glob(filepath.Join(images, "imagenet-crops224-png", "*.png"))
	if err != nil || len(crops) != 50 {
		t.Skipf("%d crops in %s, want 50", len(crops), images)
	}
	p := pipeline(t, "bytes")
	equal := 0
	for _, c := range crops {
		wnid := strings.TrimSuffix(filepath.Base(c), ".png")[5:]
		photos, err := filepath.Glob(filepath.Join(images, "imagenet-samples", wnid+"_*.JPEG"))
		if err != nil || len(photos) != 1 {
			t.Fatal(c, photos, err)
		}
		read := func(name string) *Image {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m, _, err := imageio.Decode(bytes.NewReader(b), p.Recipe().DecodeOptions(imageio.Limits{}))
			if err != nil {
				t.Fatal(name, err)
			}
			return m
		}
		got, want := make([]byte, p.Len()), make([]byte, p.Len())
		if err := p.ApplyBytes(read(photos[0]), got); err != nil {
			t.Fatal(err)
		}
		if err := p.ApplyBytesCropped(read(c), want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: differs from its crop", filepath.Base(photos[0]))
			continue
		}
		equal++
	}
	t.Logf("%d of %d crops reproduced bit for bit", equal, len(crops))
}

func BenchmarkApply(b *testing.B) {
	m := noise(500, 375)
	for _, s := range []string{"torchvision", "timm-bicubic", "slim"} {
		b.Run(s, func(b *testing.B) {
			p := pipeline(b, s)
			dst := make([]float32, p.Len())
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Apply(m, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
