package exec

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// A batch runs picture by picture where it can: a picture's values stay in a
// processor's caches from layer to layer, while those of a whole batch go
// through memory, and threads with a picture each never wait for each other.
// No element depends on the pictures beside it, so the bits are the same.

// singlePicture gives g for one picture, or nil if g is no batch or computes
// something across its pictures.
func singlePicture(g *graph.Graph) *graph.Graph {
	in := g.Node(g.Inputs[0]).Type.Shape
	if len(g.Inputs) != 1 || len(in) != 4 || in[0] < 2 {
		return nil
	}
	one, err := g.Resize(1, in[1], in[2])
	if err != nil {
		return nil
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if leaf(n.Op) {
			continue
		}
		s, t := n.Type.Shape, one.Nodes[i].Type.Shape
		if len(s) < 2 || len(t) != len(s) || s[0] != in[0] || t[0] != 1 || !slices.Equal(s[1:], t[1:]) || !perPicture(n.Op) {
			return nil
		}
	}
	for _, o := range g.Outputs {
		if leaf(g.Node(o.ID).Op) {
			return nil
		}
	}
	return one
}

// perPicture reports an operation that keeps pictures apart wherever the first
// axis of its result counts them.
func perPicture(op graph.Op) bool {
	switch op := op.(type) {
	case graph.Input, graph.Conv2D, graph.Activation, graph.Binary, graph.GlobalAvgPool, graph.Pool, graph.Softmax,
		graph.BatchNorm, graph.Resize2D, graph.Pad2D, graph.Reshape, graph.Dropout, graph.FakeQuant,
		graph.FromPixels, graph.Quantize, graph.Dequantize, graph.QConv2D, graph.QActivation, graph.QBinary, graph.QPool,
		graph.QMean, graph.QSoftmax, graph.ArgMax, graph.ToFloat, graph.DetectionPostProcess:
		return true
	case graph.Concat:
		return op.Axis > 0
	case graph.Transpose:
		return len(op.Perm) > 0 && op.Perm[0] == 0
	}
	return false
}

// compileSingle compiles g's program for one picture, or gives nil.
func (p *Program) compileSingle(opt Options) (*Program, error) {
	if opt.together {
		return nil, nil
	}
	one := singlePicture(p.g)
	if one == nil {
		return nil, nil
	}
	single, err := Compile(one, opt)
	if err != nil {
		return nil, err
	}
	// A profile of the batch is that of its pictures, step by step.
	same := func(a, b stepInfo) bool { return a.id == b.id && slices.Equal(a.chain, b.chain) }
	if !slices.EqualFunc(single.steps, p.steps, same) {
		return nil, nil
	}
	return single, nil
}

// pictures runs a batch picture by picture.
type pictures struct {
	ctx    context.Context
	in     []float32
	out    [][]float32
	lanes  []lane   // one a thread
	shared *Session // all threads on one picture, for what does not go round
	whole  int      // pictures that go round

	sharedIn reader
}

// reader is a step that can be told where its input is.
type reader interface{ readFrom(x []float32) }

func (t *convTask) readFrom(x []float32)  { t.args.X = x }
func (t *chainTask) readFrom(x []float32) { t.stages[0].args.X = x }

// reader gives the one convolution that reads the session's input, nil if
// something else does.
func (s *Session) reader() reader {
	g := s.p.g
	if g.Uses()[g.Inputs[0]] != 1 {
		return nil
	}
	for i, info := range s.p.steps {
		first := info.id
		if info.chain != nil {
			first = info.chain[0]
		}
		if n := g.Node(first); len(n.In) > 0 && n.In[0] == g.Inputs[0] {
			r, _ := s.steps[i].(reader)
			return r
		}
	}
	return nil
}

// lane is what one picture at a time needs.
type lane struct {
	s    *Session
	in   reader // reads the batch in place if not nil
	busy atomic.Bool
	err  error
	_    [64]byte
}

// newPictures gives nil where a batch has too few pictures for its threads.
func newPictures(p *Program, pool *Pool) (*pictures, error) {
	n, threads := p.g.Node(p.g.Inputs[0]).Type.Shape[0], pool.Threads()
	if n < threads {
		return nil, nil
	}
	b := &pictures{in: aligned(p.g.Node(p.g.Inputs[0]).Type.Shape.Len()), lanes: make([]lane, threads), whole: n / threads * threads}
	for _, o := range p.g.Outputs {
		b.out = append(b.out, aligned(p.g.Node(o.ID).Type.Shape.Len()))
	}
	alone := NewPool(1)
	for i := range b.lanes {
		s, err := p.single.NewSession(alone)
		if err != nil {
			return nil, err
		}
		b.lanes[i].s, b.lanes[i].in = s, s.reader()
	}
	if b.whole < n {
		s, err := p.single.NewSession(pool)
		if err != nil {
			return nil, err
		}
		b.shared, b.sharedIn = s, s.reader()
	}
	return b, nil
}

// Tasks, Scratch and Run make a Task of the pictures that go round.
func (b *pictures) Tasks() int   { return b.whole }
func (b *pictures) Scratch() int { return 0 }

func (b *pictures) Run(task int, _ []float32) {
	// There are as many lanes as threads, so one is free.
	for i := 0; ; i = (i + 1) % len(b.lanes) {
		l := &b.lanes[i]
		if !l.busy.CompareAndSwap(false, true) {
			continue
		}
		if l.err == nil {
			l.err = b.picture(l.s, l.in, task)
		}
		l.busy.Store(false)
		return
	}
}

// picture runs one picture.
func (b *pictures) picture(s *Session, in reader, i int) error {
	x := s.Input(0)
	if own := b.in[i*len(x):][:len(x)]; in != nil {
		in.readFrom(own)
	} else {
		copy(x, own)
	}
	if err := s.Run(b.ctx); err != nil {
		return err
	}
	for j, out := range b.out {
		y := s.Output(j)
		copy(out[i*len(y):], y)
	}
	return nil
}

// run runs all pictures.
func (b *pictures) run(ctx context.Context, pool *Pool, times []time.Duration) error {
	b.ctx = ctx
	for i := range b.lanes {
		b.lanes[i].err = nil
		b.lanes[i].s.profile(times)
	}
	pool.Run(b, nil)
	b.ctx = nil
	for i := range b.lanes {
		l := &b.lanes[i]
		if l.err != nil {
			return l.err
		}
		for j := range times {
			times[j] += l.s.Times[j] / time.Duration(len(b.lanes))
		}
	}
	if b.shared == nil {
		return nil
	}
	b.ctx = ctx
	defer func() { b.ctx = nil }()
	b.shared.profile(times)
	for i := b.whole; i < len(b.in)/len(b.shared.Input(0)); i++ {
		if err := b.picture(b.shared, b.sharedIn, i); err != nil {
			return err
		}
	}
	for j := range times {
		times[j] += b.shared.Times[j]
	}
	return nil
}

// profile begins or ends taking the times of one run.
func (s *Session) profile(times []time.Duration) {
	if times == nil {
		s.Times = nil
		return
	}
	if s.Times == nil {
		s.Times = make([]time.Duration, len(times))
	}
	clear(s.Times)
}

// checkTimes reports a profile of another program.
func (s *Session) checkTimes() error {
	if s.Times != nil && len(s.Times) != len(s.p.steps) {
		return fmt.Errorf("Times has %d elements, the program %d steps", len(s.Times), len(s.p.steps))
	}
	return nil
}
