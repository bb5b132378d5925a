package graph

import (
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// TestArrayValues makes values when they are asked for, in the caller's buffer
// if that is large enough.
func TestArrayValues(t *testing.T) {
	calls := 0
	a := &Array{Shape: tensor.Shape{3}, Make: func(dst []float32) {
		calls++
		copy(dst, []float32{7, 8, 9})
	}}
	for _, buf := range [][]float32{nil, make([]float32, 2), make([]float32, 5)} {
		got := a.Values(buf)
		if !slices.Equal(got, []float32{7, 8, 9}) {
			t.Errorf("%v", got)
		}
		if len(buf) >= 3 && &got[0] != &buf[0] {
			t.Error("a large buffer was not used")
		}
	}
	if calls != 3 || a.Data != nil {
		t.Errorf("made %d times, kept %v", calls, a.Data)
	}
	b := &Array{Shape: tensor.Shape{1}, Data: []float32{4}}
	if got := b.Values(make([]float32, 9)); &got[0] != &b.Data[0] {
		t.Error("stored values were copied")
	}
	var g Graph
	if _, err := g.AddConstant("made", a); err != nil {
		t.Error(err)
	}
	if _, err := g.AddConstant("short", &Array{Shape: tensor.Shape{2}, Data: []float32{1}}); err == nil {
		t.Error("an array of too few values was accepted")
	}
	if _, err := g.AddConstant("none", &Array{Shape: tensor.Shape{2}}); err == nil {
		t.Error("an array without values was accepted")
	}
}
