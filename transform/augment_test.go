package transform

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawAugment(t *rapid.T) Augment {
	f := func(name string, hi float64) float64 {
		return rapid.SampledFrom([]float64{0, 0.5 * hi, hi / 3, hi}).Draw(t, name)
	}
	return Augment{
		Crop: Crop(rapid.IntRange(0, 3).Draw(t, "crop")), Pad: rapid.IntRange(-1, 5).Draw(t, "pad"),
		Area: rapid.SampledFrom([][2]float64{{}, {0.3, 0.7}, {1, 1}}).Draw(t, "area"), Aspect: rapid.SampledFrom([][2]float64{{}, {0.5, 3}}).Draw(t, "aspect"),
		Flip: f("flip", 1), Brightness: f("brightness", 1.5), Contrast: f("contrast", 1), Saturation: f("saturation", 1), Hue: f("hue", 0.5),
		RandOps: rapid.IntRange(0, 3).Draw(t, "ops"), RandMagnitude: rapid.IntRange(0, 30).Draw(t, "magnitude"), Trivial: rapid.Bool().Draw(t, "trivial"),
		Erase: f("erase", 1), Mixup: f("mixup", 0.3), CutMix: f("cutmix", 1),
	}
}

// TestAugmentText: what String writes, ParseAugment reads.
func TestAugmentText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAugment(t)
		b, err := ParseAugment(a.String())
		if err != nil || b != a.Resolved() || b.String() != a.String() {
			t.Fatalf("%+v\n%s\n%+v %v", a.Resolved(), a, b, err)
		}
	})
	for _, name := range AugmentNames() {
		a, err := ParseAugment(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var b Augment
		if text, err := a.MarshalText(); err != nil || b.UnmarshalText(text) != nil || a != b {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	a, err := ParseAugment("inception,area=0.25:1,flip=0,mixup=0.2")
	if err != nil || a.String() != "crop=inception,area=0.25:1,aspect=0.75:1.3333333333333333,mixup=0.2" {
		t.Error(a, err)
	}
	for _, c := range []struct{ text, says string }{
		{"incepton", `did you mean "inception"`}, {"", "no augmentation is named"}, {"flip=2", "not between 0 and 1"}, {"flip=x", "not a number"},
		{"area=0.5", "LOW:HIGH"}, {"crop=tf,area=0:1", "range above 0"}, {"crop=tf,aspect=2:1", "range of ratios"}, {"crop=middle", "not one of"},
		{"randaugment=2:40", "magnitude"}, {"randaugment=x", "OPERATIONS:MAGNITUDE"}, {"randaugment=2:0", "OPERATIONS:MAGNITUDE"}, {"hue=0.6", "0.5"}, {"flip=0.5,flip=0.5", "twice"},
		{"flop=1", `did you mean "flip"`}, {"erase=NaN", "not a number"}, {"trivial=yes", "not one of"}, {"pad=1.5", "pixels"}, {"none,more", "key=value"},
	} {
		if _, err := ParseAugment(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.text, err, c.says)
		}
	}
}

func FuzzParseAugment(f *testing.F) {
	f.Add("inception,flip=0.5")
	f.Add("crop=pad,pad=4,erase=0.1")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAugment(s)
		if err != nil {
			return
		}
		if b, err := ParseAugment(a.String()); err != nil || a != b {
			t.Errorf("%q: %s: %v", s, a, err)
		}
	})
}

// TestAugmentIsSeeded: the same state of the source gives the same bits, whatever the Augmenter did
// before; the source picture stays as it was.
func TestAugmentIsSeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAugment(t)
		r := Recipe{Width: rapid.IntRange(1, 40).Draw(t, "width"), Height: rapid.IntRange(1, 40).Draw(t, "height"), BGR: rapid.Bool().Draw(t, "bgr"),
			Filter: rapid.SampledFrom([]Filter{Bilinear, Bicubic, Nearest, TFBilinear}).Draw(t, "filter")}
		m := lcgNoise(rapid.IntRange(1, 70).Draw(t, "w"), rapid.IntRange(1, 70).Draw(t, "h"))
		before := slices.Clone(m.Pix)
		seed := rapid.Uint64().Draw(t, "seed")
		run := func(warm bool) []float32 {
			g, err := NewAugmenter(r, a)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]float32, g.Len())
			if warm {
				if err := g.Apply(smooth(33, 44), rand.New(rand.NewPCG(5, 6)), dst); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.Apply(m, rand.New(rand.NewPCG(seed, 1)), dst); err != nil {
				t.Fatal(err)
			}
			return dst
		}
		if x, y := run(false), run(true); !slices.Equal(x, y) {
			t.Fatal("other values the second time")
		}
		if !bytes.Equal(m.Pix, before) {
			t.Fatal("the picture was changed")
		}
	})
}

