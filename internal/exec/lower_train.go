package exec

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// lowerTrain is lower for the operations of training graphs.
func lowerTrain[T ref.Float](g *graph.Graph, id graph.ID, at func(graph.ID) []T) (any, error) {
	n := &g.Nodes[id]
	in := g.InTypes(id)
	out := n.Type.Shape
	x := func(i int) []T {
		if i < 0 || i >= len(n.In) {
			return nil
		}
		return at(n.In[i])
	}
	rows := func(s []int) (rows, c int) {
		c = s[len(s)-1]
		total := 1
		for _, d := range s {
			total *= d
		}
		return total / max(c, 1), c
	}
	switch op := n.Op.(type) {
	case graph.ConvGradInput:
		s, err := gradShape(op.Window, op.GroupCount(), out, in[0].Shape)
		return &ref.ConvGradInputArgs[T]{ConvShape: s, DY: x(0), Weight: x(1), DX: at(id)}, nodeErr(n, err)
	case graph.ConvGradWeight:
		s, err := gradShape(op.Window, op.GroupCount(), in[0].Shape, in[1].Shape)
		return &ref.ConvGradWeightArgs[T]{ConvShape: s, X: x(0), DY: x(1), DWeight: at(id)}, nodeErr(n, err)
	case graph.ActivationGrad:
		return &ref.ActivationGradArgs[T]{Len: out.Len(), Act: act(op.Act), X: x(0), DY: x(1), DX: at(id)}, nil
	case graph.SoftmaxGrad:
		r, c := rows(out)
		return &ref.SoftmaxGradArgs[T]{Rows: r, Cols: c, Y: x(0), DY: x(1), DX: at(id)}, nil
	case graph.ChannelStats:
		r, c := rows(in[0].Shape)
		return &ref.ChannelStatsArgs[T]{Rows: r, C: c, X: x(0), Y: at(id)}, nil
	case graph.ChannelSum:
		r, c := rows(in[0].Shape)
		return &ref.ChannelSumArgs[T]{Rows: r, C: c, X: x(0), Y: at(id)}, nil
	case graph.BatchNormTrain:
		r, c := rows(out)
		return &ref.BatchNormTrainArgs[T]{Rows: r, C: c, Epsilon: op.Epsilon, Act: act(op.Act), X: x(0), Gamma: x(1), Beta: x(2), Stats: x(3), Y: at(id)}, nil
	case graph.BatchNormGradSums:
		r, c := rows(in[0].Shape)
		return &ref.BatchNormGradSumsArgs[T]{Rows: r, C: c, Epsilon: op.Epsilon, Act: act(op.Act), X: x(0), DY: x(1), Gamma: x(2), Beta: x(3), Stats: x(4), Y: at(id)}, nil
	case graph.BatchNormGradInput:
		r, c := rows(out)
		return &ref.BatchNormGradInputArgs[T]{Rows: r, C: c, Epsilon: op.Epsilon, Act: act(op.Act), Frozen: op.Frozen, X: x(0), DY: x(1), Gamma: x(2), Beta: x(3), Stats: x(4), Sums: x(5), DX: at(id)}, nil
	case graph.SumTo:
		a := &ref.SumToArgs[T]{X: x(0), Product: x(1), Y: at(id)}
		var err error
		a.Shape, a.To, err = collapse(in[0].Shape, op.Shape)
		return a, nodeErr(n, err)
	case graph.Expand:
		a := &ref.ExpandArgs[T]{Factor: op.Factor, X: x(0), Y: at(id)}
		var err error
		a.Shape, a.From, err = collapse(op.Shape, in[0].Shape)
		return a, nodeErr(n, err)
	case graph.Reduce:
		return &ref.ReduceArgs[T]{Len: in[0].Shape.Len(), Fn: ref.ReduceKind(op.Fn), X: x(0), Y: at(id)}, nil
	case graph.ClipFactor:
		a := &ref.ClipFactorArgs[T]{Max: op.Max, Y: at(id)}
		for i := range n.In {
			a.Xs = append(a.Xs, x(i))
		}
		return a, nil
	case graph.PoolGrad:
		s, w := in[0].Shape, op.Normal()
		oh, ow, pad, err := op.Output(s[1], s[2])
		return &ref.PoolGradArgs[T]{N: s[0], H: s[1], W: s[2], C: s[3], OH: oh, OW: ow, KH: w.KH, KW: w.KW,
			StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
			PadTop: pad.Top, PadLeft: pad.Left, Max: op.Max, CountPad: op.CountPad, X: x(0), DY: x(1), DX: at(id)}, nodeErr(n, err)
	case graph.ResizeGrad:
		s := in[0].Shape
		return &ref.ResizeGradArgs[T]{N: s[0], H: op.H, W: op.W, C: s[3], OH: s[1], OW: s[2], Nearest: op.Nearest, Rule: ref.ResizeRule(op.Rule), DY: x(0), DX: at(id)}, nil
	case graph.Slice:
		a := &ref.SliceArgs[T]{Rank: len(out), X: x(0), Y: at(id)}
		if len(out) > len(a.Shape) {
			return nil, fmt.Errorf("node %q (slice): %d axes, at most %d", n.Name, len(out), len(a.Shape))
		}
		copy(a.From[:], in[0].Shape)
		copy(a.Start[:], op.Start)
		copy(a.Shape[:], out)
		return a, nil
	case graph.SoftmaxCrossEntropy:
		s := in[0].Shape
		return &ref.SoftmaxCrossEntropyArgs[T]{N: s[0], K: s[1], X: x(0), Target: x(1), Weight: x(2), Y: at(id)}, nil
	case graph.SoftmaxCrossEntropyGrad:
		s := in[0].Shape
		return &ref.SoftmaxCrossEntropyGradArgs[T]{N: s[0], K: s[1], X: x(0), Target: x(1), Weight: x(2), DY: x(3), DX: at(id)}, nil
	case graph.Random:
		return &ref.RandomArgs[T]{Len: out.Len(), Rate: op.Rate, Stream: op.Stream, Seed: x(0), Step: x(1), Y: at(id)}, nil
	case graph.Update:
		arrays, numbers := op.Operands()
		return &ref.UpdateArgs[T]{Len: out.Len(), Fn: ref.UpdateKind(op.Fn), A: op.A, B: op.B, Decay: op.Decay, Rate: op.Rate, Epsilon: op.Epsilon,
			S: x(0), P: x(arrays[0]), Q: x(arrays[1]), R: x(arrays[2]), U: x(numbers[0]), V: x(numbers[1]), Y: at(id)}, nil
	case graph.FakeQuant:
		return &ref.FakeQuantArgs[T]{Len: out.Len(), X: x(0), Range: x(1), On: x(2), Y: at(id)}, nil
	case graph.FakeQuantGrad:
		return &ref.FakeQuantGradArgs[T]{Len: out.Len(), X: x(0), DY: x(1), Range: x(2), On: x(3), DX: at(id)}, nil
	case graph.FakeQuantWeight:
		return &ref.FakeQuantWeightArgs[T]{O: out[0], Per: out.Len() / max(out[0], 1), X: x(0), On: x(1), Y: at(id)}, nil
	case graph.MinMax:
		return &ref.MinMaxArgs[T]{Len: in[0].Shape.Len(), X: x(0), Y: at(id)}, nil
	}
	return nil, fmt.Errorf("node %q: operation %s cannot be executed", n.Name, n.Op.Kind())
}

