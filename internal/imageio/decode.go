package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"time"

	"golang.org/x/image/bmp"
)

// Options of Decode. The zero value (or nil) is the default.
type Options struct {
	Limits Limits
	// IgnoreOrientation leaves the pixels as stored. By default the EXIF orientation is applied,
	// because phones store turned pictures; Pillow and torchvision apply it to TIFF files only.
	IgnoreOrientation bool
	// Mode says what to do with damaged JPEG files. The default accepts what Pillow does.
	Mode Mode
	// AtLeast, where positive, lets JPEG files be decoded at 1/2, 1/4 or 1/8 of their size as long as
	// the shorter side keeps that many pixels, like Pillow's draft mode. Faster, but the pixels after
	// resizing are not those of a recipe that decodes at full size.
	AtLeast int
	// Into, where set, lends its memory to the result if it is large enough; its former pixels are
	// lost. JPEG files only: the others are decoded by packages that take their own.
	Into *Image
}

// Info describes a decoded file.
type Info struct {
	Format        string // "jpeg", "png", "gif", "webp", "bmp", "tiff"
	Width, Height int    // as stored, before the orientation is applied
	Orientation   int    // EXIF 1..8; 1 when absent
	Reduced       int    // the picture was decoded at 1/Reduced of its size; see Options.AtLeast
	// Coverage is the share of the picture that the file held, 0 to 1: below 1 only in tolerant mode
	// or for damaged JPEG files. Damage counts the irregularities stepped over.
	Coverage float64
	Damage   int
	// Resizing is the part of DecodeResized's time that went into resizing.
	Resizing time.Duration
}

// format is one kind of file. header must not take memory in proportion to what the file declares.
type format struct {
	name   string
	magic  func(b []byte) bool
	header func(b []byte) (header, error)
	decode func(b []byte) (*Image, error)
}

func prefix(p string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(p)) }
}

func formats() []format {
	return []format{
		{"jpeg", prefix("\xff\xd8\xff"), jpegHeader, decodeJPEG},
		{"png", prefix("\x89PNG\r\n\x1a\n"), pngHeader, viaGo(png.Decode)},
		{"gif", prefix("GIF8"), gifHeader, decodeGIF},
		{"webp", isWebP, webpHeader, decodeWebP},
		{"bmp", prefix("BM"), bmpHeader, viaGo(bmp.Decode)},
		{"tiff", isTIFF, tiffHeader, decodeTIFF},
	}
}

func isTIFF(b []byte) bool {
	return bytes.HasPrefix(b, []byte("II*\x00")) || bytes.HasPrefix(b, []byte("MM\x00*"))
}

// viaGo adapts a decoder of the image packages.
func viaGo(dec func(io.Reader) (image.Image, error)) func([]byte) (*Image, error) {
	return func(b []byte) (*Image, error) {
		m, err := dec(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return convert(m, true)
	}
}

// Decode reads one picture from r: JPEG, PNG, GIF (first frame), WebP (first frame), BMP or TIFF
// (first page), told by content. The result is what Pillow's convert("RGB") gives: gray is repeated
// thrice, alpha is dropped (not composited, not multiplied in), palettes are looked up, CMYK is
// converted by Pillow's formula, 16-bit samples keep their high byte. The one deliberate difference:
// Pillow clips 16-bit gray at 255 (nearly all white); here it too keeps the high byte.
//
// Errors are of class ErrMalformed, ErrUnsupported or ErrLimit, or come from r.
func Decode(r io.Reader, opt *Options) (*Image, Info, error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	b, err := readAll(r, o.Limits.withDefaults().MaxBytes)
	if err != nil {
		return nil, Info{}, err
	}
	return DecodeBytes(b, opt)
}

// ReadFile reads a picture's file without decoding it, within the limit on its bytes.
func ReadFile(r io.Reader, lim Limits) ([]byte, error) {
	if r == nil {
		return nil, errors.New("imageio: no picture (nil)")
	}
	return readAll(r, lim.withDefaults().MaxBytes)
}

// DecodeBytes is Decode for a file in memory. It does not keep b.
func DecodeBytes(b []byte, opt *Options) (m *Image, info Info, err error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	lim := o.Limits.withDefaults()
	if err := checkBytes(int64(len(b)), lim.MaxBytes); err != nil {
		return nil, Info{}, err
	}
	f, err := sniff(b)
	if err != nil {
		return nil, Info{}, err
	}
	// The decoders below read hostile bytes; a slip in one of them must not take the program down.
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fail(ErrMalformed, f.name, fmt.Sprintf("the decoder gave up: %v", p))
		}
	}()
	h, err := f.header(b)
	if err != nil {
		return nil, Info{}, classify(f.name, err)
	}
	info = Info{Format: f.name, Width: h.width, Height: h.height, Orientation: max(h.orientation, 1), Reduced: 1, Coverage: 1}
	if err := lim.check(f.name, h, int64(len(b))); err != nil {
		return nil, info, err
	}
	if f.name == "jpeg" {
		m, err = decodeJPEGAs(b, &o, &info)
	} else {
		m, err = f.decode(b)
	}
	if err != nil {
		return nil, info, classify(f.name, err)
	}
	if info.Reduced == 1 && (m.W != h.width || m.H != h.height) {
		return nil, info, fail(ErrMalformed, f.name, fmt.Sprintf("declares %dx%d pixels, holds %dx%d", h.width, h.height, m.W, m.H))
	}
	if !o.IgnoreOrientation {
		m = m.Orient(info.Orientation)
	}
	return m, info, nil
}