// TestNoAugment is the recipe itself, and so is every augmentation that cannot do anything.
func TestNoAugment(t *testing.T) {
	m := lcgNoise(50, 40)
	for _, a := range []Augment{{}, {Crop: CropInception, Area: [2]float64{1, 1}, Aspect: [2]float64{1.25, 1.25}}, {Mixup: 1}, {Crop: CropPad, Pad: -1}} {
		r := Recipe{Width: 25, Height: 20, Resize: ResizeSquash, BGR: true}
		if a.Crop == CropPad {
			r = Recipe{Width: 40, Height: 40, Shorter: 40}
			m = lcgNoise(40, 40)
		}
		g, err := NewAugmenter(r, a)
		if err != nil {
			t.Fatal(err)
		}
		got, want := make([]float32, g.Len()), make([]float32, g.Len())
		if err := g.Apply(m, rand.New(rand.NewPCG(1, 2)), got); err != nil {
			t.Fatal(err)
		}
		if err := r.Apply(m, want); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s changes the picture", a)
		}
	}
}

// TestCropBoxes: every box lies inside, has the area and the shape asked for, and all sizes and places
// come up.
func TestCropBoxes(t *testing.T) {
	area, aspect := [2]float64{0.08, 1}, [2]float64{3. / 4, 4. / 3}
	for name, draw := range map[string]func(w, h int, rng *rand.Rand) (x, y, bw, bh int){
		"inception": func(w, h int, rng *rand.Rand) (int, int, int, int) {
			b := inceptionBox(w, h, area, aspect, rng)
			return b.X, b.Y, b.W, b.H
		},
		"tf": func(w, h int, rng *rand.Rand) (int, int, int, int) {
			b := tfBox(w, h, area, aspect, rng)
			return b.X, b.Y, b.W, b.H
		},
	} {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, size := range [][2]int{{500, 375}, {64, 64}, {1, 1}, {1, 900}, {900, 7}, {3, 2}} {
			w, h := size[0], size[1]
			sum, n := 0.0, 4000
			for range n {
				x, y, bw, bh := draw(w, h, rng)
				if x < 0 || y < 0 || bw < 1 || bh < 1 || x+bw > w || y+bh > h {
					t.Fatalf("%s of %dx%d: %d,%d %dx%d", name, w, h, x, y, bw, bh)
				}
				share := float64(bw*bh) / float64(w*h)
				sum += share
				shape := float64(bw) / float64(bh)
				if w >= 64 && h >= 64 && (share < 0.075 || share > 1.001 || shape < 0.72 || shape > 1.39) {
					t.Fatalf("%s of %dx%d: %dx%d", name, w, h, bw, bh)
				}
			}
			// Uniform areas would have a mean of 0.54; large ones that do not fit are drawn again.
			if mean := sum / float64(n); w >= 64 && h >= 64 && (mean < 0.35 || mean > 0.56) {
				t.Errorf("%s of %dx%d: mean area %v", name, w, h, mean)
			}
		}
	}
	// The fallback of a very long picture is its centre, in the nearest shape allowed.
	if b := inceptionBox(900, 9, [2]float64{0.9, 1}, aspect, rand.New(rand.NewPCG(1, 1))); b.W != 12 || b.H != 9 || b.X != 444 || b.Y != 0 {
		t.Errorf("%+v", b)
	}
}

// TestRates: flips and erasures come as often as asked.
func TestRates(t *testing.T) {
	m := smooth(16, 16)
	g, err := NewAugmenter(Recipe{Width: 16, Shorter: 16}, Augment{Flip: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewAugmenter(Recipe{Width: 16, Shorter: 16, Range: RangeBytes}, Augment{Erase: 0.6})
	if err != nil {
		t.Fatal(err)
	}
	plain, x := make([]float32, g.Len()), make([]float32, g.Len())
	if err := g.p.Apply(m, plain); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 9))
	flips, erased, area := 0, 0, 0
	const n = 3000
	for range n {
		if err := g.Apply(m, rng, x); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x, plain) {
			flips++
		}
		if err := e.Apply(m, rng, x); err != nil {
			t.Fatal(err)
		}
		zeros := 0
		for _, v := range x {
			if v == 0 {
				zeros++
			}
		}
		if zeros > 0 {
			erased++
			area += zeros / 3
		}
	}
	if math.Abs(float64(flips)/n-0.3) > 0.03 || math.Abs(float64(erased)/n-0.6) > 0.03 {
		t.Errorf("flipped %d, erased %d of %d", flips, erased, n)
	}
	if mean := float64(area) / float64(erased) / 256; mean < 0.1 || mean > 0.25 {
		t.Errorf("mean erased area %v", mean)
	}
}

