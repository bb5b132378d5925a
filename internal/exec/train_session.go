package exec

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// State is the memory of the variables of one or several training graphs, by
// name. It may be read and written between steps.
type State struct {
	values map[string][]float32
	names  []string
}

// NewState makes the variables of a graph, with their first values.
func NewState(g *graph.Graph) (*State, error) {
	s := &State{values: make(map[string][]float32)}
	return s, s.Add(g)
}

// Add makes those variables of another graph that are not there yet. Variables
// of one name are shared.
func (s *State) Add(g *graph.Graph) error {
	for _, id := range g.Variables() {
		n := g.Node(id)
		if have, ok := s.values[n.Name]; ok {
			if len(have) != n.Type.Shape.Len() {
				return fmt.Errorf("variable %q has %d elements, another graph's has %d", n.Name, n.Type.Shape.Len(), len(have))
			}
			continue
		}
		if n.Value == nil {
			return fmt.Errorf("variable %q has no value: load or generate weights first", n.Name)
		}
		v := aligned(n.Type.Shape.Len())
		copy(v, n.Value.Values(v[:0]))
		s.values[n.Name] = v
		s.names = append(s.names, n.Name)
	}
	return nil
}

// Names lists the variables in the order in which they were made.
func (s *State) Names() []string { return slices.Clone(s.names) }

// Variable is the memory of a variable; nil if there is none of that name.
func (s *State) Variable(name string) []float32 { return s.values[name] }

// TrainSession is a TrainProgram with memory of its own, working on a State.
// It may be used by one goroutine at a time.
type TrainSession struct {
	p       *TrainProgram
	pool    *Pool
	state   *State
	arena   []float32
	scratch []float32
	work    []Task // packing, the steps and their merges, writing
	step    []int  // of each task, for Times
	early   map[graph.ID][]float32
	// Times, if not nil, receives the duration of every step of each run,
	// added up; it has one element for each of the program's Steps.
	Times    []time.Duration
	measured bool
}

// NewSession allocates the memory of one step. A nil pool means the calling
// goroutine works alone.
func (p *TrainProgram) NewSession(pool *Pool, state *State) (*TrainSession, error) {
	if pool == nil {
		pool = NewPool(1)
	}
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		if _, ok := n.Op.(graph.Variable); ok && p.plan.live[i] && len(state.Variable(n.Name)) != n.Type.Shape.Len() {
			return nil, fmt.Errorf("variable %q has %d elements in the state, not %v", n.Name, len(state.Variable(n.Name)), n.Type.Shape)
		}
	}
	s := &TrainSession{p: p, pool: pool, state: state, arena: aligned(p.plan.len), scratch: make([]float32, p.scratch)}
	partial, packs := aligned(p.partial), &trainPacks{}
	if err := s.addEarly(); err != nil {
		return nil, err
	}
	s.add(packs, 0)
	for i, id := range p.steps {
		if f := p.fused.of[id]; f != nil {
			t, err := p.lowerFused(f, s.value, packs)
			if err != nil {
				return nil, err
			}
			t.setPartial(partial)
			s.add(t, i+1)
			if join := t.join(); join != nil {
				s.add(join, i+1)
			}
			continue
		}
		t, err := p.lower(id, s.value, packs)
		if err != nil {
			return nil, err
		}
		s.add(t, i+1)
		if r, ok := t.(reducing); ok {
			r.setPartial(partial)
			s.add(r.merge(), i+1)
		}
	}
	packs.order()
	write, staged := s.writes()
	for _, t := range []*copyTask{staged, write} {
		if len(t.from) > 0 {
			s.add(t, len(p.steps)+1)
		}
	}
	return s, nil
}

func (s *TrainSession) add(t Task, step int) {
	s.work, s.step = append(s.work, t), append(s.step, step)
}

// value is the memory of a node's value.
func (s *TrainSession) value(id graph.ID) []float32 {
	if s.p.fused.inside[id] {
		return nil // it never is in memory as a whole
	}
	owner := s.p.plan.owner[id]
	if v, ok := s.early[owner]; ok {
		return v
	}
	n := s.p.g.Node(owner)
	switch n.Op.(type) {
	case graph.Variable:
		return s.state.Variable(n.Name)
	case graph.Constant:
		return n.Value.Values(nil)
	}
	off, size := s.p.plan.off[owner], s.p.plan.size(s.p.g, id)
	return s.arena[off : off+size : off+size]
}

