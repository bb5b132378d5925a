package pass

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// TrainingOptions says how a graph behaves in training. The zero value is
// PyTorch's way, without stochastic depth.
type TrainingOptions struct {
	// Frozen names the batch norms that keep using and do not renew their
	// stored statistics; nil means none.
	Frozen func(norm string) bool
	// BiasedVariance averages the variance of the batch as it is, as
	// TensorFlow's batch norms that are not fused do. PyTorch, and TensorFlow's
	// fused ones, average it times n/(n-1).
	BiasedVariance bool
	// NoDropout leaves dropout out.
	NoDropout bool
	// DropPath is the rate at which the last residual branch is dropped, for
	// whole pictures; the others are dropped less, in proportion.
	DropPath float64
}

// Trainable is a graph made ready for Grad.
type Trainable struct {
	Graph *graph.Graph
	// To maps the values of the source graph, None for those left out.
	To []graph.ID
	// Seed [2] and Step [1] are the inputs that random masks follow from,
	// None where there are none.
	Seed, Step graph.ID
	// Rounding and Averaging are inputs [1] for fake quantization, None without
	// any: whether values are rounded, 0 or 1, and the rate at which ranges
	// follow those of the batch: 1 for the first batch, 0 for frozen ranges.
	Rounding, Averaging graph.ID
}

// Training turns an inference or training graph, folded or not, into one whose
// batch norms take the statistics of the batch and renew their averages, with
// the activation that follows fused into them; whose dropouts and residual
// branches drop at random; and whose fused operations are apart, so that every
// node has a gradient. Constants that convolutions use as weights and biases
// become variables.
func Training(g *graph.Graph, opt TrainingOptions) (*Trainable, error) {
	t := &training{
		adder: adder{g: &graph.Graph{}}, src: g, opt: opt, uses: g.Uses(), live: reachable(g),
		out: &Trainable{To: make([]graph.ID, len(g.Nodes)), Seed: graph.None, Step: graph.None, Rounding: graph.None, Averaging: graph.None},
	}
	if !(opt.DropPath >= 0 && opt.DropPath < 1) {
		return nil, fmt.Errorf("rate %v of dropped branches is not in [0,1)", opt.DropPath)
	}
	t.out.Graph = t.g
	t.plan()
	for i := range g.Nodes {
		t.out.To[i] = graph.None
	}
	for i := range g.Nodes {
		if t.live[i] && t.out.To[i] == graph.None {
			t.out.To[i] = t.node(graph.ID(i))
		}
		if t.err != nil {
			return nil, t.err
		}
	}
	for _, o := range g.Outputs {
		if err := t.g.SetOutput(o.Name, t.out.To[o.ID]); err != nil {
			return nil, err
		}
	}
	return t.out, nil
}

type training struct {
	adder
	src  *graph.Graph
	opt  TrainingOptions
	uses []int
	live []bool
	out  *Trainable
	// weights are the constants to become variables, with their roles.
	weights map[graph.ID]graph.Role
	// acts gives for a batch norm the activation that it takes in.
	acts map[graph.ID]graph.ID
	// branches counts the sums with a residual branch, by node from 1.
	branches map[graph.ID]int
	streams  uint32
}

// plan looks at how values are used.
func (t *training) plan() {
	t.weights, t.acts, t.branches = make(map[graph.ID]graph.Role), make(map[graph.ID]graph.ID), make(map[graph.ID]int)
	for i := range t.src.Nodes {
		id, n := graph.ID(i), &t.src.Nodes[i]
		if !t.live[i] {
			continue
		}
		switch op := n.Op.(type) {
		case graph.Conv2D:
			t.weights[n.In[1]] = graph.Weight
			if bias, _, _ := op.Operands(); bias >= 0 {
				t.weights[n.In[bias]] = graph.Bias
			}
			if op.Residual {
				t.branches[id] = len(t.branches) + 1
			}
		case graph.Activation:
			if _, ok := t.src.Nodes[n.In[0]].Op.(graph.BatchNorm); ok && t.uses[n.In[0]] == 1 {
				t.acts[n.In[0]] = id
			}
		case graph.Binary:
			if _, _, ok := t.branch(n, op); ok {
				t.branches[id] = len(t.branches) + 1
			}
		}
	}
}

// branch tells a residual branch from what goes past it, by their places in
// the inputs: the branch is computed from the other.
func (t *training) branch(n *graph.Node, op graph.Binary) (branch, past int, ok bool) {
	if op.Fn != graph.Add || !t.src.Nodes[n.In[0]].Type.Shape.Equal(t.src.Nodes[n.In[1]].Type.Shape) {
		return 0, 0, false
	}
	branch, past = 0, 1
	if n.In[0] < n.In[1] {
		branch, past = 1, 0
	}
	from, to := n.In[past], n.In[branch]
	reached := map[graph.ID]bool{to: true}
	for id := to; id > from; id-- {
		if reached[id] {
			for _, in := range t.src.Nodes[id].In {
				reached[in] = true
			}
		}
	}
	return branch, past, reached[from] && from != to
}

