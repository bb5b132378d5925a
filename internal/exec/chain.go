package exec

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// A chain is convolutions that follow each other and hand their results to the
// next one alone, such as an inverted residual's expansion, depthwise and
// projection. It runs by strips of rows: what lies between its members is kept
// for some rows only, in a worker's scratch, and stays in the second-level
// cache instead of going through memory.
//
// Every member computes its rows by its own kernel, and an element's
// arithmetic does not depend on the division of work, so a chain has the bits
// of its members run apart.

const (
	// chainBytes is the least size of a value for which it pays.
	chainBytes = 600 << 10
	// chainWork is the most multiply-adds for a byte in between.
	chainWork = 16
	// stripBytes is the memory aimed at for the rows in between.
	stripBytes = 384 << 10
)

// findChains gives the chains of g, each as its nodes in order. A chain is
// worth it if a value inside takes least bytes or more for a picture.
func findChains(g *graph.Graph, impl string, least int) [][]graph.ID {
	if least < 0 {
		return nil
	}
	uses := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		for _, in := range g.Nodes[i].In {
			uses[in]++
		}
	}
	for _, o := range g.Outputs {
		uses[o.ID]++
	}
	var chains [][]graph.ID
	var open []graph.ID
	depthwise, large := false, false
	inside, work := 0, 0
	finish := func() {
		// Without all three, or where there is much to compute for what lies
		// in between, strips were measured to cost what they save.
		if len(open) == 3 && large && (work < chainWork*inside || least < chainBytes) {
			chains = append(chains, open)
		}
		open, depthwise, large = nil, false, false
		inside, work = 0, 0
	}
	for i := range g.Nodes {
		id := graph.ID(i)
		if leaf(g.Nodes[i].Op) {
			continue
		}
		s, dw, ok := chainable(g, id, impl)
		if !ok {
			finish()
			continue
		}
		if len(open) > 0 {
			last := open[len(open)-1]
			// A depthwise goes after anything, a pointwise after a depthwise;
			// the next block begins a chain of its own.
			_, lastDW, _ := chainable(g, last, impl)
			if g.Nodes[i].In[0] != last || uses[last] != 1 || !dw && !lastDW || dw && depthwise {
				finish()
			}
		}
		if len(open) == 0 && (s.HasResidual || dw) {
			continue
		}
		if len(open) > 0 {
			depthwise = depthwise || dw
			large = large || 4*s.H*s.W*s.C >= least
			inside += 4 * s.H * s.W * s.C
		} else {
			depthwise = dw
		}
		open = append(open, id)
		work += s.OH * s.OW * s.O * s.KH * s.KW * (s.C / s.Groups)
		if s.HasResidual {
			finish()
		}
	}
	finish()
	return chains
}

// chainable reports whether a node may be a member, and whether it is a
// depthwise convolution.
func chainable(g *graph.Graph, id graph.ID, impl string) (s kernel.ConvShape, depthwise, ok bool) {
	op, is := g.Nodes[id].Op.(graph.Conv2D)
	if !is || op.Scale || !leaf(g.Nodes[g.Nodes[id].In[1]].Op) {
		return s, false, false
	}
	s, err := convShape(g, id)
	if err != nil || s.OH < 8 || s.DilationH > 1 {
		return s, false, false
	}
	if k := kernel.SelectConv(&s, impl); cpu.Rung(k.Impl) <= cpu.Rung("go") {
		return s, false, false
	}
	depthwise = s.Groups == s.C && s.O == s.C
	return s, depthwise, depthwise || s.Groups == 1
}

// stage is a member of a chain: its whole convolution, and where its rows are
// kept.
type stage struct {
	k    *kernel.ConvKernel
	args kernel.Conv
	off  int // of its rows in the scratch
	row  int // elements of a row of its output
}

// chainTask is a chain ready to run. A task is a range of rows of the last
// member's output of one picture; it computes the rows of the members before
// that it needs by itself.
type chainTask struct {
	stages  []stage
	strips  int // tasks of a picture
	rows    int // rows of a strip within a task
	scratch int
	kernels int // where the kernels' own scratch begins
	state   []chainState
	names   string
}

// chainState is a task's own argument blocks and rows.
type chainState struct {
	args []kernel.Conv
	kept []rowRange // rows in scratch, by member
	need []rowRange
}

type rowRange struct{ lo, hi int }

// inputs is the rows of inputs that some rows of outputs are made of.
func (st *stage) inputs(out rowRange) rowRange {
	s := &st.args.ConvShape
	return rowRange{
		max(0, out.lo*s.StrideH-s.PadTop),
		min(s.H, (out.hi-1)*s.StrideH-s.PadTop+(s.KH-1)*s.DilationH+1),
	}
}

