// Command trainstep times whole training steps on generated weights: forwards,
// backwards, stochastic gradient descent with momentum, and the averages of
// the batch norms.
//
//	go run ./bench/trainstep [-model mobilenet_v2] [-size 224] [-batch 32] [-threads 2] [-steps 5] [-precision bf16] [-profile]
//
// The last line is one of JSON: the best and median step in seconds, images per
// second, the planned bytes of activations, and the process's peak. With
// -profile a table says which kind of node takes which part.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// result is what a run reports.
type result struct {
	Model         string  `json:"model"`
	Size          int     `json:"size"`
	Batch         int     `json:"batch"`
	Threads       int     `json:"threads"`
	Impl          string  `json:"impl"`
	Precision     string  `json:"precision"` // used
	Best          float64 `json:"best_s"`
	Median        float64 `json:"median_s"`
	Images        float64 `json:"images_per_s"`
	MedianImages  float64 `json:"median_images_per_s"`
	CPU           float64 `json:"cpu_s"` // of a step, all threads
	ArenaMiB      float64 `json:"arena_mib"`
	PeakMiB       float64 `json:"peak_mib"`
	LossFirst     float32 `json:"loss_first"`
	LossLast      float32 `json:"loss_last"`
	GMAddsForward float64 `json:"gmadds_forward"`
}

func main() {
	model := flag.String("model", "mobilenet_v2", "network of package arch")
	size := flag.Int("size", 224, "height and width of the pictures")
	batch := flag.Int("batch", 32, "pictures of a step")
	threads := flag.Int("threads", 2, "threads")
	steps := flag.Int("steps", 5, "steps timed, after one that is not")
	impl := flag.String("impl", "", "limit of the kernels: go, avx2, avx512; the best there are by default")
	precision := flag.String("precision", "fp32", "arithmetic of the products: fp32 or bf16")
	profile := flag.Bool("profile", false, "print where the time goes")
	nodes := flag.Int("nodes", 0, "print that many of the slowest steps too")
	flag.Parse()
	if err := run(*model, *size, *batch, *threads, *steps, exec.Options{Impl: *impl, Precision: exec.Precision(*precision)}, *profile, *nodes); err != nil {
		fmt.Fprintln(os.Stderr, "trainstep:", err)
		os.Exit(1)
	}
}

