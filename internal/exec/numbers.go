package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// numbers says which convolutions of a program have bfloat16 in them, and
// which values are stored so.
type numbers struct {
	forms  map[graph.ID]kernel.BF16
	halves map[graph.ID]bool // holds nothing but true
}

// leastPixels is the outputs of a picture from which products are split in
// three: below, the weights' way from memory is all there is, and their parts
// together are as long as they were. leastInputs is the inputs of an output
// from which they are: fewer are a single step of a tile, and the narrow layers
// at a network's start, where errors grow most, stay exact.
const (
	leastPixels = 16
	leastInputs = 33
)

// findNumbers decides for the precision used. A value is stored as bfloat16 if
// the convolution that makes it can write it and all that read it can read
// it; the network's inputs and outputs stay float32.
func findNumbers(g *graph.Graph, impl string, used Precision) (n numbers) {
	n = numbers{make(map[graph.ID]kernel.BF16), make(map[graph.ID]bool)}
	if used == FP32 {
		return n
	}
	shapes := make(map[graph.ID]kernel.ConvShape)
	for i := range g.Nodes {
		id := graph.ID(i)
		if op, ok := g.Nodes[i].Op.(graph.Conv2D); ok && leaf(g.Nodes[g.Nodes[i].In[1]].Op) {
			s, err := convShape(g, id)
			if err != nil {
				continue // Compile reports it
			}
			shapes[id] = s
			if used == BF16x3 {
				if form := (kernel.BF16{Parts: 2}); s.OH*s.OW >= leastPixels && s.C >= leastInputs && hasKernel(s, form, impl) {
					n.forms[id] = form
				}
				continue
			}
			if _, at, _ := op.Operands(); at < 0 || !leaf(g.Nodes[g.Nodes[i].In[at]].Op) {
				n.halves[id] = true
			}
		}
	}
	if used == BF16x3 {
		return n
	}
	for _, o := range g.Outputs {
		delete(n.halves, o.ID)
	}
	// What one value cannot be, others may not be either: until all agree.
	for again := true; again; {
		again = false
		drop := func(id graph.ID) {
			if n.halves[id] {
				delete(n.halves, id)
				again = true
			}
		}
		for i := range g.Nodes {
			id, node := graph.ID(i), &g.Nodes[i]
			s, conv := shapes[id]
			residual := -1
			if conv {
				_, residual, _ = node.Op.(graph.Conv2D).Operands()
				if n.halves[id] && (residual >= 0 && !n.halves[node.In[residual]] || form(s, n.halves[node.In[0]], true, impl) == nil) {
					drop(id)
				}
			}
			for k, in := range node.In {
				_, mean := node.Op.(graph.GlobalAvgPool)
				switch {
				case !n.halves[in], mean:
				case conv && k == 0 && form(s, true, n.halves[id], impl) != nil:
				case conv && k == residual && n.halves[id]:
				default:
					drop(in)
				}
			}
		}
	}
	for id, s := range shapes {
		if f := form(s, n.halves[g.Nodes[id].In[0]], n.halves[id], impl); f != nil {
			n.forms[id] = *f
		}
	}
	return n
}

// form is how a convolution computes with its input and output stored as
// bfloat16 or not, nil if it cannot. The zero form is plain float32.
func form(s kernel.ConvShape, x, y bool, impl string) *kernel.BF16 {
	for _, f := range []kernel.BF16{{Parts: 1, X: x, Y: y}, {X: x, Y: y}} {
		if f == (kernel.BF16{}) || hasKernel(s, f, impl) {
			return &f
		}
	}
	return nil
}

// hasKernel reports a kernel for a form beside the reference.
func hasKernel(s kernel.ConvShape, f kernel.BF16, impl string) bool {
	s.BF16 = f
	s.XPixel, s.YPixel = halfPixel(s.C, f.X), halfPixel(s.O, f.Y)
	return kernel.SelectConv(&s, impl).Impl != "ref"
}

// halfPixel is the distance of pixels of a value. Values that would share few
// sets of the first-level cache get a line in between, as in pixelStrides.
func halfPixel(channels int, half bool) int {
	if !half {
		return channels
	}
	n := kernel.BF16Pixel(channels)
	if n%conflict == 0 {
		n += align
	}
	return n
}

// strides puts the values stored as bfloat16 among those with gaps.
func (n *numbers) strides(g *graph.Graph, pixels map[graph.ID]int) {
	for id := range n.halves {
		pixels[id] = halfPixel(g.Nodes[id].Type.Shape[3], true)
	}
}

// adapt puts an operation that reads bfloat16 in the place of one that cannot;
// convolutions are told by layOut.
func (p *Program) adapt(id graph.ID, args any) any {
	in := p.g.Nodes[id].In
	if a, ok := args.(*kernel.GlobalAvgPool); ok && p.numbers.halves[in[0]] {
		return &kernel.GlobalAvgPoolBF16{GlobalAvgPool: *a, Pixel: p.pixels[in[0]]}
	}
	return args
}

// Used is the precision the program computes in.
func (p *Program) Used() Used { return p.used }
