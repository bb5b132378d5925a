package pass

import "github.com/mobilenet-go/mobilenet/internal/graph"

// Loss is a loss appended to a graph.
type Loss struct {
	// Target [N,K] and Weight [N] are inputs: a distribution for each picture
	// and how much the picture counts.
	Target, Weight graph.ID
	// Each [N] is the loss of every picture, Mean [1] their mean.
	Each, Mean graph.ID
}

// CrossEntropy appends the softmax cross entropy of logits [N,K], with its
// inputs "target" and "weight".
func CrossEntropy(g *graph.Graph, logits graph.ID) (Loss, error) {
	a := adder{g: g}
	var l Loss
	s := g.Node(logits).Type.Shape
	if len(s) != 2 {
		logits = a.op("logits.rows", graph.Reshape{Shape: []int{0, -1}}, logits)
		if a.err != nil {
			return l, a.err
		}
		s = g.Node(logits).Type.Shape
	}
	l.Target = a.keep(g.AddInput(fresh(g, "target"), graph.F32(s[0], s[1])))
	l.Weight = a.keep(g.AddInput(fresh(g, "weight"), graph.F32(s[0])))
	l.Each = a.op("losses", graph.SoftmaxCrossEntropy{}, logits, l.Target, l.Weight)
	l.Mean = a.op("loss", graph.Reduce{Fn: graph.ReduceMean}, l.Each)
	return l, a.err
}

// ClipNorm scales gradients so that their norm, taken over all of them, is at
// most limit, and gives the factor too.
func ClipNorm(g *graph.Graph, grads []graph.ID, limit float64) ([]graph.ID, graph.ID, error) {
	a := adder{g: g}
	var squares []graph.ID
	for _, id := range grads {
		if id != graph.None && a.err == nil {
			squares = append(squares, a.op(g.Node(id).Name+".squares", graph.Reduce{Fn: graph.ReduceSumSquares}, id))
		}
	}
	factor := a.op("clip.factor", graph.ClipFactor{Max: limit}, squares...)
	out, err := Scale(g, grads, factor)
	if a.err != nil {
		err = a.err
	}
	return out, factor, err
}

// ClipValue limits every element of the gradients to [-limit, limit].
func ClipValue(g *graph.Graph, grads []graph.ID, limit float64) ([]graph.ID, error) {
	a := adder{g: g}
	act := graph.ActClip(float32(-limit), float32(limit))
	return a.each(grads, ".clipped", func(name string, id graph.ID) graph.ID { return a.op(name, graph.Activation{Act: act}, id) })
}

// Scale multiplies gradients by a value of one element: to undo the scale of a
// loss, or to clip.
func Scale(g *graph.Graph, grads []graph.ID, factor graph.ID) ([]graph.ID, error) {
	a := adder{g: g}
	return a.each(grads, ".scaled", func(name string, id graph.ID) graph.ID {
		return a.op(name, graph.Binary{Fn: graph.Mul}, id, factor)
	})
}

// Accumulate adds gradients to accumulators, variables of their own, and gives
// the sums: keep*accumulator + gradient, where keep, one element, is 0 for the
// first part of a batch and 1 for the others. With store the sums are kept for
// the next part; the graph of the last part goes on with them.
func Accumulate(g *graph.Graph, vars, grads []graph.ID, keep graph.ID, store bool) ([]graph.ID, error) {
	a := adder{g: g}
	out := make([]graph.ID, len(grads))
	for i, id := range grads {
		out[i] = graph.None
		if id == graph.None {
			continue
		}
		name := g.Node(vars[i]).Name + ".accumulator"
		acc := a.slot(name, vars[i], graph.Slot, 0)
		out[i] = a.op(name+".next", graph.Update{Fn: graph.UpdateAccumulate}, acc, id, keep)
		if store {
			a.op(name+".assign", graph.Assign{}, acc, out[i])
		}
		if a.err != nil {
			return nil, a.err
		}
	}
	return out, nil
}

func (a *adder) each(ids []graph.ID, suffix string, f func(string, graph.ID) graph.ID) ([]graph.ID, error) {
	out := make([]graph.ID, len(ids))
	for i, id := range ids {
		out[i] = graph.None
		if id != graph.None && a.err == nil {
			out[i] = f(a.g.Node(id).Name+suffix, id)
		}
	}
	return out, a.err
}

// slot adds a variable like another, filled with a number.
func (a *adder) slot(name string, like graph.ID, role graph.Role, v float32) graph.ID {
	if a.err != nil {
		return graph.None
	}
	shape := a.g.Node(like).Type.Shape
	id := a.keep(a.g.AddVariable(name, role, shape...))
	if a.err == nil {
		a.g.Node(id).Value = full(shape.Clone(), v)
	}
	return id
}
