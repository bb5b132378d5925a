package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/transform"
)

// compared is the line of JSON of `mobilenet compare`.
type compared struct {
	A string `json:"a"`
	B string `json:"b"`
	*engine.Comparison
}

func (a *app) compare() *cobra.Command {
	var m modelFlags
	var data, preprocessB string
	var crop bool
	var limit int
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Find where two models first differ, and why",
		Long: `Run two models on the same pictures and say where they first differ: resizing,
input values, layer by layer, scores, labels; how often they agree; and which
single mistake explains the difference: range, channel order, label offset,
padding or epsilon.

B may be a NumPy file with the scores that another program recorded: .npy with a
row for each picture of --data in its order, or .npz with an array of classes
beside them that picks the pictures of those classes. Without --data the models
are compared on generated pictures.

Exit code 1 means that they differ.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("%d files to compare: name two", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return usagef("--limit %d: give a number above 0", limit)
			}
			opt, err := m.engineOptions()
			if err != nil {
				return err
			}
			used, asAsked := engine.ResolvePrecision(opt.Precision, opt.Kernels)
			a.warnPrecision(opt.Precision, used, asAsked)
			optB := *opt
			if preprocessB != "" {
				if _, err := transform.Parse(preprocessB, 0); err != nil {
					return usagef("--preprocess-b: %w", err)
				}
				optB.Preprocess = preprocessB
			}
			first, err := openModel(args[0], opt)
			if err != nil {
				return err
			}
			defer first.Close()
			recorded, isRecorded, err := engine.OpenRecorded(args[1])
			if err != nil {
				return err
			}
			if isRecorded && data == "" {
				return usagef("%s holds recorded scores: give the pictures with --data", args[1])
			}
			if !isRecorded {
				recorded = nil
			}
			pictures, err := comparePictures(data, limit, first, recorded)
			if err != nil {
				return err
			}
			var result *engine.Comparison
			if recorded != nil {
				result, err = engine.CompareGolden(c.Context(), first, recorded.Golden, pictures, crop)
			} else {
				result, err = compareModels(c.Context(), first, args[1], &optB, pictures, crop)
			}
			if err != nil {
				return err
			}
			return a.reportComparison(compared{args[0], args[1], result})
		},
	}
	m.register(c, false, true)
	registerPrecision(c.Flags(), &m.precision)
	c.Flags().StringVar(&data, "data", "", "CSV file of path,class, or a folder (default generated pictures)")
	c.Flags().StringVar(&preprocessB, "preprocess-b", "", "how pictures become input of the second model (default as --preprocess, or the file's)")
	c.Flags().BoolVar(&crop, "crop-input", false, "the pictures are crops of the input's size: neither resize nor crop them")
	c.Flags().IntVar(&limit, "limit", 50, "pictures to compare on at most")
	return c
}

func compareModels(ctx context.Context, first *engine.Model, path string, opt *engine.Options, pictures []*transform.Image, crop bool) (*engine.Comparison, error) {
	second, err := openModel(path, opt)
	if err != nil {
		return nil, err
	}
	defer second.Close()
	return engine.Compare(ctx, first, second, pictures, crop)
}

// comparePictures reads the pictures, those of recorded rows where there are
// any; the rows left without a picture are dropped from them.
func comparePictures(data string, limit int, m *engine.Model, r *engine.Recorded) ([]*transform.Image, error) {
	if data == "" {
		return engine.SamplePictures(min(limit, 8)), nil
	}
	samples, done, err := readSamples(data, &eval.Classes{N: m.Info.Classes(), Labels: m.Info.Labels, IDs: m.Info.ClassIDs})
	if err != nil {
		return nil, err
	}
	defer done()
	if r != nil {
		if samples, err = matchRows(samples, r); err != nil {
			return nil, err
		}
	}
	samples = samples[:min(len(samples), limit)]
	if r != nil {
		r.Scores = r.Scores[:len(samples)]
	}
	var out []*transform.Image
	for _, s := range samples {
		if s.Err != nil {
			return nil, s.Err
		}
		pic, err := readPicture(s, m)
		if err != nil {
			return nil, fileError(s.Path, err)
		}
		out = append(out, pic)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no pictures", data)
	}
	return out, nil
}

// matchRows brings recorded rows into the order of the data set's pictures.
func matchRows(samples []eval.Sample, r *engine.Recorded) ([]eval.Sample, error) {
	if r.Classes == nil {
		if len(r.Scores) != len(samples) {
			return nil, fmt.Errorf("%d rows of recorded scores for %d pictures", len(r.Scores), len(samples))
		}
		return samples, nil
	}
	row := make(map[int]int, len(r.Classes))
	for i, c := range r.Classes {
		if _, twice := row[c]; twice {
			return nil, fmt.Errorf("class %d has two rows of recorded scores: record one picture a class, or all in the data's order", c)
		}
		row[c] = i
	}
	var kept []eval.Sample
	var scores [][]float32
	for _, s := range samples {
		if i, ok := row[s.Class]; ok {
			kept = append(kept, s)
			scores = append(scores, r.Scores[i])
		}
	}
	r.Scores = scores
	return kept, nil
}

func readPicture(s eval.Sample, m *engine.Model) (*transform.Image, error) {
	open := s.Open
	if open == nil {
		open = func() (io.ReadCloser, error) { return os.Open(s.Path) }
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pic, _, err := imageio.Decode(f, m.Info.Recipe.DecodeOptions(imageio.Limits{}))
	return pic, err
}

// reportComparison prints the result; a difference is exit code 1.
func (a *app) reportComparison(r compared) error {
	var differ error
	if r.First != "" {
		differ = errReported
	}
	if a.json {
		if err := a.object(r); err != nil {
			return err
		}
		return differ
	}
	rows := [][]string{{"stage", "distance", ""}}
	shown := 0
	for _, s := range r.Stages {
		mark := ""
		if !s.Same {
			mark = "differs"
			shown++
		}
		if s.Note != "" {
			mark += "  " + clean(s.Note)
		}
		// The layers after the first few that differ say nothing new.
		if s.Same || shown <= 4 || s.Name == "scores" || s.Name == "labels" {
			rows = append(rows, []string{clean(s.Name), fmt.Sprintf("%.2g", s.Distance), mark})
		}
	}
	text := table(rows) + fmt.Sprintf("%d pictures, best class equal on %.1f %%\n", r.Pictures, 100*r.Agreement)
	switch {
	case r.First == "":
		text += "no difference\n"
	case r.Cause == engine.CauseNone:
		text += fmt.Sprintf("first difference: %s; %s\n", clean(r.First), clean(r.Detail))
	default:
		text += fmt.Sprintf("first difference: %s\nlikely cause: %s (%s)\n", clean(r.First), r.Cause, clean(r.Detail))
	}
	if err := a.print(text); err != nil {
		return err
	}
	return differ
}
