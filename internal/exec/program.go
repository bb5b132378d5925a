package exec

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// Options chooses how a graph is compiled. The zero value takes the fastest
// kernels there are.
type Options struct {
	// Impl limits the kernels to a rung: "ref", "go" and so on.
	Impl string
	// Packs shares packed weights with other programs of the same model.
	Packs *Packs
	// Precision is the arithmetic of the products, as far as this machine has
	// it: see Precision.Resolve.
	Precision Precision
	// chains is the least size in bytes of a value inside of a chain, -1 for
	// no chains; 0 is the default.
	chains int
	// together takes all pictures of a batch through each step together.
	together bool
	// fusions is the least size in bytes of a value that makes nodes of a
	// training step run together, -1 for never; 0 is the default.
	fusions int
	// apart gives every value of a training step memory of its own.
	apart bool
}

// Packs keeps the packed weights of a model, so that its programs for several
// batch and picture sizes share them. The zero value is empty and ready.
type Packs struct {
	// Threads is the number of goroutines that pack; below 2 the caller does
	// it alone.
	Threads int

	mu    sync.Mutex
	packs map[packKey]pack
	// qpacks are the constants of integer convolutions.
	qpacks map[qpackKey]*qpack
}

// pack is packed weights and where they lie in the memory they share with
// others.
type pack struct {
	slab []float32
	off  int
	data []float32
}

type packKey struct {
	weight *graph.Array
	kernel string
}

// packWish is a convolution whose weights are to be packed.
type packWish struct {
	weight *graph.Array
	k      *kernel.ConvKernel
	shape  kernel.ConvShape
	chain  bool
}

// get packs the weights of all wishes, those that are not packed yet side by
// side in their order, which is the order of use.
func (p *Packs) get(wishes []packWish) []pack {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.packs == nil {
		p.packs = make(map[packKey]pack)
	}
	size := func(w *packWish) int { return (w.k.PackedLen(&w.shape) + align - 1) / align * align }
	total := 0
	seen := make(map[packKey]bool)
	for i := range wishes {
		w := &wishes[i]
		key := packKey{w.weight, w.k.Name}
		if _, ok := p.packs[key]; !ok && !seen[key] {
			seen[key] = true
			total += size(w)
		}
	}
	slab, off := aligned(total), 0
	out := make([]pack, len(wishes))
	var jobs []packJob
	for i := range wishes {
		w := &wishes[i]
		key := packKey{w.weight, w.k.Name}
		if _, ok := p.packs[key]; !ok {
			n := w.k.PackedLen(&w.shape)
			made := pack{slab, off, slab[off : off+n : off+n]}
			jobs = append(jobs, packJob{w, made.data})
			p.packs[key] = made
			off += size(w)
		}
		out[i] = p.packs[key]
	}
	packAll(jobs, p.Threads)
	return out
}

// packJob is weights to be packed into dst.
type packJob struct {
	wish *packWish
	dst  []float32
}

