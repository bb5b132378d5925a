package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mobilenet-go/mobilenet/transform"
)

// LoaderOptions of NewLoader. The zero value feeds a validation: in order, not augmented, everything
// once, pictures that cannot be read at weight 0.
type LoaderOptions struct {
	// Batch is the number of pictures. 0: 32.
	Batch int
	// Recipe gives the input's size, filter and scaling, and without Augment's crops the place too.
	Recipe transform.Recipe
	// Augment is training's random change.
	Augment transform.Augment
	// Shuffle makes a training loader: a new order each epoch, and a picture that cannot be read is
	// replaced by another of its class.
	Shuffle bool
	// Balanced draws all classes equally often (with Shuffle): an epoch has as many pictures as
	// otherwise, those of small classes repeated and of large ones left for later.
	Balanced bool
	// DropLast leaves out a last batch that is not full, unless it is the only one. Without it, a
	// shuffled epoch still leaves out a last batch of one picture, which batch norm cannot use.
	DropLast bool
	// Seed of everything random.
	Seed uint64
	// Smoothing takes this share of every target and spreads it over all classes.
	Smoothing float32
	// ClassWeights, where set, become the weights of the samples.
	ClassWeights []float32
	// Shrink, where positive, reduces pictures whose shorter side is longer to that length before
	// everything else: faster and smaller in the cache. It changes the pixels, cached or not.
	Shrink int
	// CacheBytes bounds the decoded pictures kept for later epochs. 0: 256 MiB; negative: none.
	CacheBytes int64
	// Workers decode at the same time. 0: GOMAXPROCS.
	Workers int
	// Prefetch is the number of batches made ahead. 0: 2.
	Prefetch int
	// Strict makes the first picture that cannot be read an error.
	Strict bool
	Limits Limits
}

// Batch is what a training step takes. Its slices belong to the loader and hold until the next call of
// Next or Close.
type Batch struct {
	Epoch, Index int
	N            int
	X            []float32 // N x Height x Width x 3
	Labels       []int     // N, before mixing
	Targets      []float32 // N x classes, distributions
	Weights      []float32 // N; 0 for what must not count
	Items        []int     // N, indices into the loader's items
}

// Bad is a picture that could not be read.
type Bad struct {
	Name  string
	Class int
	Err   error
}

// Loader makes batches on goroutines of its own while the last one is in use. Batches depend on the
// options and the items alone: not on the workers, the cache or where the reading began. Next, Seek and
// Position are for one goroutine; Close must be called at the end.
type Loader struct {
	items   []Item
	classes int
	o       LoaderOptions
	size    int // of one input
	cache   cache
	byClass [][]int32

	epoch, batch int // the next batch
	run          *pipeline
	held         *slot

	mu   sync.Mutex
	bad  map[int]error
	read atomic.Int64
}

// NewLoader prepares a loader for items of so many classes.
func NewLoader(items []Item, classes int, o *LoaderOptions) (*Loader, error) {
	l := &Loader{items: items, classes: classes, bad: map[int]error{}}
	if o != nil {
		l.o = *o
	}
	v := &l.o
	if v.Batch == 0 {
		v.Batch = 32
	}
	if v.Workers <= 0 {
		v.Workers = runtime.GOMAXPROCS(0)
	}
	if v.Prefetch <= 0 {
		v.Prefetch = 2
	}
	if v.CacheBytes == 0 {
		v.CacheBytes = 256 << 20
	}
	if v.Batch < 1 || v.Batch > 1<<16 {
		return nil, fmt.Errorf("dataset: a batch of %d pictures: want 1 to %d", v.Batch, 1<<16)
	}
	if len(items) == 0 || classes < 1 {
		return nil, errors.New("dataset: no pictures to load")
	}
	if v.Shuffle && len(items) < 2 {
		return nil, fmt.Errorf("dataset: one picture only, %s: training needs two or more, because batch norm does", items[0].Name)
	}
	if v.Shuffle && v.Batch < 2 {
		return nil, errors.New("dataset: batches of one picture cannot be trained on, because batch norm needs two or more")
	}
	if v.Balanced && !v.Shuffle {
		return nil, errors.New("dataset: balanced drawing needs Shuffle")
	}
	if v.ClassWeights != nil && len(v.ClassWeights) != classes {
		return nil, fmt.Errorf("dataset: %d class weights for %d classes", len(v.ClassWeights), classes)
	}
	if !(v.Smoothing >= 0 && v.Smoothing < 1) {
		return nil, fmt.Errorf("dataset: label smoothing %v is not at least 0 and below 1", v.Smoothing)
	}
	g, err := transform.NewAugmenter(v.Recipe, v.Augment)
	if err != nil {
		return nil, err
	}
	l.size = g.Len()
	v.Recipe = v.Recipe.Resolved()
	l.byClass = make([][]int32, classes)
	for i, it := range items {
		if it.Class < 0 || it.Class >= classes {
			return nil, fmt.Errorf("dataset: %s is of class %d, there are %d", it.Name, it.Class, classes)
		}
		l.byClass[it.Class] = append(l.byClass[it.Class], int32(i))
	}
	l.cache = cache{at: make([]atomic.Pointer[transform.Image], len(items)), left: v.CacheBytes}
	return l, nil
}

