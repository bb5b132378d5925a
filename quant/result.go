package quant

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// Result is a network of integers.
type Result struct {
	Report
	graph *graph.Graph
	model *engine.Model // the source
}

// Report tells how a network was quantized and what came of it. Its JSON is
// stable: fields are added, never changed.
type Report struct {
	Model string `json:"model"`
	Choice
	PerTensor bool `json:"per_tensor"`
	// Tried are all ways that were compared.
	Tried []Choice `json:"tried"`
	// Pictures calibrated, HeldOut chose among the ways and gave the ratios.
	Pictures int `json:"pictures"`
	HeldOut  int `json:"held_out"`
	// SNR and Agreement are those of the final network's scores.
	SNR       float64 `json:"final_snr_db"`
	Agreement float64 `json:"final_agreement"`
	// FloatShare is the part of the multiply-adds in float, FloatLayers are
	// the convolutions that do them.
	FloatShare  float64     `json:"float_madds_share"`
	FloatLayers []string    `json:"float_layers"`
	Validation  *Accuracies `json:"validation,omitempty"`
	BytesBefore int64       `json:"weight_bytes_before"`
	BytesAfter  int64       `json:"weight_bytes_after"`
	Speed       *Speed      `json:"speed,omitempty"`
	Layers      []Layer     `json:"layers"`
	Notes       []string    `json:"notes,omitempty"`
}

// Accuracies are those of the float and the integer network on the same
// pictures.
type Accuracies struct {
	Pictures  int     `json:"pictures"`
	FloatTop1 float64 `json:"float_top1"`
	FloatTop5 float64 `json:"float_top5"`
	Top1      float64 `json:"top1"`
	Top5      float64 `json:"top5"`
}

// Speed is the least time of one picture, float and integers run in turns.
type Speed struct {
	Threads  int     `json:"threads"`
	FloatMS  float64 `json:"float_ms"`
	IntMS    float64 `json:"int_ms"`
	Runs     int     `json:"runs"`
	Speedup  float64 `json:"speedup"`
	FloatMed float64 `json:"float_median_ms"`
	IntMed   float64 `json:"int_median_ms"`
}

// weightBytes is the memory of a graph's constants.
func weightBytes(g *graph.Graph) int64 {
	var n int64
	for i := range g.Nodes {
		if _, ok := g.Nodes[i].Op.(graph.Constant); ok {
			n += int64(g.Nodes[i].Type.Shape.Len() * g.Nodes[i].Type.DType.Size())
		}
	}
	return n
}

// Model is the integer network as a model, to be run and saved.
func (r *Result) Model() (*engine.Model, error) {
	info := r.model.Info
	text, err := json.Marshal(r.recorded())
	if err != nil {
		return nil, err
	}
	info.Quantized = string(text)
	info.Notes = nil
	info.Metrics = nil // the float network's; what was measured here is recorded
	return engine.FromGraph(r.graph, nil, info, &engine.Options{Threads: r.model.Threads(), Kernels: r.model.Kernels()})
}

// Recorded is what a quantized file says of its making.
type Recorded struct {
	Weights     string `json:"weights"`
	Activations string `json:"activations"`
	Choice
	Pictures    int         `json:"pictures"`
	FloatShare  float64     `json:"float_madds_share"`
	FloatLayers []string    `json:"float_layers,omitempty"`
	Validation  *Accuracies `json:"validation,omitempty"`
}

func (r *Result) recorded() Recorded {
	weights := "int8 per channel"
	if r.PerTensor {
		weights = "int8 per tensor"
	}
	return Recorded{Weights: weights, Activations: "int8", Choice: r.Choice, Pictures: r.Pictures, FloatShare: r.FloatShare, FloatLayers: r.FloatLayers, Validation: r.Validation}
}

// speedTime is how long speed is measured.
const speedTime = 2 * time.Second

// speed runs the float network, folded as for use, and the integer network in
// turns.
func (j *job) speed(ctx context.Context, integer *graph.Graph) (*Speed, error) {
	g, _, err := j.source()
	if err != nil {
		return nil, err
	}
	float, err := pass.Fold(g)
	if err != nil {
		return nil, err
	}
	pool := exec.NewPool(j.model.Threads())
	defer pool.Close()
	var sessions [2]*exec.Session
	f, err := j.held.newFiller()
	if err != nil {
		return nil, err
	}
	for i, g := range [2]*graph.Graph{float, integer} {
		n, err := newNetwork(g, j.kernels)
		if err != nil {
			return nil, err
		}
		if sessions[i], err = n.prog.NewSession(pool); err != nil {
			return nil, err
		}
	}
	in := make([]float32, len(sessions[0].Input(0)))
	if err := f.fill(j.held.pix[0], in); err != nil {
		return nil, err
	}
	var times [2][]float64
	for begin := time.Now(); len(times[1]) < 3 || time.Since(begin) < speedTime; {
		for i, s := range sessions {
			copy(s.Input(0), in)
			start := time.Now()
			if err := s.Run(ctx); err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(time.Since(start))/1e6)
		}
	}
	out := &Speed{Threads: pool.Threads(), Runs: len(times[0])}
	for i, t := range times {
		slices.Sort(t)
		if i == 0 {
			out.FloatMS, out.FloatMed = t[0], t[len(t)/2]
		} else {
			out.IntMS, out.IntMed = t[0], t[len(t)/2]
		}
	}
	out.Speedup = out.FloatMed / out.IntMed
	return out, nil
}
