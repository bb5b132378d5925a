package pass

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// GradOptions chooses how gradients are made. The zero value is the plain one.
type GradOptions struct {
	// Scale, if HasScale, is a value of one element: the gradient of the loss
	// by itself, 1 where not given. It scales all gradients.
	Scale    graph.ID
	HasScale bool
	// Recompute computes the results of batch norms and activations again
	// where the backward pass reads them, from their inputs, which it keeps
	// anyway: less memory for a little more work.
	Recompute bool
}

// Grad appends to g the gradients of a loss, which has one element, with
// respect to the values wrt. A value on which the loss does not depend gets
// None. Batch norms and fused convolutions must have gone through Training
// unless they are to be differentiated as they stand: a BatchNorm with its
// stored statistics, a fused operation not at all.
func Grad(g *graph.Graph, loss graph.ID, wrt []graph.ID) ([]graph.ID, error) {
	return GradWith(g, loss, wrt, GradOptions{})
}

// GradWith is Grad with options.
func GradWith(g *graph.Graph, loss graph.ID, wrt []graph.ID, opt GradOptions) ([]graph.ID, error) {
	if n := g.Node(loss); n.Type.Shape.Len() != 1 {
		return nil, fmt.Errorf("the loss %q has %v elements, gradients need one", n.Name, n.Type.Shape)
	}
	d := &differ{adder: adder{g: g}, opt: opt, grads: make([]graph.ID, len(g.Nodes)), again: make(map[graph.ID]graph.ID)}
	for i := range d.grads {
		d.grads[i] = graph.None
	}
	d.mark(loss, wrt)
	if d.need[loss] {
		if opt.HasScale {
			d.grads[loss] = d.reshape(opt.Scale, loss)
		} else {
			d.grads[loss] = d.constant("grad", g.Node(loss).Type.Shape, 1)
		}
	}
	for id := loss; id >= 0 && d.err == nil; id-- {
		if d.need[id] && d.grads[id] != graph.None {
			d.node(id, d.grads[id])
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("gradient of %q: %w", g.Node(loss).Name, d.err)
	}
	out := make([]graph.ID, len(wrt))
	for i, id := range wrt {
		out[i] = d.grads[id]
	}
	return out, nil
}

// differ holds the gradients found so far, by value.
type differ struct {
	adder
	opt   GradOptions
	need  []bool
	grads []graph.ID
	again map[graph.ID]graph.ID
	now   string // name of the node whose inputs are differentiated
}

// mark finds the values between wrt and the loss.
func (d *differ) mark(loss graph.ID, wrt []graph.ID) {
	g := d.g
	from, to := make([]bool, len(g.Nodes)), make([]bool, len(g.Nodes))
	for _, id := range wrt {
		from[id] = true
	}
	for i := range g.Nodes {
		for _, in := range differentiable(&g.Nodes[i]) {
			from[i] = from[i] || from[in]
		}
	}
	to[loss] = true
	d.need = make([]bool, len(g.Nodes))
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if to[i] {
			for _, in := range differentiable(&g.Nodes[i]) {
				to[in] = true
			}
		}
		d.need[i] = from[i] && to[i]
	}
}

// differentiable gives the inputs through which a gradient flows. Statistics
// are not among them: BatchNormTrain's own rule covers theirs.
func differentiable(n *graph.Node) []graph.ID {
	switch n.Op.(type) {
	case graph.ChannelStats, graph.Random, graph.Assign, graph.Update, graph.MinMax:
		return nil
	case graph.BatchNormTrain, graph.BatchNorm:
		return n.In[:3]
	case graph.SoftmaxCrossEntropy, graph.FakeQuant, graph.FakeQuantWeight:
		return n.In[:1]
	}
	return n.In
}

// give adds a gradient of the value id. The make is only called where it is
// needed.
func (d *differ) give(id graph.ID, make func() graph.ID) {
	if d.err != nil || !d.need[id] {
		return
	}
	v := make()
	if d.err != nil {
		return
	}
	if d.grads[id] != graph.None {
		v = d.op(d.g.Node(id).Name+".grad", graph.Binary{Fn: graph.Add}, d.grads[id], v)
	}
	d.grads[id] = v
}

// saved is a forward value for use in the backward pass.
func (d *differ) saved(id graph.ID) graph.ID {
	if !d.opt.Recompute {
		return id
	}
	if again, ok := d.again[id]; ok {
		return again
	}
	n := *d.g.Node(id)
	in := n.In
	switch op := n.Op.(type) {
	case graph.BatchNormTrain:
	case graph.Activation:
		in = []graph.ID{d.rounded(n.In[0])}
	case graph.Binary:
		// A gate's product is as large as the map it scales.
		if op.Fn != graph.Mul {
			return id
		}
		in = []graph.ID{d.saved(n.In[0]), d.saved(n.In[1])}
	case graph.FakeQuant:
		in = append([]graph.ID{d.saved(n.In[0])}, n.In[1:]...)
	default:
		return id
	}
	d.again[id] = d.op(n.Name+".again", n.Op, in...)
	return d.again[id]
}

// rounded is saved for the results of fake quantization alone.
func (d *differ) rounded(id graph.ID) graph.ID {
	if _, ok := d.g.Node(id).Op.(graph.FakeQuant); ok {
		return d.saved(id)
	}
	return id
}

// of makes a node of the backward pass, named after the node at hand.
func (d *differ) of(what string, op graph.Op, in ...graph.ID) graph.ID {
	return d.op(d.now+"."+what, op, in...)
}

// adder appends nodes with names of their own and keeps the first error.
type adder struct {
	g   *graph.Graph
	err error
}

func (a *adder) keep(id graph.ID, err error) graph.ID {
	if err != nil {
		if a.err == nil {
			a.err = err
		}
		return graph.None
	}
	return id
}

func (a *adder) op(name string, op graph.Op, in ...graph.ID) graph.ID {
	if a.err != nil {
		return graph.None
	}
	return a.keep(a.g.Add(fresh(a.g, name), op, in...))
}

// reshape views a value in the shape of another.
func (a *adder) reshape(id, like graph.ID) graph.ID {
	if a.err != nil || a.g.Node(id).Type.Shape.Equal(a.g.Node(like).Type.Shape) {
		return id
	}
	return a.op(a.g.Node(id).Name+".view", graph.Reshape{Shape: a.g.Node(like).Type.Shape}, id)
}

// constant is a constant of equal elements.
func (a *adder) constant(name string, shape []int, v float32) graph.ID {
	if a.err != nil {
		return graph.None
	}
	return a.keep(a.g.AddConstant(fresh(a.g, name), full(shape, v)))
}

func full(shape []int, v float32) *graph.Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	arr := &graph.Array{Shape: shape, Data: make([]float32, n)}
	for i := range arr.Data {
		arr.Data[i] = v
	}
	return arr
}

// fresh is a name that no node has.
func fresh(g *graph.Graph, name string) string {
	if _, taken := g.Lookup(name); !taken {
		return name
	}
	for i := 2; ; i++ {
		try := fmt.Sprintf("%s~%d", name, i)
		if _, taken := g.Lookup(try); !taken {
			return try
		}
	}
}
