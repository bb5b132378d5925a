package pass

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// node adds the gradients of the inputs of a node whose own is dy.
func (d *differ) node(id, dy graph.ID) {
	n := *d.g.Node(id) // a copy: the slice of nodes grows
	d.now = n.Name
	shape := func(i int) tensor.Shape { return d.g.Node(n.In[i]).Type.Shape }
	switch op := n.Op.(type) {
	case graph.Variable, graph.Input, graph.Constant:
	case graph.Conv2D:
		d.conv(&n, op, dy)
	case graph.BatchNormTrain:
		stats := d.g.Node(n.In[3])
		_, batch := stats.Op.(graph.ChannelStats)
		d.norm(&n, op, n.In[3], batch && stats.In[0] == n.In[0], dy)
	case graph.BatchNorm:
		d.norm(&n, graph.BatchNormTrain{Epsilon: op.Epsilon}, d.stored(&n), false, dy)
	case graph.Activation:
		d.give(n.In[0], func() graph.ID { return d.of("grad_input", graph.ActivationGrad(op), d.rounded(n.In[0]), dy) })
	case graph.Binary:
		d.binary(id, &n, op, dy)
	case graph.Dropout:
		d.give(n.In[0], func() graph.ID { return dy })
	case graph.Reshape:
		d.give(n.In[0], func() graph.ID { return d.reshape(dy, n.In[0]) })
	case graph.Softmax:
		d.give(n.In[0], func() graph.ID { return d.of("grad_input", graph.SoftmaxGrad{}, id, dy) })
	case graph.GlobalAvgPool:
		s := shape(0)
		d.give(n.In[0], func() graph.ID {
			return d.of("grad_input", graph.Expand{Shape: s.Clone(), Factor: 1 / float64(s[1]*s[2])}, dy)
		})
	case graph.Pool:
		d.give(n.In[0], func() graph.ID { return d.of("grad_input", graph.PoolGrad(op), n.In[0], dy) })
	case graph.Resize2D:
		s := shape(0)
		d.give(n.In[0], func() graph.ID {
			return d.of("grad_input", graph.ResizeGrad{H: s[1], W: s[2], Nearest: op.Nearest, Rule: op.Rule}, dy)
		})
	case graph.Pad2D:
		d.give(n.In[0], func() graph.ID {
			return d.of("grad_input", graph.Slice{Start: []int{0, op.Top, op.Left, 0}, Shape: shape(0).Clone()}, dy)
		})
	case graph.Concat:
		at := make([]int, len(n.Type.Shape))
		for i, in := range n.In {
			s := shape(i)
			start := slices.Clone(at)
			d.give(in, func() graph.ID { return d.of("grad_input", graph.Slice{Start: start, Shape: s.Clone()}, dy) })
			at[op.Axis] += s[op.Axis]
		}
	case graph.Transpose:
		back := make([]int, len(op.Perm))
		for i, p := range op.Perm {
			back[p] = i
		}
		d.give(n.In[0], func() graph.ID { return d.of("grad_input", graph.Transpose{Perm: back}, dy) })
	case graph.SoftmaxCrossEntropy:
		d.give(n.In[0], func() graph.ID {
			return d.of("grad_logits", graph.SoftmaxCrossEntropyGrad{}, n.In[0], n.In[1], n.In[2], dy)
		})
	case graph.FakeQuant:
		d.give(n.In[0], func() graph.ID {
			in := append([]graph.ID{d.saved(n.In[0]), dy}, n.In[1:]...)
			return d.of("grad_input", graph.FakeQuantGrad{}, in...)
		})
	case graph.FakeQuantWeight:
		d.give(n.In[0], func() graph.ID { return dy })
	case graph.Reduce:
		d.reduce(&n, op, dy)
	case graph.ChannelSum:
		d.give(n.In[0], func() graph.ID { return d.of("grad_input", graph.Expand{Shape: shape(0).Clone(), Factor: 1}, dy) })
	case graph.SumTo:
		for i, in := range n.In {
			d.give(in, func() graph.ID {
				v := d.of("grad_input", graph.Expand{Shape: shape(0).Clone(), Factor: 1}, dy)
				if op.Product {
					v = d.of("grad_input", graph.Binary{Fn: graph.Mul}, v, d.saved(n.In[1-i]))
				}
				return v
			})
		}
	case graph.Expand:
		d.give(n.In[0], func() graph.ID {
			return d.scale(d.sumTo(dy, shape(0)), op.Factor)
		})
	default:
		d.err = fmt.Errorf("node %q: operation %s has no gradient", n.Name, n.Op.Kind())
	}
}

func (d *differ) conv(n *graph.Node, op graph.Conv2D, dy graph.ID) {
	if op.Act.Kind != graph.Linear || op.Residual || op.Scale {
		d.err = fmt.Errorf("node %q (conv2d): it is fused with other operations; use Training first", n.Name)
		return
	}
	x := d.g.Node(n.In[0]).Type.Shape
	if op.Bias {
		d.give(n.In[2], func() graph.ID { return d.reshape(d.of("grad_bias", graph.ChannelSum{}, dy), n.In[2]) })
	}
	d.give(n.In[1], func() graph.ID {
		return d.of("grad_weight", graph.ConvGradWeight{Window: op.Window, Groups: op.Groups}, d.saved(n.In[0]), dy)
	})
	d.give(n.In[0], func() graph.ID {
		return d.of("grad_input", graph.ConvGradInput{Window: op.Window, Groups: op.Groups, H: x[1], W: x[2]}, dy, n.In[1])
	})
}

