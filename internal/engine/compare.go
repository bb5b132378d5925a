package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/transform"
)

// Comparison says where two models, or a model and recorded scores, first
// differ, and the change to the second that would explain it.
type Comparison struct {
	Pictures int     `json:"pictures"`
	Stages   []Stage `json:"stages"`
	// First is the name of the first stage that differs, empty if none does.
	First string `json:"first,omitempty"`
	// Agreement is the fraction of pictures with the same best class.
	Agreement float64 `json:"agreement"`
	// Cause is one of the Cause constants, CauseNone where nothing differs and
	// CauseUnknown where no single change explains the difference.
	Cause string `json:"cause"`
	// Detail says the cause in words.
	Detail     string       `json:"detail,omitempty"`
	Hypotheses []Hypothesis `json:"hypotheses,omitempty"`
}

// Stage is a place on the way from the file to the scores.
type Stage struct {
	Name string `json:"name"`
	// Distance is the relative L2 distance of the two values over all pictures.
	Distance float64 `json:"distance"`
	Same     bool    `json:"same"`
	Note     string  `json:"note,omitempty"`
}

// Hypothesis is a change to the second model and the distance of the scores
// that is left with it.
type Hypothesis struct {
	Cause    string  `json:"cause"`
	Detail   string  `json:"detail"`
	Distance float64 `json:"distance"`
}

// The causes that a comparison can name.
const (
	CauseNone    = "none"
	CauseUnknown = "unknown"
	CauseResize  = "resize"
	CauseChannel = "channel order"
	CauseRange   = "range"
	CauseLabels  = "label offset"
	CausePadding = "padding"
	CauseEpsilon = "epsilon"
)

// Golden is a set of recorded scores to compare a model with.
type Golden struct {
	// Scores has one row for each picture. Probabilities says what they are.
	Scores        [][]float32
	Probabilities bool
}

// Tolerances of a comparison. Layers of two float32 programs differ by some
// parts in a million; the same picture resized by the same rule is the same.
const (
	sameValues = 2e-4
	// explained is the distance below which a hypothesis is a full
	// explanation, and betterBy how much closer it must bring the scores to
	// count as the likely cause where it is not.
	explained = 1e-3
	betterBy  = 0.2
)

var errNoPictures = errors.New("compare: no pictures")

// Compare runs a and b on the same pictures, stage by stage. The pictures are
// cropped to the networks' input already if cropped holds.
func Compare(ctx context.Context, a, b *Model, pictures []*transform.Image, cropped bool) (*Comparison, error) {
	if len(pictures) == 0 {
		return nil, errNoPictures
	}
	c := &Comparison{Pictures: len(pictures)}
	sa, err := a.scoresOf(ctx, pictures, cropped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Info.Path, err)
	}
	sb, err := b.scoresOf(ctx, pictures, cropped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Info.Path, err)
	}
	if !cropped {
		if err := c.compareResize(a, b, pictures); err != nil {
			return nil, err
		}
	}
	if err := c.compareInput(a, b, pictures, cropped); err != nil {
		return nil, err
	}
	if err := c.compareLayers(ctx, a, b, pictures, cropped); err != nil {
		return nil, err
	}
	ra, rb := rowsOf(a, sa), rowsOf(b, sb)
	c.finishScores(ra, rb)
	c.compareLabels(a.Info.Labels, b.Info.Labels)
	err = c.explain(ctx, a, ra, b, rb, pictures, cropped)
	return c, err
}

// CompareGolden runs m on pictures whose scores another program has recorded.
func CompareGolden(ctx context.Context, m *Model, golden Golden, pictures []*transform.Image, cropped bool) (*Comparison, error) {
	if len(pictures) == 0 {
		return nil, errNoPictures
	}
	if len(golden.Scores) != len(pictures) {
		return nil, fmt.Errorf("compare: %d rows of scores for %d pictures", len(golden.Scores), len(pictures))
	}
	c := &Comparison{Pictures: len(pictures)}
	scores, err := m.scoresOf(ctx, pictures, cropped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
	}
	ra, rb := rows{golden.Scores, golden.Probabilities, len(golden.Scores[0]) == 1001}, rowsOf(m, scores)
	c.finishScores(ra, rb)
	return c, c.explain(ctx, nil, ra, m, rb, pictures, cropped)
}

