package transform

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// named are the recipes of published checkpoints at a resolution. Each is a whole: none refers to another.
var named = []struct {
	name string
	make func(r int) Recipe
}{
	// torchvision IMAGENET1K_V1: 256/224.
	{"torchvision", func(r int) Recipe { return Recipe{Width: r, Shorter: shorterFor(r)} }},
	// torchvision IMAGENET1K_V2: 232/224.
	{"torchvision-v2", func(r int) Recipe { return Recipe{Width: r, Shorter: (r*232 + 112) / 224} }},
	// timm, by the fraction of the resized picture that is kept; timm rounds the shorter side down.
	{"timm-bicubic", timm(875, false)},
	{"timm-0.9", timm(900, false)},
	{"timm-0.95", timm(950, false)},
	{"timm-1.0", timm(1000, false)},
	// timm's EdgeTPU V2 and other TF-trained weights use mean and deviation 0.5, which is -1..1.
	{"timm-half", timm(875, true)},
	{"timm-half-0.9", timm(900, true)},
	{"timm-half-0.95", timm(950, true)},
	// TF-slim and Keras V1 and V2 weights as this project and most ports measure them.
	{"tf", func(r int) Recipe { return Recipe{Width: r, Shorter: shorterFor(r), Range: RangeSigned} }},
	{"inception", func(r int) Recipe { return Recipe{Width: r, Shorter: shorterFor(r), Range: RangeSigned} }},
	// TF-slim's own evaluation: central 87.5 %, then squashed by TF 1's bilinear.
	{"slim", func(r int) Recipe {
		return Recipe{Width: r, Fraction: 0.875, Resize: ResizeSquash, Filter: TFBilinearLegacy, Range: RangeSigned}
	}},
	// Keras V3 networks scale inside.
	{"keras-v3", func(r int) Recipe { return Recipe{Width: r, Shorter: shorterFor(r), Range: RangeBytes} }},
	// Quantized networks take the bytes.
	{"bytes", func(r int) Recipe { return Recipe{Width: r, Shorter: shorterFor(r), Range: RangeBytes} }},
	// Detectors and segmenters see the whole picture.
	{"ssd", func(r int) Recipe { return Recipe{Width: r, Resize: ResizeSquash, Range: RangeSigned} }},
	{"ssd-bytes", func(r int) Recipe { return Recipe{Width: r, Resize: ResizeSquash, Range: RangeBytes} }},
}

func timm(thousandths int, half bool) func(int) Recipe {
	return func(r int) Recipe {
		rec := Recipe{Width: r, Shorter: r * 1000 / thousandths, Filter: Bicubic}
		if half {
			rec.Range = RangeSigned
		}
		return rec
	}
}

// Names lists the named recipes.
func Names() []string {
	out := make([]string, len(named))
	for i, n := range named {
		out[i] = n.name
	}
	return out
}

// Named returns a named recipe at a resolution, resolved. Resolution 0 is 224, for the SSD recipes 300.
func Named(name string, resolution int) (Recipe, error) {
	for _, n := range named {
		if n.name != name {
			continue
		}
		if resolution == 0 {
			resolution = 224
			if strings.HasPrefix(name, "ssd") {
				resolution = 300
			}
		}
		if resolution < 1 || resolution > maxSide {
			return Recipe{}, fmt.Errorf("transform: %s: resolution %d is not between 1 and %d", name, resolution, maxSide)
		}
		r := n.make(resolution).Resolved()
		return r, r.Validate()
	}
	return Recipe{}, fmt.Errorf("transform: no recipe is named %q%s; there are %s", name, suggest.DidYouMean(name, Names()), strings.Join(Names(), ", "))
}

// Source is the kind of file a network came from.
type Source uint8

const (
	// SourceTorch is a PyTorch or safetensors checkpoint.
	SourceTorch Source = iota
	SourceONNX
	SourceTFLite
	// SourceQuantized is any network whose input is 8-bit integers.
	SourceQuantized
	// SourceKeras is a Keras V1 or V2 checkpoint; V3 scales inside and has the recipe "keras-v3".
	SourceKeras
)

// Default is the recipe of a file that says nothing about itself: shorter side to round(R/0.875),
// Pillow's bilinear, central R x R. Quantized inputs get the bytes; float TFLite, Keras and every
// network of 1001 classes (TensorFlow's, with a background) -1..1; others ImageNet's mean and deviation.
func Default(source Source, classes, resolution int) Recipe {
	r := Recipe{Width: resolution}
	switch {
	case source == SourceQuantized:
		r.Range = RangeBytes
	case source == SourceTFLite || source == SourceKeras || classes == 1001:
		r.Range = RangeSigned
	}
	return r.Resolved()
}
