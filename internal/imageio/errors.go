package imageio

import (
	"errors"
	"image/png"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/mobilenet-go/mobilenet/internal/jpeg"
)

// The classes of error that Decode returns, for errors.Is. An error of the reader itself (a disk, a
// network) is returned as it is and matches none of them.
var (
	ErrMalformed   = errors.New("malformed picture")
	ErrUnsupported = errors.New("unsupported picture")
	ErrLimit       = errors.New("picture exceeds a limit")
)

// Error says what is wrong with a picture file, in one line.
type Error struct {
	Kind   error  // ErrMalformed, ErrUnsupported or ErrLimit
	Format string // "jpeg", "png", ...; empty when the format is not known
	Detail string
}

func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Format != "" {
		s = strings.Replace(s, "picture", strings.ToUpper(e.Format)+" picture", 1)
	}
	return s + ": " + e.Detail
}

// Unwrap makes errors.Is(err, ErrLimit) and its siblings work.
func (e *Error) Unwrap() error { return e.Kind }

// maxDetail bounds what a decoder's message, which may quote the file, adds to a line.
const maxDetail = 200

// fail makes an Error whose detail is one line of printable text.
func fail(kind error, format, detail string) error {
	detail = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, detail)
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "..."
	}
	return &Error{Kind: kind, Format: format, Detail: detail}
}

// classify gives a decoder's error its class.
func classify(format string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	var je *jpeg.Error
	if errors.As(err, &je) {
		kind := ErrMalformed
		switch je.Kind {
		case jpeg.ErrUnsupported:
			kind = ErrUnsupported
		case jpeg.ErrLimit:
			kind = ErrLimit
		}
		return fail(kind, format, je.Message())
	}
	kind := ErrMalformed
	var (
		pu png.UnsupportedError
		tu tiff.UnsupportedError
	)
	if errors.As(err, &pu) || errors.As(err, &tu) || errors.Is(err, bmp.ErrUnsupported) {
		kind = ErrUnsupported
	}
	return fail(kind, format, strings.TrimPrefix(err.Error(), format+": "))
}
