package quant

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// variant is a float graph that computes the network's function, plain or
// equalized, with what calibration saw of it.
type variant struct {
	graph     *graph.Graph
	seen      *observed
	equalized int // pairs of convolutions
}

// Choice is one way of quantizing, and how well it does on the pictures that
// were held out.
type Choice struct {
	Method    string  `json:"method"`
	Equalized bool    `json:"equalized"`
	Corrected bool    `json:"bias_corrected"`
	SNR       float64 `json:"snr_db"`
	Agreement float64 `json:"agreement"`
}

// candidate is a Choice that can be carried out.
type candidate struct {
	Choice
	v *variant
}

// options are the pass's for a candidate with some layers in float.
func (j *job) options(c *candidate, float map[string]bool) pass.QuantizeOptions {
	opt := pass.QuantizeOptions{Ranges: c.v.seen.ranges(c.Method), PerTensor: j.opt.PerTensor, Float: float}
	if c.Corrected {
		opt.Means = make(map[string][]float64)
		for name, ch := range c.v.seen.channels {
			opt.Means[name] = ch.Mean
		}
	}
	return opt
}

// integers makes the integer network of a candidate.
func (j *job) integers(c *candidate, float map[string]bool) (*network, error) {
	g, err := pass.Quantize(c.v.graph, j.options(c, float))
	if err != nil {
		return nil, err
	}
	return newNetwork(g, j.kernels)
}

// judge compares a candidate with the float network.
func (j *job) judge(ctx context.Context, c *candidate, float map[string]bool) (likeness, error) {
	n, err := j.integers(c, float)
	if err != nil {
		return likeness{}, err
	}
	got, err := n.scores(ctx, j.held, func() {})
	if err != nil {
		return likeness{}, err
	}
	return compare(j.want, got), nil
}

// choose tries the ways of quantizing that the options leave and takes the one
// with the least noise in the scores.
func (j *job) choose(ctx context.Context, variants []*variant) (*candidate, []Choice, error) {
	methods := Methods()
	if j.opt.Method != "" {
		methods = []string{j.opt.Method}
	}
	corrects := []bool{false, true}
	if j.opt.NoCorrect {
		corrects = corrects[:1]
	}
	var list []*candidate
	for _, v := range variants {
		for _, m := range methods {
			for _, c := range corrects {
				list = append(list, &candidate{Choice{Method: m, Equalized: v.equalized > 0, Corrected: c}, v})
			}
		}
	}
	tick := j.stage("choosing", len(list))
	var tried []Choice
	for _, c := range list {
		l, err := j.judge(ctx, c, nil)
		if err != nil {
			return nil, nil, err
		}
		c.SNR, c.Agreement = l.SNR, l.Agreement
		tried = append(tried, c.Choice)
		tick()
	}
	best := slices.MaxFunc(list, func(a, b *candidate) int {
		if a.SNR < b.SNR {
			return -1
		}
		return 1
	})
	return best, tried, nil
}

// rank orders the convolutions by what keeping each in float does for the
// scores, the most harmful first.
func (j *job) rank(ctx context.Context, c *candidate) ([]Harm, error) {
	g := c.v.graph
	var list []Harm
	total := float64(max(g.Cost().MAdds, 1))
	for i := range g.Nodes {
		if _, conv := g.Nodes[i].Op.(graph.Conv2D); conv {
			list = append(list, Harm{Name: g.Nodes[i].Name, share: float64(g.NodeCost(graph.ID(i)).MAdds) / total})
		}
	}
	few := *j
	few.held = j.held.only(func(i int) bool { return i < rankPictures })
	few.want = j.want[:len(few.held.pix)]
	tick := j.stage("ranking", len(list))
	before, err := few.judge(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	for i := range list {
		l, err := few.judge(ctx, c, map[string]bool{list[i].Name: true})
		if err != nil {
			return nil, err
		}
		list[i].Gain = l.SNR - before.SNR
		tick()
	}
	slices.SortStableFunc(list, func(a, b Harm) int { return cmp.Compare(b.Gain, a.Gain) })
	return list, nil
}

// rankPictures is how many pictures a layer's harm is measured on.
const rankPictures = 16

// verdict is what decides whether a network may be written.
type verdict struct {
	ok   bool
	text string // what is wrong
	accuracy
	likeness
}

// accuracy is a network's on the validation pictures.
type accuracy struct{ top1, top5 float64 }

// check measures an integer network.
func (j *job) check(ctx context.Context, n *network) (*verdict, error) {
	v := &verdict{}
	if j.val != nil {
		tick := j.stage("validating", len(j.val.pix))
		a, err := j.accuracy(ctx, n, tick)
		if err != nil {
			return nil, err
		}
		v.accuracy = a
		drop := j.floatAccuracy.top1 - a.top1
		// Accuracies are multiples of 1/n: half of one is no difference.
		v.ok = drop <= j.opt.maxDrop()+1e-9
		v.text = fmt.Sprintf("top-1 falls from %.2f %% to %.2f %% on %d pictures, more than the %.2f points allowed",
			100*j.floatAccuracy.top1, 100*a.top1, len(j.val.pix), 100*j.opt.maxDrop())
	}
	got, err := n.scores(ctx, j.held, func() {})
	if err != nil {
		return nil, err
	}
	v.likeness = compare(j.want, got)
	if j.val == nil {
		least := max(leastSNR, j.leastSNR)
		v.ok = v.SNR >= least
		v.text = fmt.Sprintf("the scores' signal-to-noise ratio is %.1f dB on %d pictures, less than the %.1f dB asked for, and %.0f %% of the best answers are the float network's",
			v.SNR, len(j.held.pix), least, 100*v.Agreement)
	}
	return v, nil
}

const (
	// leastSNR is the noise in the scores, in decibels, that a network without
	// validation pictures may have. Networks that were made to be quantized have
	// more than twenty; V3-Small with eight names the right class as often as in
	// float.
	leastSNR = 6.0
	// coarser is how much more noise one scale for all weights of a layer may
	// make than one for each output: no more than all other noise together.
	coarser = 3.0
)

// bound finds layers to keep in float until the network is good enough: the most
// harmful first, as far as their multiply-adds fit.
func (j *job) bound(ctx context.Context, c *candidate) (*network, map[string]bool, *verdict, error) {
	if j.opt.PerTensor && j.val == nil {
		fine := *j.opt
		fine.PerTensor = false
		other := *j
		other.opt = &fine
		l, err := other.judge(ctx, c, nil)
		if err != nil {
			return nil, nil, nil, err
		}
		j.leastSNR = l.SNR - coarser
	}
	n, err := j.integers(c, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := j.check(ctx, n)
	if err != nil || v.ok {
		return n, nil, v, err
	}
	if j.harms, err = j.rank(ctx, c); err != nil || j.opt.maxFloat() == 0 {
		return n, nil, v, err
	}
	list := j.harms
	j.say("quantized as it is, %s: keeping the worst layers in float", v.text)
	float, share, step := make(map[string]bool), 0.0, 1
	for at := 0; at < len(list) && !v.ok; step++ {
		// A step takes more layers each time: a measurement costs as much as
		// many layers are worth.
		took := 0
		for ; at < len(list) && took < step; at++ {
			if share+list[at].share > j.opt.maxFloat() {
				continue
			}
			share += list[at].share
			float[list[at].Name] = true
			took++
		}
		if took == 0 {
			break
		}
		if n, err = j.integers(c, float); err != nil {
			return nil, nil, nil, err
		}
		if v, err = j.check(ctx, n); err != nil {
			return nil, nil, nil, err
		}
	}
	return n, float, v, nil
}
