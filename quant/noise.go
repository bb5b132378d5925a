package quant

import (
	"context"
	"sync"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Layer is a value of the network and what quantizing has made of it.
type Layer struct {
	Name string `json:"name"`
	Op   string `json:"op"`
	// SNR is the ratio of signal to quantization noise in decibels, over the
	// pictures that were held out; all layers before have their part in it.
	SNR float64 `json:"snr_db"`
	// Share is the part of the network's multiply-adds.
	Share float64 `json:"madds_share"`
	// Float holds where the layer stays in float.
	Float bool `json:"float"`
	// Low and High are the range that the integers cover.
	Low  float32 `json:"low"`
	High float32 `json:"high"`
}

// layers compares the values of a float graph with those of an integer graph
// that was made of it.
func layers(ctx context.Context, float, integer *graph.Graph, c *crops, kernels string, tick func()) ([]Layer, error) {
	var names []string
	for _, id := range values(float) {
		names = append(names, float.Node(id).Name)
	}
	it, found, err := tappedIntegers(integer, names)
	if err != nil {
		return nil, err
	}
	var ids []graph.ID
	for _, name := range found {
		id, _ := float.Lookup(name)
		ids = append(ids, id)
	}
	ft, err := tapped(float, ids)
	if err != nil {
		return nil, err
	}
	fn, err := newNetwork(ft, kernels)
	if err != nil {
		return nil, err
	}
	in, err := newNetwork(it, kernels)
	if err != nil {
		return nil, err
	}
	per := make([][]noise, len(c.pix))
	var mu sync.Mutex
	err = each(ctx, len(c.pix), min(observers, processors()), func() (func(int) error, error) {
		f, err := c.newFiller()
		if err != nil {
			return nil, err
		}
		a, err := fn.prog.NewSession(nil)
		if err != nil {
			return nil, err
		}
		b, err := in.prog.NewSession(nil)
		if err != nil {
			return nil, err
		}
		return func(i int) error {
			defer tick()
			if err := f.fill(c.pix[i], a.Input(0)); err != nil {
				return err
			}
			copy(b.Input(0), a.Input(0))
			if err := a.Run(ctx); err != nil {
				return err
			}
			if err := b.Run(ctx); err != nil {
				return err
			}
			n := make([]noise, len(found))
			for k := range n {
				n[k].add(a.Output(k), b.Output(k))
			}
			mu.Lock()
			defer mu.Unlock()
			per[i] = n
			return nil
		}, nil
	})
	if err != nil {
		return nil, err
	}
	total := float64(max(float.Cost().MAdds, 1))
	var out []Layer
	for k, name := range found {
		var sum noise
		for i := range per {
			sum.signal += per[i][k].signal
			sum.error += per[i][k].error
		}
		id, _ := integer.Lookup(name)
		n := integer.Node(id)
		l := Layer{Name: name, Op: float.Node(ids[k]).Op.Kind(), SNR: sum.db(), Share: float64(float.NodeCost(ids[k]).MAdds) / total, Float: !n.Type.Quantized()}
		if !l.Float {
			s, z := n.Type.Quant.Scales[0], n.Type.Quant.Zeros[0]
			lo, hi := graph.IntRange(n.Type.DType)
			l.Low, l.High = s*float32(lo-int64(z)), s*float32(hi-int64(z))
		}
		if _, isInput := n.Op.(graph.Input); isInput {
			continue
		}
		out = append(out, l)
	}
	return out, nil
}
