// Package transform says exactly how a picture becomes a network's input, and does it.
//
// A Recipe is a value: it travels as text with the weights, prints, parses and compares. The named
// recipes are those that published checkpoints were measured with; with Pillow's filters their
// results equal Pillow's and torchvision's to the byte.
package transform

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Image is a picture as packed 8-bit RGB: W, H and Pix, three bytes a pixel, row after row.
type Image = imageio.Image

// Filter is a resampling rule. Bilinear and its siblings are Pillow's, which average when they
// reduce; the TF filters are TensorFlow's.
type Filter = imageio.Filter

// The filters.
const (
	Bilinear            = imageio.Bilinear
	Bicubic             = imageio.Bicubic
	Nearest             = imageio.Nearest
	Box                 = imageio.Box
	Hamming             = imageio.Hamming
	Lanczos             = imageio.Lanczos
	TFBilinear          = imageio.TFBilinear
	TFBilinearAntialias = imageio.TFBilinearAntialias
	TFBilinearLegacy    = imageio.TFBilinearLegacy
	TFBilinearAlign     = imageio.TFBilinearAlign
	TFNearest           = imageio.TFNearest
	TFNearestLegacy     = imageio.TFNearestLegacy
	TFArea              = imageio.TFArea
)

// ResizeRule says to what size a picture is brought before its centre is cut out.
type ResizeRule uint8

const (
	// ResizeShorter brings the shorter side to Recipe.Shorter and keeps the shape; the longer side
	// is rounded down.
	ResizeShorter ResizeRule = iota
	// ResizeSquash brings both sides to the input's size, whatever the shape.
	ResizeSquash
	// ResizeNone only cuts out the centre.
	ResizeNone
)

// Range says what the bytes 0..255 become before Mean and Std apply.
type Range uint8

const (
	// RangeImageNet is x/255 less ImageNet's mean by its deviation; Mean and Std stay zero.
	RangeImageNet Range = iota
	// RangeUnit is x/255.
	RangeUnit
	// RangeSigned is (x-127.5)/127.5.
	RangeSigned
	// RangeBytes is x.
	RangeBytes
)

var rangeNames = [...]string{"imagenet", "0..1", "-1..1", "0..255"}

// Mean and deviation of ImageNet's channels, in red, green, blue, as torchvision has them.
const (
	meanR, meanG, meanB = 0.485, 0.456, 0.406
	stdR, stdG, stdB    = 0.229, 0.224, 0.225
)

// Recipe describes a preprocessing: keep the centre, resize, cut out the centre, scale. The zero
// value is torchvision's for 224: shorter side to 256, Pillow's bilinear, the central 224 x 224,
// ImageNet's mean and deviation. Recipes compare with == once Resolved.
type Recipe struct {
	// Width and Height of the input. 0: 224, and Height as Width.
	Width, Height int
	// Fraction of both sides that is kept, around the centre, before resizing. 0: all.
	Fraction float64
	Resize   ResizeRule
	// Shorter side after ResizeShorter. 0: round(larger of Width and Height / 0.875).
	Shorter int
	Filter  Filter
	Range   Range
	// Mean is subtracted from what Range gives, then Std divides; in red, green, blue. A zero Std is 1.
	Mean, Std [3]float32
	// BGR stores blue first.
	BGR bool
	// IgnoreOrientation leaves phone pictures as stored, as Pillow and torchvision do.
	IgnoreOrientation bool
}

// Resolved returns the recipe with its defaults written out.
func (r Recipe) Resolved() Recipe {
	if r.Width == 0 {
		r.Width = 224
	}
	if r.Height == 0 {
		r.Height = r.Width
	}
	if r.Resize != ResizeShorter {
		r.Shorter = 0
	} else if r.Shorter == 0 {
		r.Shorter = shorterFor(max(r.Width, r.Height))
	}
	if r.Fraction == 0 {
		r.Fraction = 1
	}
	if r.Range != RangeImageNet && r.Std == [3]float32{} {
		r.Std = [3]float32{1, 1, 1}
	}
	return r
}

