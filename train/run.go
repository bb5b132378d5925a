package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/transform"
)

// run is a training under way.
type run struct {
	c       *Config
	plan    *Plan
	net     *network
	pool    *exec.Pool
	step    *stepper
	teacher *teacher
	train   *dataset.Loader
	val     *dataset.Loader
	log     *runLog

	at        position
	savedStep int64
	savedTime time.Time
	started   time.Time
	before    float64 // seconds of earlier sittings
	pace      float64 // seconds a step, lately
	valPace   float64 // seconds a validation
}

// Run trains as the config says. When ctx is cancelled, or the program is
// killed, the run is continued by calling it again with Resume; the error then
// wraps ErrStopped and the context's.
func Run(ctx context.Context, c *Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &run{c: c, started: time.Now(), savedTime: time.Now(), pool: exec.NewPool(c.Threads)}
	defer r.pool.Close()
	if err := r.prepare(ctx); err != nil {
		return nil, r.stopped(ctx, err)
	}
	defer r.close()
	err := r.steps(ctx)
	if err != nil {
		return nil, r.stopped(ctx, err)
	}
	res, err := r.finish(ctx)
	if err != nil {
		return nil, r.stopped(ctx, err)
	}
	return res, nil
}

func (r *run) close() {
	r.train.Close()
	r.val.Close()
	if r.log != nil {
		r.log.Close()
	}
}

func (r *run) seconds() float64 { return r.before + time.Since(r.started).Seconds() }

func (r *run) report(p Progress) {
	if r.c.Progress != nil {
		r.c.Progress(p)
	}
}

func (r *run) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.at.Notes, text) {
		r.at.Notes = append(r.at.Notes, text)
		r.report(Progress{Stage: "note", Note: text})
	}
}

// stopped turns the end of a context into an error that says how to go on.
func (r *run) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if r.plan == nil || r.step == nil {
		return err
	}
	return fmt.Errorf("%w at step %d of %d, %s is saved: %w", ErrStopped, r.at.Step, r.plan.Steps, r.c.Dir, ctx.Err())
}

// prepare makes or reads the plan and everything that follows from it.
func (r *run) prepare(ctx context.Context) (err error) {
	c := r.c
	var from *engine.Model
	open := func(path string) error {
		if path == "" {
			return nil
		}
		from, err = c.open(path)
		return err
	}
	defer func() {
		if from != nil {
			from.Close()
		}
	}()
	var budget time.Duration
	if c.Resume {
		if r.plan, err = ReadPlan(c.Dir); err != nil {
			return err
		}
		if err := r.plan.check(c); err != nil {
			return err
		}
		if err := r.plan.checkPrecision(c); err != nil {
			return err
		}
		if err := open(r.plan.From); err != nil {
			return err
		}
	} else {
		if err := open(c.From); err != nil {
			return err
		}
		if r.plan, budget, err = draft(c, from); err != nil {
			return err
		}
	}
	if err := r.build(from); err != nil {
		return err
	}
	if _, err := r.net.frozen(r.plan.Freeze); err != nil {
		return err
	}
	if !c.Resume {
		if err := makeDir(c.Dir); err != nil {
			return err
		}
	}
	if budget > 0 {
		if err := r.fitTime(ctx, budget, from); err != nil {
			return err
		}
	}
	if r.plan.Teacher != "" {
		if r.teacher, err = newTeacher(c, r.plan, r.net.info.Recipe, r.pool); err != nil {
			return err
		}
	}
	if r.step, err = newStepper(r.net, r.plan, r.pool, c.Kernels); err != nil {
		return err
	}
	if !c.Resume {
		return r.plan.write(c.Dir)
	}
	return nil
}

// build makes the network and the loaders of the plan.
func (r *run) build(from *engine.Model) (err error) {
	if from != nil {
		r.net, err = fromWeights(r.plan, from)
	} else {
		r.net, err = fromScratch(r.plan)
	}
	if err != nil {
		return err
	}
	if r.plan.Quantize != nil {
		if err := r.net.quantize(); err != nil {
			return err
		}
	}
	return r.loaders()
}

