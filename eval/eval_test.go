package eval

import "testing"

func TestTopK(t *testing.T) {
	var k TopK
	scores := []float32{0, 5, 4, 3, 2, 1, 0}
	for _, class := range []int{1, 2, 5, 0, 6, -1, 7} {
		k.Add(scores, class)
	}
	// Class 1 is best; 2 and 5 are among five; 0 is sixth; the rest missed.
	if k.N != 7 || k.Hits1 != 1 || k.Hits5 != 3 {
		t.Errorf("got %+v", k)
	}
	if got := k.Top5(); got != 3.0/7 {
		t.Errorf("top-5 %v", got)
	}
	if (&TopK{}).Top1() != 0 {
		t.Error("no pictures")
	}
	// A tie goes to the lower class, so class 1 of two equals is not the best.
	var tie TopK
	tie.Add([]float32{1, 1}, 1)
	if tie.Hits1 != 0 || tie.Hits5 != 1 {
		t.Errorf("tie: %+v", tie)
	}
}