// TestMixer: targets stay distributions, pictures are what their targets say.
func TestMixer(t *testing.T) {
	const n, w, h, classes = 4, 5, 6, 4
	for _, m := range []Mixer{{Mixup: 0.4}, {CutMix: 1}, {Mixup: 1, CutMix: 1}} {
		rng := rand.New(rand.NewPCG(1, 1))
		mixed := 0
		for range 200 {
			x, target := make([]float32, n*w*h*3), make([]float32, n*classes)
			for i := range n { // picture i is i everywhere
				target[i*classes+i] = 1
				for j := range 3 * w * h {
					x[i*3*w*h+j] = float32(i)
				}
			}
			if err := m.Apply(x, w, h, target, classes, rng); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				sum, expect, mean := float32(0), float32(0), float32(0)
				for c, v := range target[i*classes : (i+1)*classes] {
					sum += v
					expect += v * float32(c)
				}
				for _, v := range x[i*3*w*h : (i+1)*3*w*h] {
					mean += v / (3 * w * h)
				}
				if math.Abs(float64(sum-1)) > 1e-5 || math.Abs(float64(mean-expect)) > 1e-4 {
					t.Fatalf("%+v: targets %v, mean %v", m, target[i*classes:(i+1)*classes], mean)
				}
				if target[i*classes+i] < 0.9 {
					mixed++
				}
			}
		}
		if mixed < 200 {
			t.Errorf("%v %v: only %d of 800 mixed", m.Mixup, m.CutMix, mixed)
		}
	}
	var m Mixer
	if err := m.Apply(make([]float32, 10), 2, 2, nil, 2, nil); err == nil {
		t.Error("sizes that do not fit are taken")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, alpha := range []float64{0.2, 1, 4, 1e-9} {
		sum, squares := 0.0, 0.0
		for range 20000 {
			v := beta(alpha, rng)
			if !(v >= 0 && v <= 1) {
				t.Fatal(v)
			}
			sum, squares = sum+v, squares+v*v
		}
		mean := sum / 20000
		variance := squares/20000 - mean*mean
		if want := 1 / (4 * (2*alpha + 1)); math.Abs(mean-0.5) > 0.015 || math.Abs(variance-want) > 0.01 {
			t.Errorf("beta(%v): mean %v, variance %v, want %v", alpha, mean, variance, want)
		}
	}
}

func TestValidation(t *testing.T) {
	for _, c := range []struct {
		a    Augment
		r    int
		want string
	}{
		{Augment{Crop: CropInception}, 224, "resize=256,crop=224"},
		{Augment{Crop: CropInception}, 96, "resize=110,crop=96"},
		{Augment{Crop: CropPad}, 64, "resize=64,crop=64"},
		{Augment{}, 160, "resize=183,crop=160"},
	} {
		if got := c.a.Validation(Recipe{Width: c.r}).String(); !strings.HasPrefix(got, c.want+",") {
			t.Errorf("%s at %d: %s, want %s", c.a, c.r, got, c.want)
		}
	}
}

// TestAugmentAllocatesNothing in the steady state.
func TestAugmentAllocatesNothing(t *testing.T) {
	g, err := NewAugmenter(Recipe{Width: 32}, Augment{Crop: CropInception, Flip: 0.5, Brightness: 0.2, Hue: 0.1, RandOps: 2, Erase: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	m, dst, pcg := lcgNoise(64, 48), make([]float32, g.Len()), rand.NewPCG(1, 2)
	rng := rand.New(pcg)
	work := func() {
		pcg.Seed(7, 8)
		for range 20 {
			if err := g.Apply(m, rng, dst); err != nil {
				t.Fatal(err)
			}
		}
	}
	work()
	if n := testing.AllocsPerRun(10, work); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAugment(b *testing.B) {
	for _, c := range []struct {
		name, a string
		r, w, h int
	}{
		{"small64", "small", 64, 64, 64}, {"photo", "inception", 224, 500, 375}, {"jitter", "light,hue=0.1", 224, 500, 375},
		{"randaugment", "randaugment", 224, 500, 375},
	} {
		b.Run("name="+c.name, func(b *testing.B) {
			a, err := ParseAugment(c.a)
			if err != nil {
				b.Fatal(err)
			}
			g, err := NewAugmenter(Recipe{Width: c.r}, a)
			if err != nil {
				b.Fatal(err)
			}
			m, dst, rng := smooth(c.w, c.h), make([]float32, g.Len()), rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Apply(m, rng, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
