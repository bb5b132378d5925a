package imageio

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

func TestResizeFloat(t *testing.T) {
	b, err := os.ReadFile("testdata/tfresize.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Filter       string
		W, H, NW, NH int
		Values       []float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var r Resizer
	for _, c := range cases {
		seen[c.Filter] = true
		src, err := New(c.W, c.H)
		if err != nil {
			t.Fatal(err)
		}
		lcg(src.Pix, "noise", c.W, c.H)
		f := filterNamed(t, c.Filter)
		got := make([]float32, 3*c.NW*c.NH)
		if err := r.ResizeFloat(got, c.NW, c.NH, src, c.NW, c.NH, 0, 0, f); err != nil {
			t.Fatal(err)
		}
		for i, want := range c.Values {
			if math.Abs(float64(got[i])-want) > 1e-3 {
				t.Errorf("%s %dx%d to %dx%d: value %d is %v, want %v", c.Filter, c.W, c.H, c.NW, c.NH, i, got[i], want)
				break
			}
		}
		// A part of the result, beyond its edges too, equals the part of the whole.
		cw, ch, left, top := c.NW+1, c.NH, -1, 1
		part := make([]float32, 3*cw*ch)
		if err := r.ResizeFloat(part, cw, ch, src, c.NW, c.NH, left, top, f); err != nil {
			t.Fatal(err)
		}
		for i, v := range part {
			x, y := i/3%cw+left, i/3/cw+top
			want := float32(0)
			if x >= 0 && x < c.NW && y >= 0 && y < c.NH {
				want = got[3*(y*c.NW+x)+i%3]
			}
			if v != want {
				t.Fatalf("%s: part differs at %d: %v, want %v", c.Filter, i, v, want)
			}
		}
	}
	if len(seen) != 7 {
		t.Errorf("filters seen: %v", seen)
	}
	src, _ := New(2, 2)
	if err := r.ResizeFloat(make([]float32, 5), 2, 2, src, 2, 2, 0, 0, TFArea); err == nil {
		t.Error("short destination accepted")
	}
	if err := r.ResizeFloat(make([]float32, 12), 2, 2, src, 2, 2, 0, 0, 99); err == nil {
		t.Error("unknown filter accepted")
	}
}
