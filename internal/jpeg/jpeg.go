// Package jpeg decodes JPEG files to exactly the pixels that libjpeg-turbo gives by default, and so
// Pillow: accurate integer inverse transform, triangle-filtered ("fancy") chroma, 16-bit fixed-point
// colour. Networks were trained and measured on those pixels.
//
// Read are baseline, extended sequential and progressive Huffman files of 8 bits, with 1, 3 or 4
// components of any sampling factors that divide the largest. Refused are arithmetic coding, lossless
// and hierarchical files, and 12 bits.
//
// Baseline files are decoded row by row and never whole in memory; progressive and multi-scan files
// need their coefficients (two bytes a sample).
package jpeg

import (
	"errors"
	"fmt"
)

// The classes of error, for errors.Is.
var (
	ErrMalformed   = errors.New("malformed JPEG")
	ErrUnsupported = errors.New("unsupported JPEG")
	ErrLimit       = errors.New("JPEG exceeds a limit")
)

// Error says what is wrong, in one line.
type Error struct {
	Kind   error // ErrMalformed, ErrUnsupported or ErrLimit
	Detail string
	Offset int // in the file, where reading stopped; -1 where that says nothing
}

func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Message() }

// Message is the error without its class.
func (e *Error) Message() string {
	if e.Offset >= 0 {
		return fmt.Sprintf("%s (at byte %d)", e.Detail, e.Offset)
	}
	return e.Detail
}

// Unwrap makes errors.Is(err, ErrLimit) and its siblings work.
func (e *Error) Unwrap() error { return e.Kind }

// Mode says what to do with files that are damaged.
type Mode int

const (
	// Normal accepts what Pillow accepts: a file that ends early is an error, damage inside is
	// decoded as well as can be.
	Normal Mode = iota
	// Strict refuses every irregularity, also those which cost no pixel (bytes between segments, no end marker).
	Strict
	// Tolerant returns what there is, gray where nothing is known, and says so in Result.
	Tolerant
)

// Options of Decode. The zero value is the default.
type Options struct {
	// Scale reduces both sides by 1, 2, 4 or 8 inside the inverse transform, as libjpeg-turbo and
	// Pillow's draft mode do. Zero means 1. Sides round up.
	Scale int
	Mode  Mode
	// MaxPixels bounds width x height as stored. Default 2^27; negative: no bound.
	MaxPixels int64
	// MaxMemory bounds what decoding takes beside the result. Default 1 GiB; negative: no bound.
	MaxMemory int64
	// MaxScans bounds the scans of a file, each of which may visit every block. Default 100 (encoders
	// write about ten); negative: no bound.
	MaxScans int
	// Generic keeps to the portable code where assembly could be used. The pixels are the same.
	Generic bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if s := o.Scale; s != 1 && s != 2 && s != 4 && s != 8 {
		return o, fmt.Errorf("jpeg: scale 1/%d: want 1, 2, 4 or 8", s)
	}
	if o.Mode < Normal || o.Mode > Tolerant {
		return o, fmt.Errorf("jpeg: unknown mode %d", o.Mode)
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = 1 << 27
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 1 << 30
	}
	if o.MaxScans == 0 {
		o.MaxScans = 100
	}
	return o, nil
}

// Color is how the components of a file make a colour.
type Color int

const (
	Gray Color = iota
	YCbCr
	RGB
	CMYK // as Adobe writes it: 255 is no ink
	YCCK // CMYK with its inks transformed as YCbCr
)

func (c Color) String() string {
	return [...]string{"gray", "YCbCr", "RGB", "CMYK", "YCCK"}[c]
}

// Config is what the segments before the first scan say.
type Config struct {
	Width, Height int
	Color         Color
	Progressive   bool
	Sampling      [][2]int // horizontal and vertical factor of each component
	EXIF          []byte   // TIFF-structured, part of the file's bytes; nil when absent
	multi         bool     // more than one scan
}

// Size is the size of the result at a scale (1, 2, 4 or 8).
func (c Config) Size(scale int) (w, h int) {
	if scale < 1 {
		scale = 1
	}
	return (c.Width + scale - 1) / scale, (c.Height + scale - 1) / scale
}

// Memory is what decoding takes beside the file and the result, in bytes.
func (c Config) Memory() int64 {
	maxH, maxV := 1, 1
	for _, s := range c.Sampling {
		maxH, maxV = max(maxH, s[0]), max(maxV, s[1])
	}
	if len(c.Sampling) == 1 {
		maxH, maxV = 1, 1
	}
	cols, rows := int64(ceil(c.Width, 8*maxH)), int64(ceil(c.Height, 8*maxV))
	blocks := int64(0) // of one MCU
	for _, s := range c.Sampling {
		if len(c.Sampling) == 1 {
			s = [2]int{1, 1}
		}
		blocks += int64(s[0] * s[1])
	}
	m := cols*blocks*64*2 + 8*int64(c.Width) + 1<<17 // strips with their context, rows, tables
	if c.multi || c.Progressive {
		m += cols * rows * blocks * (128 + 8)
	}
	return m
}

// Result says how much of the picture the file held.
type Result struct {
	Width, Height int // of the pixels returned
	// Coverage is the share of the picture's blocks for which the file held at least the mean
	// colour, 0 to 1.
	Coverage float64
	// Complete: no data was missing. Of a progressive file that ends after a whole scan the
	// coverage is 1 and yet it is not complete.
	Complete bool
	// Damage counts irregularities that were stepped over: bad codes, lost restart markers, bytes
	// outside segments.
	Damage int
}

func ceil(a, b int) int { return (a + b - 1) / b }

// DecodeConfig reads the segments before the first scan. It takes no memory to speak of.
func DecodeConfig(data []byte) (Config, error) {
	d, err := newDecoder(data, Options{Mode: Tolerant, MaxPixels: -1, MaxScans: -1})
	if err != nil {
		return Config{}, err
	}
	return d.config(), nil
}

// Decode decodes data to packed RGB rows and calls row for each, top to bottom. The slice (3*width
// bytes) is valid during the call only. Gray is repeated thrice; CMYK is converted by Pillow's
// formula. An error of row ends decoding and is returned.
func Decode(data []byte, opt *Options, row func(y int, rgb []byte) error) (Result, error) {
	return decode(data, opt, nil, row)
}

// DecodeInto decodes to packed RGB in dst, which must hold 3*width*height bytes of the size that
// Config.Size gives.
func DecodeInto(dst, data []byte, opt *Options) (Result, error) {
	return decode(data, opt, dst, nil)
}

func decode(data []byte, opt *Options, dst []byte, row func(y int, rgb []byte) error) (Result, error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	d, err := newDecoder(data, o)
	if err != nil {
		return Result{}, err
	}
	return d.run(dst, row)
}