// newChainTask divides a chain. The more threads, the more tasks: rows at the
// seams are computed twice, so there are no more than needed.
func newChainTask(stages []stage, threads int) *chainTask {
	t := &chainTask{stages: stages}
	n := len(stages)
	var names []string
	for i := range stages {
		st := &stages[i]
		names = append(names, st.k.Name)
		s := &st.args.ConvShape
		if i+1 < n && s.O%conflict == 0 && !s.BF16.Y {
			s.YPixel = s.O + align
			next := &stages[i+1].args.ConvShape
			next.XPixel = s.YPixel
		}
		st.row = s.OW * s.YPixel
	}
	t.names = strings.Join(names, "+")
	last := &stages[n-1].args.ConvShape
	t.strips = min(threads, last.OH/4)
	t.strips = max(t.strips, 1)
	// As many rows as fit.
	most := (last.OH + t.strips - 1) / t.strips
	for t.rows = 1; t.rows < most; t.rows++ {
		if t.size(t.rows+1, nil) > stripBytes/4 {
			break
		}
	}
	t.kernels = t.size(t.rows, func(i, off, rows int) {
		stages[i].off = off
		// A kernel's scratch may depend on the rows it is given.
		for r := 1; r <= rows; r++ {
			s := stages[i].args.ConvShape
			s.N, s.OH = 1, r
			if i > 0 || s.H != s.OH {
				s.H = min(s.H, (r-1)*s.StrideH+s.KH)
			}
			t.scratch = max(t.scratch, stages[i].k.ScratchLen(&s))
		}
	})
	t.scratch += t.kernels
	t.state = make([]chainState, last.N*t.strips)
	for i := range t.state {
		t.state[i] = chainState{make([]kernel.Conv, n), make([]rowRange, n), make([]rowRange, n)}
		for j := range stages {
			t.state[i].args[j] = stages[j].args
			t.state[i].args[j].N = 1
		}
	}
	return t
}

// size is the elements kept for strips of some rows; each, if given, is told
// every member's place and number of rows.
func (t *chainTask) size(rows int, each func(i, off, rows int)) int {
	n := len(t.stages)
	lens := make([]int, n)
	for i := n - 1; i >= 0; i-- {
		lens[i] = rows
		s := &t.stages[i].args.ConvShape
		rows = min(s.H, (rows-1)*s.StrideH+(s.KH-1)*s.DilationH+1)
	}
	off := 0
	for i := range n {
		if each != nil {
			each(i, off, lens[i])
		}
		if i+1 < n {
			off += (lens[i]*t.stages[i].row + align - 1) / align * align
		}
	}
	return off
}

func (t *chainTask) Tasks() int   { return len(t.state) }
func (t *chainTask) Scratch() int { return t.scratch }
func (t *chainTask) name() string { return t.names }

func (t *chainTask) Run(task int, scratch []float32) {
	n := len(t.stages)
	picture, st := task/t.strips, &t.state[task]
	rows := t.stages[n-1].args.OH
	strip := task % t.strips
	from, to := rows*strip/t.strips, rows*(strip+1)/t.strips
	clear(st.kept)
	for a := from; a < to; a += t.rows {
		st.need[n-1] = rowRange{a, min(a+t.rows, to)}
		for i := n - 1; i > 0; i-- {
			st.need[i-1] = t.stages[i].inputs(st.need[i])
		}
		for i := range n - 1 {
			t.advance(st, i, picture, scratch)
		}
		t.compute(st, n-1, picture, st.need[n-1], scratch)
	}
}

// advance drops the rows of member i that are not needed any more and computes
// those that are missing.
func (t *chainTask) advance(st *chainState, i, picture int, scratch []float32) {
	kept, need, s := &st.kept[i], st.need[i], &t.stages[i]
	if need.lo >= kept.hi {
		*kept = rowRange{need.lo, need.lo}
	} else if need.lo > kept.lo {
		rows := scratch[s.off:]
		copy(rows, rows[(need.lo-kept.lo)*s.row:(kept.hi-kept.lo)*s.row])
		kept.lo = need.lo
	}
	if kept.hi < need.hi {
		missing := rowRange{kept.hi, need.hi}
		kept.hi = need.hi
		t.compute(st, i, picture, missing, scratch)
	}
}

// compute runs member i for some rows.
func (t *chainTask) compute(st *chainState, i, picture int, out rowRange, scratch []float32) {
	s, a := &t.stages[i], &st.args[i]
	in := s.inputs(out)
	a.H, a.OH = in.hi-in.lo, out.hi-out.lo
	a.PadTop = max(0, s.args.PadTop-out.lo*a.StrideH)
	if i == 0 {
		at := (picture*s.args.H + in.lo) * a.W * a.XPixel
		a.X = s.args.X[at:]
	} else {
		before := &t.stages[i-1]
		a.X = scratch[before.off+(in.lo-st.kept[i-1].lo)*before.row:]
	}
	if i == len(t.stages)-1 {
		at := (picture*s.args.OH + out.lo) * a.OW * a.YPixel
		a.Y = s.args.Y[at:]
		if a.HasResidual {
			a.Residual = s.args.Residual[at:]
		}
	} else {
		a.Y = scratch[s.off+(out.lo-st.kept[i].lo)*s.row:]
	}
	for task := range s.k.Tasks(&a.ConvShape) {
		s.k.Run(a, task, scratch[t.kernels:])
	}
}

// chainArgs collects a chain's members for a session.
func (s *Session) chainArgs(ids []graph.ID) ([]stage, error) {
	var out []stage
	for _, id := range ids {
		args, err := lower(s.p.g, id, s.value)
		if err != nil {
			return nil, err
		}
		c, ok := args.(*kernel.Conv)
		if !ok {
			return nil, fmt.Errorf("node %q is no convolution", s.p.g.Node(id).Name)
		}
		s.p.layOut(id, &c.ConvShape)
		c.Weight = s.p.packed[id]
		out = append(out, stage{k: kernel.SelectConv(&c.ConvShape, s.p.impl), args: *c})
	}
	return out, nil
}
