package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// fewPictures is the size of a data set up to which fine-tuning is planned to
// take minutes, and fineTuneTime how long.
const (
	fewPictures  = 5000
	fineTuneTime = 140 * time.Second
)

// draft makes a plan of a config, all but the number of epochs where it
// follows from the time; budget is that time, 0 if it does not.
func draft(c *Config, from *engine.Model) (p *Plan, budget time.Duration, err error) {
	d := c.Data
	p = &Plan{
		Schema: planSchema, Data: absolute(d.Root), DataHash: dataHash(d), Classes: d.Classes, Labels: d.Labels, Train: len(d.Train), Val: len(d.Val),
		Model: c.Model, From: c.absolute(c.From), Teacher: c.absolute(c.Teacher), Recipe: c.Recipe, Seed: c.Seed,
		Freeze: c.Freeze, LayerDecay: c.LayerDecay, Accumulate: max(c.Accumulate, 1), Balanced: c.Balanced, Patience: c.Patience,
	}
	if d.DerivedVal {
		p.because("validation: %d pictures taken from the training part, which has no other", len(d.Val))
	}
	if p.Model == "" && p.From == "" {
		p.Model = "v3_small"
	}
	p.choosePrecision(c)
	for _, f := range []struct {
		path string
		hash *string
	}{{p.From, &p.FromHash}, {p.Teacher, &p.TeacherHash}} {
		if f.path != "" {
			if *f.hash, err = c.hash(f.path); err != nil {
				return nil, 0, err
			}
		}
	}
	if p.Teacher != "" {
		p.TeacherWeight, p.TeacherTemperature = c.TeacherWeight, c.TeacherTemperature
		if p.TeacherWeight == 0 {
			p.TeacherWeight = 0.5
		}
		if p.TeacherTemperature == 0 {
			p.TeacherTemperature = 2
		}
	}
	side, err := typicalSide(d.Train)
	if err != nil {
		return nil, 0, err
	}
	chosen := p.Recipe.zero()
	if chosen {
		p.chooseRecipe(side)
	}
	r := &p.Recipe
	if c.Augment != nil {
		r.Augment = *c.Augment
	}
	if err := p.chooseResolution(c, from, side); err != nil {
		return nil, 0, err
	}
	if c.Batch > 0 {
		r.Batch = c.Batch
	}
	p.chooseBatch(chosen && c.Batch == 0)
	if c.Rate > 0 {
		r.Rate, r.RateBatch = c.Rate, 0
	}
	p.weigh(c.ClassWeights, d)
	p.planQuantization(c, from, chosen)
	if from != nil && !c.NoHead && !p.keeps(from) {
		p.HeadCopies = max(1, min(6, 1500/len(d.Train)))
	}
	switch {
	case c.Epochs > 0:
		r.Epochs = c.Epochs
	case c.Time > 0:
		return p, c.Time, nil
	case chosen && p.From != "" && len(d.Train) <= fewPictures:
		return p, fineTuneTime, nil
	}
	return p, 0, p.settle()
}

