package imageio

import (
	"fmt"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/jpeg"
)

// Target says how a picture of w x h pixels is brought into dst: resized to
// NW x NH, and the part at (Left, Top) of that taken.
type Target struct{ NW, NH, Left, Top int }

// DecodeResized decodes a file and resizes it into dst, as DecodeBytes and
// ResizeCrop do one after the other, to the byte. Where it can (JPEG files
// that are not turned, resized in both directions) the rows are resized as
// they are decoded, so that no picture of the full size is ever in memory.
// place is asked once for the size and the cut-out, with the picture's size
// after its orientation is applied.
func (r *Resizer) DecodeResized(dst *Image, b []byte, opt *Options, f Filter, place func(w, h int) (Target, error)) (Info, error) {
	info, done, err := r.stream(dst, b, opt, f, place)
	if done || err != nil {
		return info, err
	}
	m, info, err := DecodeBytes(b, opt)
	if err != nil {
		return info, err
	}
	t, err := place(m.W, m.H)
	if err != nil {
		return info, err
	}
	start := time.Now()
	err = r.ResizeCrop(dst, m, t.NW, t.NH, t.Left, t.Top, f)
	info.Resizing = time.Since(start)
	return info, err
}

// stream is DecodeResized for the files it can resize row by row; done is
// false, without an error, for the others.
func (r *Resizer) stream(dst *Image, b []byte, opt *Options, f Filter, place func(w, h int) (Target, error)) (info Info, done bool, err error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	if f.Float() || f == Nearest || f >= numFilters || o.AtLeast > 0 || dst.Check() != nil {
		return info, false, nil
	}
	lim := o.Limits.withDefaults()
	if err := checkBytes(int64(len(b)), lim.MaxBytes); err != nil {
		return info, false, err
	}
	if kind, err := sniff(b); err != nil || kind.name != "jpeg" {
		return info, false, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fail(ErrMalformed, "jpeg", fmt.Sprintf("the decoder gave up: %v", p))
		}
	}()
	h, err := jpegHeader(b)
	if err != nil {
		return info, false, classify("jpeg", err)
	}
	info = Info{Format: "jpeg", Width: h.width, Height: h.height, Orientation: max(h.orientation, 1), Reduced: 1, Coverage: 1}
	if err := lim.check("jpeg", h, int64(len(b))); err != nil {
		return info, false, err
	}
	if info.Orientation > 1 && !o.IgnoreOrientation {
		return info, false, nil
	}
	t, err := place(h.width, h.height)
	if err != nil {
		return info, false, err
	}
	s, ok, err := r.rows(dst, h.width, h.height, t, f)
	if !ok || err != nil {
		return info, false, err
	}
	clear(s.tmp.Pix) // rows that never come are black, not the last picture's
	res, err := jpeg.Decode(b, &jpeg.Options{Scale: 1, Mode: o.Mode, MaxPixels: -1, MaxMemory: -1}, s.row)
	if err != nil {
		return info, false, classify("jpeg", err)
	}
	info.Coverage, info.Damage = res.Coverage, res.Damage
	start := time.Now()
	s.finish()
	info.Resizing = s.spent + time.Since(start)
	return info, true, nil
}

// rowResizer resizes a picture whose rows come one after the other.
type rowResizer struct {
	r      *Resizer
	dst    *Image
	out    Rect
	lo, hi int // rows that matter
	tmp    Image
	spent  time.Duration
}

// rows prepares for a picture of w x h pixels. ok is false where a direction
// keeps its size or nothing of the picture is wanted: ResizeCrop's cases.
func (r *Resizer) rows(dst *Image, w, h int, t Target, f Filter) (s *rowResizer, ok bool, err error) {
	if err := checkSides(t.NW, t.NH); err != nil {
		return nil, false, err
	}
	x0, x1 := clampRange(t.Left, dst.W, t.NW)
	y0, y1 := clampRange(t.Top, dst.H, t.NH)
	if w == t.NW || h == t.NH || x0 >= x1 || y0 >= y1 {
		return nil, false, nil
	}
	if x0 > 0 || y0 > 0 || x1 < dst.W || y1 < dst.H {
		clear(dst.Pix[:3*dst.W*dst.H])
	}
	out := Rect{x0, y0, x1 - x0, y1 - y0}
	r.x.build(axisKey{f, w, t.NW, t.Left + out.X, out.W})
	r.y.build(axisKey{f, h, t.NH, t.Top + out.Y, out.H})
	s = &rowResizer{r: r, dst: dst, out: out, lo: r.y.lo, hi: r.y.hi}
	n := 3 * out.W * (s.hi - s.lo)
	if cap(r.tmp) < n {
		r.tmp = make([]byte, n)
	}
	s.tmp = Image{W: out.W, H: s.hi - s.lo, Pix: r.tmp[:n]}
	return s, true, nil
}

// row takes row y of the picture. A row may come twice; the last one counts.
func (s *rowResizer) row(y int, rgb []byte) error {
	if y >= s.lo && y < s.hi {
		start := time.Now()
		s.r.x.row(s.tmp.Row(y-s.lo), rgb)
		s.spent += time.Since(start)
	}
	return nil
}

// finish computes the result from the rows.
func (s *rowResizer) finish() { s.r.vertical(s.dst, s.out, &s.tmp, 0, s.lo) }
