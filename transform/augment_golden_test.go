package transform

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

func lcgNoise(w, h int) *Image {
	m := &Image{W: w, H: h, Pix: make([]byte, 3*w*h)}
	s := uint32(12345)
	for i := range m.Pix {
		s = s*1664525 + 1013904223
		m.Pix[i] = byte(s >> 24)
	}
	return m
}

func smooth(w, h int) *Image {
	m := &Image{W: w, H: h}
	for y := range h {
		for x := range w {
			m.Pix = append(m.Pix, byte(40+(x*3)%120), byte(60+(y*2+x)%90), byte(60+(x*y)%60))
		}
	}
	return m
}

// TestOperationsLikeTorchvision compares every deterministic operation with torchvision over Pillow, to
// the byte.
func TestOperationsLikeTorchvision(t *testing.T) {
	var golden struct {
		Cases []struct {
			Op, Picture string
			Arg         float64
			CRC         uint32
			Head        []int
		}
	}
	readGolden(t, &golden)
	var scratch []byte
	ops := map[string]func(m *Image, v float64){
		"brightness": adjustBrightness, "contrast": adjustContrast, "saturation": adjustSaturation, "hue": adjustHue,
		"sharpness":    func(m *Image, v float64) { adjustSharpness(m, v, &scratch) },
		"posterize":    func(m *Image, v float64) { posterize(m, int(v)) },
		"solarize":     solarize,
		"autocontrast": func(m *Image, v float64) { autoContrast(m) },
		"equalize":     func(m *Image, v float64) { equalize(m) },
		"shearX":       func(m *Image, v float64) { shearX(m, v, &scratch) },
		"shearY":       func(m *Image, v float64) { shearY(m, v, &scratch) },
		"translateX":   func(m *Image, v float64) { translate(m, int(v), 0, &scratch) },
		"translateY":   func(m *Image, v float64) { translate(m, 0, int(v), &scratch) },
		"rotate":       func(m *Image, v float64) { rotate(m, v, &scratch) },
	}
	if len(golden.Cases) < 150 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		m := map[string]*Image{"noise": lcgNoise(61, 47), "smooth": smooth(61, 47), "square": smooth(40, 40)}[c.Picture]
		ops[c.Op](m, c.Arg)
		if got := crc32.ChecksumIEEE(m.Pix); got != c.CRC {
			t.Errorf("%s(%v) of %s: begins with %v, want %v", c.Op, c.Arg, c.Picture, m.Pix[:6], c.Head)
		}
	}
}

// TestMagnitudesLikeTorchvision compares the strength of every operation in every bin.
func TestMagnitudesLikeTorchvision(t *testing.T) {
	var golden struct {
		Spaces map[string]map[string][2]json.RawMessage
	}
	readGolden(t, &golden)
	names := []string{"Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"}
	for name, s := range map[string]space{"rand": randSpace(61, 47), "trivial": trivialSpace} {
		if len(golden.Spaces[name]) != numOps {
			t.Fatalf("%s: %d operations", name, len(golden.Spaces[name]))
		}
		for op, key := range names {
			var want []float64
			var signed bool
			if json.Unmarshal(golden.Spaces[name][key][0], &want) != nil || json.Unmarshal(golden.Spaces[name][key][1], &signed) != nil {
				t.Fatalf("%s: cannot read %s", name, key)
			}
			for bin := range bins {
				w := want[min(bin, len(want)-1)]
				var got []float64
				for seed := range uint64(20) {
					got = append(got, s.magnitude(op, bin, rand.New(rand.NewPCG(seed, 1))))
				}
				lo, hi := slices.Min(got), slices.Max(got)
				if math.Abs(hi-w) > 1e-4 || signed && math.Abs(lo+w) > 1e-4 || !signed && lo != hi {
					t.Errorf("%s %s bin %d: %v to %v, want %v, signed %v", name, key, bin, lo, hi, w, signed)
				}
			}
		}
	}
}

func readGolden(t *testing.T, to any) {
	b, err := os.ReadFile("testdata/augment.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}
