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

// TestPoolBounds: a number of threads that would take all memory is cut down.
func TestPoolBounds(t *testing.T) {
	if got := NewPool(1 << 30).Threads(); got != MaxThreads {
		t.Errorf("%d threads", got)
	}
}

// TestPoolPanic: a panic of the caller's own piece leaves no worker on the task,
// and the pool works on.
func TestPoolPanic(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	panics := 0
	for range 50 {
		b := &broken{}
		func() {
			defer func() {
				if recover() != nil {
					panics++
				}
			}()
			p.Run(b, make([]float32, callersScratch))
		}()
		if n := b.inside.Load(); n != 0 {
			t.Fatalf("%d workers still at work", n)
		}
		c := &counter{runs: make([]atomic.Int32, 6)}
		p.Run(c, make([]float32, 5))
		for i := range c.runs {
			if got := c.runs[i].Load(); got != 1 {
				t.Fatalf("piece %d ran %d times", i, got)
			}
		}
	}
	if panics == 0 {
		t.Error("no panic")
	}
}

// callersScratch tells the caller's scratch from the workers'.
const callersScratch = 6

// broken panics on the caller's goroutine, told by its scratch, as soon as another
// is at work, or none came.
type broken struct{ inside atomic.Int32 }

func (b *broken) Tasks() int   { return 3 }
func (b *broken) Scratch() int { return 0 }
func (b *broken) Run(_ int, scratch []float32) {
	if len(scratch) == callersScratch {
		for start := time.Now(); b.inside.Load() == 0 && time.Since(start) < time.Millisecond; {
		}
		panic("broken")
	}
	b.inside.Add(1)
	time.Sleep(200 * time.Microsecond)
	b.inside.Add(-1)
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

// TestPoolTakesOver checks that a thread held up in one piece loses the others
// of its share.
func TestPoolTakesOver(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor: nothing to share")
	}
	p := NewPool(2)
	defer p.Close()
	for range 50 {
		var h heldUp
		p.Run(&h, nil)
		if h.done.Load() != 8 {
			t.Fatalf("%d pieces of 8", h.done.Load())
		}
		if h.overtaken.Load() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("nobody took over the first thread's pieces")
}

// heldUp is eight pieces, of which the first takes as long as all others, but
// not for ever.
type heldUp struct {
	done      atomic.Int32
	overtaken atomic.Bool
}

func (h *heldUp) Tasks() int   { return 8 }
func (h *heldUp) Scratch() int { return 0 }
func (h *heldUp) Run(i int, _ []float32) {
	for start := time.Now(); i == 0 && time.Since(start) < 20*time.Millisecond; {
		if h.done.Load() == 7 {
			h.overtaken.Store(true)
			break
		}
	}
	h.done.Add(1)
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