// writes is what copies values into variables at the end of a step. A value
// that lies in another variable is set aside first: that one may be written
// too.
func (s *TrainSession) writes() (write, staged *copyTask) {
	write, staged = &copyTask{}, &copyTask{}
	for _, a := range s.p.plan.copies {
		from, to := s.value(a.value), s.state.Variable(s.p.g.Node(a.variable).Name)
		if leaf(s.p.g.Node(s.p.plan.owner[a.value]).Op) {
			aside := make([]float32, len(from))
			staged.from, staged.to = append(staged.from, from), append(staged.to, aside)
			from = aside
		}
		write.from, write.to = append(write.from, from), append(write.to, to)
	}
	return write, staged
}

// Input is the memory of the i-th input, to be filled before every step.
func (s *TrainSession) Input(i int) []float32 { return s.value(s.p.g.Inputs[i]) }

// Output is the memory of the i-th output, valid until the next step.
func (s *TrainSession) Output(i int) []float32 { return s.value(s.p.g.Outputs[i].ID) }

// Run executes one step on what the inputs hold and gives the variables their
// new values. It allocates nothing. A context that is cancelled before the
// step stops it; a step that has begun is carried through, since one cut short
// would leave the variables between two states.
func (s *TrainSession) Run(ctx context.Context) error {
	if s.Times != nil && len(s.Times) != len(s.p.steps)+2 {
		return fmt.Errorf("Times has %d elements, the program %d steps", len(s.Times), len(s.p.steps)+2)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Times != nil && !s.measured {
		s.measure()
	}
	for i, t := range s.work {
		if s.Times == nil {
			s.pool.Run(t, s.scratch)
			continue
		}
		start := time.Now()
		s.pool.Run(t, s.scratch)
		s.Times[s.step[i]] += time.Since(start)
	}
	return nil
}

// trainPacks packs the weights of all convolutions, forwards and backwards, at
// the beginning of a step.
type trainPacks struct{ packs []trainPack }

type trainPack struct {
	weight, packed []float32
	k              *kernel.ConvKernel
	shape          kernel.ConvShape
	// forward is, for a gradient, the convolution it is the gradient of; turned
	// the weights of GradInputConv, nil where the kernel needs none.
	turned  []float32
	forward *kernel.ConvShape
}

// add plans a packing and gives its memory.
func (t *trainPacks) add(weight []float32, k *kernel.ConvKernel, s kernel.ConvShape, forward *kernel.ConvShape) []float32 {
	p := trainPack{weight: weight, packed: aligned(k.PackedLen(&s)), k: k, shape: s, forward: forward}
	if forward != nil {
		if k.PackTurned == nil || !k.PackTurned(forward, weight, p.packed) {
			p.turned = make([]float32, len(weight))
		}
	}
	t.packs = append(t.packs, p)
	return p.packed
}

// order puts the largest first, so that the threads end together.
func (t *trainPacks) order() {
	slices.SortStableFunc(t.packs, func(a, b trainPack) int { return cmp.Compare(len(b.weight), len(a.weight)) })
}

func (t *trainPacks) Tasks() int   { return len(t.packs) }
func (t *trainPacks) Scratch() int { return 0 }

func (t *trainPacks) Run(task int, _ []float32) {
	p := &t.packs[task]
	w := p.weight
	if p.forward != nil && p.turned == nil {
		p.k.PackTurned(p.forward, w, p.packed)
		return
	}
	if p.forward != nil {
		kernel.GradInputWeight(p.forward, w, p.turned)
		w = p.turned
	}
	p.k.Pack(&p.shape, w, p.packed)
}

// copyTask copies values into variables.
type copyTask struct{ from, to [][]float32 }

func (t *copyTask) Tasks() int                { return len(t.from) }
func (t *copyTask) Scratch() int              { return 0 }
func (t *copyTask) Run(task int, _ []float32) { copy(t.to[task], t.from[task]) }
