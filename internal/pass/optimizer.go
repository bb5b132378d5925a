package pass

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// OptimizerKind is the rule of an optimizer.
type OptimizerKind uint8

// The optimizers.
const (
	// SGD is gradient descent with momentum:
	//
	//	v' = Momentum*v + d; p' = p - lr*v', Nesterov: p - lr*(d + Momentum*v')
	SGD OptimizerKind = iota
	// RMSprop is TensorFlow's, with epsilon inside of the root:
	//
	//	ms' = Rho*ms + (1-Rho)*d*d; mom' = Momentum*mom + lr*d/sqrt(ms'+Epsilon); p' = p - mom'
	RMSprop
	// AdamW is Adam with decoupled decay:
	//
	//	m' = Beta1*m + (1-Beta1)*g; v' = Beta2*v + (1-Beta2)*g*g
	//	p' = p - lr*(Decay*p + m'/(1-Beta1^t) / (sqrt(v'/(1-Beta2^t)) + Epsilon))
	AdamW
)

// Optimizer describes the steps of all variables. Except for AdamW, d is the
// gradient plus Decay*p.
type Optimizer struct {
	Kind              OptimizerKind
	Momentum          float64
	Nesterov          bool
	Rho, Beta1, Beta2 float64
	Epsilon           float64
	Decay             float64
	InitialMeanSquare float64 // of RMSprop: 1 in TensorFlow 1, 0 in PyTorch
	// NoDecay tells the variables without weight decay; nil means none.
	NoDecay func(v graph.ID) bool
	// Rate is the factor on the learning rate of a variable; nil means 1.
	Rate func(v graph.ID) float64
}

// Step appends the updates of the variables that have a gradient. lr and t,
// the number of the step from 1, have one element each; only AdamW reads t.
// The state of a variable V lies in variables V.velocity, V.mean_square,
// V.adam_m, V.adam_v.
func (o Optimizer) Step(g *graph.Graph, vars, grads []graph.ID, lr, t graph.ID) error {
	a := &adder{g: g}
	for i, v := range vars {
		if grads[i] == graph.None {
			continue
		}
		if _, ok := g.Node(v).Op.(graph.Variable); !ok {
			return fmt.Errorf("node %q is no variable to be trained", g.Node(v).Name)
		}
		if o.step(a, v, grads[i], lr, t); a.err != nil {
			return a.err
		}
	}
	return nil
}

func (o *Optimizer) step(a *adder, v, grad, lr, t graph.ID) {
	name := a.g.Node(v).Name
	decay, rate := o.Decay, 1.0
	if o.NoDecay != nil && o.NoDecay(v) {
		decay = 0
	}
	if o.Rate != nil {
		rate = o.Rate(v)
	}
	// renew gives a state variable its next value.
	renew := func(suffix string, initial float64, u graph.Update, in ...graph.ID) graph.ID {
		s := a.slot(name+suffix, v, graph.Slot, float32(initial))
		next := a.op(name+suffix+".next", u, append([]graph.ID{s}, in...)...)
		a.op(name+suffix+".assign", graph.Assign{}, s, next)
		return next
	}
	// with appends the parameter where the decay needs it.
	with := func(in ...graph.ID) []graph.ID {
		if decay != 0 {
			in = append(in, v)
		}
		return in
	}
	var next graph.ID
	switch o.Kind {
	case SGD:
		vel := renew(".velocity", 0, graph.Update{Fn: graph.UpdateVelocity, A: o.Momentum, Decay: decay}, with(grad)...)
		if o.Nesterov {
			next = a.op(name+".next", graph.Update{Fn: graph.UpdateNesterov, A: o.Momentum, Decay: decay, Rate: rate}, v, vel, lr, grad)
		} else {
			next = a.op(name+".next", graph.Update{Fn: graph.UpdateSGD, Rate: rate}, v, vel, lr)
		}
	case RMSprop:
		ms := renew(".mean_square", o.InitialMeanSquare, graph.Update{Fn: graph.UpdateMeanSquare, A: o.Rho, Decay: decay}, with(grad)...)
		mom := renew(".velocity", 0, graph.Update{Fn: graph.UpdateRMSMomentum, A: o.Momentum, Decay: decay, Rate: rate, Epsilon: o.Epsilon}, with(grad, ms, lr)...)
		next = a.op(name+".next", graph.Binary{Fn: graph.Sub}, v, mom)
	case AdamW:
		m := renew(".adam_m", 0, graph.Update{Fn: graph.UpdateMean, A: o.Beta1, Rate: 1}, grad)
		w := renew(".adam_v", 0, graph.Update{Fn: graph.UpdateMeanSquare, A: o.Beta2}, grad)
		next = a.op(name+".next", graph.Update{Fn: graph.UpdateAdam, A: o.Beta1, B: o.Beta2, Decay: decay, Rate: rate, Epsilon: o.Epsilon}, v, m, w, lr, t)
	default:
		a.err = fmt.Errorf("unknown optimizer %d", o.Kind)
	}
	a.op(name+".assign", graph.Assign{}, v, next)
}

