package exec

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// lower turns a node into the argument block of its kernel: one of
// *ref.ConvArgs[T], *ref.ActivationArgs[T] and so on, with its slices taken
// from at. Views lower to nil: they have nothing to do.
func lower[T ref.Float](g *graph.Graph, id graph.ID, at func(graph.ID) []T) (any, error) {
	n := &g.Nodes[id]
	in := g.InTypes(id)
	out := n.Type.Shape
	x := func(i int) []T { return at(n.In[i]) }
	switch op := n.Op.(type) {
	case graph.Reshape, graph.Dropout:
		return nil, nil
	case graph.Conv2D:
		return lowerConv(g, id, op, at)
	case graph.Activation:
		return &ref.ActivationArgs[T]{Len: out.Len(), Act: act(op.Act), X: x(0), Y: at(id)}, nil
	case graph.Binary:
		a := &ref.BinaryArgs[T]{Fn: ref.BinaryKind(op.Fn), Act: act(op.Act), A: x(0), B: x(1), Y: at(id)}
		var err error
		if a.AShape, a.BShape, err = collapse(in[0].Shape, in[1].Shape); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, n.Op.Kind(), err)
		}
		return a, nil
	case graph.GlobalAvgPool:
		s := in[0].Shape
		return &ref.GlobalAvgPoolArgs[T]{N: s[0], H: s[1], W: s[2], C: s[3], X: x(0), Y: at(id)}, nil
	case graph.Pool:
		s, w := in[0].Shape, op.Normal()
		_, _, pad, err := op.Output(s[1], s[2])
		if err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, n.Op.Kind(), err)
		}
		return &ref.PoolArgs[T]{N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], KH: w.KH, KW: w.KW,
			StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
			PadTop: pad.Top, PadLeft: pad.Left, Max: op.Max, CountPad: op.CountPad, X: x(0), Y: at(id)}, nil
	case graph.Softmax:
		c := out[len(out)-1]
		return &ref.SoftmaxArgs[T]{Rows: out.Len() / max(c, 1), Cols: c, X: x(0), Y: at(id)}, nil
	case graph.BatchNorm:
		c := out[len(out)-1]
		return &ref.BatchNormArgs[T]{Rows: out.Len() / max(c, 1), C: c, Epsilon: op.Epsilon, X: x(0), Gamma: x(1), Beta: x(2), Mean: x(3), Var: x(4), Y: at(id)}, nil
	case graph.Resize2D:
		s := in[0].Shape
		return &ref.ResizeArgs[T]{N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], Nearest: op.Nearest, Rule: ref.ResizeRule(op.Rule), X: x(0), Y: at(id)}, nil
	case graph.Pad2D:
		s := in[0].Shape
		return &ref.PadArgs[T]{N: s[0], H: s[1], W: s[2], C: s[3], Top: op.Top, Bottom: op.Bottom, Left: op.Left, Right: op.Right, Value: op.Value, X: x(0), Y: at(id)}, nil
	case graph.DetectionPostProcess:
		b, s := in[0].Shape, in[1].Shape
		a := &ref.DetectArgs[T]{N: b[0], Anchors: b[1], Labels: s[2], Classes: op.Classes, Rows: op.Rows(), Most: op.Max, PerAnchor: op.PerAnchor,
			Regular: op.Regular, PerClass: op.PerClass, Overlap: T(op.Overlap), Least: T(op.Score),
			ScaleY: T(op.ScaleY), ScaleX: T(op.ScaleX), ScaleH: T(op.ScaleH), ScaleW: T(op.ScaleW), Boxes: x(0), Scores: x(1), Prior: x(2), Y: at(id)}
		a.Work = ref.NewDetectWork(a)
		return a, nil
	case graph.Concat:
		return lowerConcat(g, id, op, at), nil
	case graph.Transpose:
		if len(out) > len(ref.TransposeArgs[T]{}.Shape) {
			return nil, fmt.Errorf("node %q (transpose): %d axes, at most %d", n.Name, len(out), len(ref.TransposeArgs[T]{}.Shape))
		}
		a := &ref.TransposeArgs[T]{Rank: len(out), X: x(0), Y: at(id)}
		copy(a.Shape[:], in[0].Shape)
		copy(a.Perm[:], op.Perm)
		return a, nil
	}
	return lowerTrain(g, id, at)
}

