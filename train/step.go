package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// stepper takes the optimizer's steps.
type stepper struct {
	// parts are the programs of a step: one, or, with accumulation, one that
	// adds up gradients and one that does so and steps.
	parts      []*part
	accumulate int
	state      *exec.State
	seed       [2]float32
	classes    int
	averaged   bool
	quantize   *QuantizePlan
}

// part is a compiled graph with the places of its inputs.
type part struct {
	session                                          *exec.TrainSession
	program                                          *exec.TrainProgram
	in                                               map[graph.ID]int
	picture, seed, step, target, weight, lr, t, keep graph.ID
	rounding, averaging                              graph.ID
}

func newStepper(n *network, p *Plan, pool *exec.Pool, kernels string) (*stepper, error) {
	s := &stepper{accumulate: p.Accumulate, classes: len(p.Classes), averaged: p.Recipe.EMA > 0, quantize: p.Quantize}
	h := splitmix(p.Seed)
	s.seed = [2]float32{float32(h & (1<<24 - 1)), float32(h >> 24 & (1<<24 - 1))}
	kinds := []bool{true}
	if p.Accumulate > 1 {
		kinds = []bool{false, true}
	}
	for _, last := range kinds {
		part, err := n.part(p, last)
		if err != nil {
			return nil, err
		}
		if s.state == nil {
			s.state, err = exec.NewState(part.program0)
		} else {
			err = s.state.Add(part.program0)
		}
		if err != nil {
			return nil, err
		}
		if part.program, err = exec.CompileTrain(part.program0, exec.Options{Impl: kernels, Precision: exec.Precision(p.Precision)}); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, &part.part)
	}
	for _, part := range s.parts {
		var err error
		if part.session, err = part.program.NewSession(pool, s.state); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// splitmix turns a seed into bits without pattern.
func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type builtPart struct {
	part
	program0 *graph.Graph
}

// part builds the graph of a step: the network in training, its loss, the
// gradients, and, in the last part, what the optimizer makes of them.
func (n *network) part(p *Plan, last bool) (*builtPart, error) {
	r := &p.Recipe
	frozen, err := n.frozen(p.Freeze)
	if err != nil {
		return nil, err
	}
	plain, err := n.base.Resize(r.Batch, p.Resolution, p.Resolution)
	if err != nil {
		return nil, err
	}
	plain.Outputs = plain.Outputs[:1]
	for i := range plain.Nodes {
		if op, ok := plain.Nodes[i].Op.(graph.BatchNorm); ok {
			// Statistics must have time to forget where they began.
			op.Momentum = max(0, min(op.Momentum, 1-5/float64(p.Steps)))
			plain.Nodes[i].Op = op
		}
	}
	made, err := pass.Training(plain, pass.TrainingOptions{
		Frozen:   func(norm string) bool { return frozen(norm+".weight") || frozen(norm) },
		DropPath: r.DropPath,
	})
	if err != nil {
		return nil, err
	}
	g := made.Graph
	logits := g.Outputs[0].ID
	loss, err := pass.CrossEntropy(g, logits)
	if err != nil {
		return nil, err
	}
	vars := pass.Trained(g, func(name string) bool { return !frozen(name) })
	if len(vars) == 0 {
		return nil, fmt.Errorf("train: Freeze leaves nothing to train")
	}
	grads, err := pass.GradWith(g, loss.Mean, vars, pass.GradOptions{Recompute: true})
	if err != nil {
		return nil, err
	}
	b := &builtPart{program0: g}
	b.picture, b.seed, b.step, b.target, b.weight = g.Inputs[0], made.Seed, made.Step, loss.Target, loss.Weight
	b.rounding, b.averaging = made.Rounding, made.Averaging
	b.lr, b.t, b.keep = graph.None, graph.None, graph.None
	scalar := func(name string) (id graph.ID) {
		if err == nil {
			id, err = g.AddInput(name, graph.F32(1))
		}
		return id
	}
	if p.Accumulate > 1 {
		b.keep = scalar("accumulate")
		if err == nil {
			grads, err = pass.Accumulate(g, vars, grads, b.keep, !last)
		}
	}
	if last && err == nil {
		b.lr, b.t = scalar("rate"), scalar("steps")
		if err == nil {
			err = n.optimize(g, p, vars, grads, b.lr, b.t, frozen)
		}
	}
	if err != nil {
		return nil, err
	}
	g.Outputs = nil
	if err := g.SetOutput("loss", loss.Mean); err != nil {
		return nil, err
	}
	if err := g.SetOutput("logits", logits); err != nil {
		return nil, err
	}
	b.in = make(map[graph.ID]int)
	for i, id := range g.Inputs {
		b.in[id] = i
	}
	return b, nil
}

// optimize appends clipping, the optimizer and the averages.
func (n *network) optimize(g *graph.Graph, p *Plan, vars, grads []graph.ID, lr, t graph.ID, frozen func(string) bool) error {
	r := &p.Recipe
	if r.Clip > 0 {
		var err error
		if grads, _, err = pass.ClipNorm(g, grads, r.Clip); err != nil {
			return err
		}
	}
	o := r.Optimizer.Resolved()
	rule := pass.Optimizer{
		Momentum: o.Momentum, Nesterov: o.Nesterov, Rho: o.Rho, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon,
		Decay: r.WeightDecay, InitialMeanSquare: 1,
		NoDecay: pass.Decayed{Depthwise: r.Decays("depthwise"), Norms: r.Decays("norm"), Biases: r.Decays("bias")}.Excluded(g),
	}
	switch o.Kind {
	case RMSprop:
		rule.Kind = pass.RMSprop
	case AdamW:
		rule.Kind = pass.AdamW
	default:
		rule.Kind = pass.SGD
	}
	if d := p.LayerDecay; d > 0 && d < 1 {
		of, deepest := depths(g)
		rule.Rate = func(v graph.ID) float64 { return math.Pow(d, float64(deepest-of[v])) }
	}
	if err := rule.Step(g, vars, grads, lr, t); err != nil {
		return err
	}
	if r.EMA == 0 {
		return nil
	}
	averaged := slices.Clone(vars)
	for _, id := range g.Variables() {
		v := g.Node(id)
		if role := v.Op.(graph.Variable).Role; (role == graph.Mean || role == graph.Var) && !frozen(v.Name) {
			averaged = append(averaged, id)
		}
	}
	// An average must have time to forget where it began.
	return pass.Averages(g, averaged, max(0, min(r.EMA, 1-10/float64(p.Steps))))
}

// fill copies a batch into the inputs of a part.
func (s *stepper) fill(at int, b *dataset.Batch, rate float64, step int64) *part {
	which := s.parts[0]
	if at == s.accumulate-1 {
		which = s.parts[len(s.parts)-1]
	}
	set := func(id graph.ID, v ...float32) {
		if i, ok := which.in[id]; ok && id != graph.None {
			copy(which.session.Input(i), v)
		}
	}
	set(which.picture, b.X...)
	set(which.target, b.Targets...)
	if i, ok := which.in[which.weight]; ok {
		w := which.session.Input(i)
		for k, v := range b.Weights {
			w[k] = v / float32(s.accumulate)
		}
	}
	set(which.seed, s.seed[:]...)
	// Masks differ between the parts of a step. Beyond 2^24 they repeat.
	set(which.step, float32((step*int64(s.accumulate)+int64(at))&(1<<24-1)))
	set(which.lr, float32(rate))
	set(which.t, float32(step+1))
	set(which.keep, float32(min(at, 1)))
	if s.quantize != nil {
		rounding, averaging := s.quantize.phase(step)
		set(which.rounding, rounding)
		set(which.averaging, averaging)
	}
	return which
}

// run takes part at of a step and gives the loss and the logits, which hold
// until the next call.
func (s *stepper) run(ctx context.Context, at int, b *dataset.Batch, rate float64, step int64) (loss float64, logits []float32, err error) {
	p := s.fill(at, b, rate, step)
	if err := p.session.Run(ctx); err != nil {
		return 0, nil, err
	}
	return float64(p.session.Output(0)[0]) * float64(s.accumulate), p.session.Output(1), nil
}

// value is what a variable is judged by: its average, if there is one.
func (s *stepper) value(name string) []float32 {
	if s.averaged {
		if v := s.state.Variable(name + ".average"); v != nil {
			return v
		}
	}
	return s.state.Variable(name)
}

// finite reports that all weights are numbers.
func (s *stepper) finite() bool {
	for _, name := range s.state.Names() {
		for _, v := range s.state.Variable(name) {
			if v-v != 0 {
				return false
			}
		}
	}
	return true
}
