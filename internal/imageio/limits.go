package imageio

import "fmt"

// Limits bound what a file may ask for. They are enforced from the file's header, before memory is
// taken. A zero field means its default, a negative one no limit.
type Limits struct {
	// MaxBytes bounds the file. Default 64 MiB.
	MaxBytes int64
	// MaxPixels bounds width x height. Default 2^27 (134 million: the largest phone sensors pass).
	MaxPixels int64
	// MaxSide bounds width and height each. Default 65535.
	MaxSide int
	// FreeMemory is what decoding any file may take, however small the file. Default 160 MiB, which
	// covers 20 to 50 million pixels. Above it a picture must be backed by data:
	FreeMemory int64
	// MaxPixelsPerByte bounds the pixels declared for each byte of a file whose decoding takes more
	// than FreeMemory. Photographs have 1 to 15, a bomb thousands. Default 20.
	MaxPixelsPerByte int64
}

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.MaxBytes, 64<<20)
	def(&l.MaxPixels, 1<<27)
	def(&l.FreeMemory, 160<<20)
	def(&l.MaxPixelsPerByte, 20)
	if l.MaxSide == 0 {
		l.MaxSide = 65535
	}
	return l
}

// header is what a file declares about itself, read without decoding it.
type header struct {
	width, height int
	orientation   int   // EXIF 1..8; 0 when absent
	memory        int64 // bytes that decoding to RGB takes at its peak, without the file itself
}

// check enforces the limits on a file of n bytes. l has its defaults.
func (l Limits) check(format string, h header, n int64) error {
	if h.width < 1 || h.height < 1 {
		return fail(ErrMalformed, format, fmt.Sprintf("declares %dx%d pixels", h.width, h.height))
	}
	over := func(what string, got, limit int64) error {
		return fail(ErrLimit, format, fmt.Sprintf("%dx%d: %s %d, the limit is %d; reduce it first", h.width, h.height, what, got, limit))
	}
	if side := max(h.width, h.height); l.MaxSide >= 0 && side > l.MaxSide {
		return over("longer side", int64(side), int64(l.MaxSide))
	}
	px := int64(h.width) * int64(h.height) // sides are below 2^32: see each reader
	if l.MaxPixels >= 0 && px > l.MaxPixels {
		return over("pixels", px, l.MaxPixels)
	}
	if err := checkSize(h.width, h.height); err != nil {
		return fail(ErrLimit, format, fmt.Sprintf("%dx%d: too many pixels to address", h.width, h.height))
	}
	if l.FreeMemory >= 0 && h.memory > l.FreeMemory && l.MaxPixelsPerByte >= 0 && px/max(n, 1) > l.MaxPixelsPerByte {
		return over("declared pixels for each byte of the file", px/max(n, 1), l.MaxPixelsPerByte)
	}
	return nil
}
