package exec

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// lowerMove lowers the operations that move integers, or mix neighbours of one
// scale.
func lowerMove(g *graph.Graph, id graph.ID, m memory) (any, error) {
	n := &g.Nodes[id]
	t := n.Type
	if !t.Quantized() {
		return nil, fmt.Errorf("node %q (%s): not on %v", n.Name, n.Op.Kind(), t)
	}
	s, out := g.Nodes[n.In[0]].Type.Shape, t.Shape
	x, y := m.bytes(n.In[0]), m.bytes(id)
	switch op := n.Op.(type) {
	case graph.Concat:
		a := &kernel.ByteConcat{Outer: 1, Y: y}
		for _, d := range out[:op.Axis] {
			a.Outer *= d
		}
		inner := 1
		for _, d := range out[op.Axis+1:] {
			inner *= d
		}
		for _, in := range n.In {
			a.Xs = append(a.Xs, m.bytes(in))
			a.Inner = append(a.Inner, g.Nodes[in].Type.Shape[op.Axis]*inner)
		}
		return a, nil
	case graph.Pad2D:
		return &kernel.BytePad{N: s[0], H: s[1], W: s[2], C: s[3], Top: op.Top, Bottom: op.Bottom, Left: op.Left, Right: op.Right,
			Value: float32(zeroOf(t)), X: x, Y: y}, nil
	case graph.Resize2D:
		return &kernel.ByteResize{N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], Nearest: op.Nearest,
			Signed: t.DType == tensor.I8, Rule: ref.ResizeRule(op.Rule), X: x, Y: y}, nil
	case graph.Transpose:
		a := &kernel.ByteTranspose{Rank: len(out), X: x, Y: y}
		if len(out) > len(a.Shape) {
			return nil, fmt.Errorf("node %q (transpose): %d axes, at most %d", n.Name, len(out), len(a.Shape))
		}
		copy(a.Shape[:], s)
		copy(a.Perm[:], op.Perm)
		return a, nil
	}
	return nil, fmt.Errorf("node %q (%s): not on %v", n.Name, n.Op.Kind(), t)
}
