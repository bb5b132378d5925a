package testkit

import (
	"math"
	"testing"
)

// TestUniform holds values computed with Python's arbitrary-precision integers.
func TestUniform(t *testing.T) {
	want := map[string][3]float64{
		"input":              {-0.8043633146849236, 0.30472085653436465, -0.5927514534729075},
		"stem.weight":        {0.711210434089524, 0.8559828427551315, 0.8249418284562549},
		"blocks.3.dw.bn.var": {-0.9211348102604338, -0.7730946029083063, 0.5730735996173906},
	}
	for name, w := range want {
		got := Uniform(name, 3)
		for i := range w {
			if got[i] != w[i] {
				t.Errorf("%s[%d] = %v, want %v", name, i, got[i], w[i])
			}
		}
	}
}

func TestFill(t *testing.T) {
	nets, err := GoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	if len(nets) != 15 {
		t.Errorf("%d golden networks, want 15", len(nets))
	}
	extra, err := ExtraGoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	for _, gn := range append(nets, extra...) {
		g, err := gn.Graph()
		if err != nil {
			t.Errorf("%s: %v", gn.Name, err)
			continue
		}
		Fill(g)
		for _, id := range g.Variables() {
			n := g.Node(id)
			if n.Value == nil || len(n.Value.Data) != n.Type.Shape.Len() {
				t.Fatalf("%s: %s is not filled", gn.Name, n.Name)
			}
			for _, v := range n.Value.Data {
				if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 2 {
					t.Fatalf("%s: %s holds %v", gn.Name, n.Name, v)
				}
			}
		}
	}
}

// TestInput checks that the picture's channels come out interleaved.
func TestInput(t *testing.T) {
	u, in := Uniform("input", 3*2*5), Input(2, 5)
	for y := range 2 {
		for x := range 5 {
			for c := range 3 {
				if in[(y*5+x)*3+c] != float32(u[c*10+y*5+x]) {
					t.Fatalf("pixel %d,%d channel %d is %v", y, x, c, in[(y*5+x)*3+c])
				}
			}
		}
	}
}