// absolute is where weights will be found when the run is resumed from
// another folder.
func (c *Config) absolute(path string) string {
	if _, ok := c.Named[path]; ok {
		return path
	}
	return absolute(path)
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// keeps reports that a model's classifier has the plan's classes already.
func (p *Plan) keeps(m *engine.Model) bool {
	return !m.Info.Background && !m.Info.Probabilities && slices.Equal(m.Info.Labels, p.labels())
}

// labels are the classes' names for people.
func (p *Plan) labels() []string {
	if len(p.Labels) == len(p.Classes) {
		return p.Labels
	}
	return p.Classes
}

func (p *Plan) chooseRecipe(side int) {
	name := "scratch"
	switch {
	case p.From != "":
		name = "finetune"
	case side < smallSide:
		name = "scratch_small"
	}
	r, err := Named(name)
	if err != nil {
		panic(err) // a name of the table
	}
	p.Recipe = r
}

// smallSide is the shorter side below which pictures count as small.
const smallSide = 100

// chooseResolution: what was asked for, else the recipe's, else the weights',
// else one that suits the pictures.
func (p *Plan) chooseResolution(c *Config, from *engine.Model, side int) error {
	switch {
	case c.Resolution > 0:
		p.Resolution = c.Resolution
	case p.Recipe.Resolution > 0:
		p.Resolution = p.Recipe.Resolution
	case from != nil:
		p.Resolution = from.Info.H
		if from.Info.W != from.Info.H {
			return fmt.Errorf("train: Resolution: %s takes pictures of %d x %d: give the side of a square", from.Info.Path, from.Info.H, from.Info.W)
		}
	case strings.Contains(p.Model, "res="):
		net, err := arch.ParseSpec(p.Model)
		if err != nil {
			return err
		}
		p.Resolution = net.Options.Resolution
	default:
		switch {
		case side < 48:
			p.Resolution = 64
		case side < smallSide:
			p.Resolution = 96
		case side < 200:
			p.Resolution = 160
		default:
			p.Resolution = 224
		}
		p.because("resolution: the shorter side of the pictures is %d pixels in the middle", side)
	}
	return nil
}

// chooseBatch keeps the batch within the data. One that the plan chose is made
// smaller for few pictures, so that an epoch has some steps.
func (p *Plan) chooseBatch(chosen bool) {
	r, n := &p.Recipe, p.Train/p.Accumulate
	was := r.Batch
	if r.RateBatch == 0 {
		r.RateBatch = was // the rate follows the batch
	}
	if chosen && n < 4*r.Batch {
		r.Batch = max(n/4, min(n, 8))
	}
	r.Batch = max(2, min(r.Batch, n))
	if r.Batch != was {
		p.because("batch: %d instead of %d for %d pictures", r.Batch, was, p.Train)
	}
}

// weigh scales class weights to a mean of 1 over the training pictures.
func (p *Plan) weigh(weights []float64, d *dataset.Dataset) {
	if weights == nil {
		return
	}
	sum := 0.0
	for c, n := range d.Counts(d.Train) {
		sum += weights[c] * float64(n)
	}
	for _, w := range weights {
		p.ClassWeights = append(p.ClassWeights, w*float64(len(d.Train))/sum)
	}
}

// settle fixes the steps once the epochs are known.
func (p *Plan) settle() error {
	p.StepsPerEpoch = int64(p.Train / p.Recipe.Batch / p.Accumulate)
	if p.StepsPerEpoch < 1 {
		return fmt.Errorf("train: %d pictures make no step of %d batches of %d: lower Batch or Accumulate", p.Train, p.Accumulate, p.Recipe.Batch)
	}
	p.Steps = max(1, int64(math.Round(p.Recipe.Epochs*float64(p.StepsPerEpoch))))
	p.Recipe.Epochs = float64(p.Steps) / float64(p.StepsPerEpoch)
	p.Recipe.Resolution = p.Resolution
	if p.Quantize != nil {
		p.Quantize.settle(p.Steps)
	}
	return p.Recipe.Validate()
}

// typicalSide is the median shorter side of some of the pictures.
func typicalSide(items []dataset.Item) (int, error) {
	var sides []int
	var first error
	const looks = 15
	for i := range min(looks, len(items)) {
		it := items[i*len(items)/min(looks, len(items))]
		w, h, err := measure(it)
		if err != nil {
			if first == nil {
				first = fmt.Errorf("%s: %w", it.Name, err)
			}
			continue
		}
		sides = append(sides, min(w, h))
	}
	if len(sides) == 0 {
		return 0, fmt.Errorf("train: none of some pictures can be read: %w", first)
	}
	slices.Sort(sides)
	return sides[len(sides)/2], nil
}

func measure(it dataset.Item) (w, h int, err error) {
	f, err := it.Open()
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<20))
	if err != nil {
		return 0, 0, err
	}
	_, info, err := imageio.DecodeBytes(b, nil)
	return info.Width, info.Height, err
}

// fewEpochs is the number of epochs below which fine-tuning is rather done on
// smaller pictures, smaller what their side is multiplied by.
const (
	fewEpochs = 5
	smaller   = 5.0 / 7 // 224 becomes 160
)

