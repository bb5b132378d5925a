package transform

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNamed(t *testing.T) {
	for _, c := range []struct {
		name       string
		resolution int
		want       string
	}{
		{"torchvision", 0, "resize=256,crop=224,filter=bilinear,range=imagenet"},
		{"torchvision", 192, "resize=219,crop=192,filter=bilinear,range=imagenet"},
		{"torchvision-v2", 224, "resize=232,crop=224,filter=bilinear,range=imagenet"},
		{"timm-bicubic", 224, "resize=256,crop=224,filter=bicubic,range=imagenet"},
		{"timm-bicubic", 160, "resize=182,crop=160,filter=bicubic,range=imagenet"},
		{"timm-0.9", 224, "resize=248,crop=224,filter=bicubic,range=imagenet"},
		{"timm-0.95", 224, "resize=235,crop=224,filter=bicubic,range=imagenet"},
		{"timm-0.95", 256, "resize=269,crop=256,filter=bicubic,range=imagenet"},
		{"timm-1.0", 256, "resize=256,crop=256,filter=bicubic,range=imagenet"},
		{"timm-half-0.9", 224, "resize=248,crop=224,filter=bicubic,range=-1..1"},
		{"tf", 160, "resize=183,crop=160,filter=bilinear,range=-1..1"},
		{"tf", 128, "resize=146,crop=128,filter=bilinear,range=-1..1"},
		{"inception", 96, "resize=110,crop=96,filter=bilinear,range=-1..1"},
		{"slim", 224, "resize=squash,crop=224,fraction=0.875,filter=tf-bilinear-legacy,range=-1..1"},
		{"keras-v3", 224, "resize=256,crop=224,filter=bilinear,range=0..255"},
		{"bytes", 224, "resize=256,crop=224,filter=bilinear,range=0..255"},
		{"ssd", 0, "resize=squash,crop=300,filter=bilinear,range=-1..1"},
		{"ssd-bytes", 320, "resize=squash,crop=320,filter=bilinear,range=0..255"},
	} {
		r, err := Named(c.name, c.resolution)
		if err != nil || r.String() != c.want {
			t.Errorf("%s at %d: %s, %v, want %s", c.name, c.resolution, r, err, c.want)
		}
	}
	for _, n := range Names() {
		if _, err := Named(n, 0); err != nil {
			t.Error(n, err)
		}
	}
	if _, err := Named("tochvision", 0); err == nil || !strings.Contains(err.Error(), `did you mean "torchvision"?`) {
		t.Error(err)
	}
	if _, err := Named("tf", -1); err == nil {
		t.Error("negative resolution accepted")
	}
}

func TestDefault(t *testing.T) {
	for _, c := range []struct {
		s       Source
		classes int
		want    Range
	}{
		{SourceTorch, 1000, RangeImageNet}, {SourceTorch, 1001, RangeSigned}, {SourceTorch, 7, RangeImageNet},
		{SourceONNX, 1000, RangeImageNet}, {SourceONNX, 1001, RangeSigned}, {SourceTFLite, 1001, RangeSigned},
		{SourceTFLite, 1000, RangeSigned}, {SourceKeras, 1000, RangeSigned}, {SourceQuantized, 1001, RangeBytes},
		{SourceQuantized, 1000, RangeBytes},
	} {
		if r := Default(c.s, c.classes, 192); r.Range != c.want || r.Shorter != 219 || r.Width != 192 || r.Filter != Bilinear {
			t.Errorf("%v %d: %s", c.s, c.classes, r)
		}
	}
	if (Recipe{}).Resolved() != Default(SourceTorch, 1000, 224) {
		t.Error("the zero recipe is not the default")
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"torchvision":                     "resize=256,crop=224,filter=bilinear,range=imagenet",
		"torchvision,crop=192":            "resize=256,crop=192,filter=bilinear,range=imagenet",
		"crop=192":                        "resize=219,crop=192,filter=bilinear,range=imagenet",
		"filter=bicubic":                  "resize=256,crop=224,filter=bicubic,range=imagenet",
		" tf , order=bgr,orientation=off": "resize=256,crop=224,filter=bilinear,range=-1..1,order=bgr,orientation=off",
		"tf,range=imagenet":               "resize=256,crop=224,filter=bilinear,range=imagenet",
		"torchvision,range=0..1":          "resize=256,crop=224,filter=bilinear,range=0..1",
		"torchvision,mean=0.5":            "resize=256,crop=224,filter=bilinear,range=0..1,mean=0.5:0.5:0.5,std=0.229:0.224:0.225",
		"resize=none,crop=320x240,range=0..255,mean=103.939:116.779:123.68": "resize=none,crop=320x240,filter=bilinear,range=0..255,mean=103.939:116.779:123.68",
		"resize=squash,crop=300,mean=0.5,std=0.25:0.5:1":                    "resize=squash,crop=300,filter=bilinear,range=0..1,mean=0.5:0.5:0.5,std=0.25:0.5:1",
	} {
		r, err := Parse(in, 0)
		if err != nil || r.String() != want {
			t.Errorf("%q: %s, %v, want %s", in, r, err, want)
		}
	}
	for in, say := range map[string]string{
		"":                        "torchvision",
		"crop":                    "crop=...",
		"torchvison":              `did you mean "torchvision"?`,
		"crp=224":                 `did you mean "crop"?`,
		"crop=0":                  "crop=0",
		"crop=99999999999":        "crop=",
		"crop=20000x20000":        "crop",
		"resize=big":              "shorter side",
		"filter=cubic":            `did you mean "bicubic"?`,
		"range=0..2":              "-1..1",
		"mean=1:2":                "red:green:blue",
		"mean=x":                  "not a number",
		"mean=nan":                "finite",
		"std=0":                   "std",
		"std=1:0:1":               "std",
		"order=gbr":               "rgb, bgr",
		"crop=5,crop=6":           "twice",
		"range=imagenet,mean=0.5": "range=0..1",
		"fraction=1.5":            "fraction",
		"tf,torchvision":          "key=value",
	} {
		r, err := Parse(in, 0)
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %s, %v; want an error that says %q", in, r, err, say)
		}
	}
}

