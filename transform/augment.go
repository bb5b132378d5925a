package transform

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// Crop is the rule by which training cuts its input out of a picture.
type Crop uint8

const (
	// CropRecipe cuts as the recipe does: nothing is random.
	CropRecipe Crop = iota
	// CropInception takes a part of random area and aspect ratio and squashes it to the input's size
	// (torchvision's RandomResizedCrop; the logarithm of the ratio is uniform).
	CropInception
	// CropTF is TensorFlow's rule for the same (sample_distorted_bounding_box): the ratio is uniform,
	// then the height among those that keep the area in range.
	CropTF
	// CropPad brings the shorter side to the input's, adds Pad black pixels on every side and cuts at
	// a random place: the rule for small pictures.
	CropPad
)

var cropNames = [...]string{"recipe", "inception", "tf", "pad"}

// Augment describes how training changes pictures, in this order: crop, flip, colour jitter,
// RandAugment or TrivialAugment, normalisation, erasing; and, over a batch, mixup and cutmix. The zero
// value changes nothing. Values compare with == once Resolved.
type Augment struct {
	Crop Crop
	// Area and Aspect are the ranges of CropInception and CropTF. 0: 0.08 to 1 and 3/4 to 4/3.
	Area, Aspect [2]float64
	// Pad is CropPad's border. 0: an eighth of the input's side; negative: none.
	Pad int
	// Flip is the probability of mirroring left to right.
	Flip float64
	// Brightness, Contrast and Saturation change by a factor between 1-v (at least 0) and 1+v; Hue by
	// a turn between -v and v, at most 0.5. In random order, as torchvision's ColorJitter does.
	Brightness, Contrast, Saturation, Hue float64
	// RandOps operations of RandAugment are applied, at RandMagnitude of 0 to 30 (0: 9).
	RandOps, RandMagnitude int
	// Trivial applies one operation at a random magnitude (TrivialAugmentWide).
	Trivial bool
	// Erase is the probability of erasing a rectangle of 2 to 33 % of the input, to the mean.
	Erase float64
	// Mixup and CutMix are the alphas of their beta distributions; 0: off. With both, each batch gets
	// one of them.
	Mixup, CutMix float64
}

// augments are the named augmentations.
var augments = []struct {
	name string
	a    Augment
}{
	{"none", Augment{}},
	// torchvision's training of its V1 weights.
	{"inception", Augment{Crop: CropInception, Flip: 0.5}},
	// TF-slim's, with its fast colour distortion (brightness 32/255, saturation 0.5).
	{"slim", Augment{Crop: CropTF, Flip: 0.5, Brightness: 32. / 255, Saturation: 0.5}},
	// For fine-tuning on few pictures: most of the picture stays.
	{"light", Augment{Crop: CropInception, Area: [2]float64{0.35, 1}, Flip: 0.5, Brightness: 0.2, Contrast: 0.2, Saturation: 0.2}},
	// For pictures about as small as the input.
	{"small", Augment{Crop: CropPad, Flip: 0.5}},
	{"trivial", Augment{Crop: CropInception, Flip: 0.5, Trivial: true}},
	{"randaugment", Augment{Crop: CropInception, Flip: 0.5, RandOps: 2, RandMagnitude: 9, Erase: 0.1}},
}

// AugmentNames lists the named augmentations.
func AugmentNames() []string {
	out := make([]string, len(augments))
	for i, n := range augments {
		out[i] = n.name
	}
	return out
}

// Resolved returns the value with its defaults written out; settings that nothing reads become zero.
func (a Augment) Resolved() Augment {
	if a.Crop != CropInception && a.Crop != CropTF {
		a.Area, a.Aspect = [2]float64{}, [2]float64{}
	} else {
		if a.Area == [2]float64{} {
			a.Area = [2]float64{0.08, 1}
		}
		if a.Aspect == [2]float64{} {
			a.Aspect = [2]float64{3. / 4, 4. / 3}
		}
	}
	if a.Crop != CropPad {
		a.Pad = 0
	}
	if a.RandOps == 0 {
		a.RandMagnitude = 0
	} else if a.RandMagnitude == 0 {
		a.RandMagnitude = 9
	}
	return a
}

