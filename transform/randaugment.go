package transform

import (
	"math"
	"math/rand/v2"
)

// The operations of RandAugment and TrivialAugmentWide, in torchvision's order.
const (
	opIdentity = iota
	opShearX
	opShearY
	opTranslateX
	opTranslateY
	opRotate
	opBrightness
	opColor
	opContrast
	opSharpness
	opPosterize
	opSolarize
	opAutoContrast
	opEqualize
	numOps
)

// bins is the number of magnitudes.
const bins = 31

// space holds the strongest magnitude of each family of operations.
type space struct {
	shear, translateX, translateY, rotate, color, posterize float64
}

// randSpace is RandAugment's for an input of that size; it moves by parts of it.
func randSpace(w, h int) space {
	return space{0.3, 150. / 331 * float64(w), 150. / 331 * float64(h), 30, 0.9, 4}
}

// trivialSpace is TrivialAugmentWide's.
var trivialSpace = space{0.99, 32, 32, 135, 0.99, 6}

// magnitude is the strength of an operation in the bin; negative half of the time for those with a
// sign, which is drawn only then.
func (s space) magnitude(op, bin int, rng *rand.Rand) float64 {
	part := float64(bin) / (bins - 1)
	var v float64
	switch op {
	case opShearX, opShearY:
		v = part * s.shear
	case opTranslateX:
		v = part * s.translateX
	case opTranslateY:
		v = part * s.translateY
	case opRotate:
		v = part * s.rotate
	case opBrightness, opColor, opContrast, opSharpness:
		v = part * s.color
	case opPosterize:
		return 8 - math.RoundToEven(float64(bin)/((bins-1)/s.posterize))
	case opSolarize:
		return 255 * (1 - part)
	default:
		return 0
	}
	if rng.IntN(2) == 1 {
		v = -v
	}
	return v
}

func applyOp(m *Image, op int, v float64, scratch *[]byte) {
	switch op {
	case opShearX:
		shearX(m, v, scratch)
	case opShearY:
		shearY(m, v, scratch)
	case opTranslateX:
		translate(m, int(v), 0, scratch)
	case opTranslateY:
		translate(m, 0, int(v), scratch)
	case opRotate:
		rotate(m, v, scratch)
	case opBrightness:
		adjustBrightness(m, 1+v)
	case opColor:
		adjustSaturation(m, 1+v)
	case opContrast:
		adjustContrast(m, 1+v)
	case opSharpness:
		adjustSharpness(m, 1+v, scratch)
	case opPosterize:
		posterize(m, int(v))
	case opSolarize:
		solarize(m, v)
	case opAutoContrast:
		autoContrast(m)
	case opEqualize:
		equalize(m)
	}
}

func (g *Augmenter) randAugment(m *Image, rng *rand.Rand) {
	s := randSpace(m.W, m.H)
	for range g.a.RandOps {
		op := rng.IntN(numOps)
		applyOp(m, op, s.magnitude(op, g.a.RandMagnitude, rng), &g.scratch)
	}
}

func (g *Augmenter) trivial(m *Image, rng *rand.Rand) {
	op, bin := rng.IntN(numOps), rng.IntN(bins)
	applyOp(m, op, trivialSpace.magnitude(op, bin, rng), &g.scratch)
}

// jitter is torchvision's ColorJitter: the four changes in random order.
func (g *Augmenter) jitter(m *Image, rng *rand.Rand) {
	a := g.a
	if a.Brightness == 0 && a.Contrast == 0 && a.Saturation == 0 && a.Hue == 0 {
		return
	}
	order := [4]int{0, 1, 2, 3}
	rng.Shuffle(4, func(i, j int) { order[i], order[j] = order[j], order[i] })
	factor := func(v float64) float64 {
		return uniform(max(0, 1-v), 1+v, rng)
	}
	for _, which := range order {
		switch {
		case which == 0 && a.Brightness > 0:
			adjustBrightness(m, factor(a.Brightness))
		case which == 1 && a.Contrast > 0:
			adjustContrast(m, factor(a.Contrast))
		case which == 2 && a.Saturation > 0:
			adjustSaturation(m, factor(a.Saturation))
		case which == 3 && a.Hue > 0:
			adjustHue(m, uniform(-a.Hue, a.Hue, rng))
		}
	}
}