func nodeErr(n *graph.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("node %q (%s): %w", n.Name, n.Op.Kind(), err)
}

// gradShape is the forward convolution's shape, from x to y.
func gradShape(w graph.Window, groups int, x, y []int) (ref.ConvShape, error) {
	_, _, pad, err := w.Output(x[1], x[2])
	w = w.Normal()
	return ref.ConvShape{
		N: x[0], H: x[1], W: x[2], C: x[3], OH: y[1], OW: y[2], O: y[3], KH: w.KH, KW: w.KW,
		StrideH: w.StrideH, StrideW: w.StrideW, DilationH: w.DilationH, DilationW: w.DilationW,
		PadTop: pad.Top, PadLeft: pad.Left, Groups: groups,
	}.Normal(), err
}

// runRefTrain is runRef for the operations of training graphs.
func runRefTrain[T ref.Float](args any) {
	switch a := args.(type) {
	case *ref.ConvGradInputArgs[T]:
		ref.ConvGradInput(a)
	case *ref.ConvGradWeightArgs[T]:
		ref.ConvGradWeight(a)
	case *ref.ActivationGradArgs[T]:
		ref.ActivationGrad(a)
	case *ref.SoftmaxGradArgs[T]:
		ref.SoftmaxGrad(a)
	case *ref.ChannelStatsArgs[T]:
		ref.ChannelStats(a)
	case *ref.ChannelSumArgs[T]:
		ref.ChannelSum(a)
	case *ref.BatchNormTrainArgs[T]:
		ref.BatchNormTrain(a)
	case *ref.BatchNormGradSumsArgs[T]:
		ref.BatchNormGradSums(a)
	case *ref.BatchNormGradInputArgs[T]:
		ref.BatchNormGradInput(a)
	case *ref.SumToArgs[T]:
		ref.SumTo(a)
	case *ref.ExpandArgs[T]:
		ref.Expand(a)
	case *ref.ReduceArgs[T]:
		ref.Reduce(a)
	case *ref.ClipFactorArgs[T]:
		ref.ClipFactor(a)
	case *ref.PoolGradArgs[T]:
		ref.PoolGrad(a)
	case *ref.ResizeGradArgs[T]:
		ref.ResizeGrad(a)
	case *ref.SliceArgs[T]:
		ref.Slice(a)
	case *ref.SoftmaxCrossEntropyArgs[T]:
		ref.SoftmaxCrossEntropy(a)
	case *ref.SoftmaxCrossEntropyGradArgs[T]:
		ref.SoftmaxCrossEntropyGrad(a)
	case *ref.RandomArgs[T]:
		ref.Random(a)
	case *ref.UpdateArgs[T]:
		ref.Update(a)
	case *ref.FakeQuantArgs[T]:
		ref.FakeQuant(a)
	case *ref.FakeQuantGradArgs[T]:
		ref.FakeQuantGrad(a)
	case *ref.FakeQuantWeightArgs[T]:
		ref.FakeQuantWeight(a)
	case *ref.MinMaxArgs[T]:
		ref.MinMax(a)
	default:
		panic(fmt.Sprintf("exec: no reference kernel for %T", args))
	}
}