// Validate reports the first setting that makes no sense.
func (a Augment) Validate() error {
	bad := func(key, format string, v ...any) error {
		return fmt.Errorf("transform: %s: %s", key, fmt.Sprintf(format, v...))
	}
	a = a.Resolved()
	between := func(v, lo, hi float64) bool { return v >= lo && v <= hi }
	switch {
	case int(a.Crop) >= len(cropNames):
		return bad("crop", "unknown rule %d", a.Crop)
	case a.Area != [2]float64{} && !(a.Area[0] > 0 && a.Area[0] <= a.Area[1] && a.Area[1] <= 1):
		return bad("area", "%v:%v is not a range above 0 and at most 1", a.Area[0], a.Area[1])
	case a.Aspect != [2]float64{} && !(a.Aspect[0] >= 1./64 && a.Aspect[0] <= a.Aspect[1] && a.Aspect[1] <= 64):
		return bad("aspect", "%v:%v is not a range of ratios", a.Aspect[0], a.Aspect[1])
	case a.Pad > maxSide || a.Pad < -maxSide:
		return bad("pad", "%d pixels are too many", a.Pad)
	case !between(a.Hue, 0, 0.5):
		return bad("hue", "%v is not between 0 and 0.5", a.Hue)
	case a.RandOps < 0 || a.RandOps > 16 || a.RandMagnitude < 0 || a.RandMagnitude > 30:
		return bad("randaugment", "%d:%d is not 1 to 16 operations at a magnitude of 1 to 30", a.RandOps, a.RandMagnitude)
	}
	for _, p := range []struct {
		key string
		v   float64
		max float64
	}{
		{"flip", a.Flip, 1}, {"erase", a.Erase, 1}, {"brightness", a.Brightness, 10}, {"contrast", a.Contrast, 10},
		{"saturation", a.Saturation, 10}, {"mixup", a.Mixup, 100}, {"cutmix", a.CutMix, 100},
	} {
		if !between(p.v, 0, p.max) {
			return bad(p.key, "%v is not between 0 and %v", p.v, p.max)
		}
	}
	return nil
}

var augmentKeys = []string{"crop", "area", "aspect", "pad", "flip", "brightness", "contrast", "saturation", "hue", "randaugment", "trivial", "erase", "mixup", "cutmix"}

// String writes the value, resolved, as ParseAugment reads it.
func (a Augment) String() string {
	a = a.Resolved()
	if a == (Augment{}) {
		return "none"
	}
	var out []string
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	add := func(set bool, key, value string) {
		if set {
			out = append(out, key+"="+value)
		}
	}
	add(a.Crop != CropRecipe, "crop", cropNames[min(int(a.Crop), len(cropNames)-1)])
	add(a.Area != [2]float64{}, "area", num(a.Area[0])+":"+num(a.Area[1]))
	add(a.Aspect != [2]float64{}, "aspect", num(a.Aspect[0])+":"+num(a.Aspect[1]))
	add(a.Pad != 0, "pad", strconv.Itoa(a.Pad))
	for _, n := range []struct {
		key string
		v   float64
	}{{"flip", a.Flip}, {"brightness", a.Brightness}, {"contrast", a.Contrast}, {"saturation", a.Saturation}, {"hue", a.Hue}} {
		add(n.v != 0, n.key, num(n.v))
	}
	add(a.RandOps != 0, "randaugment", fmt.Sprintf("%d:%d", a.RandOps, a.RandMagnitude))
	add(a.Trivial, "trivial", "on")
	add(a.Erase != 0, "erase", num(a.Erase))
	add(a.Mixup != 0, "mixup", num(a.Mixup))
	add(a.CutMix != 0, "cutmix", num(a.CutMix))
	return strings.Join(out, ",")
}

