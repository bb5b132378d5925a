package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

var keys = []string{"resize", "crop", "fraction", "filter", "range", "mean", "std", "order", "orientation"}

// String writes the recipe, resolved, as Parse reads it.
func (r Recipe) String() string {
	r = r.Resolved()
	var b strings.Builder
	switch r.Resize {
	case ResizeSquash:
		b.WriteString("resize=squash")
	case ResizeNone:
		b.WriteString("resize=none")
	default:
		fmt.Fprintf(&b, "resize=%d", r.Shorter)
	}
	fmt.Fprintf(&b, ",crop=%d", r.Width)
	if r.Height != r.Width {
		fmt.Fprintf(&b, "x%d", r.Height)
	}
	if r.Fraction != 1 {
		b.WriteString(",fraction=" + strconv.FormatFloat(r.Fraction, 'g', -1, 64))
	}
	fmt.Fprintf(&b, ",filter=%s,range=%s", r.Filter, rangeNames[min(int(r.Range), len(rangeNames)-1)])
	if r.Mean != [3]float32{} {
		b.WriteString(",mean=" + triple(r.Mean))
	}
	if r.Range != RangeImageNet && r.Std != [3]float32{1, 1, 1} {
		b.WriteString(",std=" + triple(r.Std))
	}
	if r.BGR {
		b.WriteString(",order=bgr")
	}
	if r.IgnoreOrientation {
		b.WriteString(",orientation=off")
	}
	return b.String()
}