// Averages appends a moving average V.average of the value that each variable
// takes at the end of the step: decay*average + (1-decay)*value. It comes
// after everything that assigns to them.
func Averages(g *graph.Graph, vars []graph.ID, decay float64) error {
	a := &adder{g: g}
	next := make(map[graph.ID]graph.ID)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if _, ok := n.Op.(graph.Assign); ok {
			next[n.In[0]] = n.In[1]
		}
	}
	for _, v := range vars {
		value, ok := next[v]
		if !ok {
			value = v
		}
		n := g.Node(v)
		s := a.slot(n.Name+".average", v, graph.Average, 0)
		if a.err != nil {
			return a.err
		}
		if n = g.Node(v); n.Value != nil {
			g.Node(s).Value = n.Value // it starts from the variable itself
		}
		u := a.op(n.Name+".average.next", graph.Update{Fn: graph.UpdateMean, A: decay, Rate: 1}, s, value)
		a.op(n.Name+".average.assign", graph.Assign{}, s, u)
	}
	return a.err
}

// Decayed tells what weight decay is applied to: weights, and as chosen
// depthwise ones, norms and biases.
type Decayed struct{ Depthwise, Norms, Biases bool }

// Excluded is an Optimizer's NoDecay for a graph.
func (d Decayed) Excluded(g *graph.Graph) func(graph.ID) bool {
	depthwise := make(map[graph.ID]bool)
	for i := range g.Nodes {
		if op, ok := g.Nodes[i].Op.(graph.Conv2D); ok && op.Depthwise(g.InTypes(graph.ID(i))) {
			depthwise[weightOf(g, g.Nodes[i].In[1])] = true
		}
	}
	return func(v graph.ID) bool {
		op, ok := g.Node(v).Op.(graph.Variable)
		switch {
		case !ok:
			return true
		case op.Role.Norm():
			return !d.Norms
		case op.Role == graph.Bias:
			return !d.Biases
		}
		return depthwise[v] && !d.Depthwise
	}
}

// weightOf is the variable or constant behind a convolution's weight.
func weightOf(g *graph.Graph, id graph.ID) graph.ID {
	if _, ok := g.Node(id).Op.(graph.FakeQuantWeight); ok {
		return g.Node(id).In[0]
	}
	return id
}

// Trained lists the variables that gradient descent changes, all of which have
// a name that keep wants; nil wants all.
func Trained(g *graph.Graph, keep func(name string) bool) (out []graph.ID) {
	for _, id := range g.Variables() {
		n := g.Node(id)
		if n.Op.(graph.Variable).Role.Trained() && (keep == nil || keep(n.Name)) {
			out = append(out, id)
		}
	}
	return out
}
