package builtin_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func open(t testing.TB) *mobilenet.Classifier {
	t.Helper()
	c, err := builtin.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestWhole: the model is small enough, says what it is, and gives the scores
// that were recorded when it was written, on every kernel this machine has.
func TestWhole(t *testing.T) {
	data := builtin.Weights()
	if len(data) > 9e6 {
		t.Errorf("%d bytes: at most 9 MB are promised", len(data))
	}
	for _, rung := range cpu.Rungs() {
		if rung == "ref" && testing.Short() {
			continue
		}
		m, err := engine.Read(builtin.Name, bytes.NewReader(data), int64(len(data)), &engine.Options{Kernels: rung})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := m.CheckGolden(context.Background()); err != nil || d > 1e-5 {
			t.Errorf("%s: golden distance %g, %v", rung, d, err)
		}
		m.Close()
	}
	i := open(t).Info()
	if i.License == "" || i.Source == "" || i.RecipeGuessed || i.Metrics["top1"] < 0.5 || i.Metrics["top5"] < 0.75 {
		t.Errorf("the file says %+v", i)
	}
}

// TestClasses: the 200 classes stand in the order of their WordNet ids.
func TestClasses(t *testing.T) {
	c := open(t)
	ids, labels := c.ClassIDs(), c.Labels()
	if len(ids) != 200 || len(labels) != 200 || !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != 200 {
		t.Fatalf("%d ids, %d labels", len(ids), len(labels))
	}
	// From the data set's words.txt.
	for id, label := range map[string]string{"n01443537": "goldfish", "n02123394": "Persian cat", "n04146614": "school bus", "n07747607": "orange", "n12267677": "acorn"} {
		if i := slices.Index(ids, id); i < 0 || !strings.HasPrefix(labels[i], label) {
			t.Errorf("%s should be %q", id, label)
		}
	}
}

// TestEveryday: the painted pictures of the README's first command get the
// names of what they show.
func TestEveryday(t *testing.T) {
	c := open(t)
	pictures := 0
	for r := range c.ClassifyFS(context.Background(), os.DirFS("../testdata/everyday"), ".") {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		pictures++
		want := strings.ReplaceAll(strings.TrimSuffix(path.Base(r.Name), path.Ext(r.Name)), "-", " ")
		if got := r.Predictions[0]; got.Label != want || got.Score < 0.2 {
			t.Errorf("%s: %.2f %s", r.Name, got.Score, got.Label)
		}
	}
	if pictures < 2 {
		t.Errorf("%d pictures", pictures)
	}
}

// TestValidationPart measures the model on the part of its validation pictures
// that the shared data has: 50 classes of the 200. Chance is 0.5 %.
func TestValidationPart(t *testing.T) {
	d, err := dataset.Open(filepath.Join(testkit.Data(t), "train", "tiny-imagenet-50x250.zip"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := open(t)
	classes := &eval.Classes{N: 200, IDs: c.ClassIDs()}
	var pictures []mobilenet.Picture
	var truth []int
	for _, it := range d.Val {
		n, err := classes.Find(d.Classes[it.Class])
		if err != nil {
			t.Fatal(err)
		}
		pictures, truth = append(pictures, mobilenet.Picture{Name: it.Name, Open: it.Open}), append(truth, n)
	}
	k := measure(t, c, pictures, truth)
	t.Logf("%d pictures: top-1 %.2f %%, top-5 %.2f %%", k.N, 100*k.Top1(), 100*k.Top5())
	if k.Top1() < 0.5 || k.Top5() < 0.75 {
		t.Errorf("top-1 %.3f, top-5 %.3f", k.Top1(), k.Top5())
	}
}

// TestPhotos measures it on photographs, which are larger and show more than the
// crops of 64 pixels it was trained on.
func TestPhotos(t *testing.T) {
	wnids, err := dataset.ReadClasses(filepath.Join(testkit.Data(t), "images", "imagenet_wnids.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t)
	samples, err := eval.ReadSamples(filepath.Join(testkit.Data(t), "images", "imagenet-samples"), &eval.Classes{N: 200, Labels: c.Labels(), IDs: c.ClassIDs(), Data: wnids})
	if err != nil {
		t.Fatal(err)
	}
	var pictures []mobilenet.Picture
	var truth []int
	for _, s := range samples {
		pictures = append(pictures, mobilenet.Picture{Name: s.Path, Open: func() (io.ReadCloser, error) { return os.Open(s.Path) }})
		truth = append(truth, s.Class)
	}
	k := measure(t, c, pictures, truth)
	t.Logf("%d photos: top-1 %.1f %%, top-5 %.1f %%", k.N, 100*k.Top1(), 100*k.Top5())
	if k.N < 80 || k.Top1() < 0.45 || k.Top5() < 0.7 {
		t.Errorf("%d photos, top-1 %.3f, top-5 %.3f", k.N, k.Top1(), k.Top5())
	}
}

func measure(t *testing.T, c *mobilenet.Classifier, pictures []mobilenet.Picture, truth []int) *eval.TopK {
	t.Helper()
	var k eval.TopK
	i := 0
	for r := range c.ClassifyAll(context.Background(), slices.Values(pictures)) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		k.Add(r.Scores, truth[i])
		i++
	}
	return &k
}

// record is a line of a part's log.jsonl.
type record struct {
	Event string  `json:"event"`
	Step  int64   `json:"step"`
	Loss  float64 `json:"loss"`
	Rate  float64 `json:"rate"`
}

// TestRecord: the record of the training is whole: parts that begin where the
// last one ended, with the losses of their first 200 steps, and its end is the
// model's.
func TestRecord(t *testing.T) {
	training := builtin.Training()
	commands, err := fs.ReadFile(training, "commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := fs.Glob(training, "part*")
	if err != nil || len(parts) == 0 {
		t.Fatal(parts, err)
	}
	last := 0.0
	for i, part := range parts {
		for _, name := range []string{"recipe.json", "plan.json"} {
			if text, err := fs.ReadFile(training, path.Join(part, name)); err != nil || !json.Valid(text) {
				t.Errorf("%s/%s: %v", part, name, err)
			}
		}
		if line := fmt.Sprintf("--recipe builtin/training/%s/recipe.json", part); !strings.Contains(string(commands), line) {
			t.Errorf("commands.txt has no %s", line)
		}
		losses := readLog(t, training, part)
		for step := range int64(200) {
			if l := losses[step+1]; !(l > 0 && l < 10) {
				t.Fatalf("%s: step %d has a loss of %v", part, step+1, l)
			}
		}
		text, err := fs.ReadFile(training, path.Join(part, "results.csv"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := slices.Index(rows[0], "val_top1")
		best := 0.0
		for _, row := range rows[1:] {
			v, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			best = max(best, v)
		}
		if best <= last {
			t.Errorf("part %d ends with %v, after %v", i+1, best, last)
		}
		last = best
	}
	// Half precision moves a few pictures in ten thousand.
	if m := open(t).Info().Metrics; math.Abs(m["val_top1"]-last) > 1e-9 || math.Abs(m["top1"]-last) > 0.01 {
		t.Errorf("the record ends with %v, the model says %v", last, m)
	}
}

func readLog(t *testing.T, training fs.FS, part string) map[int64]float64 {
	t.Helper()
	text, err := fs.ReadFile(training, path.Join(part, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	losses := make(map[int64]float64)
	for line := range strings.Lines(string(text)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Event == "step" {
			losses[r.Step] = r.Loss
		}
	}
	return losses
}
