package exec

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counter counts how often each of its pieces is run.
type counter struct {
	runs []atomic.Int32
	spin time.Duration
}

func (c *counter) Tasks() int   { return len(c.runs) }
func (c *counter) Scratch() int { return 5 }
func (c *counter) Run(i int, scratch []float32) {
	_ = scratch[4]
	c.runs[i].Add(1)
	for start := time.Now(); time.Since(start) < c.spin; {
	}
}

func TestPoolRunsEveryPieceOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := NewPool(threads)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				scratch := make([]float32, 5)
				for n := range 300 {
					c := &counter{runs: make([]atomic.Int32, n%7)}
					p.Run(c, scratch)
					for i := range c.runs {
						if got := c.runs[i].Load(); got != 1 {
							t.Errorf("piece %d of %d ran %d times", i, len(c.runs), got)
							return
						}
					}
					if n%100 == 50 {
						// Long enough for the workers to fall asleep.
						time.Sleep(2 * time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		p.Close()
		p.Close()
	}
}

// TestPoolShares checks that sleeping workers wake up and take part.
func TestPoolShares(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor: nothing to share")
	}
	p := NewPool(2)
	defer p.Close()
	scratch := make([]float32, 5)
	p.Run(&counter{runs: make([]atomic.Int32, 2)}, scratch)
	var other sharing
	for range 50 {
		time.Sleep(time.Millisecond)
		p.Run(&other, scratch)
	}
	if other.helped.Load() == 0 {
		t.Error("the second thread never took a piece")
	}
}

// sharing notices pieces that run at the same time as piece 0.
type sharing struct {
	inside atomic.Int32
	helped atomic.Int32
}

func (s *sharing) Tasks() int   { return 2 }
func (s *sharing) Scratch() int { return 0 }
func (s *sharing) Run(int, []float32) {
	s.inside.Add(1)
	for start := time.Now(); time.Since(start) < 5*time.Millisecond; {
		if s.inside.Load() == 2 {
			s.helped.Add(1)
		}
	}
	s.inside.Add(-1)
}

func BenchmarkPoolDispatch(b *testing.B) {
	p := NewPool(2)
	defer p.Close()
	c := &counter{runs: make([]atomic.Int32, 2)}
	scratch := make([]float32, 5)
	for b.Loop() {
		p.Run(c, scratch)
	}
}
