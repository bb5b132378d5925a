package ref

import (
	"math"
	"slices"
	"testing"
)

// detector has five anchors of 10 x 10 in a row: the second overlaps the first
// by 9/11, the third by 1/3, the others stand apart. Scores have a background.
func detector(regular bool) *DetectArgs[float64] {
	a := &DetectArgs[float64]{N: 1, Anchors: 5, Labels: 3, Classes: 2, Most: 4, PerAnchor: 1, PerClass: 2, Regular: regular,
		Overlap: 0.5, Least: 0.2, ScaleY: 10, ScaleX: 10, ScaleH: 5, ScaleW: 5,
		Boxes: make([]float64, 20),
		Scores: []float64{
			9, 0.5, 0.1,
			9, 0.9, 0.3,
			9, 0.8, 0.8,
			9, 0.1, 0.1,
			9, 0.2, 0.6,
		}}
	for _, x := range []float64{5, 6, 10, 40, 60} {
		a.Prior = append(a.Prior, 5, x, 10, 10)
	}
	a.Rows = a.Most * a.PerAnchor
	a.Y = slices.Repeat([]float64{7}, a.Rows*6)
	a.Work = NewDetectWork(a)
	return a
}

func checkRows(t *testing.T, got []float64, want ...[]float64) {
	t.Helper()
	for r := range len(got) / 6 {
		row := make([]float64, 6)
		if r < len(want) {
			row = want[r]
		}
		for i, v := range row {
			if math.Abs(got[6*r+i]-v) > 1e-12 {
				t.Errorf("row %d is %v, want %v", r, got[6*r:6*r+6], row)
				break
			}
		}
	}
}

// TestDetectFast: the best class of each anchor, one suppression for all. The
// first anchor falls to the second; the third, of equal scores, is class 0.
func TestDetectFast(t *testing.T) {
	a := detector(false)
	Detect(a)
	checkRows(t, a.Y, []float64{0, 1, 10, 11, 0, 0.9}, []float64{0, 5, 10, 15, 0, 0.8}, []float64{0, 55, 10, 65, 1, 0.6})
	a.Most, a.PerAnchor = 2, 2
	Detect(a)
	checkRows(t, a.Y, []float64{0, 1, 10, 11, 0, 0.9}, []float64{0, 1, 10, 11, 1, 0.3}, []float64{0, 5, 10, 15, 0, 0.8}, []float64{0, 5, 10, 15, 1, 0.8})
}

// TestDetectRegular: two boxes of each class, then the best of all.
func TestDetectRegular(t *testing.T) {
	a := detector(true)
	Detect(a)
	checkRows(t, a.Y, []float64{0, 1, 10, 11, 0, 0.9}, []float64{0, 5, 10, 15, 0, 0.8}, []float64{0, 5, 10, 15, 1, 0.8}, []float64{0, 55, 10, 65, 1, 0.6})
	a.Most = 3
	Detect(a)
	checkRows(t, a.Y, []float64{0, 1, 10, 11, 0, 0.9}, []float64{0, 5, 10, 15, 0, 0.8}, []float64{0, 5, 10, 15, 1, 0.8})
}

// TestDetectDecodes moves and stretches one anchor.
func TestDetectDecodes(t *testing.T) {
	a := detector(false)
	a.Scores = []float64{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	copy(a.Boxes[12:], []float64{2, -3, 5 * math.Log(2), 5 * math.Log(3)})
	Detect(a)
	checkRows(t, a.Y, []float64{7 - 10, 37 - 15, 7 + 10, 37 + 15, 0, 1})
}

// TestDetectOddities: numbers that are none, boxes without an area, pictures
// after the first.
func TestDetectOddities(t *testing.T) {
	a := detector(false)
	a.N = 2
	a.Boxes = append(slices.Clone(a.Boxes), slices.Repeat([]float64{math.NaN()}, 20)...)
	scores := slices.Clone(a.Scores)
	scores[4] = math.NaN()
	a.Scores = append(a.Scores, scores...)
	a.Y = slices.Repeat([]float64{7}, 2*a.Rows*6)
	Detect(a)
	checkRows(t, a.Y[:a.Rows*6], []float64{0, 1, 10, 11, 0, 0.9}, []float64{0, 5, 10, 15, 0, 0.8}, []float64{0, 55, 10, 65, 1, 0.6})
	if s := a.Y[a.Rows*6+5]; s != 0.8 { // nothing is suppressed by boxes of nothing
		t.Errorf("best score %v", s)
	}
}
