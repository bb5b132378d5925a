package exec

import (
	"context"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// Session is a Program with memory of its own. It may be used by one
// goroutine at a time; many sessions may share a Pool.
type Session struct {
	p       *Program
	pool    *Pool
	arena   []float32
	scratch []float32
	steps   []namedTask
	batch   *pictures // nil: all pictures go through each step together
	// Times, if not nil, receives the duration of every step of each run,
	// added up. It has one element a step.
	Times []time.Duration
}

// NewSession allocates the memory of one run. A nil pool means the calling
// goroutine works alone.
func (p *Program) NewSession(pool *Pool) (*Session, error) {
	if pool == nil {
		pool = NewPool(1)
	}
	if p.single != nil {
		b, err := newPictures(p, pool)
		if err != nil {
			return nil, err
		}
		if b != nil {
			return &Session{p: p, pool: pool, batch: b}, nil
		}
	}
	s := &Session{p: p, pool: pool, arena: aligned(p.plan.Len), scratch: aligned(p.scratch)}
	for _, info := range p.steps {
		if info.chain != nil {
			stages, err := s.chainArgs(info.chain)
			if err != nil {
				return nil, err
			}
			t := newChainTask(stages, pool.Threads())
			if len(s.scratch) < t.Scratch() {
				s.scratch = aligned(t.Scratch())
			}
			s.steps = append(s.steps, t)
			continue
		}
		if args, ints, err := lowerInts(p.g, info.id, memory{s.value, s.bytes}); ints || err != nil {
			if err != nil {
				return nil, err
			}
			t, err := p.intTask(info.id, args, nil)
			if err != nil {
				return nil, err
			}
			s.steps = append(s.steps, t)
			continue
		}
		args, err := lower(p.g, info.id, s.value)
		if err != nil {
			return nil, err
		}
		if c, ok := args.(*kernel.Conv); ok {
			p.layOut(info.id, &c.ConvShape)
			c.Weight, c.Ahead = p.packed[info.id], p.ahead[info.id]
			k := kernel.SelectConv(&c.ConvShape, p.impl)
			s.steps = append(s.steps, newConvTask(c, k))
			continue
		}
		s.steps = append(s.steps, newTask(p.adapt(info.id, args), p.impl))
	}
	return s, nil
}

// value is the memory of a node's value during the steps in which it lives.
func (s *Session) value(id graph.ID) []float32 {
	n := s.p.g.Node(id)
	if n.Value != nil {
		return n.Value.Data
	}
	slot := s.p.plan.Slots[id]
	return s.arena[slot.Off : slot.Off+slot.Len : slot.Off+slot.Len]
}

// Input is the memory of the i-th input, to be filled before every Run: later
// steps may reuse it.
func (s *Session) Input(i int) []float32 {
	if s.batch != nil {
		return s.batch.in
	}
	return s.value(s.p.g.Inputs[i])
}

// Output is the memory of the i-th output, valid until the next Run.
func (s *Session) Output(i int) []float32 {
	if s.batch != nil {
		return s.batch.out[i]
	}
	return s.value(s.p.g.Outputs[i].ID)
}

// Run executes the program on what the inputs hold. It allocates nothing. A
// cancelled context stops it between two steps.
func (s *Session) Run(ctx context.Context) error {
	if err := s.checkTimes(); err != nil {
		return err
	}
	if s.batch != nil {
		return s.batch.run(ctx, s.pool, s.Times)
	}
	for i, t := range s.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Times == nil {
			s.pool.Run(t, s.scratch)
			continue
		}
		start := time.Now()
		s.pool.Run(t, s.scratch)
		s.Times[i] += time.Since(start)
	}
	return nil
}