// fitTime chooses the epochs that fit a budget, by trying some steps. Where
// very few fit it takes smaller pictures, if the choice was its own.
func (r *run) fitTime(ctx context.Context, budget time.Duration, from *engine.Model) error {
	p := r.plan
	epochs := p.Recipe.Epochs
	perEpoch, rest, err := r.pacing(ctx, budget)
	if err != nil {
		return err
	}
	// The machine is never quite as fast as when it was measured.
	const slack = 1.12
	fit := func() float64 {
		return (budget.Seconds() - time.Since(r.started).Seconds() - rest) / (perEpoch * slack)
	}
	if from != nil && r.c.Resolution == 0 && r.c.Recipe.Resolution == 0 && fit() < fewEpochs && p.Resolution > smallSide {
		was := p.Resolution
		p.Resolution = int(math.Round(float64(was)*smaller/32)) * 32
		r.train.Close()
		if err := r.build(from); err == nil {
			p.because("resolution: %d instead of %d, so that more epochs fit", p.Resolution, was)
			perEpoch, rest, err = r.pacing(ctx, budget)
			if err != nil {
				return err
			}
		} else {
			// A network of one size.
			p.Resolution = was
			if err := r.build(from); err != nil {
				return err
			}
		}
	}
	least, most := 1.0/float64(p.StepsPerEpoch), 10*epochs
	if r.c.Time == 0 {
		// The budget is a default: it shortens the recipe, but not to nothing.
		least, most = 2, epochs
	}
	p.Recipe.Epochs = max(least, min(fit(), most))
	if p.Recipe.Epochs > 3 {
		p.Recipe.Epochs = math.Floor(p.Recipe.Epochs)
	}
	scaleSchedule(&p.Recipe.Schedule, epochs, p.Recipe.Epochs)
	p.because("epochs: %.3g take about %v here", p.Recipe.Epochs, (time.Duration((perEpoch*p.Recipe.Epochs + rest) * float64(time.Second))).Round(time.Second))
	return p.settle()
}

// pacing measures the seconds that an epoch takes, and all that comes before
// and after the epochs.
func (r *run) pacing(ctx context.Context, budget time.Duration) (perEpoch, rest float64, err error) {
	p := r.plan
	if err := p.settle(); err != nil {
		return 0, 0, err
	}
	r.report(Progress{Stage: "plan"})
	s, err := newStepper(r.net, p, r.pool, r.c.Kernels)
	if err != nil {
		return 0, 0, err
	}
	defer r.train.Close()
	step, forward := math.Inf(1), math.Inf(1)
	for range 3 {
		b, err := r.train.Next(ctx)
		if errors.Is(err, io.EOF) {
			break // an epoch of fewer batches
		}
		if err != nil {
			return 0, 0, err
		}
		start := time.Now()
		if _, _, err := s.run(ctx, 0, b, 0, 0); err != nil {
			return 0, 0, err
		}
		if step = min(step, time.Since(start).Seconds()); step > budget.Seconds()/20 {
			break
		}
	}
	if err := r.train.Seek(0, 0); err != nil {
		return 0, 0, err
	}
	inf, err := newInference(r.net.base, r.valBatch(), p.Resolution, r.pool, r.c.Kernels)
	if err != nil {
		return 0, 0, err
	}
	blank := make([]float32, inf.size)
	for range 2 {
		start := time.Now()
		if _, err := inf.run(ctx, blank, 1); err != nil {
			return 0, 0, err
		}
		forward = min(forward, time.Since(start).Seconds()/float64(inf.batch))
	}
	val := float64(p.Val) * forward * 1.2
	rest = 2*val + 1.5
	if p.HeadCopies > 0 {
		rest += float64(min(p.Train, headPictures)*p.HeadCopies+p.Val)*forward*1.3 + 1.5
	}
	return float64(p.StepsPerEpoch)*float64(p.Accumulate)*step + val, rest, nil
}

// scaleSchedule keeps the shape of a schedule whose number of epochs changes.
func scaleSchedule(s *Schedule, from, to float64) {
	if f := to / from; f < 1 {
		s.Warmup *= f
		s.Every *= f
	}
}

// makeDir makes the run's folder and refuses one that holds a run, or files
// that a run would write over.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("train: run folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, PlanFile)); err == nil {
		return fmt.Errorf("train: %s holds a run already: resume it, or name another folder", dir)
	}
	for _, name := range []string{ResultsFile, LogFile, ReportFile, StateFile, BestFile, LastFile, Int8File} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("train: %s would be written over: name another folder for the run", filepath.Join(dir, name))
		}
	}
	return nil
}
