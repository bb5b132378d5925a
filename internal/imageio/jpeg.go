package imageio

import (
	"github.com/mobilenet-go/mobilenet/internal/jpeg"
)

// Mode says what to do with damaged JPEG files; see the constants of package jpeg: Normal accepts what
// Pillow accepts, Strict refuses every irregularity, Tolerant returns what a truncated file holds.
type Mode = jpeg.Mode

// The modes.
const (
	Normal   = jpeg.Normal
	Strict   = jpeg.Strict
	Tolerant = jpeg.Tolerant
)

func jpegHeader(b []byte) (header, error) {
	c, err := jpeg.DecodeConfig(b)
	if err != nil {
		return header{}, err
	}
	px := int64(c.Width) * int64(c.Height)
	return header{width: c.Width, height: c.Height, orientation: exifOrientation(c.EXIF), memory: c.Memory() + 3*px}, nil
}

func decodeJPEG(b []byte) (*Image, error) { return decodeJPEGAs(b, &Options{}, &Info{}) }

// decodeJPEGAs obeys the options that only JPEG files know, and reports.
func decodeJPEGAs(b []byte, o *Options, info *Info) (*Image, error) {
	c, err := jpeg.DecodeConfig(b)
	if err != nil {
		return nil, err
	}
	scale := 1
	for o.AtLeast > 0 && scale < 8 {
		if w, h := c.Size(2 * scale); min(w, h) < o.AtLeast {
			break
		}
		scale *= 2
	}
	w, h := c.Size(scale)
	m := o.Into
	if checkSize(w, h) == nil && m != nil && cap(m.Pix) >= 3*w*h {
		m.W, m.H, m.Pix = w, h, m.Pix[:3*w*h]
	} else if m, err = New(w, h); err != nil {
		return nil, err
	}
	// Limits were enforced from the header; here only the scans are bounded.
	res, err := jpeg.DecodeInto(m.Pix, b, &jpeg.Options{Scale: scale, Mode: o.Mode, MaxPixels: -1, MaxMemory: -1})
	if err != nil {
		return nil, err
	}
	info.Reduced, info.Coverage, info.Damage = scale, res.Coverage, res.Damage
	return m, nil
}
