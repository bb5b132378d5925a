package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// INT8 is the arithmetic of integer convolutions. It is a network's own and
// cannot be asked for.
const INT8 Precision = "int8"

// Integers tells how integer convolutions are computed with the kernels up to a
// rung, for a network that was asked for in a precision: nothing but fp32, the
// default, was meant for it.
func Integers(impl string, asked Precision) Used {
	s := kernel.QConvShape{N: 1, H: 14, W: 14, C: 128, OH: 14, OW: 14, O: 128, KH: 1, KW: 1, Hi: 255}.Normal()
	u := Used{Asked: INT8, Precision: INT8, By: kernel.SelectQConv(&s, impl).Impl}
	if asked != "" && asked != FP32 {
		u.Asked, u.Why = asked, "the network's own arithmetic"
	}
	return u
}

// HasIntegers reports a graph with integer convolutions.
func HasIntegers(g *graph.Graph) bool {
	for i := range g.Nodes {
		if _, ok := g.Nodes[i].Op.(graph.QConv2D); ok {
			return true
		}
	}
	return false
}
