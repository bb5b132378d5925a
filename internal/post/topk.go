// Package post turns a network's raw outputs into answers.
package post

import (
	"math"
	"slices"
)

// Softmax replaces logits by probabilities, in place. The sum is taken in
// float64, so that it does not depend on the classes' order.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	top := slices.Max(x)
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - float64(top))
	}
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v)-float64(top)) / sum)
	}
}

// Scored is a class and its score.
type Scored struct {
	Class int
	Score float32
}

// TopK gives the k highest scores, highest first. Equal scores rank by the
// lower class; a score that is not a number ranks last.
func TopK(scores []float32, k int) []Scored {
	k = min(max(k, 0), len(scores))
	top := make([]Scored, 0, k)
	for c, s := range scores {
		if len(top) == k && (k == 0 || !above(s, top[k-1].Score)) {
			continue
		}
		at := len(top)
		for at > 0 && above(s, top[at-1].Score) {
			at--
		}
		if len(top) == k {
			top = top[:k-1]
		}
		top = slices.Insert(top, at, Scored{c, s})
	}
	return top
}

// above orders scores with numbers before not-a-numbers.
func above(a, b float32) bool { return a > b || (b != b && a == a) }

// Rank is the place of a class among the scores, 0 for the highest, under
// TopK's order.
func Rank(scores []float32, class int) int {
	s := scores[class]
	rank := 0
	for c, v := range scores {
		if above(v, s) || (c < class && !above(s, v)) {
			rank++
		}
	}
	return rank
}