// loaders makes the loaders.
func (r *run) loaders() (err error) {
	p, d := r.plan, r.c.Data
	cache := r.c.CacheBytes
	if cache == 0 {
		cache = 512 << 20
	}
	var weights []float32
	for _, w := range p.ClassWeights {
		weights = append(weights, float32(w))
	}
	r.train, err = dataset.NewLoader(d.Train, len(p.Classes), &dataset.LoaderOptions{
		Batch: p.Recipe.Batch, Recipe: r.net.info.Recipe, Augment: p.Recipe.Augment, Shuffle: true, Balanced: p.Balanced, DropLast: true,
		Seed: p.Seed, Smoothing: float32(p.Recipe.LabelSmoothing), ClassWeights: weights, Shrink: shrink(p.Resolution), CacheBytes: cache, Workers: r.c.Threads,
	})
	if err != nil {
		return err
	}
	r.val, err = dataset.NewLoader(d.Val, len(p.Classes), &dataset.LoaderOptions{
		Batch: r.valBatch(), Recipe: r.net.info.Recipe, CacheBytes: cache / 2, Workers: r.c.Threads,
	})
	return err
}

// shrink is the size that large pictures are reduced to before they are
// augmented: random crops still have some pixels to spare.
func shrink(resolution int) int { return 2 * resolution }

func (r *run) valBatch() int { return min(max(r.plan.Recipe.Batch, 16), 64, max(r.plan.Val, 1)) }

