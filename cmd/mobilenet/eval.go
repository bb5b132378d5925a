package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
)

// accuracy is the line of JSON of `mobilenet eval classify`.
type accuracy struct {
	N      int     `json:"n"` // pictures scored
	Top1   float64 `json:"top1"`
	Top5   float64 `json:"top5"`
	Recipe string  `json:"recipe"`
	Errors int     `json:"errors"` // pictures and rows that could not be read; not in n
	// Seconds is wall-clock time without opening the model.
	Seconds float64 `json:"seconds"`
}

func (a *app) eval() *cobra.Command {
	c := &cobra.Command{
		Use:   "eval",
		Short: "Measure a model on a data set",
		Args:  unknownVerb,
		RunE: func(c *cobra.Command, args []string) error {
			return usagef("what to measure is missing: use mobilenet eval classify")
		},
	}
	c.AddCommand(a.evalClassify())
	return c
}

func (a *app) evalClassify() *cobra.Command {
	var m modelFlags
	var data, dataClasses, logits string
	var crop bool
	c := &cobra.Command{
		Use:   "classify --data LABELS.csv|DIR|FILE.zip [--weights FILE]",
		Short: "Measure how often a model names the right class",
		Long: `Measure how often the right class is the best answer (top-1) and among the best
five (top-5).

The data is a CSV file with rows of path and class, paths relative to the file,
classes counted from 0 or by label, with or without a header; or a folder with
such a labels.csv; or a folder with a folder of pictures for each class, named by the class's number or
label, or as many folders as the network has classes, taken in order. A zip file
and a folder with parts (train, val) are read as mobilenet data check reads them;
the validation part is measured, if there is one.

Data that counts other classes than the model needs --data-classes: the pictures
of classes that the model does not know are left out.

A picture that cannot be read is reported, counts neither as right nor as wrong,
and makes the exit code 1. --logits writes a row for every row of the data, in
its order: the network's raw output, all NaN where there is none.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := m.need(); err != nil {
				return err
			}
			if data == "" {
				return usagef("no data: give --data LABELS.csv or a folder")
			}
			model, err := m.open(func(o *mobilenet.Options) { o.CropInput, o.Top = crop, 1 })
			if err != nil {
				return err
			}
			defer model.Close()
			a.note(model, m.weights, &m)
			classes := &eval.Classes{N: model.Info().Classes, Labels: model.Labels(), IDs: model.ClassIDs()}
			if dataClasses != "" {
				if classes.Data, err = dataset.ReadClasses(dataClasses); err != nil {
					return err
				}
			}
			samples, done, err := readSamples(data, classes)
			if err != nil {
				return err
			}
			defer done()
			recipe := model.Info().Recipe
			if crop {
				if recipe, err = croppedRecipe(recipe); err != nil {
					return err
				}
			}
			return a.measure(c.Context(), model, samples, recipe, logits)
		},
	}
	m.register(c, true, true)
	registerPrecision(c.Flags(), &m.precision)
	c.Flags().StringVar(&data, "data", "", "CSV file of path,class, a folder, or a zip file; of a data set in parts the validation part")
	c.Flags().StringVar(&dataClasses, "data-classes", "", "text or JSON file of the data's classes, by label or id, in the order of its numbers: those the model does not know are left out")
	c.Flags().StringVar(&logits, "logits", "", "write the raw outputs to this NumPy file, float32 [rows, scores]")
	c.Flags().BoolVar(&crop, "crop-input", false, "the pictures are crops of the input's size: neither resize nor crop them")
	return c
}

// noArgs refuses arguments of verbs that take flags only.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q; see %s --help", args[0], c.CommandPath())
	}
	return nil
}

func (a *app) measure(ctx context.Context, model *mobilenet.Classifier, samples []eval.Sample, recipe, logits string) error {
	var file *draft
	if logits != "" {
		// Made first, so that a wrong path costs no hour of work.
		f, err := newDraft(logits)
		if err != nil {
			return err
		}
		defer f.drop()
		file = f
	}
	info := model.Info()
	rows := info.Classes
	if info.Background {
		rows++
	}
	var raw []float32
	out := accuracy{Recipe: recipe}
	var hits eval.TopK
	bars := newProgress(a.stderr, len(samples), "evaluating")
	start := time.Now()
	i := 0
	for r := range model.ClassifyAll(ctx, pictures(samples)) {
		bars.step()
		if r.Err != nil {
			out.Errors++
			bars.clear()
			a.say("%s: %v", r.Name, r.Err)
			r.Scores = nil
		} else {
			scores := r.Scores
			if info.Background {
				scores = scores[1:]
			}
			hits.Add(scores, samples[i].Class)
		}
		if file != nil {
			raw = appendRow(raw, r.Scores, rows)
		}
		i++
	}
	bars.finish()
	if err := ctx.Err(); err != nil {
		return err
	}
	out.N, out.Top1, out.Top5 = hits.N, hits.Top1(), hits.Top5()
	out.Seconds = math.Round(time.Since(start).Seconds()*1e3) / 1e3
	if file != nil {
		err := npy.WriteFloat32(file, tensor.Shape{len(raw) / rows, rows}, raw)
		if err == nil {
			err = file.keep()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", logits, err)
		}
	}
	if err := a.printAccuracy(out); err != nil {
		return err
	}
	if out.Errors > 0 {
		return errReported
	}
	return nil
}

// croppedRecipe is what is left of a recipe for pictures of the input's size.
func croppedRecipe(text string) (string, error) {
	r, err := transform.Parse(text, 0)
	if err != nil {
		return "", err
	}
	r.Resize, r.Fraction = transform.ResizeNone, 1
	return r.Resolved().String(), nil
}

func (a *app) printAccuracy(r accuracy) error {
	if a.json {
		return a.object(r)
	}
	rate := ""
	if r.Seconds > 0 {
		rate = fmt.Sprintf(", %.1f a second", float64(r.N)/r.Seconds)
	}
	return a.print(fmt.Sprintf("top-1   %.2f %%\ntop-5   %.2f %%\nphotos  %d in %.1f s%s, %d unreadable\nrecipe  %s\n",
		100*r.Top1, 100*r.Top5, r.N, r.Seconds, rate, r.Errors, r.Recipe))
}

func pictures(samples []eval.Sample) func(func(mobilenet.Picture) bool) {
	return func(yield func(mobilenet.Picture) bool) {
		for _, s := range samples {
			p := mobilenet.Picture{Name: s.Path, Open: func() (io.ReadCloser, error) {
				if s.Err != nil {
					return nil, s.Err
				}
				if s.Open != nil {
					return s.Open()
				}
				return file(s.Path).Open()
			}}
			if !yield(p) {
				return
			}
		}
	}
}

// appendRow adds a picture's scores, or NaNs in their place.
func appendRow(raw, scores []float32, rows int) []float32 {
	if scores != nil {
		return append(raw, scores...)
	}
	for range rows {
		raw = append(raw, float32(math.NaN()))
	}
	return raw
}
