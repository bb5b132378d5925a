package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// featured is the line of JSON of `mobilenet classify --features`.
type featured struct {
	Image    string    `json:"image"`
	Features []feature `json:"features"`
	Recipe   string    `json:"recipe"`
}

type feature struct {
	Name  string `json:"name"`
	Shape [3]int `json:"shape"` // height, width, channels
	// Vector holds the numbers of a feature of one pixel, unless they were
	// written to File.
	Vector []float32 `json:"vector,omitempty"`
	File   string    `json:"file,omitempty"`
}

// embedding is the word for the vector that the classifier reads.
const embedding = "embedding"

// features prints values inside the network instead of classes.
func (a *app) features(ctx context.Context, model *mobilenet.Classifier, names []string, dir string, args []string) error {
	known, err := model.FeatureNames()
	if err != nil {
		return err
	}
	if len(names) > 1 && slices.Contains(names, embedding) {
		return usagef("--features %s: %q goes alone", strings.Join(names, ","), embedding)
	}
	for _, n := range names {
		if n != embedding && !slices.Contains(known, n) {
			return usagef("the network has no feature %q%s: use %q or one of its %d values, as %s", n, suggest.DidYouMean(n, known), embedding, len(known), strings.Join(known[max(0, len(known)-3):], ", "))
		}
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	recipe := model.Info().Recipe
	bad := false
	pics := a.pictures(args)
	bars := a.progress(len(pics), "computing")
	defer bars.finish()
	for i, p := range pics {
		if err := ctx.Err(); err != nil {
			return err
		}
		list, err := values(ctx, model, p, names)
		if err == nil && dir != "" {
			// Pictures of one name may come from several folders.
			err = writeFeatures(list, filepath.Join(dir, fmt.Sprintf("%04d_%s", i, baseName(p.Name))))
		}
		bars.step()
		switch {
		case err != nil:
			bad = true
			bars.clear()
			err = a.failed(p.Name, err)
		case a.json:
			var ok bool
			ok, err = a.answer(featured{p.Name, described(list, dir != ""), recipe}, failureOf(p.Name))
			bad = bad || !ok
		default:
			err = a.print(featureText(a, p.Name, list))
		}
		if err != nil {
			return err
		}
	}
	if bad {
		return errReported
	}
	return nil
}

// stored is a feature and the file it was written to, if it was.
type stored struct {
	mobilenet.Feature
	file string
}

// values computes the named features of a picture.
func values(ctx context.Context, model *mobilenet.Classifier, p mobilenet.Picture, names []string) ([]stored, error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if slices.Equal(names, []string{embedding}) {
		v, err := model.Embed(ctx, f)
		if err != nil {
			return nil, err
		}
		return []stored{{Feature: mobilenet.Feature{Name: embedding, Height: 1, Width: 1, Channels: len(v), Data: v}}}, nil
	}
	list, err := model.Features(ctx, f, names...)
	if err != nil {
		return nil, err
	}
	out := make([]stored, len(list))
	for i, v := range list {
		out[i].Feature = v
	}
	return out, nil
}

func baseName(path string) string {
	if path == "-" {
		return "stdin"
	}
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// writeFeatures writes each feature as a NumPy file.
func writeFeatures(list []stored, prefix string) error {
	for i := range list {
		v := &list[i]
		name := strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) || unprintable(r) {
				return '_'
			}
			return r
		}, v.Name)
		v.file = prefix + "." + name + ".npy"
		f, err := os.Create(v.file)
		if err != nil {
			return err
		}
		err = npy.WriteFloat32(f, tensor.Shape{v.Height, v.Width, v.Channels}, v.Data)
		if closing := f.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return fileError(v.file, err)
		}
	}
	return nil
}

// described is the features for JSON: vectors with their numbers, unless these
// went to files.
func described(list []stored, filed bool) []feature {
	out := make([]feature, len(list))
	for i, v := range list {
		out[i] = feature{Name: v.Name, Shape: [3]int{v.Height, v.Width, v.Channels}, File: v.file}
		if v.Height*v.Width == 1 && !filed {
			out[i].Vector = v.Data
		}
	}
	return out
}

func featureText(a *app, name string, list []stored) string {
	var b strings.Builder
	fmt.Fprintln(&b, bold(a.stdout, clean(name)))
	for _, v := range list {
		fmt.Fprintf(&b, "  %s [%d %d %d] %s\n", clean(v.Name), v.Height, v.Width, v.Channels, clean(v.file))
	}
	return b.String()
}
