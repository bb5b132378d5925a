package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// fusedTask is the work of a fusion.
type fusedTask interface {
	namedTask
	partialLen() int
	setPartial(p []float32)
	join() Task
}

// lowerAs lowers a node to the argument block of its kind, nil for no node.
func lowerAs[A any](g *graph.Graph, id graph.ID, at func(graph.ID) []float32) (*A, error) {
	if id == graph.None {
		return nil, nil
	}
	args, err := lower(g, id, at)
	if err != nil {
		return nil, err
	}
	a, _ := args.(*A)
	return a, nil
}

// lowerFused makes the task of a fusion.
func (p *TrainProgram) lowerFused(f *fusion, at func(graph.ID) []float32, packs *trainPacks) (fusedTask, error) {
	if f.conv != graph.None {
		return p.lowerForward(f, at, packs)
	}
	grad, err := lowerAs[kernel.BatchNormGradInput](p.g, f.normGrad, at)
	if err != nil {
		return nil, err
	}
	again, err := lowerAs[kernel.BatchNormTrain](p.g, f.again, at)
	if err != nil {
		return nil, err
	}
	weight, err := lowerAs[kernel.ConvGradWeight](p.g, f.weight, at)
	if err != nil {
		return nil, err
	}
	p.narrowWeight(weight)
	sums, err := lowerAs[kernel.BatchNormGradSums](p.g, f.sums, at)
	if err != nil {
		return nil, err
	}
	a, err := lowerAs[kernel.ConvGradInput](p.g, f.dx, at)
	if err != nil {
		return nil, err
	}
	var dx inputGrad
	if a != nil {
		if dx.conv, dx.kc = p.turned(a, packs); dx.conv == nil {
			dx.strided, dx.ks = a, kernel.Select(kernel.ConvGradInputKernels(), a, p.impl)
		}
		dx.out = a.DX
	}
	in := func(id graph.ID, k int, x []float32) rows {
		return rows{x, p.plan.stored[p.g.Nodes[id].In[k]]}
	}
	from := backwardRows{x: in(f.normGrad, 0, grad.X), dy: in(f.normGrad, 1, grad.DY)}
	if again != nil {
		from.again = in(f.again, 0, again.X)
	}
	if dx.on() {
		from.dx = rows{dx.out, p.plan.stored[f.dx]}
	}
	if sums != nil {
		from.sums = in(f.sums, 0, sums.X)
	}
	return newBackwardTask(grad, again, weight, dx, sums, from, p.impl), nil
}

func (p *TrainProgram) lowerForward(f *fusion, at func(graph.ID) []float32, packs *trainPacks) (fusedTask, error) {
	conv, err := lowerAs[kernel.Conv](p.g, f.conv, at)
	if err != nil {
		return nil, err
	}
	norm, err := lowerAs[kernel.BatchNormTrain](p.g, f.norm, at)
	if err != nil {
		return nil, err
	}
	stats, err := lowerAs[kernel.ChannelStats](p.g, f.stats, at)
	if err != nil {
		return nil, err
	}
	k := p.selectConv(&conv.ConvShape)
	if packs != nil {
		conv.Weight = packs.add(at(p.g.Nodes[f.conv].In[1]), k, conv.ConvShape, nil)
	}
	halfIn := norm != nil && p.plan.stored[p.g.Nodes[f.norm].In[0]]
	return newForwardTask(conv, k, norm, stats, p.impl, halfIn, p.plan.stored[f.conv]), nil
}

// convKind is the kind of a convolution or of a gradient of one, empty for other
// operations.
func convKind(op graph.Op) string {
	var w graph.Window
	groups := 1
	switch op := op.(type) {
	case graph.Conv2D:
		w, groups = op.Window, op.GroupCount()
	case graph.ConvGradInput:
		w, groups = op.Window, op.GroupCount()
	case graph.ConvGradWeight:
		w, groups = op.Window, op.GroupCount()
	default:
		return ""
	}
	switch {
	case groups > 1:
		return "depthwise"
	case w.KH*w.KW == 1:
		return "pointwise"
	}
	return "dense"
}

// fusedStep describes a fusion.
func (p *TrainProgram) fusedStep(f *fusion) Step {
	main, op := f.conv, "fused forward"
	if main == graph.None {
		main, op = f.weight, "fused backward"
	}
	s := Step{Node: p.g.Node(main).Name, Op: op, Kernel: p.names[f.last], Out: p.g.Node(main).Type, Conv: convKind(p.g.Node(main).Op)}
	for _, id := range f.members() {
		s.Cost = s.Cost.Plus(p.g.NodeCost(id))
	}
	return s
}
