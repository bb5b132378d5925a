package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// Quantization is how a training rounds as the integers will that come of it.
// The zero value is the default.
type Quantization struct {
	// Delay is the part of the steps that are taken before values and weights are
	// rounded, while their ranges are measured already. 0: none where the weights
	// score the data's classes already, else half; negative: none.
	Delay float64
	// Freeze is the part of the steps after which ranges stay as they are. 0: 0.8.
	Freeze float64
	// Average is the decay of the ranges' moving averages, which begin with the
	// first batch's. 0: 0.999, less for a short training.
	Average float64
}

func (q *Quantization) check() error {
	switch {
	case !(q.Delay < 1):
		return &ConfigError{"QuantizeDelay", fmt.Sprintf("is %v, want a part of the steps below 1", q.Delay)}
	case !(q.Freeze >= 0 && q.Freeze <= 1):
		return &ConfigError{"Quantize.Freeze", fmt.Sprintf("is %v, want a part of the steps, from 0 to 1", q.Freeze)}
	case !(q.Average >= 0 && q.Average < 1):
		return &ConfigError{"Quantize.Average", fmt.Sprintf("is %v, want a factor below 1", q.Average)}
	}
	return nil
}

// QuantizePlan is a plan's Quantization in steps.
type QuantizePlan struct {
	// Share is the part of the steps that Delay is.
	Share   float64 `json:"delay"`
	Freezes float64 `json:"freeze"`
	// Steps from Delay on are rounded, ranges are frozen from Freeze on.
	Delay   int64   `json:"delay_steps"`
	Freeze  int64   `json:"freeze_step"`
	Average float64 `json:"average"`
}

// gentle is what the rate of a chosen recipe is multiplied by where nothing new
// is to be learnt: at the full rate good weights get worse first (V2 on 250
// flowers: 0.85 of the validation from 0.89, at a fifth 0.89).
const gentle = 0.2

// planQuantization settles what does not follow from the number of steps.
func (p *Plan) planQuantization(c *Config, from *engine.Model, chosen bool) {
	q := c.Quantize
	if q == nil {
		return
	}
	p.Quantize = &QuantizePlan{Share: max(q.Delay, 0), Freezes: q.Freeze, Average: q.Average}
	switch kept := from != nil && p.keeps(from); {
	case !kept && q.Delay == 0:
		p.Quantize.Share = 0.5
	case kept && chosen && c.Rate == 0:
		p.Recipe.Rate *= gentle
		p.because("rate: %.3g, as the weights score these classes already and have only to learn to be rounded", p.Recipe.Rate)
	}
	if q.Freeze == 0 {
		p.Quantize.Freezes = 0.8
	}
	if q.Average == 0 {
		p.Quantize.Average = 0.999
	}
	p.because("quantization: batch norms are folded with their stored statistics; values and weights are rounded after %.0f %% of the steps, ranges frozen after %.0f %%",
		100*p.Quantize.Share, 100*p.Quantize.Freezes)
}

// settle counts the steps.
func (q *QuantizePlan) settle(steps int64) {
	q.Delay = min(int64(math.Round(q.Share*float64(steps))), steps-1)
	q.Freeze = int64(math.Round(q.Freezes * float64(steps)))
}

// phase is what a step does: whether it rounds, and the rate at which ranges
// follow the batch's. An average must have time to forget where it began, so it
// is a mean of the first batches.
func (q *QuantizePlan) phase(step int64) (rounding, averaging float32) {
	if step >= q.Delay {
		rounding = 1
	}
	// The ranges of the first rounded step must be some batch's.
	if step < q.Freeze || step == 0 {
		averaging = float32(max(1-q.Average, 1/float64(step+1)))
	}
	return rounding, averaging
}

// rounded reports that the weights after some steps have been trained with
// rounding.
func (p *Plan) rounded(step int64) bool { return p.Quantize != nil && step > p.Quantize.Delay }

// quantize puts fake quantization into a network. What it was stays at plain,
// folded.
func (n *network) quantize() error {
	f := pass.Folder{Bounds: true}
	folded, err := f.Fold(n.base)
	if err != nil {
		return err
	}
	if n.head, err = engine.FindHead(folded); err != nil {
		return err
	}
	if n.base, err = pass.QuantizeAware(folded, pass.QuantizeOptions{}); err != nil {
		return err
	}
	n.plain, n.net = folded, nil
	n.info.Spec, n.info.Dialect = "", ""
	return nil
}

// judged is the graph that the weights so far are judged by: without rounding
// as long as none has begun.
func (r *run) judged() *graph.Graph {
	n := r.net
	if r.plan.Quantize != nil && !r.plan.rounded(r.at.Step) {
		n = &network{base: r.net.plain}
	}
	return n.with(r.step.value)
}

// Int8 is the integer network that a training with Quantize ends with.
type Int8 struct {
	// Weights is its file, of so many bytes.
	Weights string `json:"weights"`
	Bytes   int64  `json:"bytes"`
	// FloatTop1 is the accuracy of the same weights without rounding, Top1 that
	// of the integers.
	FloatTop1 float64 `json:"float_top1"`
	Top1      float64 `json:"top1"`
	Top5      float64 `json:"top5"`
	// FloatShare is the part of the multiply-adds in float.
	FloatShare float64 `json:"float_share"`
}

// lower makes the integers of the best weights, writes them and measures both.
func (r *run) lower(ctx context.Context, best string) (*Int8, error) {
	m, err := engine.Open(best, &engine.Options{Threads: 1, Kernels: r.c.Kernels})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if m.Net() != nil || !r.plan.rounded(int64(math.Round(m.Info.Metrics["step"]))) {
		return nil, errors.New("train: no epoch was trained with rounding, so there are no integers to write: train longer")
	}
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	ints, err := pass.Lower(g, pass.QuantizeOptions{})
	if err != nil {
		return nil, err
	}
	out := &Int8{Weights: filepath.Join(r.c.Dir, Int8File), FloatShare: pass.FloatShare(ints)}
	plain, _, err := pass.Unrounded(g)
	if err != nil {
		return nil, err
	}
	s, err := r.validate(ctx, plain, false)
	if err != nil {
		return nil, err
	}
	out.FloatTop1 = float64(s.top1) / float64(max(s.n, 1))
	if s, err = r.validate(ctx, ints, false); err != nil {
		return nil, err
	}
	out.Top1, out.Top5 = float64(s.top1)/float64(max(s.n, 1)), float64(s.top5)/float64(max(s.n, 1))
	metrics := map[string]float64{"val_top1": out.Top1, "val_top5": out.Top5, "float_val_top1": out.FloatTop1, "epoch": m.Info.Metrics["epoch"]}
	if err := r.write(ctx, ints, nil, Int8File, metrics); err != nil {
		return nil, err
	}
	if i, err := os.Stat(out.Weights); err == nil {
		out.Bytes = i.Size()
	}
	return out, nil
}
