// Package testkit holds what the tests of several packages share: generated
// weights and the golden networks filled with them.
package testkit

import (
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Uniform gives n numbers in [-1, 1) that depend on the name alone: SplitMix64
// seeded with the name's 64-bit FNV-1a hash, 53 bits a number.
func Uniform(name string, n int) []float64 {
	state := uint64(14695981039346656037)
	for i := range len(name) {
		state = (state ^ uint64(name[i])) * 1099511628211
	}
	out := make([]float64, n)
	for i := range out {
		state += 0x9E3779B97F4A7C15
		z := state
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		out[i] = 2*float64(z>>11)*(1.0/(1<<53)) - 1
	}
	return out
}

// Fill gives every variable of a graph generated values that depend on its
// canonical name and shape alone, the way the golden logits were made:
// weights u*sqrt(6/fan_in), scales 1+0.1u, variances 1+0.5|u|, everything else
// 0.1u.
func Fill(g *graph.Graph) {
	for _, id := range g.Variables() {
		n := g.Node(id)
		shape := n.Type.Shape
		u := Uniform(n.Name, shape.Len())
		data := make([]float32, len(u))
		f := func(u float64) float64 { return 0.1 * u }
		switch {
		case strings.HasSuffix(n.Name, ".bn.weight"):
			f = func(u float64) float64 { return 1 + 0.1*u }
		case strings.HasSuffix(n.Name, ".bn.var"):
			f = func(u float64) float64 { return 1 + 0.5*math.Abs(u) }
		case strings.HasSuffix(n.Name, ".weight"):
			fan := 1
			for _, d := range shape[1:] {
				fan *= d
			}
			bound := math.Sqrt(6 / float64(fan))
			f = func(u float64) float64 { return u * bound }
		}
		for i, v := range u {
			data[i] = float32(f(v))
		}
		n.Value = &graph.Array{Shape: shape.Clone(), Data: data}
	}
}

// Input is the generated picture of the golden runs in this project's layout
// [1,h,w,3]. The numbers are drawn in PyTorch's order [1,3,h,w].
func Input(h, w int) []float32 {
	u := Uniform("input", 3*h*w)
	out := make([]float32, len(u))
	for c := range 3 {
		for p := range h * w {
			out[3*p+c] = float32(u[c*h*w+p])
		}
	}
	return out
}
