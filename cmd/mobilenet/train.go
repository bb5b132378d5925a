package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/train"
	"github.com/mobilenet-go/mobilenet/transform"
)

// trainFlags are the flags of `mobilenet train`.
type trainFlags struct {
	train.Config
	recipe, resume, augment, classList string
	print, weighted, quantize          bool
	quantizeDelay                      float64
	threads, cache                     int
}

func (a *app) train() *cobra.Command {
	var t trainFlags
	c := &cobra.Command{
		Use:   "train DIR|FILE.zip|FILE.csv",
		Short: "Train a network on pictures of your own",
		Long: `Train a network on labelled pictures: from the weights of another task (--from),
which takes minutes for some hundreds of pictures, or from nothing.

The data is what mobilenet data check takes: class folders, folders train and val
of them, a CSV file, a zip file. Without a validation part a fifth is split off.
What is not given follows from the data, the network and the time: the recipe, the
resolution, the number of epochs.

The run's folder gets best.safetensors and last.safetensors, which classify and
eval open, results.csv, log.jsonl, TensorBoard's events and report.html. Ctrl-C
saves; --resume RUN continues an interrupted or killed run to the same bits.

--quantize goes on from weights (--from) with values and weights rounded as 8-bit
integers will be, and writes the network of integers as int8.safetensors too.`,
		Example: `  mobilenet train photos/ --from builtin
  mobilenet train photos/ --from mobilenet_v2.safetensors
  mobilenet train photos.zip --model v3_small --time 30m
  mobilenet train photos/ --from run-photos/best.safetensors --quantize
  mobilenet train --resume run-photos`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usagef("give one folder, zip file or CSV file; see %s --help", c.CommandPath())
			case len(args) == 0 && t.resume == "" && !t.print:
				return usagef("no data: give a folder, zip file or CSV file of labelled pictures, or --resume RUN")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return a.runTrain(c.Context(), c, &t, args)
		},
	}
	f := c.Flags()
	f.StringVar(&t.Model, "model", "", "the network: a name or a spec line (default v3_small)")
	f.StringVar(&t.From, "from", "", "weights to start from: builtin, or a file: safetensors, PyTorch, Keras, TFLite or ONNX")
	f.Float64Var(&t.Epochs, "epochs", 0, "passes over the pictures (default the recipe's)")
	f.DurationVar(&t.Time, "time", 0, "choose as many epochs as fit, as 5m or 1h30m")
	f.StringVar(&t.recipe, "recipe", "", "how to train: "+strings.Join(train.RecipeNames(), ", ")+", or a JSON file")
	f.BoolVar(&t.print, "print-recipe", false, "print the recipe and do nothing")
	f.StringVar(&t.resume, "resume", "", "continue the run in this folder")
	f.StringVar(&t.Dir, "out", "", "folder for the run (default run-NAME, numbered)")
	f.Uint64Var(&t.Seed, "seed", 0, "of everything random; the same seed gives the same bits")
	f.IntVar(&t.Batch, "batch", 0, "pictures of a step (default the recipe's)")
	f.IntVar(&t.Resolution, "resolution", 0, "side of the pictures the network sees (default by the weights or the pictures)")
	f.Float64Var(&t.Rate, "rate", 0, "learning rate (default the recipe's)")
	f.StringVar(&t.augment, "augment", "", "change of training pictures (default the recipe's), as light,mixup=0.2")
	f.StringArrayVar(&t.Freeze, "freeze", nil, "leave these layers as they are: a name, a pattern as blocks.0*, or backbone; repeat for more")
	f.Float64Var(&t.LayerDecay, "layer-decay", 0, "factor on the learning rate for each block away from the classifier")
	f.IntVar(&t.Accumulate, "accumulate", 0, "batches whose gradients make one step (default 1)")
	f.StringVar(&t.Teacher, "teacher", "", "weights of a network to learn the scores of")
	f.Float64Var(&t.TeacherWeight, "teacher-weight", 0, "part of the targets that the teacher makes (default 0.5)")
	f.Float64Var(&t.TeacherTemperature, "teacher-temperature", 0, "softening of its scores (default 2)")
	f.BoolVar(&t.Balanced, "balanced", false, "draw every class equally often")
	f.BoolVar(&t.weighted, "weighted", false, "weigh the classes' losses by the inverse of their numbers of pictures")
	f.BoolVar(&t.NoHead, "no-head", false, "do not train the classifier alone first")
	f.IntVar(&t.Patience, "patience", 0, "stop after so many epochs without improvement (default never)")
	f.StringVar(&t.classList, "class-list", "", "text or JSON file of the classes in their order")
	f.StringVar(&t.Precision, "precision", "", "arithmetic of a step's products: fp32, or bf16 with weights in float32 (default fp32)")
	f.BoolVar(&t.quantize, "quantize", false, "train for 8-bit integers, from weights, and write them")
	f.Float64Var(&t.quantizeDelay, "quantize-delay", 0, "part of the steps before anything is rounded (default none, half for new classes)")
	f.IntVar(&t.cache, "cache", 0, "MiB of memory for decoded pictures (default 512)")
	registerRun(f, &t.threads, &t.Kernels)
	return c
}

