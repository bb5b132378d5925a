package exec

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// Task is work that splits into independent pieces. The pieces follow from the
// shapes, and for a chain from the number of threads; no element of a result
// depends on how it was cut.
type Task interface {
	// Tasks is the number of pieces.
	Tasks() int
	// Scratch is the number of float32s a worker needs.
	Scratch() int
	// Run does one piece.
	Run(task int, scratch []float32)
}

// Pool is a set of worker goroutines that share the pieces of one Task at a
// time. Workers wait for the next task by spinning for some microseconds and
// then sleep, so that an idle pool costs nothing. Run may be called by many
// goroutines: while the workers serve one of them, the others work alone.
type Pool struct {
	mu      sync.Mutex
	workers []*worker
	once    sync.Once
	threads int

	task   Task
	parts  []part // of the current task, one a thread that may take part
	shares []part // the memory of parts
	closed atomic.Bool
}

// part is a thread's share of a task's pieces: neighbours, and the same part of
// every step, so that a step finds in a core's own cache what the step before
// left there. Who is done with its own goes on with the others'.
type part struct {
	next atomic.Int64
	end  int64
	_    [48]byte
}

// A worker's state tells who may touch the pool's current task.
const (
	parked   = iota // asleep on wake
	spinning        // looking for work
	assigned        // given a task it has not started
	running
)

type worker struct {
	state   atomic.Int32
	index   int // of its part
	wake    chan struct{}
	scratch []float32
	_       [64]byte
}

// MaxThreads bounds the threads of a pool: each takes memory at once.
const MaxThreads = 1024

// NewPool makes a pool of the given number of threads, the caller of Run
// included; below 1 means one for every processor this process may use, more
// than MaxThreads is MaxThreads.
func NewPool(threads int) *Pool {
	if threads < 1 {
		threads = cpu.Threads()
	}
	return &Pool{threads: min(threads, MaxThreads)}
}

// Threads is the number of threads, the caller's included.
func (p *Pool) Threads() int { return p.threads }

// start makes the workers at the first Run.
func (p *Pool) start() {
	p.shares = make([]part, p.threads)
	for i := range p.threads - 1 {
		w := &worker{index: i + 1, wake: make(chan struct{}, 1)}
		w.state.Store(spinning)
		p.workers = append(p.workers, w)
		go p.loop(w)
	}
}

// Close ends the workers. Whoever uses the pool afterwards works alone.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Swap(true) {
		return
	}
	for _, w := range p.workers {
		close(w.wake)
	}
}

// Run does all pieces of t and returns when they are done. scratch is the
// calling goroutine's own.
func (p *Pool) Run(t Task, scratch []float32) {
	n := t.Tasks()
	if n < 2 || p.threads < 2 || !p.mu.TryLock() {
		runAlone(t, n, scratch)
		return
	}
	defer p.mu.Unlock()
	if p.closed.Load() {
		// The workers are gone; whoever still holds the model works alone.
		runAlone(t, n, scratch)
		return
	}
	p.once.Do(p.start)
	helpers := p.workers[:min(len(p.workers), n-1)]
	// Deferred, so that a panic of the caller's own piece leaves nobody at work
	// on the task, and the pool as it was.
	defer p.wait(helpers)
	p.task, p.parts = t, p.shares[:len(helpers)+1]
	for i := range p.parts {
		p.parts[i].next.Store(int64(n * i / len(p.parts)))
		p.parts[i].end = int64(n * (i + 1) / len(p.parts))
	}
	need := t.Scratch()
	for _, w := range helpers {
		if len(w.scratch) < need {
			w.scratch = aligned(need)
		}
		// A worker may go to sleep between the two attempts, so both are
		// made until one succeeds; it cannot wake up on its own.
		for !w.state.CompareAndSwap(spinning, assigned) {
			if w.state.CompareAndSwap(parked, assigned) {
				select {
				case w.wake <- struct{}{}:
				default: // it has a token it has not taken yet
				}
				break
			}
		}
	}
	p.work(0, scratch)
}

// wait returns when no helper is at work on the current task.
func (p *Pool) wait(helpers []*worker) {
	for _, w := range helpers {
		// A helper that has not started yet is not waited for.
		if w.state.CompareAndSwap(assigned, spinning) {
			continue
		}
		for spins := 0; w.state.Load() == running; spins++ {
			if spins > waitLimit {
				runtime.Gosched()
			}
		}
	}
	p.task = nil
}

// runAlone does all pieces on the calling goroutine.
func runAlone(t Task, n int, scratch []float32) {
	for i := range n {
		t.Run(i, scratch)
	}
}

// work takes pieces until none are left, those of part own first.
func (p *Pool) work(own int, scratch []float32) {
	t := p.task
	for k := range p.parts {
		part := &p.parts[(own+k)%len(p.parts)]
		for {
			i := part.next.Add(1) - 1
			if i >= part.end {
				break
			}
			t.Run(int(i), scratch)
		}
	}
}

// waitLimit bounds the spinning of the dispatcher at the end of a step, about
// a microsecond, before it lets other goroutines run.
const waitLimit = 2000

// spinLimit bounds the wait before sleeping: some tens of microseconds.
const spinLimit = 20000

func (p *Pool) loop(w *worker) {
	for {
		for i := 0; w.state.Load() != assigned; i++ {
			if i < spinLimit {
				continue
			}
			if w.state.CompareAndSwap(spinning, parked) {
				if _, ok := <-w.wake; !ok {
					return
				}
				// A dispatcher that gave up waiting has set the state back to
				// spinning; otherwise it is assigned.
			}
			i = 0
		}
		if w.state.CompareAndSwap(assigned, running) {
			p.work(w.index, w.scratch)
			w.state.Store(spinning)
		}
	}
}
