package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Curve is the shape of a learning rate over the epochs.
type Curve uint8

const (
	// Constant keeps the rate.
	Constant Curve = iota
	// Step multiplies it by Rate at the end of every Every epochs
	// (a staircase).
	Step
	// Exponential decays as smoothly by Rate every Every epochs.
	Exponential
	// Cosine falls along half a cosine to Final.
	Cosine
	// Linear falls along a line to Final.
	Linear
)

var curveNames = [...]string{"constant", "step", "exponential", "cosine", "linear"}

func (c Curve) String() string {
	if int(c) < len(curveNames) {
		return curveNames[c]
	}
	return fmt.Sprintf("curve(%d)", uint8(c))
}

// Schedule is the learning rate as a factor of a recipe's own, a function of
// the epoch. The zero value is 1 throughout.
type Schedule struct {
	Curve Curve
	// Warmup is the epochs in which the rate rises along a line from
	// WarmupFrom (a factor, 0 by default) to the curve's value.
	Warmup, WarmupFrom float64
	// Every and Rate belong to Step and Exponential.
	Every, Rate float64
	// Final is the factor that Cosine and Linear end with.
	Final float64
}

// Factor is the schedule's value at a time counted in epochs, of a training of
// the given number of epochs. The curves of Step and Exponential count from the
// training's beginning, as the published recipes do; Cosine and Linear run from
// the end of the warm-up.
func (s Schedule) Factor(epoch, epochs float64) float64 {
	f := s.curve(epoch, epochs)
	if epoch < s.Warmup {
		top := s.curve(s.Warmup, epochs)
		f = s.WarmupFrom + (top-s.WarmupFrom)*epoch/s.Warmup
	}
	return f
}

func (s Schedule) curve(epoch, epochs float64) float64 {
	switch s.Curve {
	case Step:
		return math.Pow(s.Rate, math.Floor(epoch/s.Every))
	case Exponential:
		return math.Pow(s.Rate, epoch/s.Every)
	case Cosine, Linear:
		span := epochs - s.Warmup
		if span <= 0 {
			return 1
		}
		at := min(max((epoch-s.Warmup)/span, 0), 1)
		if s.Curve == Linear {
			return 1 + (s.Final-1)*at
		}
		return s.Final + (1-s.Final)*(1+math.Cos(math.Pi*at))/2
	}
	return 1
}

// Validate reports a schedule that cannot be meant.
func (s Schedule) Validate() error {
	for _, v := range [...]struct {
		name string
		v    float64
	}{{"warmup", s.Warmup}, {"from", s.WarmupFrom}, {"every", s.Every}, {"rate", s.Rate}, {"final", s.Final}} {
		if !(v.v >= 0) || math.IsInf(v.v, 0) {
			return fmt.Errorf("schedule %v: %s is %v, want a number from 0", s.Curve, v.name, v.v)
		}
	}
	if int(s.Curve) >= len(curveNames) {
		return fmt.Errorf("unknown schedule %v", s.Curve)
	}
	if (s.Curve == Step || s.Curve == Exponential) && (s.Every <= 0 || s.Rate <= 0) {
		return fmt.Errorf("schedule %v: every (epochs) and rate must be above 0", s.Curve)
	}
	return nil
}

// String is the schedule as Parse reads it: "cosine warmup=5 final=0.01".
func (s Schedule) String() string {
	var b strings.Builder
	b.WriteString(s.Curve.String())
	put := func(name string, v float64) {
		if v != 0 {
			fmt.Fprintf(&b, " %s=%s", name, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	put("every", s.Every)
	put("rate", s.Rate)
	put("final", s.Final)
	put("warmup", s.Warmup)
	put("from", s.WarmupFrom)
	return b.String()
}

// ParseSchedule reads what String writes.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	words := strings.Fields(text)
	if len(words) == 0 {
		return s, fmt.Errorf("an empty schedule: want one of %s", strings.Join(curveNames[:], ", "))
	}
	found := false
	for i, name := range curveNames {
		if words[0] == name {
			s.Curve, found = Curve(i), true
		}
	}
	if !found {
		return s, fmt.Errorf("unknown schedule %q: want one of %s", words[0], strings.Join(curveNames[:], ", "))
	}
	fields := map[string]*float64{"every": &s.Every, "rate": &s.Rate, "final": &s.Final, "warmup": &s.Warmup, "from": &s.WarmupFrom}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		p, ok := fields[name]
		if !ok {
			return s, fmt.Errorf("schedule %q: unknown word %q, want every, rate, final, warmup or from with a number", text, w)
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return s, fmt.Errorf("schedule %q: %s is %q, want a number", text, name, value)
		}
		*p = v
	}
	return s, s.Validate()
}

// MarshalText and UnmarshalText make a schedule one string of a JSON recipe.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), s.Validate() }

// UnmarshalText reads a schedule as ParseSchedule does.
func (s *Schedule) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSchedule(string(b))
	return err
}