func act(a graph.Act) ref.Act { return ref.Act{Kind: ref.ActKind(a.Kind), A: a.A, B: a.B} }

// convShape is all a kernel is chosen by.
func convShape(g *graph.Graph, id graph.ID) (ref.ConvShape, error) {
	n := &g.Nodes[id]
	op := n.Op.(graph.Conv2D)
	in, out := g.InTypes(id), n.Type.Shape
	s, w := in[0].Shape, op.Normal()
	_, _, pad, err := op.Output(s[1], s[2])
	if err != nil {
		return ref.ConvShape{}, fmt.Errorf("node %q (conv2d): %w", n.Name, err)
	}
	return ref.ConvShape{
		N: s[0], H: s[1], W: s[2], C: s[3], OH: out[1], OW: out[2], O: out[3], KH: w.KH, KW: w.KW,
		StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
		PadTop: pad.Top, PadLeft: pad.Left, Groups: op.GroupCount(),
		Act: act(op.Act), HasScale: op.Scale, HasResidual: op.Residual,
	}.Normal(), nil
}

func lowerConv[T ref.Float](g *graph.Graph, id graph.ID, op graph.Conv2D, at func(graph.ID) []T) (any, error) {
	s, err := convShape(g, id)
	if err != nil {
		return nil, err
	}
	in := g.Nodes[id].In
	a := &ref.ConvArgs[T]{ConvShape: s, X: at(in[0]), Weight: at(in[1]), Y: at(id)}
	bias, residual, scale := op.Operands()
	if bias >= 0 {
		a.Bias = at(in[bias])
	} else {
		a.Bias = make([]T, s.O)
	}
	if residual >= 0 {
		a.Residual = at(in[residual])
	}
	if scale >= 0 {
		a.Scale = at(in[scale])
	}
	return a, nil
}

// collapse writes the two shapes of a broadcast with four extents. More are
// merged where both operands agree on whether they are broadcast there.
func collapse(a, b []int) (sa, sb [4]int, err error) {
	n := max(len(a), len(b))
	var pairs [][2]int // innermost first
	for i := 1; i <= n; i++ {
		p := [2]int{1, 1}
		if i <= len(a) {
			p[0] = a[len(a)-i]
		}
		if i <= len(b) {
			p[1] = b[len(b)-i]
		}
		if k := len(pairs) - 1; k >= 0 && n > 4 && (pairs[k][0] == pairs[k][1]) == (p[0] == p[1]) && (pairs[k][0] == 1) == (p[0] == 1) && (pairs[k][1] == 1) == (p[1] == 1) {
			pairs[k][0] *= p[0]
			pairs[k][1] *= p[1]
			continue
		}
		pairs = append(pairs, p)
	}
	if len(pairs) > 4 {
		return sa, sb, fmt.Errorf("broadcast of %v and %v over more than four axes", a, b)
	}
	for i := range 4 {
		sa[i], sb[i] = 1, 1
	}
	for i, p := range pairs {
		sa[3-i], sb[3-i] = p[0], p[1]
	}
	return sa, sb, nil
}

func lowerConcat[T ref.Float](g *graph.Graph, id graph.ID, op graph.Concat, at func(graph.ID) []T) any {
	n := &g.Nodes[id]
	a := &ref.ConcatArgs[T]{Outer: 1, Y: at(id)}
	for _, d := range n.Type.Shape[:op.Axis] {
		a.Outer *= d
	}
	inner := 1
	for _, d := range n.Type.Shape[op.Axis+1:] {
		inner *= d
	}
	for _, in := range n.In {
		a.Xs = append(a.Xs, at(in))
		a.Inner = append(a.Inner, g.Nodes[in].Type.Shape[op.Axis]*inner)
	}
	return a
}
