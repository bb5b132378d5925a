package exec

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// TrainProgram is a compiled training graph: one step of it computes gradients
// and gives variables new values. It differs from a Program in that weights
// are variables, packed anew at each step, and in that its values, which live
// long between the two passes, may lie in memory that a step hands on.
type TrainProgram struct {
	g       *graph.Graph
	plan    *trainPlan
	steps   []graph.ID // a fused one by its last node
	fused   *fusions
	impl    string
	used    Used                // the precision
	names   map[graph.ID]string // the kernels
	scratch int
	partial int
}

// CompileTrain prepares a graph with Assign nodes for running. What neither an
// output nor an Assign needs is left out.
func CompileTrain(g *graph.Graph, opt Options) (*TrainProgram, error) {
	if opt.Impl != "" && cpu.Rung(opt.Impl) < 0 {
		return nil, fmt.Errorf("unknown kernels %q: use one of %s", opt.Impl, strings.Join(cpu.Rungs(), ", "))
	}
	used, err := resolveTraining(opt)
	if err != nil {
		return nil, err
	}
	least := opt.fusions
	if least == 0 {
		least = fuseBytes
	}
	plan, err := newTrainPlan(g, maxElems, opt.apart, least, used.Precision == BF16)
	if err != nil {
		return nil, err
	}
	p := &TrainProgram{g: g, plan: plan, fused: plan.fused, impl: used.limit(opt.Impl), used: used, names: make(map[graph.ID]string)}
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		if !plan.live[i] || leaf(n.Op) || early(g, id) {
			continue
		}
		switch n.Op.(type) {
		case graph.Input, graph.Assign:
			continue
		}
		f := p.fused.of[id]
		if f != nil && id != f.last {
			continue
		}
		// Lowered without memory, for the sizes and for errors.
		none := func(graph.ID) []float32 { return nil }
		if f != nil {
			work, err := p.lowerFused(f, none, nil)
			if err != nil {
				return nil, err
			}
			p.steps = append(p.steps, id)
			p.names[id] = work.name()
			p.scratch, p.partial = max(p.scratch, work.Scratch()), max(p.partial, work.partialLen())
			continue
		}
		work, err := p.lower(id, none, nil)
		if err != nil {
			return nil, err
		}
		if work == nil {
			continue
		}
		p.steps = append(p.steps, id)
		p.names[id] = work.name()
		p.scratch = max(p.scratch, work.Scratch())
		if r, ok := work.(reducing); ok {
			p.partial = max(p.partial, r.partialLen())
		}
	}
	return p, nil
}

// lower makes the task of a node; nil where there is nothing to do.
func (p *TrainProgram) lower(id graph.ID, at func(graph.ID) []float32, packs *trainPacks) (namedTask, error) {
	n := &p.g.Nodes[id]
	args, err := lower(p.g, id, at)
	if err != nil {
		return nil, err
	}
	switch n.Op.(type) {
	case graph.Conv2D, graph.ConvGradInput:
		if w := &p.g.Nodes[n.In[1]]; !packable(p.g, n.In[1]) {
			return nil, fmt.Errorf("node %q (%s): the weight is computed by node %q, only variables, constants and what FakeQuantWeight makes of them can be packed", n.Name, n.Op.Kind(), w.Name)
		}
	}
	switch a := args.(type) {
	case nil:
		return nil, nil
	case *kernel.Conv:
		k := p.selectConv(&a.ConvShape)
		if packs != nil {
			a.Weight = packs.add(at(n.In[1]), k, a.ConvShape, nil)
		}
		return newConvTask(a, k), nil
	case *kernel.ConvGradInput:
		if c, k := p.turned(a, packs); c != nil {
			return newConvTask(c, k), nil
		}
		return newTrainTask(args, p.impl), nil
	case *kernel.ConvGradWeight:
		p.narrowWeight(a)
	}
	return newTrainTask(args, p.impl), nil
}

// turned is the convolution that computes a gradient: where the stride is 1 the
// forward kernels run backwards. It is nil elsewhere.
func (p *TrainProgram) turned(a *kernel.ConvGradInput, packs *trainPacks) (*kernel.Conv, *kernel.ConvKernel) {
	s, ok := kernel.GradInputConv(&a.ConvShape)
	if !ok {
		return nil, nil
	}
	k := p.selectConv(&s)
	c := &kernel.Conv{ConvShape: s, X: a.DY, Y: a.DX, Bias: make([]float32, s.O)}
	if packs != nil {
		c.Weight = packs.add(a.Weight, k, s, &a.ConvShape)
	}
	return c, k
}

// Bytes is the arena's size, without variables and packed weights.
func (p *TrainProgram) Bytes() int64 { return 4 * int64(p.plan.len) }

// Graph is the graph the program was compiled from.
func (p *TrainProgram) Graph() *graph.Graph { return p.g }

