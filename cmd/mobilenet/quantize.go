package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/export"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/quant"
)

// quantizeFlags are the flags of `mobilenet quantize`.
type quantizeFlags struct {
	modelFlags
	calib, val, dataClasses, out, report string
	drop, float                          string
	opt                                  quant.Options
	force                                bool
}

// quantized is the line of JSON of `mobilenet quantize`.
type quantized struct {
	Out    string `json:"out,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	*quant.Report
}

func (a *app) quantize() *cobra.Command {
	var q quantizeFlags
	c := &cobra.Command{
		Use:   "quantize MODEL --calib DIR [--val LABELS] [-o OUT]",
		Short: "Turn a float network into one of 8-bit integers",
		Long: `Turn a float network into one of 8-bit integers, without training, with a bound
on the accuracy lost.

--calib names some pictures like those that the network will see: a folder or a
zip file; a hundred are enough, labels are not needed. Ranges are chosen in
several ways, the channels of neighbouring layers equalized and biases corrected
where that helps; every fourth picture is held out to decide it.

With --val, labelled pictures as eval classify takes them, top-1 may fall by
--max-drop at most: layers that do the most harm stay in float until it holds,
within --max-float of the multiply-adds. Without it the scores are held against
those of the float network. A network that loses more is not written; the error
names its worst layers.

-o writes a .safetensors file of our own, or .tflite. --report writes a page with
the signal-to-noise ratio of every layer.`,
		Example: `  mobilenet quantize mobilenet_v2.onnx --calib photos/ -o v2-int8.safetensors
  mobilenet quantize best.safetensors --calib photos/ --val val/ --max-drop 0.5% -o best-int8.tflite
  mobilenet quantize builtin --calib photos/ --report quant.html`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%d models to quantize: name one", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.runQuantize(c.Context(), &q, args[0]) },
	}
	q.register(c, false, true)
	f := c.Flags()
	f.StringVar(&q.calib, "calib", "", "folder or zip file of pictures to calibrate with")
	f.StringVar(&q.val, "val", "", "labelled pictures to measure accuracy on, as eval classify --data takes them")
	f.StringVar(&q.dataClasses, "data-classes", "", "classes of --val in the order of its numbers, as eval classify takes them")
	f.StringVarP(&q.out, "output", "o", "", "the new file, .safetensors or .tflite (default none: only measure)")
	f.StringVar(&q.report, "report", "", "write a page about all layers to this file")
	f.StringVar(&q.drop, "max-drop", "1%", "top-1 accuracy that may be lost, in points; needs --val")
	f.StringVar(&q.float, "max-float", "10%", "part of the multiply-adds that may stay in float")
	f.StringVar(&q.opt.Method, "method", "", "how ranges are chosen: "+strings.Join(quant.Methods(), ", ")+" (default the best of them)")
	f.IntVar(&q.opt.MaxPictures, "pictures", 0, "pictures to calibrate with at most, evenly spread (default 256)")
	f.BoolVar(&q.opt.PerTensor, "per-tensor", false, "one scale for all weights of a layer, for hardware that knows no other; no layer stays in float")
	f.BoolVar(&q.opt.NoEqualize, "no-equalize", false, "leave the channels of neighbouring layers as they are")
	f.BoolVar(&q.opt.NoCorrect, "no-correct", false, "leave the biases as they are")
	f.BoolVar(&q.opt.NoSpeed, "no-speed", false, "do not measure the speed before and after")
	f.BoolVar(&q.force, "force", false, "replace an existing file")
	return c
}

// part reads "1%" or "0.01" as a fraction.
func part(flag, text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, usagef("%s %q: write it as 1%% or 0.01", flag, text)
	}
	return v, nil
}

// settle checks the flags before anything is read.
func (q *quantizeFlags) settle() error {
	if q.calib == "" {
		return usagef("no pictures to calibrate with: give --calib DIR with some of what the network will see")
	}
	var err error
	if q.opt.MaxDrop, err = part("--max-drop", q.drop); err != nil {
		return err
	}
	if q.opt.MaxFloat, err = part("--max-float", q.float); err != nil {
		return err
	}
	// A zero means the default to the package.
	if q.opt.MaxDrop == 0 {
		q.opt.MaxDrop = 1e-12
	}
	if q.opt.MaxFloat == 0 {
		q.opt.MaxFloat = -1
	}
	if m := q.opt.Method; m != "" && !isOneOf(m, quant.Methods()) {
		return usagef("--method %q%s: use one of %s", m, suggest.DidYouMean(m, quant.Methods()), strings.Join(quant.Methods(), ", "))
	}
	if q.opt.MaxPictures < 0 {
		return usagef("--pictures %d: give a number above 0", q.opt.MaxPictures)
	}
	if ext := strings.ToLower(filepath.Ext(q.out)); q.out != "" && ext != ".safetensors" && ext != ".tflite" {
		return usagef("-o %s: the file's name must end in .safetensors or .tflite", q.out)
	}
	for _, path := range []string{q.out, q.report} {
		if _, err := os.Lstat(path); path != "" && err == nil && !q.force {
			return fmt.Errorf("%s exists: choose another name, or --force to replace it", path)
		}
	}
	return nil
}

func isOneOf(s string, list []string) bool {
	for _, l := range list {
		if s == l {
			return true
		}
	}
	return false
}

func (a *app) runQuantize(ctx context.Context, q *quantizeFlags, path string) error {
	if err := q.settle(); err != nil {
		return err
	}
	opt, err := q.engineOptions()
	if err != nil {
		return err
	}
	m, err := openModel(path, opt)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Info.SHA256, err = modelSHA256(path); err != nil {
		return err
	}
	if !a.json && m.Info.RecipeGuessed {
		a.say("note: %s says nothing about preprocessing: using %s; --preprocess changes it", path, m.Info.Recipe)
	}
	done, err := q.pictures(a, m)
	if err != nil {
		return err
	}
	defer done()
	view := &quantizeView{a: a}
	q.opt.Progress = view.show
	res, err := quant.Quantize(ctx, m, &q.opt)
	view.end()
	if err != nil {
		return err
	}
	if q.report != "" {
		page, err := res.HTML()
		if err == nil {
			err = writeDraft(q.report, page)
		}
		if err != nil {
			return err
		}
	}
	line := quantized{Report: &res.Report}
	if q.out != "" {
		if line.SHA256, err = writeQuantized(ctx, res, q.out); err != nil {
			return err
		}
		line.Out, line.Bytes = q.out, fileSize(q.out)
	}
	if a.json {
		return a.object(line)
	}
	return a.printQuantized(&line, fileSize(path))
}

// pictures lists the pictures that the flags name.
func (q *quantizeFlags) pictures(a *app, m *engine.Model) (done func(), err error) {
	var close []func()
	done = func() {
		for _, f := range close {
			f()
		}
	}
	if strings.EqualFold(filepath.Ext(q.calib), ".zip") {
		d, err := dataset.Scan(q.calib, &dataset.Options{ValFraction: -1})
		if err != nil {
			return done, err
		}
		close = append(close, func() { d.Close() })
		for _, it := range append(d.Train, d.Val...) {
			q.opt.Pictures = append(q.opt.Pictures, quant.Picture{Name: it.Name, Open: it.Open})
		}
	} else {
		if _, err := os.Stat(q.calib); err != nil {
			return done, err
		}
		for _, p := range a.pictures([]string{q.calib}) {
			q.opt.Pictures = append(q.opt.Pictures, quant.Picture{Name: p.Name, Open: p.Open})
		}
	}
	if q.val == "" {
		return done, nil
	}
	classes := &eval.Classes{N: m.Info.Classes(), Labels: m.Info.Labels, IDs: m.Info.ClassIDs}
	if q.dataClasses != "" {
		if classes.Data, err = dataset.ReadClasses(q.dataClasses); err != nil {
			return done, err
		}
	}
	samples, more, err := readSamples(q.val, classes)
	close = append(close, more)
	q.opt.Validation = samples
	return done, err
}

func writeDraft(path string, data []byte) error {
	f, err := newDraft(path)
	if err != nil {
		return fileError(path, err)
	}
	defer f.drop()
	if _, err = f.Write(data); err == nil {
		err = f.keep()
	}
	if err != nil {
		return fileError(path, err)
	}
	return nil
}

// writeQuantized writes an integer network to a file, which appears only once
// it has proven to give the same bytes as what it was written from.
func writeQuantized(ctx context.Context, res *quant.Result, out string) (sum string, err error) {
	m, err := res.Model()
	if err != nil {
		return "", err
	}
	defer m.Close()
	if strings.EqualFold(filepath.Ext(out), ".tflite") {
		w, err := writeTFLite(ctx, m, out, engine.SaveOptions{}, export.TFLiteOptions{})
		if err != nil {
			return "", err
		}
		return w.sum, nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(out), ".mobilenet-quantize-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	draft := filepath.Join(temp, filepath.Base(out))
	if err := m.Save(ctx, draft, engine.SaveOptions{}); err != nil {
		return "", err
	}
	again, err := engine.Open(draft, &engine.Options{Threads: m.Threads(), Kernels: m.Kernels()})
	if err != nil {
		return "", fmt.Errorf("the written file cannot be read again, nothing was kept: %w", err)
	}
	defer again.Close()
	distance, err := again.CheckGolden(ctx)
	if err != nil {
		return "", fmt.Errorf("the written file cannot be run, nothing was kept: %w", err)
	}
	if distance != 0 {
		return "", fmt.Errorf("the written file's scores differ by %.3g from its source's, nothing was kept: please report this", distance)
	}
	if sum, err = fileSHA256(draft); err != nil {
		return "", err
	}
	return sum, os.Rename(draft, out)
}