// steps trains from where the run is to its end.
func (r *run) steps(ctx context.Context) error {
	resumed := false
	if r.c.Resume {
		ok, err := r.load()
		if err != nil {
			return err
		}
		resumed, r.before, r.savedStep = ok, r.at.Seconds, r.at.Step
	}
	var err error
	// Of the record holds what the checkpoint knows of: not the epoch that it
	// stopped in the validation of.
	epoch := int64(0)
	if n := len(r.at.History); n > 0 {
		epoch = r.at.History[n-1].Step
	}
	if !resumed {
		epoch = -1
	}
	if r.log, err = openLog(r.c.Dir, epoch, r.at.Step); err != nil {
		return err
	}
	if !resumed {
		if err := r.log.Event("plan", r.plan); err != nil {
			return err
		}
		if r.plan.HeadCopies > 0 {
			if err := r.headStage(ctx); err != nil {
				return err
			}
		}
		if err := r.save(); err != nil {
			return err
		}
	}
	// A run that was stopped in a validation has that to do.
	for r.at.Seen > 0 || r.at.Step < r.plan.Steps && !r.patient() {
		if err := r.epoch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// patient reports that the run has waited long enough for an improvement.
func (r *run) patient() bool {
	return r.plan.Patience > 0 && r.at.SinceBest >= r.plan.Patience
}

// epoch takes the steps to the end of the epoch that the run is in, and
// validates.
func (r *run) epoch(ctx context.Context) error {
	p := r.plan
	end := min((r.at.Step/p.StepsPerEpoch+1)*p.StepsPerEpoch, p.Steps)
	if r.at.Seen > 0 && (r.at.Step%p.StepsPerEpoch == 0 || r.at.Step == p.Steps) {
		end = r.at.Step
	}
	if err := r.seek(); err != nil {
		return err
	}
	every := r.c.CheckpointEvery
	if every == 0 {
		every = time.Minute
	}
	for r.at.Step < end {
		if err := ctx.Err(); err != nil {
			return r.keepState(err)
		}
		if err := r.one(ctx); err != nil {
			return r.ended(ctx, err)
		}
		if time.Since(r.savedTime) >= every && r.at.Step < end {
			if err := r.save(); err != nil {
				return err
			}
			r.savedTime = time.Now()
		}
	}
	if err := r.endEpoch(ctx); err != nil {
		return r.ended(ctx, err)
	}
	return nil
}

// ended saves a run that its context ends. After other errors the last
// checkpoint is what to go on from: a step may be half done.
func (r *run) ended(ctx context.Context, err error) error {
	if why := ctx.Err(); why == nil || !errors.Is(err, why) {
		return err
	}
	return r.keepState(err)
}

// keepState saves a run that ends early, and passes on why.
func (r *run) keepState(why error) error {
	if err := r.save(); err != nil {
		return err
	}
	return why
}

// seek puts the loader where the run is.
func (r *run) seek() error {
	p := r.plan
	epoch, batch := int(r.at.Step/p.StepsPerEpoch), int(r.at.Step%p.StepsPerEpoch)*p.Accumulate
	e, b := r.train.Position()
	if e == epoch && b == batch || e == epoch-1 && b == r.train.Batches() && batch == 0 {
		return nil // there, or at the end before it: some of the next epoch is made already
	}
	return r.train.Seek(epoch, batch)
}

// next is the loader's next batch, across the end of an epoch.
func (r *run) next(ctx context.Context) (*dataset.Batch, error) {
	for {
		b, err := r.train.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
	}
}

// one takes a step.
func (r *run) one(ctx context.Context) error {
	p := r.plan
	start := time.Now()
	rate := p.Recipe.StepRate(float64(r.at.Step)/float64(p.StepsPerEpoch), p.Recipe.Batch*p.Accumulate)
	loss, pictures := 0.0, 0
	for i := range p.Accumulate {
		b, err := r.next(ctx)
		if err != nil {
			return err
		}
		if r.teacher != nil {
			if err := r.teacher.mix(ctx, b); err != nil {
				return err
			}
		}
		l, logits, err := r.step.run(ctx, i, b, rate, r.at.Step)
		if err != nil {
			return err
		}
		if i == 0 {
			// What has begun is ended: a step cut short has moved the averages.
			ctx = context.WithoutCancel(ctx)
		}
		loss += l / float64(p.Accumulate)
		r.at.Hits += int64(top1(logits, b.Targets, len(p.Classes)))
		pictures += b.N
	}
	if loss-loss != 0 {
		return r.diverged(fmt.Sprintf("the loss is %v", loss))
	}
	r.at.Step++
	r.at.Seen += int64(pictures)
	r.at.Loss += loss * float64(pictures)
	took := time.Since(start).Seconds()
	r.at.TrainSeconds += took
	if r.pace == 0 {
		r.pace = took
	}
	r.pace += 0.1 * (took - r.pace)
	if err := r.logStep(loss, rate); err != nil {
		return r.unsaved(err)
	}
	r.report(r.progress(rate))
	return nil
}

// logStep records a step: every tenth for TensorBoard; in the log, as rerunning
// a training is checked by them, each of the first 200 and every hundredth after.
func (r *run) logStep(loss, rate float64) error {
	n := r.at.Step
	if n <= 200 || n%100 == 0 {
		err := r.log.Event("step", struct {
			Step int64   `json:"step"`
			Loss float64 `json:"loss"`
			Rate float64 `json:"rate"`
		}{n, loss, rate})
		if err != nil {
			return err
		}
	}
	if n%10 != 0 {
		return nil
	}
	return r.log.Steps(n, loss, rate)
}

func (r *run) progress(rate float64) Progress {
	p, seen := r.plan, float64(max(r.at.Seen, 1))
	left := float64(p.Steps-r.at.Step)*r.pace + r.valPace*math.Ceil(float64(p.Steps-r.at.Step)/float64(p.StepsPerEpoch))
	return Progress{
		Stage: "train", Step: r.at.Step, Steps: p.Steps, Epoch: float64(r.at.Step) / float64(p.StepsPerEpoch), Epochs: p.Recipe.Epochs,
		Loss: r.at.Loss / seen, Top1: float64(r.at.Hits) / seen, Rate: rate,
		ImagesPerSecond: float64(p.Recipe.Batch*p.Accumulate) / max(r.pace, 1e-9), Left: time.Duration(left * float64(time.Second)),
	}
}

// diverged explains a training that came to nothing.
func (r *run) diverged(what string) error {
	p := r.plan
	rate := p.Recipe.StepRate(float64(r.at.Step)/float64(p.StepsPerEpoch), p.Recipe.Batch*p.Accumulate)
	return fmt.Errorf("the training diverged in epoch %.2f, step %d, at a learning rate of %.3g: %s; train again with a lower rate; the state of step %d is kept in %s",
		float64(r.at.Step)/float64(p.StepsPerEpoch), r.at.Step+1, rate, what, r.savedStep, r.c.Dir)
}

// endEpoch validates, records the epoch and saves.
func (r *run) endEpoch(ctx context.Context) error {
	p, seen := r.plan, float64(max(r.at.Seen, 1))
	e := Epoch{
		Epoch: float64(r.at.Step) / float64(p.StepsPerEpoch), Stage: "train", Step: r.at.Step,
		Loss: r.at.Loss / seen, Top1: float64(r.at.Hits) / seen,
		Rate:            p.Recipe.StepRate(float64(r.at.Step-1)/float64(p.StepsPerEpoch), p.Recipe.Batch*p.Accumulate),
		ImagesPerSecond: seen / max(r.at.TrainSeconds, 1e-9),
	}
	return r.record(ctx, &e)
}

// record validates the weights as they are, and saves everything.
func (r *run) record(ctx context.Context, e *Epoch) error {
	start := time.Now()
	s, err := r.validate(ctx, r.judged(), false)
	if err != nil {
		return err
	}
	r.valPace = time.Since(start).Seconds()
	if s.n == 0 {
		return fmt.Errorf("train: none of the %d validation pictures can be read; see mobilenet data check", r.plan.Val)
	}
	s.into(e)
	if e.ValLoss-e.ValLoss != 0 {
		return r.diverged("the validation's loss is no number")
	}
	e.Seconds = r.seconds()
	old := r.at.best()
	e.Best = old == nil || r.plan.rounded(e.Step) && !r.plan.rounded(old.Step) || e.ValTop1 > old.ValTop1 || e.ValTop1 == old.ValTop1 && e.ValLoss < old.ValLoss
	r.at.SinceBest++
	if e.Best {
		r.at.SinceBest = 0
		if err := r.export(ctx, BestFile, e); err != nil {
			return err
		}
	}
	for _, b := range r.train.Bad() {
		r.note("%s cannot be read: %v; another picture of its class takes its place", b.Name, b.Err)
	}
	for _, b := range r.val.Bad() {
		r.note("%s cannot be read: %v; it is left out of the validation", b.Name, b.Err)
	}
	r.at.History = append(r.at.History, *e)
	r.at.Loss, r.at.Hits, r.at.Seen, r.at.TrainSeconds = 0, 0, 0, 0
	if err := r.log.Epoch(e); err != nil {
		return r.unsaved(err)
	}
	// The checkpoint comes last: a run that is killed before it does the
	// validation again and writes the files again.
	if err := r.export(ctx, LastFile, e); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	r.savedTime = time.Now()
	pr := r.progress(e.Rate)
	pr.Stage, pr.Done = "val", e
	r.report(pr)
	return nil
}

func (r *run) validate(ctx context.Context, g *graph.Graph, detail bool) (*scores, error) {
	f, err := newInference(g, r.valBatch(), r.plan.Resolution, r.pool, r.c.Kernels)
	if err != nil {
		return nil, err
	}
	return validate(ctx, f, r.val, r.c.Data.Val, len(r.plan.Classes), detail, func(done int) {
		r.report(Progress{Stage: "val", Step: int64(done), Steps: int64(r.plan.Val), Epochs: r.plan.Recipe.Epochs})
	})
}

// headStage trains the classifier alone on features that the other layers
// make once.
func (r *run) headStage(ctx context.Context) error {
	p := r.plan
	start := time.Now()
	g := *r.net.plain
	g.Outputs = []graph.Output{{Name: "features", ID: r.net.head.Features}}
	inf, err := newInference(&g, r.valBatch(), p.Resolution, r.pool, r.c.Kernels)
	if err != nil {
		return err
	}
	var f features
	items := thin(r.c.Data.Train, headPictures)
	done, total := 0, int64(len(items)*p.HeadCopies)
	augment := p.Recipe.Augment
	augment.Mixup, augment.CutMix, augment.Erase = 0, 0, 0
	for copy := range p.HeadCopies {
		if copy == 0 {
			augment = transform.Augment{}
		} else {
			augment = p.Recipe.Augment
			augment.Mixup, augment.CutMix, augment.Erase = 0, 0, 0
		}
		var weights []float32
		for _, w := range p.ClassWeights {
			weights = append(weights, float32(w))
		}
		l, err := dataset.NewLoader(items, len(p.Classes), &dataset.LoaderOptions{
			Batch: inf.batch, Recipe: r.net.info.Recipe, Augment: augment, ClassWeights: weights, Seed: p.Seed + uint64(copy), Shrink: shrink(p.Resolution),
			CacheBytes: -1, Workers: r.c.Threads,
		})
		if err != nil {
			return err
		}
		err = f.collect(ctx, inf, l, func(n int) {
			done += n
			r.report(Progress{Stage: "features", Step: int64(done), Steps: total, Epochs: p.Recipe.Epochs})
		})
		l.Close()
		if err != nil {
			return err
		}
	}
	if f.rows() == 0 {
		return fmt.Errorf("train: no picture of the training part can be read")
	}
	var loss, hits float64
	w, b, err := trainHead(ctx, &f, len(p.Classes), p.Seed, r.pool, r.c.Kernels, func(step, steps int, l, t float64) {
		loss, hits = l, t
		r.report(Progress{Stage: "head", Step: int64(step), Steps: int64(steps), Loss: l, Top1: t, Epochs: p.Recipe.Epochs})
	})
	if err != nil {
		return err
	}
	for _, v := range []struct {
		id   graph.ID
		data []float32
	}{{r.net.head.Weight, w}, {r.net.head.Bias, b}} {
		if v.id == graph.None {
			continue
		}
		name := r.net.plain.Node(v.id).Name
		for _, name := range []string{name, name + ".average"} {
			if at := r.step.state.Variable(name); at != nil {
				copy(at, v.data)
			}
		}
	}
	return r.record(ctx, &Epoch{Stage: "head", Loss: loss, Top1: hits, ImagesPerSecond: float64(total) / max(time.Since(start).Seconds(), 1e-9)})
}

// finish measures the best weights once more, in detail, and writes the report.
func (r *run) finish(ctx context.Context) (*Result, error) {
	res := &Result{Dir: r.c.Dir, Epochs: r.at.History, Steps: r.at.Step, Notes: r.at.Notes, Weights: filepath.Join(r.c.Dir, BestFile)}
	if best := r.at.best(); best != nil {
		res.Best = *best
	}
	if n := len(r.at.History); n > 0 {
		res.Last = r.at.History[n-1]
	}
	if r.at.Step < r.plan.Steps {
		r.note("stopped after epoch %.4g of %.4g: no improvement for %d epochs", res.Last.Epoch, r.plan.Recipe.Epochs, r.at.SinceBest)
	}
	if r.plan.Quantize != nil {
		var err error
		if res.Int8, err = r.lower(ctx, res.Weights); err != nil {
			return nil, err
		}
		r.note("integers: %.2f %% of the validation pictures, %.2f %% without rounding", 100*res.Int8.Top1, 100*res.Int8.FloatTop1)
	}
	if err := r.writeReport(ctx, res); err != nil {
		return nil, err
	}
	res.Seconds, res.Notes = r.seconds(), r.at.Notes
	return res, r.log.Event("end", res)
}
