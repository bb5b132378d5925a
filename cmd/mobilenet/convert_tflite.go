package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/export"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
)

// isTFLite tells the format of a file to be written by its name.
func isTFLite(out string) bool { return strings.EqualFold(filepath.Ext(out), ".tflite") }

// endType reads --input-type and --output-type.
func endType(flag, name string) (tensor.DType, error) {
	types := map[string]tensor.DType{"": tensor.Invalid, "float32": tensor.F32, "uint8": tensor.U8, "int8": tensor.I8}
	if t, ok := types[name]; ok {
		return t, nil
	}
	return 0, usagef("--%s %q%s: use float32, uint8 or int8", flag, name, suggest.DidYouMean(name, []string{"float32", "uint8", "int8"}))
}

// convertTFLite writes the model of one file as a TensorFlow Lite file.
func convertTFLite(ctx context.Context, in, out string, opt *engine.Options, save engine.SaveOptions, ends export.TFLiteOptions) (*converted, error) {
	m, err := openModel(in, opt)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	w, err := writeTFLite(ctx, m, out, save, ends)
	if err != nil {
		return nil, err
	}
	i := &m.Info
	return &converted{
		Out: out, Name: i.Name, Dialect: i.Dialect, From: i.Format, Params: i.Params, Bytes: fileSize(out),
		SHA256: w.sum, Recipe: i.Recipe.String(), Golden: w.distance, Notes: append(slices.Clone(i.Notes), w.notes...),
	}, nil
}

// writtenTFLite is what writeTFLite has to say: notes on the arithmetic, and how
// far the file's scores are from the model's.
type writtenTFLite struct {
	notes    []string
	distance float64
	sum      string
}

// writeTFLite writes a model as a file that appears only once our own reader
// has got the same scores out of it.
func writeTFLite(ctx context.Context, m *engine.Model, out string, save engine.SaveOptions, ends export.TFLiteOptions) (*writtenTFLite, error) {
	i := &m.Info
	g, err := m.GraphAt(1, i.H, i.W)
	if err != nil {
		return nil, err
	}
	ends.Name, ends.Description, ends.Recipe = i.Name, i.Name, i.Recipe.String()
	for _, s := range [][2]string{{"licence", save.License}, {"from", save.Source}} {
		if s[1] != "" {
			ends.Description += ", " + s[0] + " " + s[1]
		}
	}
	if ends.Labels = i.Labels; i.Background && len(i.Labels) > 0 {
		ends.Labels = slices.Concat([]string{"background"}, i.Labels)
	}
	if ends.Mean, ends.Std, err = normalization(i.Recipe); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	notes, err := export.TFLite(&data, g, &ends)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.Name, err)
	}
	want, err := m.GoldenScores(ctx)
	if err != nil {
		return nil, err
	}
	again, err := engine.Read(out, bytes.NewReader(data.Bytes()), int64(data.Len()), &engine.Options{Threads: m.Threads(), Kernels: m.Kernels()})
	if err != nil {
		return nil, fmt.Errorf("the new file cannot be read again, nothing was written: %w", err)
	}
	defer again.Close()
	got, err := again.GoldenScores(ctx)
	if err != nil {
		return nil, fmt.Errorf("the new file cannot be run, nothing was written: %w", err)
	}
	w := &writtenTFLite{notes: notes, distance: engine.Distance(got, want)}
	if len(notes) == 0 && !(w.distance <= goldenTolerance) {
		return nil, fmt.Errorf("the new file's scores differ by %.3g from its source's, nothing was written: please report this", w.distance)
	}
	temp, err := os.MkdirTemp(filepath.Dir(out), ".mobilenet-tflite-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	draft := filepath.Join(temp, filepath.Base(out))
	if err := os.WriteFile(draft, data.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if w.sum, err = fileSHA256(draft); err != nil {
		return nil, err
	}
	return w, os.Rename(draft, out)
}

// normalization is what a recipe subtracts from a pixel of 0 to 255 and divides
// by, per channel. It is empty where the network takes pixels as they are.
func normalization(r transform.Recipe) (mean, std []float32, err error) {
	p, err := transform.NewPipeline(r)
	if err != nil {
		return nil, nil, err
	}
	r = r.Resolved()
	ends := [2][]float32{}
	for i, v := range []byte{0, 255} {
		ends[i] = make([]float32, 3*r.Width*r.Height)
		pix := bytes.Repeat([]byte{v}, len(ends[i]))
		if err := p.ApplyCropped(&transform.Image{W: r.Width, H: r.Height, Pix: pix}, ends[i]); err != nil {
			return nil, nil, err
		}
	}
	for c := range 3 {
		step := (float64(ends[1][c]) - float64(ends[0][c])) / 255
		std = append(std, float32(1/step))
		mean = append(mean, float32(-float64(ends[0][c])/step))
	}
	if slices.Equal(mean, []float32{0, 0, 0}) && slices.Equal(std, []float32{1, 1, 1}) {
		return nil, nil, nil
	}
	return mean, std, nil
}