func sniff(b []byte) (format, error) {
	if len(b) == 0 {
		return format{}, fail(ErrMalformed, "", "the file is empty")
	}
	for _, f := range formats() {
		if f.magic(b) {
			return f, nil
		}
	}
	const want = "JPEG, PNG, GIF, WebP, BMP and TIFF can be read"
	head := b[:min(len(b), 16)]
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		switch brand := string(head[8:12]); brand {
		case "heic", "heix", "mif1", "msf1", "avif", "avis":
			return format{}, fail(ErrUnsupported, "", fmt.Sprintf("HEIF/AVIF file (%s); convert it first: %s", brand, want))
		}
	}
	return format{}, fail(ErrUnsupported, "", fmt.Sprintf("begins with %q, which is no known format; %s", head[:min(len(head), 8)], want))
}

func checkBytes(n, limit int64) error {
	if limit >= 0 && n > limit {
		return fail(ErrLimit, "", fmt.Sprintf("the file has more than %d bytes", limit))
	}
	return nil
}

// readAll reads at most limit bytes, taking memory once where r can tell its length.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	size := int64(0)
	switch s := r.(type) {
	case interface{ Len() int }:
		size = int64(s.Len())
	case interface{ Stat() (fs.FileInfo, error) }:
		if fi, err := s.Stat(); err == nil && fi.Mode().IsRegular() {
			size = fi.Size()
		}
	}
	if err := checkBytes(size, limit); err != nil {
		return nil, err
	}
	if limit >= 0 {
		r = io.LimitReader(r, limit+1)
	}
	var buf bytes.Buffer
	// ReadFrom wants bytes.MinRead of room to see the end of file without growing. A length that was
	// told may still be a lie, so it is trusted only as far as a file is likely to be honest.
	buf.Grow(int(min(max(size, 0), 64<<20)) + bytes.MinRead)
	if _, err := buf.ReadFrom(r); err != nil {
		if errors.Is(err, bytes.ErrTooLarge) {
			return nil, fail(ErrLimit, "", "the file does not fit in memory")
		}
		return nil, err
	}
	if err := checkBytes(int64(buf.Len()), limit); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// configHeader takes the size from a decoder's DecodeConfig; memory is left to the caller.
func configHeader(b []byte, dec func(io.Reader) (image.Config, error)) (header, image.Config, error) {
	c, err := dec(bytes.NewReader(b))
	return header{width: c.Width, height: c.Height}, c, err
}

func bmpHeader(b []byte) (header, error) {
	h, _, err := configHeader(b, bmp.DecodeConfig)
	// Paletted: 1 byte a pixel beside 3 of RGB; otherwise 4 bytes, compacted in place.
	h.memory = 4 * int64(h.width) * int64(h.height)
	return h, err
}
