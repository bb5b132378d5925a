package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/weights"
)

// position is where a training is: what a checkpoint keeps beside the
// variables, and all that a resumed training knows.
type position struct {
	// Step is the number of steps taken.
	Step int64 `json:"step"`
	// Loss, Hits and Seen are the sums of the epoch so far.
	Loss float64 `json:"loss"`
	Hits int64   `json:"hits"`
	Seen int64   `json:"seen"`
	// TrainSeconds is the time of the epoch's steps so far.
	TrainSeconds float64 `json:"train_seconds"`
	History      []Epoch `json:"history"`
	// SinceBest counts the epochs after the best one.
	SinceBest int      `json:"since_best"`
	Seconds   float64  `json:"seconds"`
	Notes     []string `json:"notes,omitempty"`
}

// best is the best epoch so far, nil before the first.
func (p *position) best() *Epoch {
	for i := len(p.History) - 1; i >= 0; i-- {
		if p.History[i].Best {
			return &p.History[i]
		}
	}
	return nil
}

const positionKey = "mobilenet.train"

// save writes the checkpoint. The old one stays until the new one is whole.
func (r *run) save() error {
	if !r.step.finite() {
		return r.diverged("a weight is no number")
	}
	if err := r.log.Sync(); err != nil {
		return r.unsaved(err)
	}
	r.at.Seconds = r.seconds()
	b, err := json.Marshal(&r.at)
	if err != nil {
		return r.unsaved(err)
	}
	set, err := weights.NewSet()
	if err != nil {
		return r.unsaved(err)
	}
	set.Metadata = map[string]string{positionKey: string(b)}
	for _, name := range r.step.state.Names() {
		v := r.step.state.Variable(name)
		if err := set.Add(tensor.FromFloat32(name, tensor.Shape{len(v)}, v)); err != nil {
			return r.unsaved(err)
		}
	}
	if err := set.Save(filepath.Join(r.c.Dir, StateFile)); err != nil {
		return r.unsaved(err)
	}
	r.savedStep = r.at.Step
	return nil
}

// unsaved explains that a file could not be written and what is left.
func (r *run) unsaved(err error) error {
	return fmt.Errorf("the run could not be saved: %w; its state of step %d is kept: make room and resume it", err, r.savedStep)
}

// load reads the checkpoint; ok is false if there is none.
func (r *run) load() (ok bool, err error) {
	path := filepath.Join(r.c.Dir, StateFile)
	set, err := weights.Open(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text, ok := set.Metadata[positionKey]
	if !ok {
		return false, fmt.Errorf("%s: no state of a training", path)
	}
	if err := json.Unmarshal([]byte(text), &r.at); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	names := r.step.state.Names()
	if len(names) != set.Len() {
		return false, fmt.Errorf("%s: %d variables, this program's training has %d: it was made by another version", path, set.Len(), len(names))
	}
	for _, name := range names {
		t := set.Get(name)
		v := r.step.state.Variable(name)
		if t == nil || t.Len() != len(v) {
			return false, fmt.Errorf("%s: variable %q is missing or of another size: it was made by another version", path, name)
		}
		data, err := t.Float32s()
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
		copy(v, data)
	}
	return true, nil
}

// export writes the weights that are judged as a model of their own.
func (r *run) export(ctx context.Context, name string, e *Epoch) error {
	metrics := map[string]float64{"val_top1": e.ValTop1, "val_top5": e.ValTop5, "val_loss": e.ValLoss, "epoch": e.Epoch}
	if r.plan.Quantize != nil {
		metrics["step"] = float64(e.Step) // whether rounding had begun
	}
	return r.write(ctx, r.judged(), r.net.net, name, metrics)
}

// write writes a graph as a model of its own.
func (r *run) write(ctx context.Context, g *graph.Graph, net *arch.Net, name string, metrics map[string]float64) error {
	m, err := engine.FromGraph(g, net, r.net.info, &engine.Options{Threads: r.c.Threads, Kernels: r.c.Kernels})
	if err != nil {
		return err
	}
	defer m.Close()
	set, err := m.Set(context.WithoutCancel(ctx), engine.SaveOptions{Metrics: metrics})
	if err != nil {
		return err
	}
	if err := set.Save(filepath.Join(r.c.Dir, name)); err != nil {
		return r.unsaved(err)
	}
	return nil
}