func (a *app) runTrain(ctx context.Context, c *cobra.Command, t *trainFlags, args []string) error {
	if err := t.settle(c); err != nil {
		return err
	}
	if t.print {
		if t.Recipe.Batch == 0 {
			return usagef("which recipe? give --recipe with one of %s", strings.Join(train.RecipeNames(), ", "))
		}
		return a.print(t.Recipe.String() + "\n")
	}
	data := ""
	var open dataset.Options
	if t.resume != "" {
		plan, err := train.ReadPlan(t.resume)
		if err != nil {
			return err
		}
		t.Dir, t.Resume, data = t.resume, true, plan.Data
		open.Classes = plan.Classes // in the order of a list that may be gone
	}
	if len(args) > 0 {
		data = args[0]
	}
	if t.classList != "" {
		list, err := dataset.ReadClasses(t.classList)
		if err != nil {
			return err
		}
		open.Classes = list
	}
	d, err := dataset.Open(data, &open)
	if err != nil {
		return err
	}
	defer d.Close()
	t.Data = d
	t.Named = map[string][]byte{builtin.Name: builtin.Weights()}
	if t.Dir == "" {
		t.Dir = freeFolder("run-" + folderName(data))
	}
	if t.weighted {
		for _, n := range d.Counts(d.Train) {
			t.ClassWeights = append(t.ClassWeights, 1/float64(max(n, 1)))
		}
	}
	if !t.Resume {
		used, asAsked := engine.ResolvePrecision(t.Precision, t.Kernels)
		a.warnPrecision(t.Precision, used, asAsked)
	}
	show := newTrainView(a)
	t.Progress = show.progress
	t.Threads, t.Command = t.threads, shellLine(os.Args)
	res, err := train.Run(ctx, &t.Config)
	show.end()
	if errors.Is(err, train.ErrStopped) {
		a.complain(fmt.Errorf("%w; continue with: %s", err, shellLine([]string{"", "train", "--resume", t.Dir})))
		return errReported
	}
	var field *train.ConfigError
	if errors.As(err, &field) && c.Flags().Lookup(flagOf(field.Field)) != nil {
		return usagef("--%s %s", flagOf(field.Field), field.Problem)
	}
	if err != nil {
		return err
	}
	return a.trained(res)
}