// Steps lists what a step does, in order; the first packs the weights, the
// last write what could not be computed in place.
func (p *TrainProgram) Steps() []Step {
	out := []Step{{Node: "weights", Op: "pack"}}
	for _, id := range p.steps {
		if f := p.fused.of[id]; f != nil {
			out = append(out, p.fusedStep(f))
			continue
		}
		n := p.g.Node(id)
		out = append(out, Step{Node: n.Name, Op: n.Op.Kind(), Kernel: p.names[id], Cost: p.g.NodeCost(id), Out: n.Type, Conv: convKind(n.Op)})
	}
	return append(out, Step{Node: "variables", Op: "assign"})
}

// reducing is a task that leaves partial sums and then merges them.
type reducing interface {
	namedTask
	partialLen() int
	setPartial(p []float32)
	merge() Task
}

// reduceTask is an operation whose kernel has a Reduction.
type reduceTask[A any] struct {
	opTask[A]
	second mergeTask[A]
}

type mergeTask[A any] struct {
	args  *A
	r     *kernel.Reduction[A]
	tasks int
}

func (t *mergeTask[A]) Tasks() int                { return t.tasks }
func (t *mergeTask[A]) Scratch() int              { return 0 }
func (t *mergeTask[A]) Run(task int, _ []float32) { t.r.Merge(t.args, task) }

func (t *reduceTask[A]) partialLen() int        { return t.k.Reduce.Len(&t.args) }
func (t *reduceTask[A]) setPartial(p []float32) { *t.k.Reduce.At(&t.args) = p[:t.partialLen()] }
func (t *reduceTask[A]) merge() Task            { return &t.second }

func newReduceTask[A any](a *A, k *kernel.Kernel[A]) namedTask {
	if k.Reduce == nil {
		return newOpTask(a, k)
	}
	t := &reduceTask[A]{opTask: opTask[A]{args: *a, k: k, tasks: k.Tasks(a)}}
	t.second = mergeTask[A]{args: &t.args, r: k.Reduce, tasks: k.Reduce.Tasks(a)}
	return t
}

// newTrainTask chooses the kernel of an argument block of a training graph.
func newTrainTask(args any, impl string) namedTask {
	switch a := args.(type) {
	case *kernel.ConvGradInput:
		return newReduceTask(a, kernel.Select(kernel.ConvGradInputKernels(), a, impl))
	case *kernel.ConvGradWeight:
		return newReduceTask(a, kernel.SelectConvGradWeight(a, impl))
	case *kernel.ActivationGrad:
		return newReduceTask(a, kernel.Select(kernel.ActivationGradKernels(), a, impl))
	case *kernel.SoftmaxGrad:
		return newReduceTask(a, kernel.Select(kernel.SoftmaxGradKernels(), a, impl))
	case *kernel.ChannelStats:
		return newReduceTask(a, kernel.Select(kernel.ChannelStatsKernels(), a, impl))
	case *kernel.ChannelSum:
		return newReduceTask(a, kernel.Select(kernel.ChannelSumKernels(), a, impl))
	case *kernel.BatchNormTrain:
		return newReduceTask(a, kernel.Select(kernel.BatchNormTrainKernels(), a, impl))
	case *kernel.BatchNormGradSums:
		return newReduceTask(a, kernel.Select(kernel.BatchNormGradSumsKernels(), a, impl))
	case *kernel.BatchNormGradInput:
		return newReduceTask(a, kernel.Select(kernel.BatchNormGradInputKernels(), a, impl))
	case *kernel.SumTo:
		return newReduceTask(a, kernel.Select(kernel.SumToKernels(), a, impl))
	case *kernel.Expand:
		return newReduceTask(a, kernel.Select(kernel.ExpandKernels(), a, impl))
	case *kernel.Reduce:
		return newReduceTask(a, kernel.Select(kernel.ReduceKernels(), a, impl))
	case *kernel.ClipFactor:
		return newReduceTask(a, kernel.Select(kernel.ClipFactorKernels(), a, impl))
	case *kernel.PoolGrad:
		return newReduceTask(a, kernel.Select(kernel.PoolGradKernels(), a, impl))
	case *kernel.ResizeGrad:
		return newReduceTask(a, kernel.Select(kernel.ResizeGradKernels(), a, impl))
	case *kernel.Slice:
		return newReduceTask(a, kernel.Select(kernel.SliceKernels(), a, impl))
	case *kernel.SoftmaxCrossEntropy:
		return newReduceTask(a, kernel.Select(kernel.SoftmaxCrossEntropyKernels(), a, impl))
	case *kernel.SoftmaxCrossEntropyGrad:
		return newReduceTask(a, kernel.Select(kernel.SoftmaxCrossEntropyGradKernels(), a, impl))
	case *kernel.Random:
		return newReduceTask(a, kernel.Select(kernel.RandomKernels(), a, impl))
	case *kernel.Update:
		return newReduceTask(a, kernel.Select(kernel.UpdateKernels(), a, impl))
	case *kernel.FakeQuantGrad:
		return newReduceTask(a, kernel.Select(kernel.FakeQuantGradKernels(), a, impl))
	case *kernel.FakeQuantWeight:
		return newReduceTask(a, kernel.Select(kernel.FakeQuantWeightKernels(), a, impl))
	case *kernel.MinMax:
		return newReduceTask(a, kernel.Select(kernel.MinMaxKernels(), a, impl))
	}
	return newTask(args, impl)
}
