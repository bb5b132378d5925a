package imageio

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/mobilenet-go/mobilenet/internal/jpeg"
)

// Format names the format that a file begins as: one that Decode reads, or "heif" (and AVIF); empty for
// anything else.
func Format(b []byte) string {
	if f, err := sniff(b); err == nil {
		return f.name
	}
	if len(b) >= 12 && string(b[4:8]) == "ftyp" {
		return "heif"
	}
	return ""
}

// Color names how a file stores colour, from its header: "rgb", "gray", "cmyk", "palette", "alpha"
// (colour with transparency) or "16 bit" (of any kind); empty where that cannot be told.
func Color(b []byte) string {
	f, err := sniff(b)
	if err != nil {
		return ""
	}
	if f.name == "jpeg" {
		c, err := jpeg.DecodeConfig(b)
		switch {
		case err != nil:
			return ""
		case c.Color == jpeg.Gray:
			return "gray"
		case c.Color == jpeg.CMYK || c.Color == jpeg.YCCK:
			return "cmyk"
		}
		return "rgb"
	}
	if f.name == "png" && len(b) > 25 { // depth and kind of the header
		switch depth, kind := b[24], b[25]; {
		case depth == 16:
			return "16 bit"
		case kind == 0:
			return "gray"
		case kind == 3:
			return "palette"
		case kind == 4 || kind == 6:
			return "alpha"
		}
		return "rgb"
	}
	var c image.Config
	switch f.name {
	case "gif":
		c, err = gif.DecodeConfig(bytes.NewReader(b))
	case "webp":
		c, err = webp.DecodeConfig(bytes.NewReader(b))
	case "bmp":
		c, err = bmp.DecodeConfig(bytes.NewReader(b))
	case "tiff":
		c, err = tiff.DecodeConfig(bytes.NewReader(b))
	}
	if err != nil {
		return ""
	}
	if _, ok := c.ColorModel.(color.Palette); ok || f.name == "gif" {
		return "palette"
	}
	switch c.ColorModel {
	case color.GrayModel:
		return "gray"
	case color.CMYKModel:
		return "cmyk"
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		return "16 bit"
	case color.NRGBAModel:
		if f.name == "webp" || f.name == "tiff" {
			return "alpha"
		}
	}
	return "rgb"
}