// flagOf is the flag of a field: layer-decay of LayerDecay.
func flagOf(field string) string {
	var b strings.Builder
	for i, r := range field {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// settle makes the recipe of the flags and checks what can be checked early.
func (t *trainFlags) settle(c *cobra.Command) error {
	t.CacheBytes = int64(t.cache) << 20
	if t.resume != "" {
		for _, name := range []string{"model", "from", "epochs", "time", "recipe", "out", "seed", "batch", "resolution", "rate", "augment", "freeze",
			"layer-decay", "accumulate", "teacher", "teacher-weight", "teacher-temperature", "balanced", "weighted", "no-head", "patience", "class-list", "precision", "quantize", "quantize-delay"} {
			if c.Flags().Changed(name) {
				return usagef("--%s: a run is resumed as it was planned; leave it out, or begin another run", name)
			}
		}
		return nil
	}
	if err := checkTrainPrecision(t.Precision); err != nil {
		return err
	}
	for _, name := range []string{"epochs", "time", "batch", "rate", "accumulate", "patience"} {
		if f := c.Flags().Lookup(name); f.Changed && (f.Value.String() == "0" || f.Value.String() == "0s") {
			return usagef("--%s %s: give a number above 0", name, f.Value)
		}
	}
	if t.Epochs != 0 && t.Time != 0 {
		return usagef("--epochs and --time: one follows from the other")
	}
	if t.Teacher == "" && (c.Flags().Changed("teacher-weight") || c.Flags().Changed("teacher-temperature")) {
		return usagef("--teacher-weight and --teacher-temperature need --teacher")
	}
	if c.Flags().Changed("quantize-delay") && !t.quantize {
		return usagef("--quantize-delay needs --quantize")
	}
	if t.quantize {
		switch {
		case t.From == "":
			return usagef("--quantize: give weights to go on from with --from: builtin, or a file that a training wrote")
		case t.Precision == "bf16":
			return usagef("--quantize and --precision bf16: weights that are rounded to integers would be rounded twice")
		}
		t.Quantize = &train.Quantization{Delay: t.quantizeDelay}
		if c.Flags().Changed("quantize-delay") && t.quantizeDelay == 0 {
			t.Quantize.Delay = -1 // none, said so
		}
	}
	if t.Model != "" && t.From != "" {
		return usagef("--model and --from: weights bring their own network")
	}
	if t.Model != "" {
		var err error
		if isSpec(t.Model) {
			_, err = arch.ParseSpec(t.Model)
		} else {
			_, err = arch.New(t.Model, arch.Options{})
		}
		if err != nil {
			return usageError{err}
		}
	}
	if t.recipe != "" {
		if b, err := os.ReadFile(t.recipe); err == nil {
			if t.Recipe, err = train.ParseRecipe(b); err != nil {
				return fileError(t.recipe, err)
			}
		} else if t.Recipe, err = train.Named(t.recipe); err != nil {
			if strings.HasSuffix(t.recipe, ".json") {
				return fileError(t.recipe, os.ErrNotExist)
			}
			return usagef("--recipe: %w", err)
		}
	}
	if t.augment != "" {
		changed, err := transform.ParseAugment(t.augment)
		if err != nil {
			return usagef("--augment: %w", err)
		}
		t.Augment = &changed
	}
	return nil
}

// shellLine is a command of this program as a person would type it.
func shellLine(args []string) string {
	line := "mobilenet"
	for _, arg := range args[min(1, len(args)):] {
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$&|;<>()*?[]{}~#`!") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line += " " + arg
	}
	return line
}

func folderName(data string) string {
	base := filepath.Base(filepath.Clean(data))
	if abs, err := filepath.Abs(data); err == nil {
		base = filepath.Base(abs)
	}
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// freeFolder is a name that nothing has.
func freeFolder(name string) string {
	for try, i := name, 2; ; i++ {
		if _, err := os.Lstat(try); errors.Is(err, os.ErrNotExist) {
			return try
		}
		try = fmt.Sprintf("%s-%d", name, i)
	}
}

// trained tells what came out.
func (a *app) trained(r *train.Result) error {
	if a.json {
		return a.object(struct {
			Event string `json:"event"`
			*train.Result
		}{"end", r})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "accuracy  %s %% top-1, %.2f %% top-5 on the validation pictures (epoch %.4g)\n", bold(a.stdout, fmt.Sprintf("%.2f", 100*r.Best.ValTop1)), 100*r.Best.ValTop5, r.Best.Epoch)
	if i := r.Int8; i != nil {
		fmt.Fprintf(&b, "int8      %s %% top-1, %.2f %% without rounding; %.2f MB in %s\n", bold(a.stdout, fmt.Sprintf("%.2f", 100*i.Top1)), 100*i.FloatTop1, float64(i.Bytes)/1e6, clean(i.Weights))
	}
	fmt.Fprintf(&b, "weights   %s\nreport    %s\ntime      %v, %d steps\n", clean(r.Weights), clean(filepath.Join(r.Dir, train.ReportFile)),
		time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond), r.Steps)
	try := r.Weights
	if r.Int8 != nil {
		try = r.Int8.Weights
	}
	fmt.Fprintf(&b, "try       %s PHOTO\n", clean(shellLine([]string{"", "classify", "--weights", try})))
	return a.print(b.String())
}

// trainView shows a training: a line that moves on a terminal, a line an epoch
// elsewhere, lines of JSON where they are asked for.
type trainView struct {
	a    *app
	live bool
	last time.Time
	plan bool
}

func newTrainView(a *app) *trainView { return &trainView{a: a, live: styled(a.stderr) && !a.json} }

func (v *trainView) progress(p train.Progress) {
	if v.a.json {
		if p.Done != nil {
			_ = v.a.object(struct {
				Event string `json:"event"`
				*train.Epoch
			}{"epoch", p.Done})
		}
		return
	}
	switch {
	case p.Note != "":
		v.clear()
		v.a.say("note: %s", p.Note)
	case p.Done != nil:
		v.clear()
		e := p.Done
		name := fmt.Sprintf("epoch %.4g/%.4g", e.Epoch, p.Epochs)
		if e.Stage == "head" {
			name = "classifier"
		}
		star := ""
		if e.Best {
			star = "  best"
		}
		v.a.say("%-14s loss %.4f  top-1 %5.2f %%  val loss %.4f  val top-1 %5.2f %%  %.0f images/s%s", name, e.Loss, 100*e.Top1, e.ValLoss, 100*e.ValTop1, e.ImagesPerSecond, star)
	case v.live && time.Since(v.last) > 100*time.Millisecond:
		v.last = time.Now()
		fmt.Fprintf(v.a.stderr, "\r\x1b[K%s", v.line(&p))
	}
}

func (v *trainView) line(p *train.Progress) string {
	switch p.Stage {
	case "train":
		return fmt.Sprintf("epoch %.2f/%.4g  loss %.4f  top-1 %5.2f %%  %.0f images/s  %v left", p.Epoch, p.Epochs, p.Loss, 100*p.Top1, p.ImagesPerSecond, p.Left.Round(time.Second))
	case "head":
		return fmt.Sprintf("classifier %d/%d  loss %.4f  top-1 %5.2f %%", p.Step, p.Steps, p.Loss, 100*p.Top1)
	case "plan":
		return "measuring steps"
	}
	return fmt.Sprintf("%s %d/%d", p.Stage, p.Step, p.Steps)
}

func (v *trainView) clear() {
	if v.live {
		fmt.Fprint(v.a.stderr, "\r\x1b[K")
	}
}

func (v *trainView) end() { v.clear() }
