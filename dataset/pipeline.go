package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/transform"
)

// pipeline is the goroutines of a running loader: one that deals out the samples, workers that make
// them, and slots that go round from free through ready to the caller and back.
type pipeline struct {
	free, ready chan *slot
	next        *slot // taken from ready, not yet handed out
	cancel      context.CancelFunc
	wait        sync.WaitGroup
}

// slot is a batch in the making.
type slot struct {
	Batch
	left atomic.Int64 // samples to come
	done chan struct{}
	mu   sync.Mutex
	at   int // of the sample that err is about: the first counts
	err  error
}

func (s *slot) fail(at int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || at < s.at {
		s.at, s.err = at, err
	}
}

type job struct {
	s *slot
	i int
}

func (l *Loader) start(epoch, batch int) *pipeline {
	ctx, cancel := context.WithCancel(context.Background())
	slots := l.o.Prefetch + 1
	p := &pipeline{free: make(chan *slot, slots), ready: make(chan *slot, slots), cancel: cancel}
	for range slots {
		p.free <- &slot{}
	}
	jobs := make(chan job, l.o.Workers)
	for range l.o.Workers {
		w := newWorker(l)
		p.wait.Go(func() {
			for j := range jobs {
				if ctx.Err() == nil {
					w.do(j)
				}
			}
		})
	}
	p.wait.Go(func() {
		defer close(jobs)
		for ; ; epoch, batch = epoch+1, 0 {
			order := l.order(epoch)
			for ; batch < l.Batches(); batch++ {
				var s *slot
				select {
				case s = <-p.free:
				case <-ctx.Done():
					return
				}
				l.fill(s, epoch, batch, order)
				p.ready <- s // has room for all slots
				for i := range s.N {
					select {
					case jobs <- job{s, i}:
					case <-ctx.Done():
						return
					}
				}
			}
		}
	})
	return p
}

// fill prepares a slot for a batch.
func (l *Loader) fill(s *slot, epoch, batch int, order []int32) {
	from := batch * l.o.Batch
	n := min(l.o.Batch, len(order)-from)
	s.Epoch, s.Index, s.N, s.err = epoch, batch, n, nil
	s.X = sized(s.X, n*l.size)
	s.Labels, s.Items = sized(s.Labels, n), sized(s.Items, n)
	s.Targets, s.Weights = sized(s.Targets, n*l.classes), sized(s.Weights, n)
	for i := range n {
		s.Items[i] = int(order[from+i])
	}
	s.left.Store(int64(n))
	s.done = make(chan struct{})
}

func sized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}

// worker makes samples with buffers of its own.
type worker struct {
	l      *Loader
	g      *transform.Augmenter
	mixer  transform.Mixer
	pcg    *rand.PCG
	rng    *rand.Rand
	file   []byte
	image  transform.Image // decoded
	shrunk transform.Image
	rs     imageio.Resizer
}

func newWorker(l *Loader) *worker {
	g, err := transform.NewAugmenter(l.o.Recipe, l.o.Augment)
	if err != nil {
		panic(err) // NewLoader has made one of the same
	}
	w := &worker{l: l, g: g, pcg: rand.NewPCG(0, 0), mixer: transform.Mixer{Mixup: l.o.Augment.Mixup, CutMix: l.o.Augment.CutMix}}
	w.rng = rand.New(w.pcg)
	return w
}

func (w *worker) do(j job) {
	l, s, i := w.l, j.s, j.i
	if err := w.sample(s, i); err != nil {
		s.fail(i, err)
	}
	if s.left.Add(-1) > 0 {
		return
	}
	if s.err == nil && s.N > 1 {
		w.pcg.Seed(l.stream(forBatch, s.Epoch, s.Index))
		if err := w.mixer.Apply(s.X, l.o.Recipe.Width, l.o.Recipe.Height, s.Targets, l.classes, w.rng); err != nil {
			s.fail(0, err)
		}
		if l.o.ClassWeights != nil {
			l.weigh(s)
		}
	}
	close(s.done)
}

// weigh gives mixed samples the weights of their classes in the parts that their targets,
// smoothing aside, have of them.
func (l *Loader) weigh(s *slot) {
	share := 1 - l.o.Smoothing
	if l.o.Augment.Mixup <= 0 && l.o.Augment.CutMix <= 0 || share <= 0 {
		return
	}
	for i := range s.N {
		sum := float32(0)
		for c, t := range s.Targets[i*l.classes : (i+1)*l.classes] {
			sum += l.o.ClassWeights[c] * (t - l.o.Smoothing/float32(l.classes))
		}
		s.Weights[i] = sum / share
	}
}

// maxSubstitutes is how many pictures are tried in the place of one that cannot be read.
const maxSubstitutes = 16

