package exec

import "time"

// clocks take the time that each task of a fused step spends in convolutions
// and in batch norms. A nil one takes none.
type clocks []clock

type clock struct {
	conv, norm time.Duration
	_          [48]byte // a cache line of its own
}

// begin is the time from which the first lap counts.
func (c clocks) begin() (t time.Time) {
	if c != nil {
		t = time.Now()
	}
	return t
}

// convs counts the time since at for convolutions, norms for batch norms. Both
// give the time from which the next counts.
func (c clocks) convs(task int, at time.Time) time.Time {
	if c == nil {
		return at
	}
	now := time.Now()
	c[task].conv += now.Sub(at)
	return now
}

func (c clocks) norms(task int, at time.Time) time.Time {
	if c == nil {
		return at
	}
	now := time.Now()
	c[task].norm += now.Sub(at)
	return now
}

// clocked is a fused step.
type clocked interface{ clock() *clocks }

func (t *forwardTask) clock() *clocks  { return &t.clocks }
func (t *backwardTask) clock() *clocks { return &t.clocks }

// measure has the fused steps take their times from now on.
func (s *TrainSession) measure() {
	for _, t := range s.work {
		if t, ok := t.(clocked); ok && *t.clock() == nil {
			*t.clock() = make(clocks, t.(Task).Tasks())
		}
	}
	s.measured = true
}

// Split tells how long the threads were, in a fused step, in its convolutions
// and in its batch norms, since Times was set. Both are 0 for other steps.
func (s *TrainSession) Split(step int) (convs, norms time.Duration) {
	for i, t := range s.work {
		if t, ok := t.(clocked); ok && s.step[i] == step {
			for _, c := range *t.clock() {
				convs, norms = convs+c.conv, norms+c.norm
			}
		}
	}
	return convs, norms
}