// shorterFor is the published rule round(R/0.875): 224 gives 256, 192 gives 219, 96 gives 110.
func shorterFor(resolution int) int { return int(math.RoundToEven(float64(resolution) / 0.875)) }

// Bounds on what a recipe, which may come from a file, can ask for.
const (
	maxPixels = 1 << 24 // of the input
	maxSide   = 1 << 15
)

// Validate reports the first field that makes no sense. The recipe need not be resolved.
func (r Recipe) Validate() error {
	bad := func(key, format string, a ...any) error {
		return fmt.Errorf("transform: %s: %s", key, fmt.Sprintf(format, a...))
	}
	r = r.Resolved()
	switch {
	case r.Width < 1 || r.Height < 1 || r.Width > maxSide || r.Height > maxSide || r.Width*r.Height > maxPixels:
		return bad("crop", "%dx%d is not a size between 1 and 2^24 pixels", r.Width, r.Height)
	case r.Resize > ResizeNone:
		return bad("resize", "unknown rule %d", r.Resize)
	case r.Resize == ResizeShorter && (r.Shorter < 1 || r.Shorter > maxSide):
		return bad("resize", "shorter side %d is not between 1 and %d", r.Shorter, maxSide)
	case !(r.Fraction > 0 && r.Fraction <= 1):
		return bad("fraction", "%v is not above 0 and at most 1", r.Fraction)
	case int(r.Filter) >= len(imageio.Filters()):
		return bad("filter", "unknown filter %d", r.Filter)
	case r.Range > RangeBytes:
		return bad("range", "unknown range %d", r.Range)
	case r.Range == RangeImageNet && (r.Mean != [3]float32{} || r.Std != [3]float32{}):
		return bad("mean", "range=imagenet has its own mean and std; use range=0..1")
	}
	for c := range 3 {
		if m := float64(r.Mean[c]); math.IsNaN(m) || math.IsInf(m, 0) {
			return bad("mean", "%v is not a finite number", m)
		}
		if s := float64(r.Std[c]); r.Range != RangeImageNet && (!(math.Abs(s) > 0) || math.IsInf(s, 0)) {
			return bad("std", "%v is not a finite number other than 0", s)
		}
	}
	return nil
}

// DecodeOptions returns the options that imageio.Decode needs for this recipe.
func (r Recipe) DecodeOptions(lim imageio.Limits) *imageio.Options {
	return &imageio.Options{Limits: lim, IgnoreOrientation: r.IgnoreOrientation}
}

// geometry returns the size to which a w x h picture is resized and the place of the cut-out, which
// may be negative: what lies beyond the picture is black. r is resolved.
func (r Recipe) geometry(w, h int) (nw, nh, left, top int) {
	switch r.Resize {
	case ResizeSquash:
		return r.Width, r.Height, 0, 0
	case ResizeShorter:
		// In whole numbers: equal to the float arithmetic of the published rules for all real sizes.
		s := int64(r.Shorter)
		if w <= h {
			nw, nh = r.Shorter, int(min(s*int64(h)/int64(w), 1<<30))
		} else {
			nw, nh = int(min(s*int64(w)/int64(h), 1<<30)), r.Shorter
		}
	default:
		nw, nh = w, h
	}
	return nw, nh, cropOffset(nw, r.Width), cropOffset(nh, r.Height)
}

// cropOffset centres as torchvision does: half the surplus, rounded half to even; a picture that is
// too small gets the smaller half of the missing pixels in front.
func cropOffset(size, crop int) int {
	d := size - crop
	if d < 0 {
		return -(-d / 2)
	}
	q := d / 2
	if d%2 == 1 && q%2 == 1 {
		q++
	}
	return q
}

// central returns the part of a side that TensorFlow's central_crop keeps.
func central(size int, fraction float64) (offset, n int) {
	offset = int((float64(size) - float64(float64(size)*fraction)) / 2)
	return offset, size - 2*offset
}