// Batches is the number of batches of every epoch.
func (l *Loader) Batches() int {
	n := len(l.items)
	full, rest := n/l.o.Batch, n%l.o.Batch
	if rest > 0 && (full == 0 || !l.o.DropLast && !(l.o.Shuffle && rest == 1)) {
		full++
	}
	return full
}

// Position is the epoch and batch that Next will return: what a checkpoint keeps. Behind the last batch
// it is (epoch, Batches()), until the io.EOF that begins the next epoch.
func (l *Loader) Position() (epoch, batch int) { return l.epoch, l.batch }

// Seek makes Next continue at that batch. Nothing is decoded to get there.
func (l *Loader) Seek(epoch, batch int) error {
	if epoch < 0 || batch < 0 || batch > l.Batches() {
		return fmt.Errorf("dataset: no batch %d in epoch %d: an epoch has %d", batch, epoch, l.Batches())
	}
	l.Close()
	l.epoch, l.batch = epoch, batch
	return nil
}

// Next returns the next batch, or io.EOF once after the last one of each epoch; the call after that
// begins the next epoch, some of which is made already. A cancelled context ends the wait only.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.batch >= l.Batches() {
		l.epoch, l.batch = l.epoch+1, 0
		return nil, io.EOF
	}
	if l.run == nil {
		l.run = l.start(l.epoch, l.batch)
	}
	if l.held != nil {
		l.run.free <- l.held // has room for all slots
		l.held = nil
	}
	if l.run.next == nil {
		select {
		case l.run.next = <-l.run.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case <-l.run.next.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := l.run.next
	l.run.next, l.held = nil, s
	if s.err != nil {
		err := s.err
		l.Close() // so that the next call meets the same batch again
		return nil, err
	}
	l.batch++
	return &s.Batch, nil
}

// Close stops the goroutines and waits for them. Next may be called again; it starts them anew.
func (l *Loader) Close() {
	if l.run != nil {
		l.run.cancel()
		l.run.wait.Wait()
		l.run, l.held = nil, nil
	}
}

// Bad lists the pictures that could not be read so far, by name.
func (l *Loader) Bad() []Bad {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Bad
	for i, err := range l.bad {
		out = append(out, Bad{l.items[i].Name, l.items[i].Class, err})
	}
	slices.SortFunc(out, func(a, b Bad) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Decoded is the number of pictures read and decoded so far, those found in the cache not counted.
func (l *Loader) Decoded() int64 { return l.read.Load() }

// The purposes that random numbers are drawn for; each has streams of its own.
const (
	forOrder = iota + 1
	forSample
	forBatch
	forSubstitute
)

// stream gives the state of a source for one purpose at one place of one epoch.
func (l *Loader) stream(purpose, epoch, at int) (uint64, uint64) {
	h := mix(l.o.Seed ^ mix(uint64(purpose)))
	h = mix(h ^ uint64(epoch))
	h = mix(h ^ uint64(at))
	return h, mix(h)
}

// order is the sequence of items of an epoch.
func (l *Loader) order(epoch int) []int32 {
	out := make([]int32, len(l.items))
	for i := range out {
		out[i] = int32(i)
	}
	if !l.o.Shuffle {
		return out
	}
	rng := rand.New(rand.NewPCG(l.stream(forOrder, epoch, 0)))
	shuffle := func(v []int32) { rng.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] }) }
	if !l.o.Balanced {
		shuffle(out)
		return out
	}
	// Rounds of one picture of each class, the classes in random order, each class going through all of
	// its pictures before any comes again.
	var classes []int32
	left := make([][]int32, l.classes)
	for c, items := range l.byClass {
		if len(items) > 0 {
			classes = append(classes, int32(c))
		}
	}
	for i := range out {
		if i%len(classes) == 0 {
			shuffle(classes)
		}
		c := classes[i%len(classes)]
		if len(left[c]) == 0 {
			left[c] = slices.Clone(l.byClass[c])
			shuffle(left[c])
		}
		out[i] = left[c][0]
		left[c] = left[c][1:]
	}
	return out
}