// ParseAugment reads "NAME", "key=value,..." or "NAME,key=value,...", where the keys change the named
// augmentation:
//
//	crop=recipe|inception|tf|pad    area=0.08:1   aspect=0.75:1.3333   pad=4
//	flip=0.5   brightness=0.4   contrast=0.4   saturation=0.4   hue=0.1
//	randaugment=OPERATIONS:MAGNITUDE   trivial=on|off   erase=0.25   mixup=0.2   cutmix=1
func ParseAugment(s string) (Augment, error) {
	fields := strings.Split(strings.TrimSpace(s), ",")
	var a Augment
	if head := strings.TrimSpace(fields[0]); !strings.Contains(head, "=") {
		i := slices.Index(AugmentNames(), head)
		if i < 0 {
			return a, fmt.Errorf("transform: no augmentation is named %q%s; there are %s, and key=value,... with %s",
				head, suggest.DidYouMean(head, AugmentNames()), strings.Join(AugmentNames(), ", "), strings.Join(augmentKeys, ", "))
		}
		a = augments[i].a
		fields = fields[1:]
	}
	seen := map[string]bool{}
	for _, f := range fields {
		key, value, ok := strings.Cut(strings.TrimSpace(f), "=")
		if !ok || !slices.Contains(augmentKeys, key) {
			return Augment{}, fmt.Errorf("transform: %q is not key=value%s; keys are %s", f, suggest.DidYouMean(key, augmentKeys), strings.Join(augmentKeys, ", "))
		}
		if seen[key] {
			return Augment{}, fmt.Errorf("transform: %s is given twice", key)
		}
		seen[key] = true
		if err := a.set(key, value); err != nil {
			return Augment{}, fmt.Errorf("transform: %s=%s: %w", key, value, err)
		}
	}
	a = a.Resolved()
	return a, a.Validate()
}

func (a *Augment) set(key, value string) (err error) {
	switch key {
	case "crop":
		return choose(value, []Crop{CropRecipe, CropInception, CropTF, CropPad}, func(c Crop) string { return cropNames[c] }, &a.Crop)
	case "area":
		a.Area, err = parsePair(value)
	case "aspect":
		a.Aspect, err = parsePair(value)
	case "pad":
		if a.Pad, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("give a number of pixels")
		}
	case "randaugment":
		n, m, _ := strings.Cut(value, ":")
		if m == "" {
			m = "9"
		}
		var e1, e2 error
		a.RandOps, e1 = strconv.Atoi(n)
		a.RandMagnitude, e2 = strconv.Atoi(m)
		if e1 != nil || e2 != nil || a.RandOps == 0 || a.RandMagnitude == 0 {
			return fmt.Errorf("give OPERATIONS:MAGNITUDE, as 2:9")
		}
	case "trivial":
		return choose(value, []bool{false, true}, func(b bool) string { return map[bool]string{false: "off", true: "on"}[b] }, &a.Trivial)
	default:
		to := map[string]*float64{"flip": &a.Flip, "brightness": &a.Brightness, "contrast": &a.Contrast, "saturation": &a.Saturation,
			"hue": &a.Hue, "erase": &a.Erase, "mixup": &a.Mixup, "cutmix": &a.CutMix}[key]
		*to, err = parseNumber(value)
	}
	return err
}

func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return v, nil
}

func parsePair(s string) (p [2]float64, err error) {
	lo, hi, ok := strings.Cut(s, ":")
	if !ok {
		return p, fmt.Errorf("give LOW:HIGH")
	}
	if p[0], err = parseNumber(lo); err == nil {
		p[1], err = parseNumber(hi)
	}
	return p, err
}

// MarshalText writes the value as String does.
func (a Augment) MarshalText() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what ParseAugment reads.
func (a *Augment) UnmarshalText(b []byte) error {
	v, err := ParseAugment(string(b))
	if err == nil {
		*a = v
	}
	return err
}

// Validation is the recipe to measure a network with that was trained on r with this augmentation: for
// CropPad the whole shorter side, because training saw whole pictures; otherwise r as it is, whose
// default is the published rule (shorter side to round(R/0.875), the centre).
func (a Augment) Validation(r Recipe) Recipe {
	r = r.Resolved()
	if a.Crop == CropPad && r.Resize == ResizeShorter {
		r.Shorter = max(r.Width, r.Height)
	}
	return r
}