func triple(v [3]float32) string {
	var s [3]string
	for i, x := range v {
		s[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
	}
	return strings.Join(s[:], ":")
}

// Parse reads "NAME", "key=value,..." or "NAME,key=value,...", where the keys change the named recipe:
//
//	resize=256|squash|none    crop=224|320x240      fraction=0.875
//	filter=bilinear|bicubic|nearest|box|hamming|lanczos|tf-bilinear|...
//	range=imagenet|0..1|-1..1|0..255                mean=0.485:0.456:0.406   std=0.229:0.224:0.225
//	order=rgb|bgr             orientation=on|off
//
// resolution (0: 224) is that of named recipes and of a recipe without crop. mean or std alone turn
// range=imagenet into 0..1 with the other of ImageNet's two. The result is resolved and valid.
func Parse(s string, resolution int) (Recipe, error) {
	fields := strings.Split(strings.TrimSpace(s), ",")
	base := Recipe{Width: resolution}
	if head := strings.TrimSpace(fields[0]); head == "" {
		return Recipe{}, fmt.Errorf("transform: empty recipe; give one of %s or key=value,... with %s", strings.Join(Names(), ", "), strings.Join(keys, ", "))
	} else if slices.Contains(keys, head) {
		return Recipe{}, fmt.Errorf("transform: %s has no value; write %s=...", head, head)
	} else if !strings.Contains(head, "=") {
		var err error
		if base, err = Named(head, resolution); err != nil {
			return Recipe{}, err
		}
		fields = fields[1:]
	}
	seen := map[string]bool{}
	r := base
	for _, f := range fields {
		key, value, ok := strings.Cut(strings.TrimSpace(f), "=")
		if !ok {
			return Recipe{}, fmt.Errorf("transform: %q is not key=value; keys are %s", f, strings.Join(keys, ", "))
		}
		if !slices.Contains(keys, key) {
			return Recipe{}, fmt.Errorf("transform: unknown key %q%s; keys are %s", key, suggest.DidYouMean(key, keys), strings.Join(keys, ", "))
		}
		if seen[key] {
			return Recipe{}, fmt.Errorf("transform: %s is given twice", key)
		}
		seen[key] = true
		if err := r.set(key, value); err != nil {
			return Recipe{}, fmt.Errorf("transform: %s=%s: %w", key, value, err)
		}
	}
	// A range of one's own drops the mean and deviation that came with the name.
	if seen["range"] && base.Range != RangeImageNet && !seen["mean"] {
		r.Mean = [3]float32{}
	}
	if seen["range"] && base.Range != RangeImageNet && !seen["std"] {
		r.Std = [3]float32{}
	}
	if r.Range == RangeImageNet && !seen["range"] && (seen["mean"] || seen["std"]) {
		r.Range = RangeUnit
		if !seen["mean"] {
			r.Mean = [3]float32{meanR, meanG, meanB}
		}
		if !seen["std"] {
			r.Std = [3]float32{stdR, stdG, stdB}
		}
	}
	if r.Range != RangeImageNet && seen["std"] && r.Std == [3]float32{} {
		return Recipe{}, fmt.Errorf("transform: std: 0 cannot divide")
	}
	r = r.Resolved()
	return r, r.Validate()
}

func (r *Recipe) set(key, value string) (err error) {
	switch key {
	case "resize":
		switch value {
		case "squash":
			r.Resize, r.Shorter = ResizeSquash, 0
		case "none":
			r.Resize, r.Shorter = ResizeNone, 0
		default:
			r.Resize = ResizeShorter
			if r.Shorter, err = positive(value); err != nil {
				return fmt.Errorf("give the shorter side's length, squash or none")
			}
		}
	case "crop":
		w, h, both := strings.Cut(value, "x")
		if r.Width, err = positive(w); err == nil {
			r.Height = r.Width
			if both {
				r.Height, err = positive(h)
			}
		}
		if err != nil {
			return fmt.Errorf("give one length, or WIDTHxHEIGHT")
		}
	case "fraction":
		if r.Fraction, err = strconv.ParseFloat(value, 64); err != nil || !(r.Fraction > 0 && r.Fraction <= 1) {
			return fmt.Errorf("give a number above 0 and at most 1")
		}
	case "filter":
		return choose(value, imageio.Filters(), imageio.Filter.String, &r.Filter)
	case "range":
		return choose(value, []Range{RangeImageNet, RangeUnit, RangeSigned, RangeBytes}, func(x Range) string { return rangeNames[x] }, &r.Range)
	case "mean":
		r.Mean, err = parseTriple(value)
	case "std":
		r.Std, err = parseTriple(value)
	case "order":
		return choose(value, []bool{false, true}, func(b bool) string { return map[bool]string{false: "rgb", true: "bgr"}[b] }, &r.BGR)
	case "orientation":
		return choose(value, []bool{false, true}, func(b bool) string { return map[bool]string{false: "on", true: "off"}[b] }, &r.IgnoreOrientation)
	}
	return err
}

func positive(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (n < 1 || n > maxSide) {
		err = strconv.ErrRange
	}
	return n, err
}

func choose[T any](value string, all []T, name func(T) string, to *T) error {
	var names []string
	for _, v := range all {
		if name(v) == value {
			*to = v
			return nil
		}
		names = append(names, name(v))
	}
	return fmt.Errorf("not one of %s%s", strings.Join(names, ", "), suggest.DidYouMean(value, names))
}

// parseTriple reads red:green:blue, or one number for all three.
func parseTriple(s string) (v [3]float32, err error) {
	parts := strings.Split(s, ":")
	if len(parts) != 1 && len(parts) != 3 {
		return v, fmt.Errorf("give one number, or red:green:blue")
	}
	for i := range v {
		x, err := strconv.ParseFloat(parts[i%len(parts)], 32)
		if err != nil {
			return v, fmt.Errorf("%q is not a number", parts[i%len(parts)])
		}
		v[i] = float32(x)
	}
	return v, nil
}

// MarshalText writes the recipe as String does, so that it is one string in JSON and in the metadata
// of a checkpoint.
func (r Recipe) MarshalText() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what Parse reads.
func (r *Recipe) UnmarshalText(b []byte) error {
	v, err := Parse(string(b), 0)
	if err == nil {
		*r = v
	}
	return err
}