// scoresOf runs the model on every picture.
func (m *Model) scoresOf(ctx context.Context, pictures []*transform.Image, cropped bool) ([][]float32, error) {
	p, err := transform.NewPipeline(m.Info.Recipe)
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(pictures))
	for i, pic := range pictures {
		err := m.Run(ctx, Shape{Batch: 1, H: m.Info.H, W: m.Info.W}, func(in []float32) error {
			if cropped {
				return p.ApplyCropped(pic, in)
			}
			return p.Apply(pic, in)
		}, func(v [][]float32) error {
			out[i] = slices.Clone(v[0])
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
	}
	return out, nil
}

// add appends a stage and notes the first that differs.
func (c *Comparison) add(name string, d difference, same float64, note string) {
	s := Stage{Name: name, Distance: d.relative(), Note: note}
	s.Same = s.Distance <= same
	if !s.Same && c.First == "" {
		c.First = name
	}
	c.Stages = append(c.Stages, s)
}

// difference accumulates a relative L2 distance.
type difference struct{ diff, norm float64 }

func (d *difference) add(a, b float64) {
	d.diff += (a - b) * (a - b)
	d.norm += a * a
}

func (d *difference) addAll(a, b []float32) {
	for i, v := range a {
		d.add(float64(v), float64(b[i]))
	}
}

func (d *difference) relative() float64 {
	switch {
	case d.diff == 0:
		return 0
	case d.norm == 0:
		return math.MaxFloat64
	case !(d.diff <= math.MaxFloat64 && d.norm <= math.MaxFloat64):
		// NaN and infinity; JSON has words for neither.
		return math.MaxFloat64
	}
	return math.Sqrt(d.diff / d.norm)
}

// compareResize compares the pictures that reach the networks, as bytes.
func (c *Comparison) compareResize(a, b *Model, pictures []*transform.Image) error {
	if a.Info.H != b.Info.H || a.Info.W != b.Info.W {
		d := difference{1, 1}
		c.add("resize", d, 0, fmt.Sprintf("inputs of %d x %d and %d x %d", a.Info.H, a.Info.W, b.Info.H, b.Info.W))
		return nil
	}
	var d difference
	for _, pic := range pictures {
		x, err := inputBytes(a, pic)
		if err != nil {
			return err
		}
		y, err := inputBytes(b, pic)
		if err != nil {
			return err
		}
		for i := range x {
			d.add(float64(x[i]), float64(y[i]))
		}
	}
	c.add("resize", d, 0, "")
	return nil
}

// inputBytes is the picture at the network's size in red, green, blue,
// whatever the recipe's order.
func inputBytes(m *Model, pic *transform.Image) ([]byte, error) {
	r := m.Info.Recipe
	r.BGR = false
	p, err := transform.NewPipeline(r)
	if err != nil {
		return nil, err
	}
	out := make([]byte, p.Len())
	return out, p.ApplyBytes(pic, out)
}

// compareInput compares the numbers that reach the networks.
func (c *Comparison) compareInput(a, b *Model, pictures []*transform.Image, cropped bool) error {
	if a.Info.H != b.Info.H || a.Info.W != b.Info.W {
		return nil
	}
	var d difference
	for _, pic := range pictures {
		var in [2][]float32
		for i, m := range []*Model{a, b} {
			p, err := transform.NewPipeline(m.Info.Recipe)
			if err != nil {
				return err
			}
			in[i] = make([]float32, p.Len())
			apply := p.Apply
			if cropped {
				apply = p.ApplyCropped
			}
			if err := apply(pic, in[i]); err != nil {
				return err
			}
		}
		d.addAll(in[0], in[1])
	}
	note := ""
	if a.Info.Recipe != b.Info.Recipe {
		note = fmt.Sprintf("%s and %s", a.Info.Recipe, b.Info.Recipe)
	}
	c.add("input", d, 1e-6, note)
	return nil
}

// compareLayers compares the outputs of the convolutions of two networks that
// have the same ones, with everything that is folded into them.
func (c *Comparison) compareLayers(ctx context.Context, a, b *Model, pictures []*transform.Image, cropped bool) error {
	la, err := a.layers()
	if err != nil {
		return err
	}
	lb, err := b.layers()
	if err != nil {
		return err
	}
	if len(la) != len(lb) || a.Info.H != b.Info.H || a.Info.W != b.Info.W {
		return nil
	}
	for i := range la {
		if !la[i].shape.Equal(lb[i].shape) {
			return nil
		}
	}
	// A few pictures show where the networks part; all of them would show no
	// more.
	pictures = pictures[:min(len(pictures), 3)]
	sums := make([]difference, len(la))
	for _, pic := range pictures {
		va, err := a.layerValues(ctx, la, pic, cropped)
		if err != nil {
			return err
		}
		vb, err := b.layerValues(ctx, lb, pic, cropped)
		if err != nil {
			return err
		}
		for i := range va {
			sums[i].addAll(va[i], vb[i])
		}
	}
	for i, d := range sums {
		note := ""
		if la[i].name != lb[i].name {
			note = "as " + lb[i].name
		}
		c.add(la[i].name, d, sameValues, note)
	}
	return nil
}
