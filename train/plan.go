package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// PlanFile is the name of the plan in a run's folder.
const PlanFile = "plan.json"

// planSchema is the version of the plan's JSON.
const planSchema = "mobilenet-train-plan/1"

// Plan is everything that a training's result follows from: what Run makes of
// its Config, and what resuming reads back.
type Plan struct {
	Schema string `json:"schema"`
	// Data is the data set's path, DataHash a hash of its names and classes.
	Data     string   `json:"data"`
	DataHash string   `json:"data_hash"`
	Classes  []string `json:"classes"`
	Labels   []string `json:"labels,omitempty"`
	Train    int      `json:"train_pictures"`
	Val      int      `json:"val_pictures"`

	Model       string `json:"model,omitempty"`
	From        string `json:"from,omitempty"`
	FromHash    string `json:"from_sha256,omitempty"`
	Teacher     string `json:"teacher,omitempty"`
	TeacherHash string `json:"teacher_sha256,omitempty"`

	Resolution int    `json:"resolution"`
	Recipe     Recipe `json:"recipe"` // resolved: its epochs and batch are the ones trained
	Seed       uint64 `json:"seed"`
	// Precision is the arithmetic of the products: empty for fp32, or bf16.
	Precision string `json:"precision,omitempty"`
	// Quantize is how values are rounded, nil for a training in float.
	Quantize *QuantizePlan `json:"quantize,omitempty"`
	// StepsPerEpoch and Steps count optimizer steps.
	StepsPerEpoch int64 `json:"steps_per_epoch"`
	Steps         int64 `json:"steps"`
	// HeadCopies is the number of versions of each picture that the first
	// stage's features are computed of; 0 for no such stage.
	HeadCopies int `json:"head_copies,omitempty"`

	Freeze             []string  `json:"freeze,omitempty"`
	LayerDecay         float64   `json:"layer_decay,omitempty"`
	Accumulate         int       `json:"accumulate"`
	TeacherWeight      float64   `json:"teacher_weight,omitempty"`
	TeacherTemperature float64   `json:"teacher_temperature,omitempty"`
	Balanced           bool      `json:"balanced,omitempty"`
	ClassWeights       []float64 `json:"class_weights,omitempty"`
	Patience           int       `json:"patience,omitempty"`
	// Reasons say how the plan came about, a line each.
	Reasons []string `json:"reasons,omitempty"`
}

// ReadPlan reads the plan of a run's folder.
func ReadPlan(dir string) (*Plan, error) {
	b, err := os.ReadFile(filepath.Join(dir, PlanFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no run to resume: it has no %s", dir, PlanFile)
	}
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, PlanFile), err)
	}
	if p.Schema != planSchema {
		return nil, fmt.Errorf("%s: written as %q, this program reads %q", filepath.Join(dir, PlanFile), p.Schema, planSchema)
	}
	return p, p.Recipe.Validate()
}

func (p *Plan) write(dir string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, RecipeFile), []byte(p.Recipe.String()+"\n")); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, PlanFile), append(b, '\n'))
}

// writeFile writes a file whole or not at all, flushed to the disk.
func writeFile(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	// CreateTemp makes files for the owner alone; these are no secret.
	if runtime.GOOS != "windows" {
		if err := f.Chmod(0o644); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// Not every system can flush a folder; that is no reason to fail.
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
	return nil
}

// dataHash is a hash of what pictures there are and which class each has.
func dataHash(d *dataset.Dataset) string {
	h := sha256.New()
	for _, c := range d.Classes {
		fmt.Fprintf(h, "class %q\n", c)
	}
	for _, part := range [][]dataset.Item{d.Train, d.Val} {
		for _, it := range part {
			fmt.Fprintf(h, "%d %q\n", it.Class, it.Name)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hash is the SHA-256 of weights: named ones, or a file's.
func (c *Config) hash(path string) (string, error) {
	if data, ok := c.Named[path]; ok {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:]), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// open opens weights: named ones, or a file's.
func (c *Config) open(path string) (*engine.Model, error) {
	opt := &engine.Options{Threads: 1, Kernels: c.Kernels}
	if data, ok := c.Named[path]; ok {
		return engine.Read(path, bytes.NewReader(data), int64(len(data)), opt)
	}
	return engine.Open(path, opt)
}

// check compares a stored plan with what is there now.
func (p *Plan) check(c *Config) error {
	d := c.Data
	if got := dataHash(d); got != p.DataHash {
		return fmt.Errorf("train: the data is not what the run began with: it had %d training and %d validation pictures, now there are %d and %d",
			p.Train, p.Val, len(d.Train), len(d.Val))
	}
	for _, f := range []struct{ path, hash string }{{p.From, p.FromHash}, {p.Teacher, p.TeacherHash}} {
		if f.path == "" {
			continue
		}
		got, err := c.hash(f.path)
		if err != nil {
			return err
		}
		if got != f.hash {
			return fmt.Errorf("train: %s is not the file that the run began with", f.path)
		}
	}
	return nil
}

// because notes a reason.
func (p *Plan) because(format string, args ...any) {
	p.Reasons = append(p.Reasons, fmt.Sprintf(format, args...))
}

// String is the plan in a few lines for a person.
func (p *Plan) String() string {
	var b strings.Builder
	what := p.Model
	if p.From != "" {
		what = "from " + filepath.Base(p.From)
	}
	fmt.Fprintf(&b, "%s: %d classes, %d training and %d validation pictures\n", what, len(p.Classes), p.Train, p.Val)
	fmt.Fprintf(&b, "recipe %s: %g epochs of %d steps, batch %d, %d x %d pixels\n", p.Recipe.title(), round3(p.Recipe.Epochs), p.StepsPerEpoch,
		p.Recipe.Batch*p.Accumulate, p.Resolution, p.Resolution)
	for _, r := range p.Reasons {
		b.WriteString(r + "\n")
	}
	return b.String()
}

func round3(v float64) float64 { return float64(int64(v*1000+0.5)) / 1000 }
