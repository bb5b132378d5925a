package ref_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// TestFakeQuantGolden holds fake quantization and its gradient to PyTorch's, to
// the last bit, at the bounds of the range and beyond them too.
func TestFakeQuantGolden(t *testing.T) {
	b, err := os.ReadFile("testdata/fakequant.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Lo, Hi       float32
			X, Y, DY, DX []float32
		}
		Weight struct {
			Shape []int
			X, Y  []float32
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	same := func(what string, got, want []float32) {
		t.Helper()
		for i, v := range want {
			if got[i] != v {
				t.Errorf("%s: element %d is %v, want %v", what, i, got[i], v)
			}
		}
	}
	if len(golden.Cases) == 0 {
		t.Fatal("no cases")
	}
	passed, stopped := 0, 0
	for _, c := range golden.Cases {
		got, r := make([]float32, len(c.X)), []float32{c.Lo, c.Hi}
		ref.FakeQuant(&ref.FakeQuantArgs[float32]{Len: len(c.X), X: c.X, Range: r, Y: got})
		same("value", got, c.Y)
		ref.FakeQuantGrad(&ref.FakeQuantGradArgs[float32]{Len: len(c.X), X: c.X, DY: c.DY, Range: r, DX: got})
		same("gradient", got, c.DX)
		for i, v := range c.DX {
			switch v {
			case c.DY[i]:
				passed++
			case 0:
				stopped++
			}
		}
	}
	if passed == 0 || stopped == 0 {
		t.Errorf("%d gradients passed, %d stopped: the cases test one side only", passed, stopped)
	}
	w := golden.Weight
	got := make([]float32, len(w.X))
	ref.FakeQuantWeight(&ref.FakeQuantWeightArgs[float32]{O: w.Shape[0], Per: len(w.X) / w.Shape[0], X: w.X, Y: got})
	same("weight", got, w.Y)
}
