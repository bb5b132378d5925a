package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// maxPrograms bounds the programs kept for different batch and picture sizes
// and taps; the one unused for longest goes first.
const maxPrograms = 8

// Shape is what a program is compiled for.
type Shape struct {
	Batch, H, W int
	// Taps are the names of values to return instead of the model's outputs.
	Taps []string
	// Solo runs on the calling goroutine alone: right where many goroutines
	// run pictures at the same time.
	Solo bool
}

type programKey struct {
	batch, h, w int
	taps        string
}

// runner compiles a graph for the shapes asked for and runs it. It may be
// used by any number of goroutines.
type runner struct {
	// build gives the graph, with all weights bound, for a batch of pictures.
	// Graphs for different sizes share their arrays.
	build func(batch, h, w int) (*graph.Graph, error)
	name  string // of the model, for messages
	impl  string
	// precision is the one asked for.
	precision exec.Precision
	pool      *exec.Pool
	packs     exec.Packs

	folding sync.Mutex
	folder  pass.Folder

	mu       sync.Mutex
	programs map[programKey]*program
	order    []programKey // least recently used first

	spent   sync.Mutex
	started Start
}

// Start is the time that making a model ready has taken.
type Start struct {
	Load time.Duration // reading the file
	Bind time.Duration // finding out what it is, making the graph, folding
	Pack time.Duration // choosing kernels, packing weights, memory for values
}

// spend adds to the time of the start.
func (r *runner) spend(s Start) {
	r.spent.Lock()
	defer r.spent.Unlock()
	r.started.Load += s.Load
	r.started.Bind += s.Bind
	r.started.Pack += s.Pack
}

// program is a compiled program with its idle sessions.
type program struct {
	ready sync.Once
	prog  *exec.Program
	err   error
	mu    sync.Mutex
	// idle sessions, with the model's workers and without.
	idle, idleSolo []*exec.Session
}

// run executes the program for a shape: fill writes the input, read gets the
// outputs, which are valid until it returns.
func (r *runner) run(ctx context.Context, s Shape, fill func(in []float32) error, read func(out [][]float32) error) error {
	p, err := r.program(s)
	if err != nil {
		return err
	}
	pool, idle := r.pool, &p.idle
	if s.Solo {
		pool, idle = nil, &p.idleSolo
	}
	sess, err := r.take(p, idle, pool)
	if err != nil {
		return err
	}
	err = p.use(ctx, sess, fill, read)
	// Not deferred: a session that a panic has left is not to be used again.
	p.put(idle, sess)
	return err
}

// use runs a session once.
func (p *program) use(ctx context.Context, sess *exec.Session, fill func(in []float32) error, read func(out [][]float32) error) error {
	if err := fill(sess.Input(0)); err != nil {
		return err
	}
	if err := sess.Run(ctx); err != nil {
		return err
	}
	out := make([][]float32, len(p.prog.Graph().Outputs))
	for i := range out {
		out[i] = sess.Output(i)
	}
	return read(out)
}

// program finds or compiles the program for a shape. Goroutines that ask for
// the same one wait for a single compilation.
func (r *runner) program(s Shape) (*program, error) {
	key := programKey{s.Batch, s.H, s.W, strings.Join(s.Taps, "\x00")}
	r.mu.Lock()
	p := r.programs[key]
	if p == nil {
		if r.programs == nil {
			r.programs = make(map[programKey]*program)
		}
		p = &program{}
		r.programs[key] = p
		if len(r.order) >= maxPrograms {
			delete(r.programs, r.order[0])
			r.order = r.order[1:]
		}
	} else {
		r.order = slices.DeleteFunc(r.order, func(k programKey) bool { return k == key })
	}
	r.order = append(r.order, key)
	r.mu.Unlock()
	p.ready.Do(func() {
		if p.prog, p.err = r.compile(s); p.err != nil {
			p.err = fmt.Errorf("%s: %w", r.name, p.err)
		}
	})
	return p, p.err
}

func (r *runner) compile(s Shape) (*exec.Program, error) {
	begin := time.Now()
	g, err := r.folded(s)
	if err != nil {
		return nil, err
	}
	folded := time.Since(begin)
	defer func() { r.spend(Start{Bind: folded, Pack: time.Since(begin) - folded}) }()
	return exec.Compile(g, exec.Options{Impl: r.impl, Precision: r.precision, Packs: &r.packs})
}

// folded gives the inference graph for a shape, with its taps as outputs.
func (r *runner) folded(s Shape) (*graph.Graph, error) {
	g, err := r.build(s.Batch, s.H, s.W)
	if err != nil {
		return nil, err
	}
	if len(s.Taps) > 0 {
		tapped := *g
		tapped.Outputs = nil
		for _, name := range s.Taps {
			id, ok := g.Lookup(name)
			if !ok || !tappable(g, id) {
				return nil, fmt.Errorf("the network has no value named %q", name)
			}
			if err := tapped.SetOutput(name, id); err != nil {
				return nil, err
			}
		}
		g = &tapped
	}
	r.folding.Lock()
	defer r.folding.Unlock()
	return r.folder.Fold(g)
}

// tappable holds for values that are computed.
func tappable(g *graph.Graph, id graph.ID) bool {
	switch n := g.Node(id); n.Op.(type) {
	case graph.Variable, graph.Constant:
		return false
	case graph.Dequantize: // of a weight
		_, weight := g.Node(n.In[0]).Op.(graph.Constant)
		return !weight
	}
	return true
}

// take finds an idle session or makes one.
func (r *runner) take(p *program, idle *[]*exec.Session, pool *exec.Pool) (*exec.Session, error) {
	p.mu.Lock()
	if n := len(*idle); n > 0 {
		s := (*idle)[n-1]
		*idle = (*idle)[:n-1]
		p.mu.Unlock()
		return s, nil
	}
	p.mu.Unlock()
	begin := time.Now()
	s, err := p.prog.NewSession(pool)
	r.spend(Start{Pack: time.Since(begin)})
	return s, err
}

// put keeps a session for the next run, at most one a processor.
func (p *program) put(idle *[]*exec.Session, s *exec.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(*idle) < runtime.GOMAXPROCS(0) {
		*idle = append(*idle, s)
	}
}
