// Package eval scores answers against the truth. It knows nothing of networks.
package eval

import "github.com/mobilenet-go/mobilenet/internal/post"

// TopK counts how often the true class is the best answer and among the best
// five. Equal scores rank by the lower class, so a figure does not depend on
// chance. The zero value is ready to use.
type TopK struct {
	N, Hits1, Hits5 int
}

// Add counts one picture: the scores of all classes and the true class. A
// class outside the scores counts as missed.
func (t *TopK) Add(scores []float32, class int) {
	t.N++
	if class < 0 || class >= len(scores) {
		return
	}
	switch r := post.Rank(scores, class); {
	case r == 0:
		t.Hits1++
		t.Hits5++
	case r < 5:
		t.Hits5++
	}
}

// Top1 is the fraction of pictures whose best answer is right, 0 for none.
func (t *TopK) Top1() float64 { return fraction(t.Hits1, t.N) }

// Top5 is the fraction of pictures whose class is among the best five.
func (t *TopK) Top5() float64 { return fraction(t.Hits5, t.N) }

func fraction(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
