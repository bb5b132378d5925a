package post

import (
	"math"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

func TestTopKOrder(t *testing.T) {
	nan := float32(math.NaN())
	got := TopK([]float32{1, 3, nan, 3, 2, 3}, 4)
	want := []Scored{{1, 3}, {3, 3}, {5, 3}, {4, 2}}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if got := TopK([]float32{nan, 1}, 5); len(got) != 2 || got[0].Class != 1 || got[1].Class != 0 {
		t.Errorf("with a NaN: %v", got)
	}
	if got := TopK(nil, 3); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if got := TopK([]float32{1}, 0); len(got) != 0 {
		t.Errorf("none: %v", got)
	}
}

// TestTopKIsStableSort compares with the obvious way: a stable sort.
func TestTopKIsStableSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few distinct values, so that ties are common.
		ints := rapid.SliceOf(rapid.IntRange(-3, 3)).Draw(t, "scores")
		scores := make([]float32, len(ints))
		order := make([]int, len(ints))
		for i, v := range ints {
			scores[i], order[i] = float32(v), i
		}
		sort.SliceStable(order, func(a, b int) bool { return scores[order[a]] > scores[order[b]] })
		k := rapid.IntRange(0, len(ints)+2).Draw(t, "k")
		top := TopK(scores, k)
		if len(top) != min(k, len(ints)) {
			t.Fatalf("%d results", len(top))
		}
		for i, s := range top {
			if s.Class != order[i] {
				t.Fatalf("place %d is %d, want %d", i, s.Class, order[i])
			}
		}
		for place, class := range order {
			if got := Rank(scores, class); got != place {
				t.Fatalf("rank of %d is %d, want %d", class, got, place)
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	x := []float32{1000, 1000, 999, -1e30}
	Softmax(x)
	// 1/(2+1/e), from the definition.
	if want := 0.42231879; math.Abs(float64(x[0])-want) > 1e-7 || x[0] != x[1] || x[3] != 0 {
		t.Errorf("got %v", x)
	}
	Softmax(nil)
}
