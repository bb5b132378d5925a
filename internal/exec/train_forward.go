package exec

import (
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// forwardTask is a convolution with the batch norm before it and the
// statistics of its result.
type forwardTask struct {
	bands
	clocks clocks
	conv   kernel.Conv
	k      *kernel.ConvKernel
	norm   *kernel.BatchNormTrain // nil for none
	kn     *kernel.Kernel[kernel.BatchNormTrain]
	stats  *kernel.ChannelStats // nil for none
	ks     *kernel.Kernel[kernel.ChannelStats]
	// What is read, by the norm or the convolution, and what is written.
	in, out rows
	state   []forwardState
	sums    []moments // of each task
	// The scratch: the normalised rows, results that are stored as bfloat16,
	// the statistics, the kernels' own.
	rows, results, own, scratch int
}

// forwardState is a task's own argument blocks and sums.
type forwardState struct {
	conv  kernel.Conv
	norm  kernel.BatchNormTrain
	stats kernel.ChannelStats
}

func newForwardTask(conv *kernel.Conv, k *kernel.ConvKernel, norm *kernel.BatchNormTrain, stats *kernel.ChannelStats, impl string, halfIn, halfOut bool) *forwardTask {
	t := &forwardTask{bands: newBands(conv.ConvShape, false, bandTasks), conv: *conv, k: k, norm: norm, stats: stats, in: rows{conv.X, false}, out: rows{conv.Y, halfOut}}
	if norm != nil {
		t.in = rows{norm.X, halfIn}
		t.kn = kernel.Select(kernel.BatchNormTrainKernels(), norm, impl)
	}
	if stats != nil {
		t.ks = kernel.Select(kernel.ChannelStatsKernels(), stats, impl)
	}
	t.state = make([]forwardState, t.tasks)
	t.sums = newMoments(t.tasks, t.s.O)
	st := &forwardState{}
	for i := range t.picture {
		in, out := t.set(st, 0, i)
		if halfOut {
			t.results = max(t.results, (out.hi-out.lo)*t.s.OW*t.s.O)
		}
		if norm != nil {
			t.rows = max(t.rows, (in.hi-in.lo)*t.s.W*t.s.C)
			t.own = max(t.own, need(t.kn, &st.norm))
		}
		t.own = max(t.own, k.ScratchLen(&st.conv.ConvShape))
		if stats != nil {
			t.own = max(t.own, need(t.ks, &st.stats))
		}
	}
	t.rows = (t.rows + align - 1) / align * align
	t.results = (t.results + align - 1) / align * align
	t.scratch = t.rows + t.results + (2*t.s.O+align-1)/align*align + t.own
	return t
}

func (t *forwardTask) Tasks() int   { return t.tasks }
func (t *forwardTask) Scratch() int { return t.scratch }

func (t *forwardTask) partialLen() int      { return 0 }
func (t *forwardTask) setPartial([]float32) {}

func (t *forwardTask) name() string {
	names := []string{t.k.Name}
	if t.norm != nil {
		names = append([]string{t.kn.Name}, names...)
	}
	if t.stats != nil {
		names = append(names, t.ks.Name)
	}
	return strings.Join(names, "+")
}

// set fills a task's argument blocks for a band, but for the memory.
func (t *forwardTask) set(st *forwardState, picture, band int) (in, out rowRange) {
	_, out = t.band(band)
	s := &t.s
	in = inputRows(s, out)
	st.conv = t.conv
	st.conv.ConvShape = cut(*s, in, out)
	if t.norm != nil {
		st.norm = *t.norm
		st.norm.Rows = (in.hi - in.lo) * s.W
	}
	if t.stats != nil {
		st.stats = *t.stats
		st.stats.Rows = (out.hi - out.lo) * s.OW
	}
	return in, out
}

func (t *forwardTask) Run(task int, scratch []float32) {
	st := &t.state[task]
	rows, stats, own := scratch[:t.rows], scratch[t.rows+t.results:][:2*t.s.O], scratch[t.scratch-t.own:]
	results := scratch[t.rows:][:t.results]
	sums := &t.sums[task]
	sums.clear()
	s := &t.s
	lo, hi := t.of(task)
	clock := t.clocks.begin()
	for i := lo; i < hi; i++ {
		picture, _ := t.band(i)
		in, out := t.set(st, picture, i%t.picture)
		at := (picture*s.H + in.lo) * s.W * s.C
		if t.norm != nil {
			st.norm.X, st.norm.Y = t.in.load(at, st.norm.Rows*s.C, rows), rows
			runAll(t.kn, &st.norm, own)
			st.conv.X = rows
			clock = t.clocks.norms(task, clock)
		} else {
			st.conv.X = t.in.load(at, 0, nil)
		}
		to, n := (picture*s.OH+out.lo)*s.OW*s.O, (out.hi-out.lo)*s.OW*s.O
		st.conv.Y = t.out.place(to, n, results)
		st.conv.Ahead, st.conv.AheadToo = t.ahead(i+1, hi)
		for k := range t.k.Tasks(&st.conv.ConvShape) {
			t.k.Run(&st.conv, k, own)
		}
		clock = t.clocks.convs(task, clock)
		if t.stats != nil {
			st.stats.X, st.stats.Y = st.conv.Y, stats
			runAll(t.ks, &st.stats, own)
			sums.add(stats, st.stats.Rows)
			clock = t.clocks.norms(task, clock)
		}
		t.out.store(to, n, results)
	}
}

// ahead is the inputs and the outputs of a task's band, nil beyond its last.
func (t *forwardTask) ahead(i, hi int) (x, y []float32) {
	s := &t.s
	if i >= hi || !worthAhead(s) {
		return nil, nil
	}
	picture, out := t.band(i)
	in := inputRows(s, out)
	return t.in.span((picture*s.H+in.lo)*s.W*s.C, (picture*s.H+in.hi)*s.W*s.C),
		t.out.span((picture*s.OH+out.lo)*s.OW*s.O, (picture*s.OH+out.hi)*s.OW*s.O)
}

// joinTask puts together what the tasks of a fused step left.
type joinTask struct {
	tasks int
	run   func(task int)
}

func (t *joinTask) Tasks() int                { return t.tasks }
func (t *joinTask) Scratch() int              { return 0 }
func (t *joinTask) Run(task int, _ []float32) { t.run(task) }

// join is what follows when all tasks are done, nil for nothing.
func (t *forwardTask) join() Task {
	if t.stats == nil {
		return nil
	}
	return &joinTask{1, func(int) { joined(t.sums, t.stats.Y) }}
}
