package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// Pixels a multiple of 2 KiB apart share two sets of the first-level cache,
// whose ways do not hold the rows of a product's tile nor the columns of a
// depthwise one. Values that only convolutions write and read are therefore
// laid out with a line between the pixels.

// conflict is the channels of which a multiple puts pixels into few sets.
const conflict = 512

// pixelStrides gives the distance of pixels for the values laid out with gaps.
func pixelStrides(g *graph.Graph, impl string, chains [][]graph.ID) map[graph.ID]int {
	out := make(map[graph.ID]int)
	for i := range g.Nodes {
		id := graph.ID(i)
		if op, ok := g.Nodes[i].Op.(graph.Conv2D); ok && !op.Residual && vectorConv(g, id, impl) {
			if s := g.Nodes[i].Type.Shape; s[3]%conflict == 0 && s[1]*s[2] > 1 {
				out[id] = s[3] + align
			}
		}
	}
	for i := range g.Nodes {
		for k, in := range g.Nodes[i].In {
			if out[in] != 0 && (k > 0 || !vectorConv(g, graph.ID(i), impl)) {
				delete(out, in)
			}
		}
	}
	for _, o := range g.Outputs {
		delete(out, o.ID)
	}
	for _, c := range chains {
		for _, id := range c[:len(c)-1] {
			delete(out, id) // a chain lays out what is inside of it
		}
	}
	return out
}

// vectorConv reports a convolution that vector kernels compute; they take any
// distance of pixels.
func vectorConv(g *graph.Graph, id graph.ID, impl string) bool {
	if _, ok := g.Nodes[id].Op.(graph.Conv2D); !ok {
		return false
	}
	s, err := convShape(g, id)
	if err != nil {
		return false
	}
	k := kernel.SelectConv(&s, impl)
	return cpu.Rung(k.Impl) > cpu.Rung("go")
}

// layOut sets the distances of pixels of a convolution's operands.
func (p *Program) layOut(id graph.ID, s *kernel.ConvShape) {
	if n := p.pixels[p.g.Node(id).In[0]]; n != 0 {
		s.XPixel = n
	}
	if n := p.pixels[id]; n != 0 {
		s.YPixel = n
	}
	s.BF16 = p.numbers.forms[id]
}
