package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Generate makes a model of a network with generated weights, for measuring
// where no trained ones are at hand. Activations keep their scale through the
// layers, so that the arithmetic is as usual.
func Generate(net *arch.Net, opt *Options) (*Model, error) {
	if opt == nil {
		opt = &Options{}
	}
	if err := exec.Precision(opt.Precision).CheckPrecision(); err != nil {
		return nil, err
	}
	res := net.Options.Resolution
	g, err := net.Graph(1, res, res)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, id := range g.Variables() {
		n := g.Node(id)
		a := &graph.Array{Shape: n.Type.Shape, Data: make([]float32, n.Type.Shape.Len())}
		role := n.Op.(graph.Variable).Role
		fan := 1
		if role == graph.Weight {
			fan = a.Shape[1] * a.Shape[2] * a.Shape[3]
		}
		for i := range a.Data {
			switch v := r.NormFloat64(); role {
			case graph.Weight:
				a.Data[i] = float32(v * math.Sqrt(2/float64(fan)))
			case graph.Gamma, graph.Var:
				a.Data[i] = 1
			default:
				a.Data[i] = float32(0.01 * v)
			}
		}
		n.Value = a
	}
	info := Info{
		Name: net.Name, Dialect: net.Dialect.Name, Spec: net.Spec(), H: res, W: res, Rows: net.Options.Classes,
		Format: "generated", Recipe: defaultRecipe(net), Notes: []string{"generated weights: the answers mean nothing"},
	}
	if err := info.defaults(opt, true); err != nil {
		return nil, err
	}
	m := newModel(info, opt, g.Resize)
	m.net = net
	return m, nil
}

// Timing is how long a model takes, over many runs.
type Timing struct {
	Model      string  `json:"model"`
	Precision  string  `json:"precision"` // asked for
	Threads    int     `json:"threads"`
	Batch      int     `json:"batch"`
	Resolution int     `json:"resolution"`
	MinMS      float64 `json:"min_ms"`
	MedianMS   float64 `json:"median_ms"`
	P90MS      float64 `json:"p90_ms"`
	P99MS      float64 `json:"p99_ms"`
	ImagesPerS float64 `json:"images_per_s"` // at the median
	GMACs      float64 `json:"gmac_s"`       // 10^9 multiply-adds a second, at the median
	// PeakShare is GMACs as a part of what these threads reach on a product
	// whose data lie in the first-level caches.
	PeakShare float64 `json:"peak_share"`
	Runs      int     `json:"runs"`
	// Used is what the precision comes to here, as "bf16 by amx".
	Used string `json:"used"`
	// Others is the mean number of processors that other processes kept busy
	// meanwhile, -1 where the system does not tell.
	Others float64 `json:"-"`
	// Layers is filled by a profile.
	Layers []LayerTiming `json:"layers,omitempty"`
}

// LayerTiming is the part of one step.
type LayerTiming struct {
	Name   string  `json:"name"`
	Op     string  `json:"op"`
	Kernel string  `json:"kernel"`
	MS     float64 `json:"ms"` // mean over the runs
	MinMS  float64 `json:"min_ms"`
	Share  float64 `json:"share"`
	GMACs  float64 `json:"gmac_s"` // of the mean
	MAdds  int64   `json:"madds"`
	Bytes  int64   `json:"bytes"` // read and written, weights included
	// BoundMS is the time the step needs at least: its multiply-adds at the
	// peak or its bytes at the bandwidth, whichever is more. See Roofline.
	BoundMS float64 `json:"bound_ms,omitempty"`
}

// MeasureOptions says how long to measure. The zero value is sensible.
type MeasureOptions struct {
	Batch      int           // 0 means 1
	Resolution int           // side of the picture; 0 means the model's own
	MinRuns    int           // 0 means 30
	MinTime    time.Duration // 0 means one second
	Profile    bool
}

// Measure runs the model on a generated picture until there are enough runs.
// The first ones, a tenth of the time, are not counted.
func (m *Model) Measure(ctx context.Context, opt MeasureOptions) (*Timing, error) {
	batch := max(opt.Batch, 1)
	minRuns, minTime := opt.MinRuns, opt.MinTime
	if minRuns <= 0 {
		minRuns = 30
	}
	if minTime <= 0 {
		minTime = time.Second
	}
	shape := Shape{Batch: batch, H: m.Info.H, W: m.Info.W}
	if opt.Resolution > 0 {
		shape.H, shape.W = opt.Resolution, opt.Resolution
	}
	p, err := m.Program(shape)
	if err != nil {
		return nil, err
	}
	s, err := p.NewSession(m.run.pool)
	if err != nil {
		return nil, err
	}
	in := make([]float32, len(s.Input(0)))
	r := rand.New(rand.NewPCG(3, 4))
	for i := range in {
		in[i] = float32(r.Float64()*2 - 1)
	}
	run := func() (time.Duration, error) {
		start := time.Now()
		copy(s.Input(0), in)
		err := s.Run(ctx)
		return time.Since(start), err
	}
	for warm := time.Now(); ; {
		if _, err := run(); err != nil {
			return nil, err
		}
		if time.Since(warm) > minTime/10 {
			break
		}
	}
	var least, total []time.Duration // by step
	if opt.Profile {
		n := len(p.Steps())
		s.Times, least, total = make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	}
	var times []time.Duration
	before, told := cpu.Used()
	begin := time.Now()
	for start := begin; len(times) < minRuns || time.Since(start) < minTime; {
		d, err := run()
		if err != nil {
			return nil, err
		}
		times = append(times, d)
		for i, d := range s.Times {
			if total[i] += d; len(times) == 1 || d < least[i] {
				least[i] = d
			}
			s.Times[i] = 0
		}
	}
	t := &Timing{Model: m.Info.Name, Precision: string(m.Precision().Asked), Used: m.Precision().String(), Threads: m.Threads(), Batch: batch, Resolution: shape.H, Runs: len(times), Others: -1}
	if after, ok := cpu.Used(); ok && told {
		t.Others = after.Others(before, time.Since(begin))
	}
	t.summarise(times, p.Graph().Cost().MAdds)
	if opt.Profile {
		t.profile(p.Steps(), total, least)
	}
	return t, nil
}

func (t *Timing) summarise(times []time.Duration, madds int64) {
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[min(int(q*float64(len(times))), len(times)-1)]) / 1e6
	}
	t.MinMS, t.MedianMS, t.P90MS, t.P99MS = at(0), at(0.5), at(0.9), at(0.99)
	t.ImagesPerS = float64(t.Batch) / t.MedianMS * 1e3
	t.GMACs = float64(madds) / t.MedianMS / 1e6
}

func (t *Timing) profile(steps []exec.Step, times, least []time.Duration) {
	var total time.Duration
	for _, d := range times {
		total += d
	}
	for i, s := range steps {
		l := LayerTiming{Name: s.Node, Op: s.Op, Kernel: s.Kernel, MS: float64(times[i]) / float64(t.Runs) / 1e6,
			MinMS: float64(least[i]) / 1e6, MAdds: s.Cost.MAdds, Bytes: s.Bytes}
		l.Share = float64(times[i]) / float64(max(total, 1))
		if s.Cost.MAdds > 0 {
			l.GMACs = float64(s.Cost.MAdds) / max(l.MS, 1e-6) / 1e6
		}
		t.Layers = append(t.Layers, l)
	}
}