func (w *worker) sample(s *slot, i int) error {
	l := w.l
	at := s.Index*l.o.Batch + i // in the epoch
	item := s.Items[i]
	x := s.X[i*l.size : (i+1)*l.size]
	class := l.items[item].Class
	weight := float32(1)
	if l.o.ClassWeights != nil {
		weight = l.o.ClassWeights[class]
	}
	m, err := w.picture(item)
	if err != nil && l.o.Strict {
		return fmt.Errorf("%s: %w", l.items[item].Name, err)
	}
	if err != nil && l.o.Shuffle {
		first := err
		w.pcg.Seed(l.stream(forSubstitute, s.Epoch, at))
		peers := l.byClass[class]
		for range maxSubstitutes {
			item = int(peers[w.rng.IntN(len(peers))])
			if m, err = w.picture(item); err == nil {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w; nor could %d others of its class be read", l.items[s.Items[i]].Name, first, maxSubstitutes)
		}
		s.Items[i] = item
	}
	s.Labels[i], s.Weights[i] = class, weight
	t := s.Targets[i*l.classes : (i+1)*l.classes]
	for c := range t {
		t[c] = l.o.Smoothing / float32(l.classes)
	}
	t[class] += 1 - l.o.Smoothing
	if err != nil { // of a validation
		s.Weights[i] = 0
		clear(x)
		return nil
	}
	w.pcg.Seed(l.stream(forSample, s.Epoch, at))
	return w.g.Apply(m, w.rng, x)
}

// picture is the decoded picture of an item, from the cache or its file.
func (w *worker) picture(item int) (*transform.Image, error) {
	l := w.l
	if m := l.cache.at[item].Load(); m != nil {
		return m, nil
	}
	l.mu.Lock()
	err := l.bad[item]
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m, err := w.decode(l.items[item])
	if err != nil {
		l.mu.Lock()
		l.bad[item] = err
		l.mu.Unlock()
		return nil, err
	}
	l.read.Add(1)
	l.cache.offer(item, m)
	return m, nil
}

func (w *worker) decode(it Item) (*transform.Image, error) {
	o := w.l.o
	f, err := it.Open()
	if err != nil {
		return nil, plain(err)
	}
	w.file, err = readInto(w.file[:0], f, o.Limits)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, plain(err)
	}
	opt := o.Recipe.DecodeOptions(o.Limits)
	opt.Into, opt.AtLeast = &w.image, max(o.Shrink, 0)
	m, _, err := imageio.DecodeBytes(w.file, opt)
	if err != nil {
		return nil, err
	}
	if cap(m.Pix) > cap(w.image.Pix) && len(m.Pix) <= maxKept {
		w.image = *m // lend it again
		m = &w.image
	}
	if o.Shrink > 0 && min(m.W, m.H) > o.Shrink {
		nw, nh := o.Shrink, o.Shrink
		if m.W < m.H {
			nh = int(int64(m.H) * int64(o.Shrink) / int64(m.W))
		} else {
			nw = int(int64(m.W) * int64(o.Shrink) / int64(m.H))
		}
		if int64(nw)*int64(nh) > 1<<27 {
			return nil, fmt.Errorf("%dx%d is too long a picture to shrink", m.W, m.H)
		}
		w.shrunk = transform.Image{W: nw, H: nh, Pix: sized(w.shrunk.Pix, 3*nw*nh)}
		if err := w.rs.ResizeCrop(&w.shrunk, m, nw, nh, 0, 0, imageio.Bilinear); err != nil {
			return nil, err
		}
		m = &w.shrunk
	}
	return m, nil
}

// maxKept bounds the pixels that a worker keeps for the next picture.
const maxKept = 64 << 20

// readInto reads a file within the limit on its bytes, into b's memory where that is enough.
func readInto(b []byte, f io.Reader, lim Limits) ([]byte, error) {
	most := lim.MaxBytes
	if most == 0 {
		most = 64 << 20
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if most > 0 && int64(len(b)) > most {
			return b, fmt.Errorf("the file has more than %d bytes", most)
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// cache keeps decoded pictures, first come, until its bytes are spent: an epoch visits every picture
// once, so that throwing out an old one for a new one would gain nothing.
type cache struct {
	at   []atomic.Pointer[transform.Image]
	mu   sync.Mutex
	left int64
}

// offer copies the picture if there is room.
func (c *cache) offer(item int, m *transform.Image) {
	n := int64(3*m.W*m.H) + 64
	c.mu.Lock()
	fits := c.left >= n && c.at[item].Load() == nil
	if fits {
		c.left -= n
	}
	c.mu.Unlock()
	if !fits {
		return
	}
	own := &transform.Image{W: m.W, H: m.H, Pix: append([]byte(nil), m.Pix[:3*m.W*m.H]...)}
	if !c.at[item].CompareAndSwap(nil, own) { // another worker was faster
		c.mu.Lock()
		c.left += n
		c.mu.Unlock()
	}
}
