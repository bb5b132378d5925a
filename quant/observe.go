package quant

import (
	"context"
	"fmt"
	"sync"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// observed is what calibration has seen of a graph's values, by name.
type observed struct {
	histograms map[string]*histogram
	channels   map[string]*pass.Channels
}

// observers is how many pictures are observed side by side: each takes memory
// for all values.
const observers = 4

// observe runs pictures through a float graph and looks at every value.
func observe(ctx context.Context, g *graph.Graph, c *crops, kernels string, tick func()) (*observed, error) {
	ids := values(g)
	t, err := tapped(g, ids)
	if err != nil {
		return nil, err
	}
	n, err := newNetwork(t, kernels)
	if err != nil {
		return nil, err
	}
	all := make([]*histogram, len(ids))
	for i := range all {
		all[i] = newHistogram()
	}
	// Sums are kept for each picture, to be added in the pictures' order.
	per := make([][]channelSums, len(c.pix))
	var mu sync.Mutex
	var free [][]*histogram
	take := func() []*histogram {
		mu.Lock()
		defer mu.Unlock()
		if k := len(free); k > 0 {
			h := free[k-1]
			free = free[:k-1]
			return h
		}
		h := make([]*histogram, len(ids))
		for i := range h {
			h[i] = newHistogram()
		}
		return h
	}
	err = n.run(ctx, c, min(observers, processors()), func(i int, out [][]float32) error {
		defer tick()
		h := take()
		per[i] = make([]channelSums, len(ids))
		for k, v := range out {
			h[k].add(v)
			shape := g.Node(ids[k]).Type.Shape
			per[i][k] = sumChannels(v, shape[len(shape)-1])
		}
		mu.Lock()
		defer mu.Unlock()
		free = append(free, h)
		return nil
	})
	if err != nil {
		return nil, err
	}
	o := &observed{histograms: make(map[string]*histogram), channels: make(map[string]*pass.Channels)}
	for k, id := range ids {
		for _, h := range free {
			all[k].join(h[k])
		}
		name := g.Node(id).Name
		if all[k].bad {
			return nil, fmt.Errorf("value %q is not a number for some picture: the weights are damaged or the preprocessing is not theirs", name)
		}
		o.histograms[name] = all[k]
		var sums []channelSums
		for i := range per {
			sums = append(sums, per[i][k])
		}
		o.channels[name] = joinChannels(sums, g.Node(id).Type.Shape.Len())
	}
	return o, nil
}

// channelSums is what one picture tells of a value's channels.
type channelSums struct {
	sum    []float64
	lo, hi []float32
}

func sumChannels(v []float32, channels int) channelSums {
	s := channelSums{make([]float64, channels), make([]float32, channels), make([]float32, channels)}
	copy(s.lo, v)
	copy(s.hi, v)
	for ; len(v) >= channels && channels > 0; v = v[channels:] {
		for c, x := range v[:channels] {
			s.sum[c] += float64(x)
			s.lo[c], s.hi[c] = min(s.lo[c], x), max(s.hi[c], x)
		}
	}
	return s
}

func joinChannels(list []channelSums, elems int) *pass.Channels {
	if len(list) == 0 {
		return &pass.Channels{}
	}
	n := len(list[0].sum)
	out := &pass.Channels{Mean: make([]float64, n), Lo: list[0].lo, Hi: list[0].hi}
	for _, s := range list {
		for c := range n {
			out.Mean[c] += s.sum[c]
			out.Lo[c], out.Hi[c] = min(out.Lo[c], s.lo[c]), max(out.Hi[c], s.hi[c])
		}
	}
	count := float64(len(list)) * float64(elems) / float64(max(n, 1))
	for c := range n {
		out.Mean[c] /= count
	}
	return out
}

// tail is the part of a value's elements that the percentile method leaves out
// on either side.
const tail = 1e-5

// ranges chooses the range of every value.
func (o *observed) ranges(method string) map[string]pass.Range {
	out := make(map[string]pass.Range, len(o.histograms))
	for name, h := range o.histograms {
		switch method {
		case Percentile:
			out[name] = h.percentile(tail)
		case MSE:
			out[name] = h.leastError()
		default:
			out[name] = h.minMax()
		}
	}
	return out
}
