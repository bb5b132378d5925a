package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/post"
	"github.com/mobilenet-go/mobilenet/transform"
)

// rows are scores of pictures with what they mean.
type rows struct {
	scores        [][]float32
	probabilities bool
	background    bool
}

func rowsOf(m *Model, scores [][]float32) rows {
	return rows{scores, m.Info.Probabilities, m.Info.Background}
}

// classes are the scores of the classes alone, as probabilities if asked for.
func (r rows) classes(i int, probabilities bool) []float32 {
	s := slices.Clone(r.scores[i])
	if probabilities && !r.probabilities {
		post.Softmax(s)
	}
	if r.background {
		s = s[1:]
	}
	return s
}

// distance compares class c of a with class c+shift of b, where both exist.
// Raw logits are compared where both have them, else probabilities.
func distance(a, b rows, shift int) float64 {
	probabilities := a.probabilities || b.probabilities
	var d difference
	for i := range a.scores {
		x, y := a.classes(i, probabilities), b.classes(i, probabilities)
		n := 0
		for c := range x {
			if k := c + shift; k >= 0 && k < len(y) {
				d.add(float64(x[c]), float64(y[k]))
				n++
			}
		}
		if n == 0 {
			return math.MaxFloat64
		}
	}
	return d.relative()
}

// finishScores adds the last stage and the agreement of the best classes.
func (c *Comparison) finishScores(a, b rows) {
	s := Stage{Name: "scores", Distance: distance(a, b, 0)}
	if x, y := len(a.classes(0, false)), len(b.classes(0, false)); x != y {
		s.Note = fmt.Sprintf("%d and %d classes", x, y)
	}
	s.Same = s.Distance <= sameValues && s.Note == ""
	if !s.Same && c.First == "" {
		c.First = s.Name
	}
	c.Stages = append(c.Stages, s)
	same := 0
	for i := range a.scores {
		if best(a.classes(i, false)) == best(b.classes(i, false)) {
			same++
		}
	}
	c.Agreement = float64(same) / float64(len(a.scores))
}

func best(s []float32) int {
	top := post.TopK(s, 1)
	if len(top) == 0 {
		return -1
	}
	return top[0].Class
}

// compareLabels adds a stage for the names of the classes and notices lists
// that are shifted against each other.
func (c *Comparison) compareLabels(a, b []string) {
	if len(a) == 0 || len(b) == 0 {
		return
	}
	differ := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			differ++
		}
	}
	s := Stage{Name: "labels", Distance: float64(differ) / float64(min(len(a), len(b))), Same: differ == 0 && len(a) == len(b)}
	if shift := labelShift(a, b); !s.Same && shift != 0 {
		s.Note = fmt.Sprintf("the second model's labels are shifted by %+d", shift)
		c.Cause, c.Detail = CauseLabels, s.Note
	}
	if !s.Same && c.First == "" {
		c.First = s.Name
	}
	c.Stages = append(c.Stages, s)
}

// labelShift finds the shift by one under which most names agree, 0 if none.
func labelShift(a, b []string) int {
	for _, shift := range []int{1, -1} {
		same, n := 0, 0
		for i := range a {
			if k := i + shift; k >= 0 && k < len(b) {
				n++
				if a[i] == b[k] {
					same++
				}
			}
		}
		if n > 1 && same*10 > n*9 {
			return shift
		}
	}
	return 0
}