// packAll does the jobs on as many goroutines, the caller's among them.
func packAll(jobs []packJob, threads int) {
	var next atomic.Int64
	work := func() {
		var buf []float32 // for weights that are made on the way
		for i := next.Add(1) - 1; i < int64(len(jobs)); i = next.Add(1) - 1 {
			w := jobs[i].wish
			values := w.weight.Values(buf)
			w.k.Pack(&w.shape, values, jobs[i].dst)
			if w.weight.Data == nil {
				buf = values
			}
		}
	}
	var wg sync.WaitGroup
	for range min(threads, len(jobs)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// Bytes is the memory of all packed weights.
func (p *Packs) Bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, w := range p.packs {
		n += 4 * int64(len(w.data))
	}
	for _, w := range p.qpacks {
		n += int64(len(w.packed))
	}
	return n
}

// Program is a compiled graph: kernels chosen, weights packed, memory laid
// out. It is immutable and may be shared by any number of sessions.
type Program struct {
	g       *graph.Graph
	plan    *Plan
	steps   []stepInfo
	scratch int
	impl    string
	// packed holds the packed weight of every convolution by node, ahead what
	// a convolution fetches for later ones.
	packed, ahead map[graph.ID][]float32
	kernels       map[graph.ID]string // of the convolutions
	qconvs        map[graph.ID]*qpack // the constants of integer convolutions
	qorder        []graph.ID          // those convolutions in the order in which they run
	qlist         []intConv
	qahead        map[graph.ID][]byte // what they fetch while they compute
	// pixels is the distance of pixels of the values laid out with gaps.
	pixels  map[graph.ID]int
	used    Used
	numbers numbers
	// single is the program of one picture of the batch, nil where there is
	// none.
	single *Program
}

type stepInfo struct {
	id     graph.ID
	kernel string
	chain  []graph.ID // the members, the last of which is id
}

// Step describes one step of a program.
type Step struct {
	Node   string
	Op     string
	Kernel string
	Cost   graph.Cost
	Out    graph.Type
	// Bytes is what a run of the step must read and write: its operands,
	// packed weights and result. What lies inside of a chain does not count.
	Bytes int64
	// Conv is "pointwise", "depthwise" (or grouped) or "dense" for a step of a
	// training program that is a convolution, a gradient of one or fused with one.
	Conv string
}

// Compile prepares g for running. Variables without a value are refused.
func Compile(g *graph.Graph, opt Options) (*Program, error) {
	if len(g.Inputs) == 0 || len(g.Outputs) == 0 {
		return nil, fmt.Errorf("a program needs an input and an output")
	}
	if opt.Impl != "" && cpu.Rung(opt.Impl) < 0 {
		return nil, fmt.Errorf("unknown kernels %q: use one of %s", opt.Impl, strings.Join(cpu.Rungs(), ", "))
	}
	if err := opt.Precision.CheckPrecision(); err != nil {
		return nil, err
	}
	used := opt.Precision.Resolve(opt.Impl)
	opt.Impl = used.limit(opt.Impl)
	nums := findNumbers(g, opt.Impl, used.Precision)
	least := opt.chains
	if least == 0 {
		least = chainBytes
	}
	chains := findChains(g, opt.Impl, least)
	chain := make(map[graph.ID]int) // by every member
	for i, c := range chains {
		for _, id := range c {
			chain[id] = i
		}
	}
	pixels := pixelStrides(g, opt.Impl, chains)
	nums.strides(g, pixels)
	plan, err := newPlan(g, maxElems, chains, pixels)
	if err != nil {
		return nil, err
	}
	packs := opt.Packs
	if packs == nil {
		packs = &Packs{}
	}
	p := &Program{g: g, used: used, numbers: nums, plan: plan, pixels: pixels, impl: opt.Impl, packed: make(map[graph.ID][]float32), ahead: make(map[graph.ID][]float32), kernels: make(map[graph.ID]string), qconvs: make(map[graph.ID]*qpack), qahead: make(map[graph.ID][]byte)}
	var wishes []packWish
	var convs []graph.ID
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		switch n.Op.(type) {
		case graph.Variable, graph.Constant:
			if n.Value == nil {
				return nil, fmt.Errorf("variable %q has no value: load or generate weights first", n.Name)
			}
			continue
		case graph.Input:
			continue
		}
		info := stepInfo{id: id}
		if _, ok := n.Op.(graph.Conv2D); ok {
			w := &g.Nodes[n.In[1]]
			if !leaf(w.Op) {
				return nil, fmt.Errorf("node %q (conv2d): the weight is computed by node %q, only constants can be packed", n.Name, w.Name)
			}
			s, err := convShape(g, id)
			if err != nil {
				return nil, err
			}
			p.layOut(id, &s)
			k := kernel.SelectConv(&s, opt.Impl)
			p.kernels[id] = k.Name
			c, chained := chain[id]
			wishes, convs = append(wishes, packWish{w.Value, k, s, chained}), append(convs, id)
			if chained {
				if members := chains[c]; id == members[len(members)-1] {
					p.steps = append(p.steps, stepInfo{id: id, chain: members})
				}
				continue
			}
			p.scratch = max(p.scratch, k.ScratchLen(&s))
			info.kernel = k.Name
		} else if args, ints, err := lowerInts(g, id, nowhere); ints || err != nil {
			if err != nil {
				return nil, err
			}
			t, err := p.intTask(id, args, packs)
			if err != nil {
				return nil, err
			}
			if t == nil {
				continue
			}
			p.scratch = max(p.scratch, t.Scratch())
			info.kernel = t.name()
		} else {
			args, err := lower(g, id, func(graph.ID) []float32 { return nil })
			if err != nil {
				return nil, err
			}
			if args == nil {
				continue
			}
			t := newTask(p.adapt(id, args), opt.Impl)
			p.scratch = max(p.scratch, t.Scratch())
			info.kernel = t.name()
		}
		p.steps = append(p.steps, info)
	}
	all := packs.get(wishes)
	for i, id := range convs {
		p.packed[id] = all[i].data
		p.ahead[id] = nil
	}
	for i, a := range planAhead(wishes, all) {
		p.ahead[convs[i]] = a
	}
	for i, piece := range planIntAhead(p.qlist) {
		p.qahead[p.qorder[i]] = piece
	}
	opt.Packs = packs
	if p.single, err = p.compileSingle(opt); err != nil {
		return nil, err
	}
	return p, nil
}

// Plan is the memory layout.
func (p *Program) Plan() *Plan { return p.plan }

// Graph is the graph the program was compiled from.
func (p *Program) Graph() *graph.Graph { return p.g }

