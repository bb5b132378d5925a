package transform

import (
	"math"
	"math/rand/v2"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Augmenter turns pictures into training inputs: a recipe's size, filter and scaling with an Augment's
// random changes. It keeps buffers, so that a stream of pictures allocates nothing once they have
// grown. Not for concurrent use: make one for each goroutine.
type Augmenter struct {
	a       Augment
	p       *Pipeline
	part    Image // what the crop takes of the picture
	scratch []byte
	floats  []float32
}

// NewAugmenter prepares. The augmentation of a batch (mixup, cutmix) is Mixer's.
func NewAugmenter(r Recipe, a Augment) (*Augmenter, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	p, err := NewPipeline(r)
	if err != nil {
		return nil, err
	}
	return &Augmenter{a: a.Resolved(), p: p}, nil
}

// Len is the length of the input: Height x Width x 3.
func (g *Augmenter) Len() int { return g.p.Len() }

// Apply writes the training input for a picture to dst (NHWC of one picture). What is random is drawn
// from rng only, so that the same source state gives the same bits.
func (g *Augmenter) Apply(m *Image, rng *rand.Rand, dst []float32) error {
	if g.a.Resolved() == (Augment{}) {
		return g.p.Apply(m, dst)
	}
	if len(dst) != g.Len() {
		return g.p.badLength(len(dst))
	}
	if err := m.Check(); err != nil {
		return err
	}
	if err := g.crop(m, rng); err != nil {
		return err
	}
	out := g.p.buffer()
	if g.a.Flip > 0 && rng.Float64() < g.a.Flip {
		mirror(out)
	}
	g.jitter(out, rng)
	if g.a.RandOps > 0 {
		g.randAugment(out, rng)
	}
	if g.a.Trivial {
		g.trivial(out, rng)
	}
	g.p.scale(out.Pix, dst)
	if g.a.Erase > 0 && rng.Float64() < g.a.Erase {
		erase(dst, g.p.r.Width, g.p.r.Height, rng)
	}
	return nil
}

// crop fills the pipeline's buffer with the part of the picture that training sees.
func (g *Augmenter) crop(m *Image, rng *rand.Rand) error {
	r, out := g.p.r, g.p.buffer()
	var box imageio.Rect
	switch g.a.Crop {
	case CropRecipe:
		if !r.Filter.Float() || r.Resize == ResizeNone {
			return g.p.resizeBytes(m, out)
		}
		bgr := g.p.r.BGR
		g.p.r.BGR = false // order is scale's business
		err := g.p.ApplyBytes(m, out.Pix)
		g.p.r.BGR = bgr
		return err
	case CropPad:
		return g.padCrop(m, rng)
	case CropTF:
		box = tfBox(m.W, m.H, g.a.Area, g.a.Aspect, rng)
	default:
		box = inceptionBox(m.W, m.H, g.a.Area, g.a.Aspect, rng)
	}
	src := m
	if box.W != m.W || box.H != m.H {
		// A copy, because the filters must not see what lies outside the part.
		if n := 3 * box.W * box.H; cap(g.part.Pix) < n {
			g.part.Pix = make([]byte, n)
		}
		g.part = Image{W: box.W, H: box.H, Pix: g.part.Pix[:3*box.W*box.H]}
		for y := range box.H {
			copy(g.part.Row(y), m.Row(box.Y + y)[3*box.X:3*(box.X+box.W)])
		}
		src = &g.part
	}
	return g.resize(out, src, r.Width, r.Height, 0, 0)
}

// resize is ResizeCrop for every filter; TensorFlow's results are rounded to bytes.
func (g *Augmenter) resize(out, src *Image, w, h, left, top int) error {
	f := g.p.r.Filter
	if !f.Float() {
		return g.p.resizer.ResizeCrop(out, src, w, h, left, top, f)
	}
	if len(g.floats) != len(out.Pix) {
		g.floats = make([]float32, len(out.Pix))
	}
	if err := g.p.resizer.ResizeFloat(g.floats, out.W, out.H, src, w, h, left, top, f); err != nil {
		return err
	}
	for i, v := range g.floats {
		out.Pix[i] = byte(max(0, min(255, v)) + 0.5)
	}
	return nil
}

// padCrop is CropPad: the resizer writes black outside the picture, which is the border.
func (g *Augmenter) padCrop(m *Image, rng *rand.Rand) error {
	r := g.p.r
	pad := g.a.Pad
	if pad == 0 {
		pad = max(r.Width, r.Height) / 8
	}
	pad = max(pad, 0)
	// The smallest size of the picture's shape that covers the input.
	w, h := r.Width, r.Height
	if int64(m.W)*int64(r.Height) >= int64(m.H)*int64(r.Width) {
		w = max(r.Width, int(min(int64(r.Height)*int64(m.W)/int64(m.H), 1<<29)))
	} else {
		h = max(r.Height, int(min(int64(r.Width)*int64(m.H)/int64(m.W), 1<<29)))
	}
	left := rng.IntN(w+2*pad-r.Width+1) - pad
	top := rng.IntN(h+2*pad-r.Height+1) - pad
	return g.resize(g.p.buffer(), m, w, h, left, top)
}

// inceptionBox draws torchvision's RandomResizedCrop: ten attempts, then the centre with the nearest
// allowed shape.
func inceptionBox(w, h int, area, aspect [2]float64, rng *rand.Rand) imageio.Rect {
	lo, hi := math.Log(aspect[0]), math.Log(aspect[1])
	for range 10 {
		target := float64(w) * float64(h) * uniform(area[0], area[1], rng)
		ratio := math.Exp(uniform(lo, hi, rng))
		cw := int(math.RoundToEven(math.Sqrt(target * ratio)))
		ch := int(math.RoundToEven(math.Sqrt(target / ratio)))
		if cw > 0 && ch > 0 && cw <= w && ch <= h {
			y := rng.IntN(h - ch + 1)
			return imageio.Rect{X: rng.IntN(w - cw + 1), Y: y, W: cw, H: ch}
		}
	}
	cw, ch := w, h
	switch shape := float64(w) / float64(h); {
	case shape < aspect[0]:
		ch = min(h, max(1, int(math.RoundToEven(float64(w)/aspect[0]))))
	case shape > aspect[1]:
		cw = min(w, max(1, int(math.RoundToEven(float64(h)*aspect[1]))))
	}
	return imageio.Rect{X: (w - cw) / 2, Y: (h - ch) / 2, W: cw, H: ch}
}

// tfBox draws as TensorFlow does: a ratio, then a height of those that fit; after a hundred attempts
// the whole picture.
func tfBox(w, h int, area, aspect [2]float64, rng *rand.Rand) imageio.Rect {
	total := float64(w) * float64(h)
	for range 100 {
		ratio := uniform(aspect[0], aspect[1], rng)
		least := int(math.RoundToEven(math.Sqrt(area[0] * total / ratio)))
		most := int(math.RoundToEven(math.Sqrt(area[1] * total / ratio)))
		if float64(most)*ratio > float64(w) {
			most = int((float64(w) + 0.5 - 1e-7) / ratio)
		}
		most = min(most, h)
		least = max(1, min(least, most))
		if most < 1 {
			continue
		}
		ch := least + rng.IntN(most-least+1)
		cw := int(math.RoundToEven(float64(ch) * ratio))
		got := float64(cw) * float64(ch)
		if cw < 1 || cw > w || ch > h || got < area[0]*total || got > area[1]*total {
			continue
		}
		y := rng.IntN(h - ch + 1)
		return imageio.Rect{X: rng.IntN(w - cw + 1), Y: y, W: cw, H: ch}
	}
	return imageio.Rect{W: w, H: h}
}

// uniform draws from a range. The product is rounded by itself, so that all processors draw the same.
func uniform(lo, hi float64, rng *rand.Rand) float64 { return lo + float64(rng.Float64()*(hi-lo)) }

// mirror swaps left and right.
func mirror(m *Image) {
	for y := range m.H {
		row := m.Row(y)
		for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
			a, b := row[i:i+3:i+3], row[j:j+3:j+3]
			a[0], a[1], a[2], b[0], b[1], b[2] = b[0], b[1], b[2], a[0], a[1], a[2]
		}
	}
}

// erase is torchvision's RandomErasing of a scaled input, to 0: ten attempts at a rectangle of 2 to
// 33 % and of a shape between 0.3 and 3.3, smaller than the input in both directions.
func erase(x []float32, w, h int, rng *rand.Rand) {
	lo, hi := math.Log(0.3), math.Log(3.3)
	for range 10 {
		area := float64(w) * float64(h) * uniform(0.02, 0.33, rng)
		ratio := math.Exp(uniform(lo, hi, rng))
		eh := int(math.RoundToEven(math.Sqrt(area * ratio)))
		ew := int(math.RoundToEven(math.Sqrt(area / ratio)))
		if eh < 1 || ew < 1 || eh >= h || ew >= w {
			continue
		}
		top, left := rng.IntN(h-eh+1), rng.IntN(w-ew+1)
		for y := top; y < top+eh; y++ {
			clear(x[3*(y*w+left) : 3*(y*w+left+ew)])
		}
		return
	}
}