// explain tries one change after the other on b and keeps the one that brings
// its scores to a's. other is the first model's recipe, if there is one.
// Where a is a model its variants are tried as well: an imported graph has its
// batch norms folded in and cannot show another epsilon itself.
func (c *Comparison) explain(ctx context.Context, a *Model, ra rows, b *Model, rb rows, pictures []*transform.Image, cropped bool) error {
	plain := distance(ra, rb, 0)
	if c.First == "" || (c.Cause != "" && plain <= sameValues) {
		if c.Cause == "" {
			c.Cause = CauseNone
		}
		return nil
	}
	if plain <= sameValues && len(ra.classes(0, false)) == len(rb.classes(0, false)) {
		// Something differs on the way that does not reach the scores.
		c.Cause = CauseNone
		c.Detail = "the scores agree in spite of the difference in " + c.First
		return nil
	}
	for _, shift := range []int{1, -1} {
		c.try(CauseLabels, fmt.Sprintf("class c of the first is class c%+d of the second", shift), distance(ra, rb, shift))
	}
	tryAll := func(m *Model, other *transform.Recipe, against func(rows) float64, words *strings.Replacer) error {
		for _, h := range variants(m, other, cropped) {
			scores, err := h.model.scoresOf(ctx, pictures, cropped)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				continue // a change the network does not allow explains nothing
			}
			c.try(h.cause, words.Replace(h.detail), against(rowsOf(m, scores)))
		}
		return nil
	}
	var recipe *transform.Recipe
	if a != nil {
		recipe = &a.Info.Recipe
	}
	if err := tryAll(b, recipe, func(r rows) float64 { return distance(ra, r, 0) }, strings.NewReplacer()); err != nil {
		return err
	}
	if a != nil {
		swapped := strings.NewReplacer("the first", "the second", "the second", "the first")
		if err := tryAll(a, &b.Info.Recipe, func(r rows) float64 { return distance(r, rb, 0) }, swapped); err != nil {
			return err
		}
	}
	slices.SortStableFunc(c.Hypotheses, func(x, y Hypothesis) int { return cmp.Compare(x.Distance, y.Distance) })
	top := c.Hypotheses[0]
	if top.Distance <= explained || top.Distance <= betterBy*plain {
		c.Cause, c.Detail = top.Cause, top.Detail
	} else if c.Cause == "" {
		c.Cause = CauseUnknown
		c.Detail = fmt.Sprintf("no single change to the input, padding, epsilon or labels explains a distance of %.3g", plain)
	}
	return nil
}

func (c *Comparison) try(cause, detail string, distance float64) {
	c.Hypotheses = append(c.Hypotheses, Hypothesis{cause, detail, distance})
}

// candidate is a changed model with the cause that it would show.
type candidate struct {
	cause, detail string
	model         *Model
}

// variants lists the usual mistakes, undone one at a time.
func variants(m *Model, other *transform.Recipe, cropped bool) []candidate {
	r := m.Info.Recipe
	var out []candidate
	input := func(cause, detail string, change func(*transform.Recipe)) {
		v := r
		change(&v)
		if v.Validate() == nil && v.Resolved() != r.Resolved() {
			out = append(out, candidate{cause, detail, m.variant(v.Resolved(), nil)})
		}
	}
	input(CauseChannel, "red and blue are exchanged", func(v *transform.Recipe) { v.BGR = !v.BGR })
	for _, name := range []string{"imagenet", "0..1", "-1..1", "0..255"} {
		if p, err := transform.Parse("range="+name, max(r.Width, r.Height)); err == nil {
			input(CauseRange, fmt.Sprintf("the first expects the range %s", name), func(v *transform.Recipe) {
				v.Range, v.Mean, v.Std = p.Range, p.Mean, p.Std
			})
		}
	}
	if other != nil {
		o := *other
		input(CauseRange, "the first has another range", func(v *transform.Recipe) { v.Range, v.Mean, v.Std = o.Range, o.Mean, o.Std })
		if !cropped {
			input(CauseResize, "the first resizes or crops in another way", func(v *transform.Recipe) {
				v.Resize, v.Shorter, v.Filter, v.Fraction, v.IgnoreOrientation = o.Resize, o.Shorter, o.Filter, o.Fraction, o.IgnoreOrientation
			})
		}
	} else if !cropped {
		for _, f := range []transform.Filter{transform.Bilinear, transform.Bicubic, transform.TFBilinear, transform.TFBilinearLegacy} {
			input(CauseResize, "resized by "+f.String(), func(v *transform.Recipe) { v.Filter = f })
		}
		input(CauseResize, "squashed instead of cropped", func(v *transform.Recipe) { v.Resize = transform.ResizeSquash })
	}
	out = append(out, candidate{CausePadding, "windows are padded by the other convention, TensorFlow's SAME or PyTorch's symmetric", m.variant(r, otherPadding)})
	if g, err := m.Graph(); err == nil {
		have := epsilons(g)
		for _, eps := range []float64{1e-3, 1e-5} {
			if len(have) > 0 && !(len(have) == 1 && have[0] == eps) {
				out = append(out, candidate{CauseEpsilon, fmt.Sprintf("the first adds %g to the variance of batch norms, the second %s", eps, listed(have)), m.variant(r, withEpsilon(eps))})
			}
		}
	}
	return out
}

func listed(v []float64) string {
	s := make([]string, len(v))
	for i, x := range v {
		s[i] = fmt.Sprintf("%g", x)
	}
	return strings.Join(s, " or ")
}