func (t *training) node(id graph.ID) graph.ID {
	n := &t.src.Nodes[id]
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = t.out.To[x]
	}
	switch op := n.Op.(type) {
	case graph.Input:
		return t.keep(t.g.AddInput(n.Name, n.Type))
	case graph.Constant:
		role, weight := t.weights[id]
		if !weight {
			return t.keep(t.g.AddConstant(n.Name, n.Value))
		}
		return t.variable(n.Name, role, n.Value)
	case graph.Variable:
		v := t.keep(t.g.AddVariable(n.Name, op.Role, n.Type.Shape...))
		if t.err == nil {
			t.g.Node(v).Value = n.Value
		}
		return v
	case graph.Conv2D:
		return t.conv(id, n, op, in)
	case graph.BatchNorm:
		return t.norm(id, n, op, in)
	case graph.FakeQuant:
		return t.fakeQuant(n, in[0])
	case graph.FakeQuantWeight:
		return t.op(n.Name, op, in[0], t.rounding())
	case graph.Dropout:
		if t.opt.NoDropout || op.Rate == 0 {
			return in[0]
		}
		return t.masked(n.Name, in[0], op.Rate, n.Type.Shape)
	case graph.Binary:
		if b, _, ok := t.branch(n, op); ok {
			in[b] = t.dropPath(n.Name, t.branches[id], in[b])
		}
		y := t.op(n.Name, graph.Binary{Fn: op.Fn}, in...)
		return t.act(n.Name, op.Act, y)
	}
	return t.op(n.Name, n.Op, in...)
}

func (t *training) variable(name string, role graph.Role, value *graph.Array) graph.ID {
	v := t.keep(t.g.AddVariable(name, role, value.Shape...))
	if t.err == nil {
		t.g.Node(v).Value = value
	}
	return v
}

func (t *training) act(name string, a graph.Act, x graph.ID) graph.ID {
	if a.Kind == graph.Linear {
		return x
	}
	return t.op(name+".act", graph.Activation{Act: a}, x)
}

// conv takes a fused convolution apart; its bias stays.
func (t *training) conv(id graph.ID, n *graph.Node, op graph.Conv2D, in []graph.ID) graph.ID {
	bias, residual, scale := op.Operands()
	operands := []graph.ID{in[0], in[1]}
	if scale >= 0 {
		operands[0] = t.op(n.Name+".scaled", graph.Binary{Fn: graph.Mul}, in[0], in[scale])
	}
	if bias >= 0 {
		operands = append(operands, in[bias])
	}
	y := t.op(n.Name, graph.Conv2D{Window: op.Window, Groups: op.Groups, Bias: op.Bias}, operands...)
	y = t.act(n.Name, op.Act, y)
	if residual >= 0 {
		y = t.dropPath(n.Name, t.branches[id], y)
		y = t.op(n.Name+".sum", graph.Binary{Fn: graph.Add}, y, in[residual])
	}
	return y
}

// norm makes a batch norm of batch statistics, with its averages, or a frozen
// one, and takes in the activation that follows.
func (t *training) norm(id graph.ID, n *graph.Node, op graph.BatchNorm, in []graph.ID) graph.ID {
	train, name := graph.BatchNormTrain{Epsilon: op.Epsilon}, n.Name
	act, fused := t.acts[id]
	if fused {
		a := &t.src.Nodes[act]
		train.Act, name = a.Op.(graph.Activation).Act, a.Name
	}
	c := t.src.Nodes[n.In[1]].Type.Shape[0]
	var stats graph.ID
	if t.opt.Frozen != nil && t.opt.Frozen(n.Name) {
		mean := t.op(n.Name+".mean.row", graph.Reshape{Shape: tensor.Shape{1, c}}, in[3])
		variance := t.op(n.Name+".var.row", graph.Reshape{Shape: tensor.Shape{1, c}}, in[4])
		stats = t.op(n.Name+".stats", graph.Concat{Axis: 0}, mean, variance)
	} else {
		stats = t.op(n.Name+".stats", graph.ChannelStats{}, in[0])
		t.averages(n.Name, op.Momentum, in, stats, n.Type.Shape.Len()/max(c, 1))
	}
	y := t.op(name, train, in[0], in[1], in[2], stats)
	if fused {
		t.out.To[act] = y
	}
	return y
}

// averages renews the stored mean and variance.
func (t *training) averages(name string, momentum float64, in []graph.ID, stats graph.ID, rows int) {
	for i, v := range in[3:5] {
		if t.err != nil {
			return
		}
		if _, ok := t.g.Node(v).Op.(graph.Variable); !ok {
			continue // statistics of an imported graph that nothing renews
		}
		u := graph.Update{Fn: graph.UpdateMean, A: momentum, Rate: 1}
		if i == 1 && !t.opt.BiasedVariance {
			u.Rate = float64(rows) / float64(max(rows-1, 1))
		}
		which := [2]string{".mean", ".var"}[i]
		c := t.g.Node(v).Type.Shape[0]
		row := t.op(name+which+".batch", graph.Slice{Start: []int{i, 0}, Shape: tensor.Shape{1, c}}, stats)
		next := t.op(name+which+".next", u, v, t.reshape(row, v))
		t.op(name+which+".assign", graph.Assign{}, v, next)
	}
}

// dropPath drops a residual branch for whole pictures.
func (t *training) dropPath(name string, at int, x graph.ID) graph.ID {
	rate := t.opt.DropPath * float64(at) / float64(max(len(t.branches), 1))
	if rate == 0 || t.err != nil {
		return x
	}
	shape := t.g.Node(x).Type.Shape.Clone()
	for i := range shape[1:] {
		shape[i+1] = 1
	}
	return t.masked(name+".path", x, rate, shape)
}

// masked multiplies by a random mask of a shape.
func (t *training) masked(name string, x graph.ID, rate float64, shape tensor.Shape) graph.ID {
	if t.err != nil {
		return graph.None
	}
	if t.out.Seed == graph.None {
		t.out.Seed = t.keep(t.g.AddInput(fresh(t.g, "seed"), graph.F32(2)))
		t.out.Step = t.keep(t.g.AddInput(fresh(t.g, "step"), graph.F32(1)))
	}
	t.streams++
	mask := t.op(name+".mask", graph.Random{Shape: shape.Clone(), Rate: rate, Stream: t.streams}, t.out.Seed, t.out.Step)
	return t.op(name, graph.Binary{Fn: graph.Mul}, x, mask)
}
