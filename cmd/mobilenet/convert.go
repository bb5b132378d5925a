package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/export"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// converted is the line of JSON of `mobilenet convert`.
type converted struct {
	Out     string   `json:"out"`
	Name    string   `json:"name"`
	Dialect string   `json:"dialect,omitempty"`
	From    string   `json:"source_format"`
	Params  int64    `json:"params"`
	Bytes   int64    `json:"bytes"`
	SHA256  string   `json:"sha256"`
	Recipe  string   `json:"recipe"`
	Golden  float64  `json:"golden_error"` // relative L2 distance of the new file's scores
	Notes   []string `json:"notes,omitempty"`
}

// goldenTolerance is how far, in relative L2, the scores of a written file may
// be from those of its source.
const goldenTolerance = 1e-6

func (a *app) convert() *cobra.Command {
	var m modelFlags
	var out, license, source, stored, ids, inputType, outputType string
	var metrics []string
	var force bool
	c := &cobra.Command{
		Use:   "convert IN -o OUT",
		Short: "Write a model as one safetensors file that carries its meaning, or for TensorFlow Lite",
		Long: `Write a model as one safetensors file that carries its meaning: the network, its
dialect, the preprocessing, labels, figures, licence, source, and a picture with
the scores it must give. The written file is opened again and has to give them.

A name that ends in .tflite asks for a TensorFlow Lite file, of real numbers or of
integers as the model is, with its preprocessing and labels as metadata. It is
opened again too and has to give the same scores.`,
		Example: `  mobilenet convert mobilenet_v2.pth -o v2.safetensors --license BSD-3-Clause --metric top1=0.7188
  mobilenet convert weights.pth -o mine.safetensors --model v1 --width 0.5 --names names.json
  mobilenet convert mobilenet_v2.pth -o v2.tflite --labels labels.txt
  mobilenet convert run-photos/best.safetensors -o small.safetensors --dtype float16`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%d files to convert: name one", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usagef("no name for the new file: give -o OUT.safetensors or -o OUT.tflite")
			}
			lite := isTFLite(out)
			for _, f := range []string{"metric", "class-ids", "dtype"} {
				if lite && c.Flags().Changed(f) {
					return usagef("--%s is not for TensorFlow Lite files", f)
				}
			}
			for _, f := range []string{"input-type", "output-type"} {
				if !lite && c.Flags().Changed(f) {
					return usagef("--%s is for TensorFlow Lite files", f)
				}
			}
			figures, err := parseMetrics(metrics)
			if err != nil {
				return err
			}
			store := engine.SaveOptions{License: license, Source: source, Metrics: figures}
			if store.Store, err = storedType(stored); err != nil {
				return err
			}
			if ids != "" {
				if store.ClassIDs, err = dataset.ReadClasses(ids); err != nil {
					return err
				}
			}
			opt, err := m.engineOptions()
			if err != nil {
				return err
			}
			if _, err := os.Lstat(out); err == nil && !force {
				return fmt.Errorf("%s exists: choose another name, or --force to replace it", out)
			}
			var ends export.TFLiteOptions
			if ends.Input, err = endType("input-type", inputType); err != nil {
				return err
			}
			if ends.Output, err = endType("output-type", outputType); err != nil {
				return err
			}
			var done *converted
			if lite {
				done, err = convertTFLite(c.Context(), args[0], out, opt, store, ends)
			} else {
				done, err = convert(c.Context(), args[0], out, opt, store)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.object(done)
			}
			for _, n := range done.Notes {
				a.say("note: %s", n)
			}
			return a.print(fmt.Sprintf("%s: %s, %s parameters, %s, checked to %.1g\n", clean(out), clean(done.Name), count(done.Params), size(done.Bytes), done.Golden))
		},
	}
	m.register(c, false, true)
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "", "the new file")
	f.StringVar(&license, "license", "", "licence of the weights, as an SPDX identifier")
	f.StringVar(&source, "source", "", "where the weights come from, as a URL")
	f.StringArrayVar(&metrics, "metric", nil, "a figure of the weights, as top1=0.7188; may be repeated")
	f.StringVar(&stored, "dtype", "float32", "type that filters and matrices are stored as: float32, float16 or bfloat16")
	f.StringVar(&ids, "class-ids", "", "text or JSON file of the classes' names in their data set, as WordNet's n02123045")
	f.StringVar(&inputType, "input-type", "", "type of a .tflite file's input: float32, uint8 or int8; the model's own if left out")
	f.StringVar(&outputType, "output-type", "", "type of a .tflite file's outputs")
	f.BoolVar(&force, "force", false, "replace an existing file")
	return c
}

// engineOptions are the options for verbs that need more of a model than
// classifying.
func (m *modelFlags) engineOptions() (*engine.Options, error) {
	o, err := m.options()
	if err != nil {
		return nil, err
	}
	return &engine.Options{Net: o.Net, Dialect: o.Dialect, Names: o.Names, Preprocess: o.Preprocess, Labels: o.Labels, Threads: o.Threads, Kernels: o.Kernels, Precision: string(o.Precision)}, nil
}

func storedType(name string) (tensor.DType, error) {
	types := map[string]tensor.DType{"float32": tensor.F32, "float16": tensor.F16, "bfloat16": tensor.BF16, "f32": tensor.F32, "f16": tensor.F16, "fp16": tensor.F16, "bf16": tensor.BF16}
	if t, ok := types[name]; ok {
		return t, nil
	}
	return 0, usagef("--dtype %q%s: use float32, float16 or bfloat16", name, suggest.DidYouMean(name, []string{"float32", "float16", "bfloat16"}))
}

func parseMetrics(list []string) (map[string]float64, error) {
	out := make(map[string]float64)
	for _, m := range list {
		name, value, ok := strings.Cut(m, "=")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || name == "" || err != nil || v-v != 0 {
			return nil, usagef("--metric %q: write it as top1=0.7188", m)
		}
		out[name] = v
	}
	return out, nil
}

// convert writes the model of one file to another, which appears only once it
// has proven to give the same scores.
func convert(ctx context.Context, in, out string, opt *engine.Options, save engine.SaveOptions) (*converted, error) {
	m, err := openModel(in, opt)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if m.Info.SHA256, err = modelSHA256(in); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(out), ".mobilenet-convert-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	draft := filepath.Join(temp, filepath.Base(out))
	if err := m.Save(ctx, draft, save); err != nil {
		return nil, err
	}
	again, err := engine.Open(draft, &engine.Options{Threads: opt.Threads, Kernels: opt.Kernels})
	if err != nil {
		return nil, fmt.Errorf("the written file cannot be read again, nothing was kept: %w", err)
	}
	defer again.Close()
	distance, err := again.CheckGolden(ctx)
	if err != nil {
		return nil, fmt.Errorf("the written file cannot be run, nothing was kept: %w", err)
	}
	if !(distance <= goldenTolerance) {
		return nil, fmt.Errorf("the written file's scores differ by %.3g from its source's, nothing was kept: please report this", distance)
	}
	sum, err := fileSHA256(draft)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(draft, out); err != nil {
		return nil, err
	}
	i := &m.Info
	notes := i.Notes
	if i.RecipeGuessed {
		notes = append(notes, "the source says nothing about preprocessing: "+i.Recipe.String()+" was written; --preprocess changes it")
	}
	return &converted{
		Out: out, Name: i.Name, Dialect: i.Dialect, From: i.Format, Params: i.Params, Bytes: fileSize(out),
		SHA256: sum, Recipe: i.Recipe.String(), Golden: distance, Notes: notes,
	}, nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