func run(model string, size, batch, threads, steps int, opt exec.Options, profile bool, nodes int) error {
	if steps < 1 {
		return fmt.Errorf("%d steps", steps)
	}
	g, err := step(model, size, batch)
	if err != nil {
		return err
	}
	p, err := exec.CompileTrain(g, opt)
	if err != nil {
		return err
	}
	state, err := exec.NewState(g)
	if err != nil {
		return err
	}
	pool := exec.NewPool(threads)
	defer pool.Close()
	s, err := p.NewSession(pool, state)
	if err != nil {
		return err
	}
	fill := inputs(g, s)
	ctx := context.Background()
	var times []float64
	var losses []float32
	var before float64
	for i := range steps + 1 {
		fill()
		if profile && i == 1 {
			s.Times = make([]time.Duration, len(p.Steps()))
		}
		if i == 1 {
			before, _ = usage()
		}
		start := time.Now()
		if err := s.Run(ctx); err != nil {
			return err
		}
		if i > 0 {
			times = append(times, time.Since(start).Seconds())
		}
		losses = append(losses, s.Output(0)[0])
	}
	cpu, peak := usage()
	slices.Sort(times)
	r := result{Model: model, Size: size, Batch: batch, Threads: threads, Impl: opt.Impl, Precision: p.Used().String(), Best: times[0], Median: times[len(times)/2],
		ArenaMiB: float64(p.Bytes()) / (1 << 20), PeakMiB: peak, CPU: (cpu - before) / float64(steps), LossFirst: losses[0], LossLast: losses[len(losses)-1]}
	r.Images, r.MedianImages = float64(batch)/r.Best, float64(batch)/r.Median
	for _, st := range p.Steps() {
		if st.Op == "conv2d" {
			r.GMAddsForward += float64(st.Cost.MAdds) / 1e9
		}
	}
	if profile {
		table(p.Steps(), s.Times, steps, nodes)
		shares(p.Steps(), s)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// step is a network with its loss, gradients and optimizer. What is random in
// training is left out.
func step(model string, size, batch int) (*graph.Graph, error) {
	net, err := arch.New(model, arch.Options{})
	if err != nil {
		return nil, err
	}
	src, err := net.Graph(batch, size, size)
	if err != nil {
		return nil, err
	}
	src.Outputs = src.Outputs[:1]
	testkit.Fill(src)
	made, err := pass.Training(src, pass.TrainingOptions{NoDropout: true})
	if err != nil {
		return nil, err
	}
	g := made.Graph
	loss, err := pass.CrossEntropy(g, g.Outputs[0].ID)
	if err != nil {
		return nil, err
	}
	vars := pass.Trained(g, nil)
	grads, err := pass.GradWith(g, loss.Mean, vars, pass.GradOptions{Recompute: true})
	if err != nil {
		return nil, err
	}
	lr, err := g.AddInput("lr", graph.F32(1))
	if err != nil {
		return nil, err
	}
	t, err := g.AddInput("t", graph.F32(1))
	if err != nil {
		return nil, err
	}
	o := pass.Optimizer{Kind: pass.SGD, Momentum: 0.9, Decay: 1e-4}
	if err := o.Step(g, vars, grads, lr, t); err != nil {
		return nil, err
	}
	g.Outputs = nil
	return g, g.SetOutput("loss", loss.Mean)
}

// inputs gives a function that fills the inputs, always alike.
func inputs(g *graph.Graph, s *exec.TrainSession) func() {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([][]float32, len(g.Inputs))
	for i, id := range g.Inputs {
		n := g.Node(id)
		v := make([]float32, n.Type.Shape.Len())
		for j := range v {
			switch n.Name {
			case "target":
				if k := n.Type.Shape[1]; j%k == j/k%k {
					v[j] = 1
				}
			case "weight", "t":
				v[j] = 1
			case "lr":
				v[j] = 0.01
			default:
				v[j] = float32(r.NormFloat64())
			}
		}
		values[i] = v
	}
	return func() {
		for i, v := range values {
			copy(s.Input(i), v)
		}
	}
}

// group names what a step is counted under.
func group(st exec.Step) string {
	kind := st.Op
	switch {
	case strings.HasPrefix(st.Kernel, "dw"):
		kind += " depthwise"
	case strings.HasPrefix(st.Kernel, "pw"):
		kind += " pointwise"
	}
	return kind
}

// table prints the share of each kind of step.
func table(steps []exec.Step, times []time.Duration, runs, nodes int) {
	sum, kernels := map[string]time.Duration{}, map[string]map[string]bool{}
	var total time.Duration
	for i, st := range steps {
		k := group(st)
		sum[k] += times[i]
		total += times[i]
		if kernels[k] == nil {
			kernels[k] = map[string]bool{}
		}
		kernels[k][st.Kernel] = true
	}
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for _, k := range slices.SortedFunc(maps.Keys(sum), func(a, b string) int { return cmp.Compare(sum[b], sum[a]) }) {
		fmt.Fprintf(w, "%8.2f ms %5.1f %%  %s  (%s)\n", ms(sum[k])/float64(runs), 100*float64(sum[k])/float64(total), k,
			strings.Join(slices.Sorted(maps.Keys(kernels[k])), ", "))
	}
	order := make([]int, len(steps))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(times[b], times[a]) })
	for _, i := range order[:min(nodes, len(order))] {
		fmt.Fprintf(w, "%8.2f ms  %s  %s %s %v\n", ms(times[i])/float64(runs), steps[i].Node, steps[i].Op, steps[i].Kernel, steps[i].Out)
	}
}

// shares prints which part of a step is pointwise, depthwise and other
// convolutions, batch norms, and the rest. What a fused step does is told apart by
// the time its threads spend in it.
func shares(steps []exec.Step, s *exec.TrainSession) {
	var parts [5]time.Duration
	names := [...]string{"pointwise", "depthwise", "dense convolutions", "batch norms", "the rest"}
	var total time.Duration
	for i, st := range steps {
		at := 4
		switch {
		case st.Conv != "":
			at = slices.Index([]string{"pointwise", "depthwise", "dense"}, st.Conv)
		case strings.HasPrefix(st.Op, "batch_norm"), st.Op == "channel_stats":
			at = 3
		}
		total += s.Times[i]
		norms := time.Duration(0)
		if c, n := s.Split(i); c+n > 0 {
			norms = time.Duration(float64(s.Times[i]) * float64(n) / float64(c+n))
		}
		parts[3] += norms
		parts[at] += s.Times[i] - norms
	}
	for i, name := range names {
		fmt.Printf("%5.1f %%  %s\n", 100*float64(parts[i])/float64(total), name)
	}
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