// stored puts the stored statistics of a BatchNorm into one value.
func (d *differ) stored(n *graph.Node) graph.ID {
	c := d.g.Node(n.In[3]).Type.Shape[0]
	mean := d.of("mean", graph.Reshape{Shape: tensor.Shape{1, c}}, n.In[3])
	variance := d.of("var", graph.Reshape{Shape: tensor.Shape{1, c}}, n.In[4])
	return d.of("stats", graph.Concat{Axis: 0}, mean, variance)
}

func (d *differ) norm(n *graph.Node, op graph.BatchNormTrain, stats graph.ID, batch bool, dy graph.ID) {
	x, gamma, beta := n.In[0], n.In[1], n.In[2]
	in := []graph.ID{x, dy, gamma, beta, stats}
	sums := graph.None
	if d.need[gamma] || d.need[beta] || batch && d.need[x] {
		sums = d.of("grad_sums", graph.BatchNormGradSums{Epsilon: op.Epsilon, Act: op.Act}, in...)
	}
	row := func(name string, i int) func() graph.ID {
		return func() graph.ID {
			c := d.g.Node(gamma).Type.Shape[0]
			return d.reshape(d.of(name, graph.Slice{Start: []int{i, 0}, Shape: tensor.Shape{1, c}}, sums), gamma)
		}
	}
	d.give(beta, row("grad_beta", 0))
	d.give(gamma, row("grad_gamma", 1))
	d.give(x, func() graph.ID {
		if batch {
			in = append(in, sums)
		}
		return d.of("grad_input", graph.BatchNormGradInput{Epsilon: op.Epsilon, Act: op.Act, Frozen: !batch}, in...)
	})
}

func (d *differ) binary(id graph.ID, n *graph.Node, op graph.Binary, dy graph.ID) {
	if op.Act.Kind != graph.Linear {
		d.err = fmt.Errorf("node %q (%s): it is fused with an activation; use Training first", n.Name, op.Kind())
		return
	}
	a, b := n.In[0], n.In[1]
	sa, sb := d.g.Node(a).Type.Shape, d.g.Node(b).Type.Shape
	d.give(a, func() graph.ID {
		switch op.Fn {
		case graph.Mul:
			return d.product(dy, b, sa)
		case graph.Div:
			return d.sumTo(d.of("grad_input", graph.Binary{Fn: graph.Div}, dy, d.saved(b)), sa)
		}
		return d.sumTo(dy, sa)
	})
	d.give(b, func() graph.ID {
		switch op.Fn {
		case graph.Sub:
			return d.scale(d.sumTo(dy, sb), -1)
		case graph.Mul:
			return d.product(dy, a, sb)
		case graph.Div:
			q := d.of("grad_input", graph.Binary{Fn: graph.Div}, id, d.saved(b))
			return d.scale(d.product(dy, q, sb), -1)
		}
		return d.sumTo(dy, sb)
	})
}

// product is the sum of dy*v to a shape.
func (d *differ) product(dy, v graph.ID, shape tensor.Shape) graph.ID {
	if d.err != nil {
		return graph.None
	}
	s := d.g.Node(dy).Type.Shape
	if !shape.Equal(s) && d.g.Node(v).Type.Shape.Equal(s) {
		return d.of("grad_input", graph.SumTo{Shape: shape.Clone(), Product: true}, dy, d.saved(v))
	}
	return d.sumTo(d.of("grad_input", graph.Binary{Fn: graph.Mul}, dy, d.saved(v)), shape)
}

// sumTo undoes a broadcast.
func (d *differ) sumTo(v graph.ID, shape tensor.Shape) graph.ID {
	if d.err != nil || d.g.Node(v).Type.Shape.Equal(shape) {
		return v
	}
	return d.of("grad_input", graph.SumTo{Shape: shape.Clone()}, v)
}

func (d *differ) scale(v graph.ID, f float64) graph.ID {
	if d.err != nil || f == 1 {
		return v
	}
	return d.of("grad_input", graph.Expand{Shape: d.g.Node(v).Type.Shape.Clone(), Factor: f}, v)
}

func (d *differ) reduce(n *graph.Node, op graph.Reduce, dy graph.ID) {
	x := n.In[0]
	s := d.g.Node(x).Type.Shape.Clone()
	d.give(x, func() graph.ID {
		switch op.Fn {
		case graph.ReduceMean:
			return d.of("grad_input", graph.Expand{Shape: s, Factor: 1 / float64(s.Len())}, dy)
		case graph.ReduceSumSquares:
			return d.of("grad_input", graph.Binary{Fn: graph.Mul}, d.of("grad_input", graph.Expand{Shape: s, Factor: 2}, dy), d.saved(x))
		}
		return d.of("grad_input", graph.Expand{Shape: s, Factor: 1}, dy)
	})
}