// Steps lists what a run does, in order.
func (p *Program) Steps() []Step {
	out := make([]Step, len(p.steps))
	for i, s := range p.steps {
		n := p.g.Node(s.id)
		out[i] = Step{Node: n.Name, Op: n.Op.Kind(), Kernel: s.kernel, Cost: p.g.NodeCost(s.id), Out: n.Type, Bytes: p.bytes(s)}
		if s.chain != nil {
			out[i].Node, out[i].Kernel, out[i].Cost = "", "", graph.Cost{}
			for j, id := range s.chain {
				if j > 0 {
					out[i].Node += " + "
					out[i].Kernel += " + "
				}
				out[i].Node += p.g.Node(id).Name
				out[i].Kernel += p.kernels[id]
				out[i].Cost = out[i].Cost.Plus(p.g.NodeCost(id))
			}
		}
	}
	return out
}

// bytes is the memory a step reads and writes.
func (p *Program) bytes(s stepInfo) int64 {
	members := s.chain
	if members == nil {
		members = []graph.ID{s.id}
	}
	value := func(id graph.ID) int {
		t := p.g.Node(id).Type
		size := t.DType.Size()
		if p.numbers.halves[id] {
			size = 2
		}
		return size * t.Shape.Len()
	}
	n := value(s.id)
	for _, id := range members {
		for i, in := range p.g.Node(id).In {
			switch {
			case i == 1 && p.packed[id] != nil:
				n += 4 * len(p.packed[id])
			case i == 1 && p.qconvs[id] != nil && p.qconvs[id].packed != nil:
				n += len(p.qconvs[id].packed)
			case !slices.Contains(members, in):
				n += value(in)
			}
		}
	}
	return int64(n)
}

// namedTask is a Task that knows its kernel.
type namedTask interface {
	Task
	name() string
}

// opTask is an operation with its kernel and its arguments.
type opTask[A any] struct {
	args  A
	k     *kernel.Kernel[A]
	tasks int
}

func (t *opTask[A]) Tasks() int                      { return t.tasks }
func (t *opTask[A]) Scratch() int                    { return t.k.ScratchLen(&t.args) }
func (t *opTask[A]) Run(task int, scratch []float32) { t.k.Run(&t.args, task, scratch) }
func (t *opTask[A]) name() string                    { return t.k.Name }

func newOpTask[A any](a *A, k *kernel.Kernel[A]) namedTask {
	return &opTask[A]{args: *a, k: k, tasks: k.Tasks(a)}
}

// newTask chooses the kernel of an argument block other than a convolution's.
func newTask(args any, impl string) namedTask {
	switch a := args.(type) {
	case *kernel.Activation:
		return newOpTask(a, kernel.SelectActivation(a, impl))
	case *kernel.Binary:
		return newOpTask(a, kernel.SelectBinary(a, impl))
	case *kernel.GlobalAvgPool:
		return newOpTask(a, kernel.SelectGlobalAvgPool(a, impl))
	case *kernel.GlobalAvgPoolBF16:
		return newOpTask(a, kernel.SelectGlobalAvgPoolBF16(a, impl))
	case *kernel.Pool:
		return newOpTask(a, kernel.SelectPool(a, impl))
	case *kernel.Softmax:
		return newOpTask(a, kernel.SelectSoftmax(a, impl))
	case *kernel.BatchNorm:
		return newOpTask(a, kernel.SelectBatchNorm(a, impl))
	case *kernel.Resize:
		return newOpTask(a, kernel.SelectResize(a, impl))
	case *kernel.Pad:
		return newOpTask(a, kernel.SelectPad(a, impl))
	case *kernel.Concat:
		return newOpTask(a, kernel.SelectConcat(a, impl))
	case *kernel.Transpose:
		return newOpTask(a, kernel.SelectTranspose(a, impl))
	case *kernel.FakeQuant:
		return newOpTask(a, kernel.Select(kernel.FakeQuantKernels(), a, impl))
	}
	if t := newIntTask(args, impl); t != nil {
		return t
	}
	panic(fmt.Sprintf("exec: no kernels for %T", args))
}

// convTask is a convolution with its kernel.
type convTask struct {
	args  kernel.Conv
	k     *kernel.ConvKernel
	run   func(a *kernel.Conv, task int, scratch []float32)
	tasks int
}

func newConvTask(a *kernel.Conv, k *kernel.ConvKernel) *convTask {
	t := &convTask{args: *a, k: k, run: k.Run, tasks: k.Tasks(&a.ConvShape)}
	if k.Bind != nil {
		t.run = k.Bind(&a.ConvShape)
	}
	return t
}

func (t *convTask) Tasks() int                      { return t.tasks }
func (t *convTask) Scratch() int                    { return t.k.ScratchLen(&t.args.ConvShape) }
func (t *convTask) Run(task int, scratch []float32) { t.run(&t.args, task, scratch) }
func (t *convTask) name() string                    { return t.k.Name }
