package exec

import (
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// backwardTask is the gradient of a batch norm's input and, from that, of the
// convolution before it. Bands are of the convolution's inputs; the outputs at
// their seams are computed twice.
type backwardTask struct {
	bands
	clocks clocks
	grad   kernel.BatchNormGradInput
	kg     *kernel.Kernel[kernel.BatchNormGradInput]
	again  *kernel.BatchNormTrain // the convolution's input, nil where it is at hand
	ka     *kernel.Kernel[kernel.BatchNormTrain]
	weight kernel.ConvGradWeight
	kw     *kernel.Kernel[kernel.ConvGradWeight]
	dx     inputGrad
	from   backwardRows
	sums   *kernel.BatchNormGradSums // nil for none
	ks     *kernel.Kernel[kernel.BatchNormGradSums]
	state  []backwardState
	// The scratch: rows of gradients, rows of inputs, rows that are read or
	// written as bfloat16, sums of channels and of the weight, the kernels' own.
	dyLen, xLen, dxLen, readLen, sumLen, partLen, scratch int
	// Sums of each task: of the weight, size elements each, of the channels.
	dw    [][]float32
	size  int
	total [][]float64
	adds  []kernel.Update // of the join's tasks
	add   *kernel.Kernel[kernel.Update]
}

// backwardRows are the values of a backwardTask that may be stored as bfloat16:
// operands of the gradient of the norm, the inputs to normalise again, the
// gradient that is written, and the inputs that its sums go over.
type backwardRows struct{ x, dy, again, dx, sums rows }

// inputGrad is the gradient by the input: a convolution with the weights
// turned round, a kernel of its own, or nothing.
type inputGrad struct {
	out     []float32
	conv    *kernel.Conv
	kc      *kernel.ConvKernel
	strided *kernel.ConvGradInput
	ks      *kernel.Kernel[kernel.ConvGradInput]
}

func (d *inputGrad) on() bool { return d.conv != nil || d.strided != nil }

// backwardState is a task's own argument blocks.
type backwardState struct {
	grad    kernel.BatchNormGradInput
	again   kernel.BatchNormTrain
	weight  kernel.ConvGradWeight
	conv    kernel.Conv
	strided kernel.ConvGradInput
	sums    kernel.BatchNormGradSums
	dy, own rowRange // rows of gradients; those of the band's own
	x       rowRange // rows of inputs for the weight
	dx      rowRange
}

func newBackwardTask(grad *kernel.BatchNormGradInput, again *kernel.BatchNormTrain, weight *kernel.ConvGradWeight, dx inputGrad, sums *kernel.BatchNormGradSums, from backwardRows, impl string) *backwardTask {
	size := len(weight.DWeight)
	if size == 0 {
		size = weight.O * (weight.C / weight.Groups) * weight.KH * weight.KW
	}
	t := &backwardTask{bands: newBands(weight.ConvShape, true, min(bandTasks, max(4, (1<<21)/max(size, 1)))),
		grad: *grad, again: again, weight: *weight, dx: dx, sums: sums, from: from}
	t.grad.Of = grad.Rows
	t.kg = kernel.Select(kernel.BatchNormGradInputKernels(), grad, impl)
	if again != nil {
		t.ka = kernel.Select(kernel.BatchNormTrainKernels(), again, impl)
	}
	if sums != nil {
		t.ks = kernel.Select(kernel.BatchNormGradSumsKernels(), sums, impl)
	}
	st := &backwardState{}
	t.set(st, 0)
	st.weight.Add = true
	t.kw = kernel.SelectConvGradWeight(&st.weight, impl)
	t.adds = make([]kernel.Update, (size+joinElems-1)/joinElems)
	t.add = kernel.Select(kernel.UpdateKernels(), &kernel.Update{Fn: ref.UpdateVelocity, A: 1}, impl)
	t.state = make([]backwardState, t.tasks)
	t.size = size
	for range t.tasks {
		t.total = append(t.total, make([]float64, 2*t.s.C))
	}
	up := func(n int) int { return (n + align - 1) / align * align }
	own := 0
	for i := range t.picture {
		t.set(st, i)
		t.dyLen = max(t.dyLen, (st.dy.hi-st.dy.lo)*t.s.OW*t.s.O)
		if from.sums.half {
			t.dyLen = max(t.dyLen, st.sums.Rows*t.s.C) // when the gradients are done with
		}
		if from.dx.half {
			t.dxLen = max(t.dxLen, (st.dx.hi-st.dx.lo)*t.s.W*t.s.C)
		}
		if from.dy.half {
			t.readLen = max(t.readLen, st.grad.Rows*t.s.O)
		}
		own = max(own, need(t.kg, &st.grad), t.kw.ScratchLen(&st.weight))
		if t.kw.Reduce != nil {
			t.partLen = up(t.kw.Reduce.Len(&st.weight))
		}
		if again != nil {
			t.xLen = max(t.xLen, (st.x.hi-st.x.lo)*t.s.W*t.s.C)
			own = max(own, need(t.ka, &st.again))
		}
		if dx.conv != nil {
			own = max(own, dx.kc.ScratchLen(&st.conv.ConvShape))
		}
		if dx.strided != nil {
			own = max(own, need(dx.ks, &st.strided))
		}
		if sums != nil {
			own = max(own, need(t.ks, &st.sums))
		}
	}
	t.dyLen, t.xLen, t.sumLen = up(t.dyLen), up(t.xLen), up(2*t.s.C)
	t.dxLen = up(max(t.dxLen, t.readLen)) // one is over before the other begins
	t.scratch = t.dyLen + t.xLen + t.dxLen + t.sumLen + t.partLen + own
	return t
}

func (t *backwardTask) Tasks() int   { return t.tasks }
func (t *backwardTask) Scratch() int { return t.scratch }

// partialLen is the memory of the tasks' sums, which steps share.
func (t *backwardTask) partialLen() int { return t.tasks * ((t.size + align - 1) / align * align) }

func (t *backwardTask) setPartial(p []float32) {
	each := t.partialLen() / t.tasks
	t.dw = nil
	for i := range t.tasks {
		t.dw = append(t.dw, p[i*each:][:t.size])
	}
}

func (t *backwardTask) name() string {
	names := []string{t.kw.Name, t.kg.Name}
	switch {
	case t.dx.conv != nil:
		names = append(names, t.dx.kc.Name)
	case t.dx.strided != nil:
		names = append(names, t.dx.ks.Name)
	}
	if t.again != nil {
		names = append(names, t.ka.Name)
	}
	if t.sums != nil {
		names = append(names, t.ks.Name)
	}
	return strings.Join(names, "+")
}

// set fills a task's argument blocks for a band of a picture, but for the
// memory.
func (t *backwardTask) set(st *backwardState, band int) {
	s := &t.s
	_, st.dx = t.band(band)
	// Outputs belong to the band in which their window's stride begins.
	own := func(h int) int {
		if h == s.H {
			return s.OH
		}
		return min(s.OH, (h+s.StrideH-1)/s.StrideH)
	}
	st.own = rowRange{own(st.dx.lo), own(st.dx.hi)}
	st.dy = st.own
	if t.dx.on() {
		all := outputRows(s, st.dx)
		if all.lo < all.hi {
			st.dy = rowRange{min(all.lo, st.own.lo), max(all.hi, st.own.hi)}
		}
	}
	st.grad = t.grad
	st.grad.Rows = (st.dy.hi - st.dy.lo) * s.OW
	st.x = inputRows(s, st.own)
	if st.own.lo >= st.own.hi {
		st.x = rowRange{}
	}
	if t.again != nil {
		st.again = *t.again
		st.again.Rows = (st.x.hi - st.x.lo) * s.W
	}
	st.weight = t.weight
	st.weight.ConvShape = cut(*s, st.x, st.own)
	st.weight.Add = true
	switch {
	case t.dx.conv != nil:
		g, _ := kernel.GradInputConv(s)
		g.BF16 = t.dx.conv.BF16
		st.conv = *t.dx.conv
		st.conv.ConvShape = cut(g, st.dy, st.dx)
	case t.dx.strided != nil:
		st.strided = *t.dx.strided
		st.strided.ConvShape = cut(*s, st.dx, st.dy)
	}
	if t.sums != nil {
		st.sums = *t.sums
		st.sums.Rows = (st.dx.hi - st.dx.lo) * s.W
	}
}

// ahead is the rows of a task's band in a value of the outputs' shape, nil
// beyond its last.
func (t *backwardTask) ahead(y *rows, i, hi int) []float32 {
	s := &t.s
	if i >= hi || !worthAhead(s) {
		return nil
	}
	picture, in := t.band(i)
	out := outputRows(s, in)
	return y.span((picture*s.OH+out.lo)*s.OW*s.O, (picture*s.OH+out.hi)*s.OW*s.O)
}

// aheadInputs is the same of a value of the inputs' shape.
func (t *backwardTask) aheadInputs(x *rows, i, hi int) []float32 {
	s := &t.s
	if i >= hi || !worthAhead(s) {
		return nil
	}
	picture, in := t.band(i)
	return x.span((picture*s.H+in.lo)*s.W*s.C, (picture*s.H+in.hi)*s.W*s.C)
}

func (t *backwardTask) Run(task int, scratch []float32) {
	st, s := &t.state[task], &t.s
	dy, rows := scratch[:t.dyLen], scratch[t.dyLen:][:t.xLen]
	wide, scratch := scratch[t.dyLen+t.xLen:][:t.dxLen], scratch[t.dyLen+t.xLen+t.dxLen:]
	sums, own := scratch[:2*s.C], scratch[t.sumLen:]
	partial, own := own[:t.partLen], own[t.partLen:]
	clear(partial)
	dw, total := t.dw[task], t.total[task]
	clear(dw)
	clear(total)
	lo, hi := t.of(task)
	clock := t.clocks.begin()
	for i := lo; i < hi; i++ {
		picture := i / t.picture
		t.set(st, i%t.picture)
		inputs := func(h int) int { return (picture*s.H + h) * s.W * s.C }
		at := (picture*s.OH + st.dy.lo) * s.OW * s.O
		if st.grad.Rows > 0 {
			n := st.grad.Rows * s.O
			st.grad.X, st.grad.DY, st.grad.DX = t.from.x.load(at, n, dy), t.from.dy.load(at, n, wide), dy
			runAll(t.kg, &st.grad, own)
		}
		clock = t.clocks.norms(task, clock)
		if st.own.lo < st.own.hi {
			st.weight.X = t.weight.X
			if t.again != nil {
				st.again.X, st.again.Y = t.from.again.load(inputs(st.x.lo), st.again.Rows*s.C, rows), rows
				runAll(t.ka, &st.again, own)
				clock = t.clocks.norms(task, clock)
				st.weight.X = rows
			} else {
				st.weight.X = t.weight.X[inputs(st.x.lo):]
			}
			st.weight.DY, st.weight.DWeight = dy[(st.own.lo-st.dy.lo)*s.OW*s.O:], dw
			st.weight.Ahead = t.ahead(&t.from.dy, i+1, hi)
			if t.again != nil {
				st.weight.AheadToo = t.aheadInputs(&t.from.again, i+1, hi)
			}
			if t.kw.Reduce != nil {
				*t.kw.Reduce.At(&st.weight) = partial[:t.kw.Reduce.Len(&st.weight)]
			}
			for k := range t.kw.Tasks(&st.weight) {
				t.kw.Run(&st.weight, k, own)
			}
			clock = t.clocks.convs(task, clock)
		}
		if !t.dx.on() {
			continue
		}
		to, n := inputs(st.dx.lo), (st.dx.hi-st.dx.lo)*s.W*s.C
		out := t.from.dx.place(to, n, wide)
		switch {
		case st.grad.Rows == 0:
			clear(out)
		case t.dx.conv != nil:
			st.conv.X, st.conv.Y = dy, out
			st.conv.Ahead, st.conv.AheadToo = t.ahead(&t.from.x, i+1, hi), t.aheadInputs(&t.from.dx, i+1, hi)
			for k := range t.dx.kc.Tasks(&st.conv.ConvShape) {
				t.dx.kc.Run(&st.conv, k, own)
			}
		default:
			st.strided.DY, st.strided.DX = dy, out
			runAll(t.dx.ks, &st.strided, own)
		}
		clock = t.clocks.convs(task, clock)
		if t.sums != nil {
			st.sums.X, st.sums.DY, st.sums.Y = t.from.sums.load(to, n, dy), out, sums
			runAll(t.ks, &st.sums, own)
			for c, v := range sums {
				total[c] += float64(v)
			}
			clock = t.clocks.norms(task, clock)
		}
		t.from.dx.store(to, n, wide)
	}
	if t.kw.Reduce != nil {
		st.weight.DWeight = dw
		*t.kw.Reduce.At(&st.weight) = partial[:t.kw.Reduce.Len(&st.weight)]
		for k := range t.kw.Reduce.Tasks(&st.weight) {
			t.kw.Reduce.Merge(&st.weight, k)
		}
	}
}

// joinElems is the elements of a weight that a task adds up.
const joinElems = 1 << 13

// join adds up what the tasks left: first the channels' sums, then the weight
// piece by piece.
func (t *backwardTask) join() Task {
	n := len(t.weight.DWeight)
	return &joinTask{1 + (n+joinElems-1)/joinElems, func(task int) {
		if task == 0 {
			if t.sums != nil {
				for c := range t.sums.Y {
					sum := 0.0
					for _, part := range t.total {
						sum += part[c]
					}
					t.sums.Y[c] = float32(sum)
				}
			}
			return
		}
		lo := (task - 1) * joinElems
		hi := min(lo+joinElems, n)
		out := t.weight.DWeight[lo:hi]
		copy(out, t.dw[0][lo:hi])
		sum := &t.adds[task-1]
		for _, part := range t.dw[1:] {
			*sum = kernel.Update{Len: hi - lo, Fn: ref.UpdateVelocity, A: 1, S: out, P: part[lo:hi], Y: out}
			for k := range t.add.Tasks(sum) {
				t.add.Run(sum, k, nil)
			}
		}
	}}
}
