package quant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// job is one network on its way to integers.
type job struct {
	opt     *Options
	model   *engine.Model
	kernels string
	float   *graph.Graph // folded for Quantize
	calib   *crops
	// held are pictures that ranges were not taken from, want the float
	// network's scores for them.
	held *crops
	want [][]float32
	// val are the labelled pictures, nil if there are none.
	val           *crops
	classes       []int
	floatAccuracy accuracy
	notes         []string
	// leastSNR is a bound of the scores' noise that follows from the network.
	leastSNR float64
	harms    []Harm // the most harmful first, if they had to be found
}

// File quantizes the model in a file.
func File(ctx context.Context, path string, opt *Options) (*Result, error) {
	m, err := engine.Open(path, nil)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return Quantize(ctx, m, opt)
}

// Quantize makes an integer network of a model, or says why none that keeps the
// bound can be had: see Collapsed.
func Quantize(ctx context.Context, m *engine.Model, opt *Options) (*Result, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	j := &job{opt: opt, model: m, kernels: m.Kernels()}
	if err := j.prepare(); err != nil {
		return nil, err
	}
	if err := j.read(ctx); err != nil {
		return nil, err
	}
	if err := j.reference(ctx); err != nil {
		return nil, err
	}
	variants, err := j.calibrate(ctx)
	if err != nil {
		return nil, err
	}
	best, tried, err := j.choose(ctx, variants)
	if err != nil {
		return nil, err
	}
	n, float, v, err := j.bound(ctx, best)
	if err != nil {
		return nil, err
	}
	few := j.held.only(func(i int) bool { return i < layerPictures })
	table, err := layers(ctx, best.v.graph, n.g, few, j.kernels, j.stage("comparing", len(few.pix)))
	if err != nil {
		return nil, err
	}
	r := &Result{graph: n.g, model: m, Report: Report{
		Model: m.Info.Name, Choice: best.Choice, Tried: tried, Pictures: len(j.calib.pix), HeldOut: len(j.held.pix),
		PerTensor: opt.PerTensor, SNR: v.SNR, Agreement: v.Agreement, FloatShare: pass.FloatShare(n.g), Layers: table, Notes: j.notes,
	}}
	r.FloatLayers = []string{}
	for _, l := range table {
		if float[l.Name] {
			r.FloatLayers = append(r.FloatLayers, l.Name)
		}
	}
	if j.val != nil {
		r.Validation = &Accuracies{Pictures: len(j.val.pix), FloatTop1: j.floatAccuracy.top1, FloatTop5: j.floatAccuracy.top5, Top1: v.top1, Top5: v.top5}
	}
	r.BytesBefore, r.BytesAfter = weightBytes(j.float), weightBytes(n.g)
	if !v.ok {
		return nil, j.refusal(v, &r.Report)
	}
	if !opt.NoSpeed {
		if r.Speed, err = j.speed(ctx, n.g); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// layerPictures is how many pictures the table of layers is measured on.
const layerPictures = 16

// source is the model's graph; what a training put in that rounds as integers
// would is taken out.
func (j *job) source() (g *graph.Graph, rounded bool, err error) {
	if g, err = j.model.Graph(); err != nil || !pass.FakeQuantized(g) {
		return g, false, err
	}
	if g, _, err = pass.Unrounded(g); err != nil {
		err = fmt.Errorf("%s: %w", j.model.Info.Path, err)
	}
	return g, true, err
}

// prepare folds the graph.
func (j *job) prepare() error {
	g, rounded, err := j.source()
	if err != nil {
		return err
	}
	if rounded {
		j.say("the weights were trained with rounding; the ranges of that training are not used: its own integers are in the run's int8.safetensors")
	}
	for i := range g.Nodes {
		if g.Nodes[i].Type.Quantized() {
			return fmt.Errorf("%s: the network is quantized already", j.model.Info.Path)
		}
	}
	f := pass.Folder{Bounds: true}
	if j.float, err = f.Fold(g); err != nil {
		return fmt.Errorf("%s: %w", j.model.Info.Path, err)
	}
	return nil
}

// read decodes all pictures.
func (j *job) read(ctx context.Context) error {
	recipe := j.model.Info.Recipe
	most := cmp.Or(j.opt.MaxPictures, defaultPictures)
	list := spread(j.opt.Pictures, most)
	sources := make([]source, len(list))
	for i, p := range list {
		sources[i] = source{p.Name, p.Open}
	}
	all, bad, err := readCrops(ctx, recipe, sources, j.stage("reading", len(sources)))
	if err != nil {
		return err
	}
	j.note(bad)
	good := all.only(func(int) bool { return true })
	if len(good.pix) < leastPictures {
		return fmt.Errorf("%d pictures to calibrate with: %d at least, better a hundred, of what the network will see", len(good.pix), leastPictures)
	}
	j.calib = good.only(func(i int) bool { return i%4 != 3 })
	j.held = good.only(func(i int) bool { return i%4 == 3 })
	if len(j.opt.Validation) == 0 {
		return nil
	}
	samples := spread(j.opt.Validation, maxValidation)
	sources = sources[:0]
	for _, s := range samples {
		sources = append(sources, sampleSource(s))
	}
	if all, bad, err = readCrops(ctx, recipe, sources, j.stage("reading", len(sources))); err != nil {
		return err
	}
	j.note(bad)
	j.val = all.only(func(int) bool { return true })
	for i, p := range all.pix {
		if p != nil {
			j.classes = append(j.classes, samples[i].Class)
		}
	}
	if len(j.val.pix) == 0 {
		return errors.New("no validation picture could be read")
	}
	if n := len(j.opt.Validation); n > len(samples) {
		j.notes = append(j.notes, fmt.Sprintf("of %d validation pictures %d are used, evenly spread", n, len(samples)))
	}
	return nil
}

const (
	// leastPictures is how many calibration can do with at all.
	leastPictures = 8
	// maxValidation bounds the memory of the validation pictures.
	maxValidation = 4096
)

func sampleSource(s eval.Sample) source {
	src := source{name: s.Path, open: s.Open}
	switch {
	case s.Err != nil:
		src.open = func() (io.ReadCloser, error) { return nil, s.Err }
	case s.Open == nil:
		src.open = func() (io.ReadCloser, error) { return os.Open(s.Path) }
	}
	return src
}

// spread takes at most n elements, evenly.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// note remembers pictures that could not be read.
func (j *job) note(bad []error) {
	bad = slices.DeleteFunc(slices.Clone(bad), func(err error) bool { return err == nil })
	for i, err := range bad {
		if i == 5 {
			j.notes = append(j.notes, fmt.Sprintf("%d more pictures could not be read", len(bad)-i))
			return
		}
		j.notes = append(j.notes, err.Error())
	}
}

func (j *job) say(format string, args ...any) {
	j.notes = append(j.notes, fmt.Sprintf(format, args...))
}

// reference runs the float network.
func (j *job) reference(ctx context.Context) error {
	n, err := newNetwork(j.float, j.kernels)
	if err != nil {
		return err
	}
	if j.want, err = n.scores(ctx, j.held, func() {}); err != nil || j.val == nil {
		return err
	}
	j.floatAccuracy, err = j.accuracy(ctx, n, j.stage("validating", len(j.val.pix)))
	return err
}

func (j *job) accuracy(ctx context.Context, n *network, tick func()) (accuracy, error) {
	scores, err := n.scores(ctx, j.val, tick)
	if err != nil {
		return accuracy{}, err
	}
	var k eval.TopK
	for i, s := range scores {
		if j.model.Info.Background {
			s = s[1:]
		}
		k.Add(s, j.classes[i])
	}
	return accuracy{k.Top1(), k.Top5()}, nil
}

// calibrate observes the network as it is and, if that is asked for and changes
// anything, equalized.
func (j *job) calibrate(ctx context.Context) ([]*variant, error) {
	seen, err := observe(ctx, j.float, j.calib, j.kernels, j.stage("calibrating", len(j.calib.pix)))
	if err != nil {
		return nil, err
	}
	out := []*variant{{graph: j.float, seen: seen}}
	if j.opt.NoEqualize {
		return out, nil
	}
	even, pairs := pass.Equalize(j.float, seen.channels)
	if pairs == 0 {
		return out, nil
	}
	if seen, err = observe(ctx, even, j.calib, j.kernels, j.stage("calibrating", len(j.calib.pix))); err != nil {
		return nil, err
	}
	return append(out, &variant{graph: even, seen: seen, equalized: pairs}), nil
}

// refusal is the error of a network that lost too much.
func (j *job) refusal(v *verdict, r *Report) error {
	why := j.model.Info.Name + ": " + v.text
	switch {
	case j.opt.PerTensor:
		why += ", because one scale for all weights of a layer is too coarse here (without --per-tensor each output has its own)"
	case len(r.FloatLayers) > 0:
		why += fmt.Sprintf(", even with %d layers and %.1f %% of the multiply-adds in float", len(r.FloatLayers), 100*r.FloatShare)
	}
	return &Collapsed{Worst: j.harms[:min(5, len(j.harms))], why: why}
}

// stage begins a part of the work and gives the function that counts its steps.
func (j *job) stage(name string, total int) func() {
	if j.opt.Progress == nil {
		return func() {}
	}
	var mu sync.Mutex
	begin, done := time.Now(), 0
	j.opt.Progress(Progress{Stage: name, Total: total})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		p := Progress{Stage: name, Done: done, Total: total}
		if d := time.Since(begin).Seconds(); d > 0 {
			p.Rate = float64(done) / d
			p.Left = time.Duration(float64(total-done) / p.Rate * float64(time.Second))
		}
		j.opt.Progress(p)
	}
}