// Every valid recipe survives text and JSON.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f32 := rapid.Float32Range(-300, 300)
		r := Recipe{
			Width: rapid.IntRange(0, 4000).Draw(t, "w"), Height: rapid.IntRange(0, 4000).Draw(t, "h"),
			Fraction: rapid.SampledFrom([]float64{0, 0.875, 1, 1.0 / 3}).Draw(t, "fraction"),
			Resize:   ResizeRule(rapid.IntRange(0, 2).Draw(t, "rule")), Shorter: rapid.IntRange(0, 3000).Draw(t, "shorter"),
			Filter: Filter(rapid.IntRange(0, 12).Draw(t, "filter")), Range: Range(rapid.IntRange(0, 3).Draw(t, "range")),
			BGR: rapid.Bool().Draw(t, "bgr"), IgnoreOrientation: rapid.Bool().Draw(t, "orientation"),
		}
		if r.Range != RangeImageNet && rapid.Bool().Draw(t, "own mean") {
			for c := range 3 {
				r.Mean[c], r.Std[c] = f32.Draw(t, "mean"), f32.Draw(t, "std")
			}
		}
		if r.Validate() != nil {
			t.Skip()
		}
		back, err := Parse(r.String(), 0)
		if err != nil || back != r.Resolved() {
			t.Fatalf("%+v prints %q, which parses to %+v, %v", r.Resolved(), r, back, err)
		}
		b, err := json.Marshal(struct{ Recipe Recipe }{r})
		if err != nil {
			t.Fatal(err)
		}
		var v struct{ Recipe Recipe }
		if err := json.Unmarshal(b, &v); err != nil || v.Recipe != back {
			t.Fatalf("%s: %+v, %v", b, v, err)
		}
	})
	if err := new(Recipe).UnmarshalText([]byte("nonsense=1")); err == nil {
		t.Error("nonsense accepted")
	}
	if _, err := (Recipe{Width: -4}).MarshalText(); err == nil {
		t.Error("invalid recipe written")
	}
}

// Offsets as Python's round((size-crop)/2) gives them; TensorFlow's central_crop as its formula does.
func TestCropOffset(t *testing.T) {
	for size := 1; size < 600; size++ {
		want := int(math.RoundToEven(float64(size-224) / 2))
		if size < 224 {
			want = -((224 - size) / 2)
		}
		if got := cropOffset(size, 224); got != want {
			t.Errorf("side %d: %d, want %d", size, got, want)
		}
	}
	var got [][2]int
	for _, n := range []int{224, 256, 333, 375, 500} {
		o, m := central(n, 0.875)
		got = append(got, [2]int{o, m})
	}
	if want := [][2]int{{14, 196}, {16, 224}, {20, 293}, {23, 329}, {31, 438}}; !reflect.DeepEqual(got, want) {
		t.Errorf("central: %v, want %v", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, n := range Names() {
		f.Add(n + ",crop=192,mean=0.5")
	}
	f.Add("resize=none,crop=3x4,fraction=0.5,filter=lanczos,range=0..255,mean=1:2:3,std=4:5:6,order=bgr,orientation=off")
	f.Add("range=-1..1,,=,")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s, 0)
		if err != nil {
			return
		}
		if err := r.Validate(); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if back, err := Parse(r.String(), 0); err != nil || back != r {
			t.Fatalf("%q: %+v prints %q: %+v, %v", s, r, r, back, err)
		}
	})
}
