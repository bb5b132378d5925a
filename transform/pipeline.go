package transform

import (
	"fmt"
	"image"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Pipeline carries a recipe out. It keeps tables and buffers, so that a stream of pictures of one
// size allocates nothing. Not for concurrent use: make one for each goroutine.
type Pipeline struct {
	r       Recipe
	table   [3][256]float32 // of each channel, in R, G, B
	resizer imageio.Resizer
	center  Image // what Fraction keeps
	crop    Image // the input as bytes
	floats  []float32
}

// NewPipeline prepares a recipe, which may be unresolved.
func NewPipeline(r Recipe) (*Pipeline, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	p := &Pipeline{r: r.Resolved()}
	for c := range p.table {
		for v := range p.table[c] {
			p.table[c][v] = p.r.value(float32(v), c)
		}
	}
	return p, nil
}

// Recipe returns the recipe, resolved.
func (p *Pipeline) Recipe() Recipe { return p.r }

// Len is the length of the input: Height x Width x 3.
func (p *Pipeline) Len() int { return 3 * p.r.Width * p.r.Height }

// value scales one sample, step by step in float32 as the frameworks do.
func (r Recipe) value(v float32, channel int) float32 {
	switch r.Range {
	case RangeSigned:
		v = (v - 127.5) / 127.5
	case RangeUnit, RangeImageNet:
		v /= 255
	}
	mean, std := r.Mean[channel], r.Std[channel]
	if r.Range == RangeImageNet {
		mean = [3]float32{meanR, meanG, meanB}[channel]
		std = [3]float32{stdR, stdG, stdB}[channel]
	}
	return (v - mean) / std
}

// Apply writes the network's input for a picture of any size to dst: float32, height x width x 3
// (NHWC of one picture). len(dst) must be Len.
func (p *Pipeline) Apply(m *Image, dst []float32) error {
	if len(dst) != p.Len() {
		return p.badLength(len(dst))
	}
	if p.r.Filter.Float() && p.r.Resize != ResizeNone {
		if err := p.resizeFloat(m, dst); err != nil {
			return err
		}
		first, last := p.order()
		for i := 0; i+3 <= len(dst); i += 3 {
			r, g, b := p.r.value(dst[i], 0), p.r.value(dst[i+1], 1), p.r.value(dst[i+2], 2)
			dst[i+first], dst[i+1], dst[i+last] = r, g, b
		}
		return nil
	}
	if err := p.resizeBytes(m, p.buffer()); err != nil {
		return err
	}
	p.scale(p.crop.Pix, dst)
	return nil
}

// ApplyFile decodes a picture file and is Apply for what it holds. JPEG files are resized as they are
// decoded, without a picture of the full size in memory. Info.Resizing is what was spent after decoding.
// Of the options the orientation is the recipe's. With draft large JPEG files are decoded at a half, a
// quarter or an eighth of their size where that is still as large as what they are resized to.
func (p *Pipeline) ApplyFile(file []byte, options imageio.Options, draft bool, dst []float32) (imageio.Info, error) {
	if len(dst) != p.Len() {
		return imageio.Info{}, p.badLength(len(dst))
	}
	opt := &options
	opt.IgnoreOrientation = p.r.IgnoreOrientation
	if opt.AtLeast = 0; draft && p.r.Fraction == 1 && p.r.Resize != ResizeNone {
		opt.AtLeast = max(p.r.Shorter, p.r.Width, p.r.Height)
	}
	if p.r.Resize == ResizeNone || p.r.Fraction != 1 || p.r.Filter.Float() {
		m, info, err := imageio.DecodeBytes(file, opt)
		if err != nil {
			return info, err
		}
		start := time.Now()
		err = p.Apply(m, dst)
		info.Resizing = time.Since(start)
		return info, err
	}
	info, err := p.resizer.DecodeResized(p.buffer(), file, opt, p.r.Filter, func(w, h int) (imageio.Target, error) {
		nw, nh, left, top := p.r.geometry(w, h)
		return imageio.Target{NW: nw, NH: nh, Left: left, Top: top}, nil
	})
	if err != nil {
		return info, err
	}
	start := time.Now()
	p.scale(p.crop.Pix, dst)
	info.Resizing += time.Since(start)
	return info, nil
}

// ApplyCropped is Apply for a picture that has the input's size already: no resize, no crop.
func (p *Pipeline) ApplyCropped(m *Image, dst []float32) error {
	if len(dst) != p.Len() {
		return p.badLength(len(dst))
	}
	if err := p.checkCropped(m); err != nil {
		return err
	}
	p.scale(m.Pix[:p.Len()], dst)
	return nil
}

// ApplyBytes writes the input as bytes, before Range, Mean and Std, in the recipe's channel order.
// TensorFlow's filters are rounded to the nearest. len(dst) must be Len.
func (p *Pipeline) ApplyBytes(m *Image, dst []byte) error {
	if len(dst) != p.Len() {
		return p.badLength(len(dst))
	}
	out := &Image{W: p.r.Width, H: p.r.Height, Pix: dst}
	if p.r.Filter.Float() && p.r.Resize != ResizeNone {
		if len(p.floats) != len(dst) {
			p.floats = make([]float32, len(dst))
		}
		if err := p.resizeFloat(m, p.floats); err != nil {
			return err
		}
		for i, v := range p.floats {
			dst[i] = byte(max(0, min(255, v)) + 0.5)
		}
	} else if err := p.resizeBytes(m, out); err != nil {
		return err
	}
	p.swap(dst)
	return nil
}

// ApplyBytesCropped is ApplyBytes for a picture that has the input's size already.
func (p *Pipeline) ApplyBytesCropped(m *Image, dst []byte) error {
	if len(dst) != p.Len() {
		return p.badLength(len(dst))
	}
	if err := p.checkCropped(m); err != nil {
		return err
	}
	copy(dst, m.Pix)
	p.swap(dst)
	return nil
}

// ApplyImage is Apply for a picture of the image packages. It converts, so it allocates.
func (p *Pipeline) ApplyImage(m image.Image, dst []float32) error {
	own, err := imageio.FromImage(m)
	if err != nil {
		return err
	}
	return p.Apply(own, dst)
}

// Apply carries the recipe out once; a Pipeline does it repeatedly without allocating.
func (r Recipe) Apply(m *Image, dst []float32) error {
	p, err := NewPipeline(r)
	if err != nil {
		return err
	}
	return p.Apply(m, dst)
}

func (p *Pipeline) badLength(n int) error {
	return fmt.Errorf("transform: the input is %dx%dx3 = %d values, the destination has %d", p.r.Height, p.r.Width, p.Len(), n)
}

func (p *Pipeline) checkCropped(m *Image) error {
	if err := m.Check(); err != nil {
		return err
	}
	if m.W != p.r.Width || m.H != p.r.Height {
		return fmt.Errorf("transform: the picture is %dx%d, but without resize and crop it must be %dx%d", m.W, m.H, p.r.Width, p.r.Height)
	}
	return nil
}

// buffer returns the picture for the input's bytes.
func (p *Pipeline) buffer() *Image {
	if p.crop.Pix == nil {
		p.crop = Image{W: p.r.Width, H: p.r.Height, Pix: make([]byte, p.Len())}
	}
	return &p.crop
}

// keepCenter returns the part of m that Fraction keeps.
func (p *Pipeline) keepCenter(m *Image) (*Image, error) {
	if err := m.Check(); err != nil || p.r.Fraction == 1 {
		return m, err
	}
	x, w := central(m.W, p.r.Fraction)
	y, h := central(m.H, p.r.Fraction)
	if n := 3 * w * h; cap(p.center.Pix) < n {
		p.center.Pix = make([]byte, n)
	}
	p.center.W, p.center.H, p.center.Pix = w, h, p.center.Pix[:3*w*h]
	for i := range h {
		copy(p.center.Row(i), m.Row(y + i)[3*x:])
	}
	return &p.center, nil
}

func (p *Pipeline) resizeBytes(m, dst *Image) error {
	m, err := p.keepCenter(m)
	if err != nil {
		return err
	}
	w, h, left, top := p.r.geometry(m.W, m.H)
	f := p.r.Filter
	if p.r.Resize == ResizeNone {
		f = Nearest // equal sizes: a copy
	}
	return p.resizer.ResizeCrop(dst, m, w, h, left, top, f)
}

func (p *Pipeline) resizeFloat(m *Image, dst []float32) error {
	m, err := p.keepCenter(m)
	if err != nil {
		return err
	}
	w, h, left, top := p.r.geometry(m.W, m.H)
	return p.resizer.ResizeFloat(dst, p.r.Width, p.r.Height, m, w, h, left, top, p.r.Filter)
}

// order returns the places of red and blue in a pixel.
func (p *Pipeline) order() (red, blue int) {
	if p.r.BGR {
		return 2, 0
	}
	return 0, 2
}

func (p *Pipeline) scale(pix []byte, dst []float32) {
	red, blue := p.order()
	for len(pix) >= 3 && len(dst) >= 3 {
		d := dst[:3]
		d[red], d[1], d[blue] = p.table[0][pix[0]], p.table[1][pix[1]], p.table[2][pix[2]]
		pix, dst = pix[3:], dst[3:]
	}
}

func (p *Pipeline) swap(pix []byte) {
	if !p.r.BGR {
		return
	}
	for i := 0; i+3 <= len(pix); i += 3 {
		pix[i], pix[i+2] = pix[i+2], pix[i]
	}
}
