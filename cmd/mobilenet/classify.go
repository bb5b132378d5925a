package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet"
)

// classified is a line of JSON of `mobilenet classify`.
type classified struct {
	Image       string                 `json:"image"`
	Predictions []mobilenet.Prediction `json:"predictions"`
	Recipe      string                 `json:"recipe"`
	Model       string                 `json:"model"`     // the network's name; builtin for the built-in model
	Precision   string                 `json:"precision"` // what the products were computed in
	Timing      timing                 `json:"timing"`
	// Coverage is the part of the picture that a damaged file held.
	Coverage float64 `json:"coverage,omitempty"`
}

// timing is where the time went, in milliseconds. What the process spends once
// stands in every line; docs/timing.md says what each part is.
type timing struct {
	Load       float64 `json:"load_ms"`
	Bind       float64 `json:"bind_ms"`
	Pack       float64 `json:"pack_ms"`
	Decode     float64 `json:"decode_ms"`
	Preprocess float64 `json:"preprocess_ms"`
	Infer      float64 `json:"infer_ms"`
	Total      float64 `json:"total_ms"` // since the command began
}

func (a *app) timing(model *mobilenet.Classifier, t mobilenet.Timing) timing {
	s := model.Started()
	return timing{ms(s.Load), ms(s.Bind), ms(s.Pack), ms(t.Decode), ms(t.Preprocess), ms(t.Infer), ms(time.Since(a.begin))}
}

func (t timing) String() string {
	return fmt.Sprintf("  load %.1f, bind %.1f, pack %.1f, decode %.1f, preprocess %.1f, infer %.1f, in all %.1f ms\n",
		t.Load, t.Bind, t.Pack, t.Decode, t.Preprocess, t.Infer, t.Total)
}

// failed is the line of JSON for a picture that could not be classified.
type failed struct {
	Image string `json:"image"`
	Error string `json:"error"`
}

func (a *app) classify() *cobra.Command {
	var m modelFlags
	var top int
	var threshold float32
	var features []string
	var dir string
	var times bool
	c := &cobra.Command{
		Use:   "classify IMAGE... [--weights FILE]",
		Short: "Say what pictures show",
		Long: `Say what pictures show: the likeliest classes of each, with their probabilities.

An IMAGE is a file (JPEG, PNG, GIF, WebP, BMP, TIFF), a folder, a pattern as
'*.jpg', or - for standard input. A picture that cannot be read is reported and
does not stop the rest; the exit code is then 1.

Without --weights the model that comes with the program is used: it knows 200
everyday classes.`,
		Example: `  mobilenet classify photo.jpg
  mobilenet classify --weights model.safetensors photo.jpg
  mobilenet classify --weights model.onnx --preprocess inception --json photos/
  curl -s https://example.org/cat.jpg | mobilenet classify --weights model.pth -`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no picture: name a file, a folder, a pattern or - for standard input")
			}
			if slices.Index(args, "-") != lastIndex(args, "-") {
				return usagef("- is given twice: standard input holds one picture")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if top < 1 {
				return usagef("--top %d: give a number above 0", top)
			}
			if threshold < 0 || threshold > 1 {
				return usagef("--threshold %v: give a probability from 0 to 1", threshold)
			}
			if dir != "" && len(features) == 0 {
				return usagef("--features-out writes features: name them with --features, as --features embedding")
			}
			model, err := m.open(func(o *mobilenet.Options) { o.Top, o.Threshold = top, threshold })
			if err != nil {
				return err
			}
			defer model.Close()
			a.note(model, m.weights, &m)
			if len(features) > 0 {
				return a.features(c.Context(), model, features, dir, args)
			}
			return a.classifyAll(c.Context(), model, m.modelName(model), args, times)
		},
	}
	m.register(c, true, true)
	registerPrecision(c.Flags(), &m.precision)
	c.Flags().IntVar(&top, "top", 5, "classes to print for a picture")
	c.Flags().Float32Var(&threshold, "threshold", 0, "leave out classes with a lower probability")
	c.Flags().StringSliceVar(&features, "features", nil, "instead of classes, values inside the network: embedding, or names as blocks.12.expand.act,pool")
	c.Flags().BoolVar(&times, "timing", false, "show where the time went (--json always does)")
	c.Flags().StringVar(&dir, "features-out", "", "write the features to this folder, as NumPy files")
	return c
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

func (a *app) classifyAll(ctx context.Context, model *mobilenet.Classifier, name string, args []string, times bool) error {
	pics := a.pictures(args)
	bars := a.progress(len(pics), "classifying")
	defer bars.finish()
	recipe := model.Info().Recipe
	used, _ := model.Precision()
	bad := false
	for r := range model.ClassifyAll(ctx, slices.Values(pics)) {
		bars.step()
		var err error
		switch {
		case r.Err != nil:
			bad = true
			bars.clear()
			err = a.failed(r.Name, r.Err)
		case a.json:
			var ok bool
			ok, err = a.answer(classified{r.Name, r.Predictions, recipe, name, used, a.timing(model, r.Timing), held(r)}, failureOf(r.Name))
			bad = bad || !ok
		default:
			text := human(a.stdout, r)
			if times {
				text += a.timing(model, r.Timing).String()
			}
			err = a.print(text)
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if bad {
		return errReported
	}
	return nil
}

// progress is a bar on the error stream, unless the answers go to the same
// screen and show the progress themselves.
func (a *app) progress(total int, what string) *progress {
	if isTerminal(a.stdout) {
		return newProgress(nil, total, what)
	}
	return newProgress(a.stderr, total, what)
}

// failed reports a picture that could not be read.
func (a *app) failed(name string, err error) error {
	if a.json {
		return a.object(failureOf(name)(err))
	}
	a.say("%s: %v", name, err)
	return nil
}

// failureOf makes the line of JSON for a picture without an answer.
func failureOf(name string) func(error) any {
	return func(err error) any { return failed{name, clean(err.Error())} }
}

// held is a damaged picture's coverage, 0 for a whole one.
func held(r mobilenet.Result) float64 {
	if r.Coverage >= 1 {
		return 0
	}
	return r.Coverage
}

// human lays out the predictions of a picture.
func human(w io.Writer, r mobilenet.Result) string {
	var b strings.Builder
	fmt.Fprint(&b, bold(w, clean(r.Name)))
	if c := held(r); c > 0 {
		fmt.Fprintf(&b, " (the file holds %.0f %% of the picture)", 100*c)
	}
	b.WriteByte('\n')
	if len(r.Predictions) == 0 {
		b.WriteString("  no class reaches the threshold\n")
	}
	for _, p := range r.Predictions {
		line := fmt.Sprintf("  %5.1f %%  ", 100*p.Score)
		if styled(w) {
			line += fmt.Sprintf("%-20s  ", bar(float64(p.Score)))
		}
		fmt.Fprintln(&b, line+clean(p.Label))
	}
	return b.String()
}
