package importer

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// simplify rewrites what exporters spell out back into single operations and
// drops what nothing reads any more:
//
//	clamps of clamps; [0,6] and [0,inf) by their names
//	x * relu6(x+3) / 6 and its variants -> h-swish; without the x, h-sigmoid
//	x * sigmoid(x) -> swish
//
// Each rewrite keeps the node that others read and changes only its operation
// and inputs, so values that are outputs or read twice stay as they are.
func simplify(g *graph.Graph) (*graph.Graph, error) {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch op := n.Op.(type) {
		case graph.Activation:
			mergeClamp(g, n, op.Act)
		case graph.Binary:
			hardGate(g, n, op)
			ownGate(g, n)
		}
	}
	return prune(g)
}

// mergeClamp turns a clamp of a clamp into one.
func mergeClamp(g *graph.Graph, n *graph.Node, a graph.Act) {
	lo, hi, ok := bounds(a)
	if !ok {
		return
	}
	if in, isAct := g.Node(n.In[0]).Op.(graph.Activation); isAct {
		if l, h, ok := bounds(in.Act); ok {
			lo, hi = min(max(l, lo), hi), max(min(h, hi), lo)
			n.In = []graph.ID{g.Node(n.In[0]).In[0]}
		}
	}
	n.Op = graph.Activation{Act: clamp(lo, hi)}
}

// bounds reads an activation as a clamp.
func bounds(a graph.Act) (lo, hi float32, ok bool) {
	inf := float32(math.Inf(1))
	switch a.Kind {
	case graph.ReLU:
		return 0, inf, true
	case graph.ReLU6:
		return 0, 6, true
	case graph.Clip:
		return a.A, a.B, a.A <= a.B
	}
	return 0, 0, false
}

// clamp is the activation that clamps to [lo,hi], by its own name if it has one.
func clamp(lo, hi float32) graph.Act {
	switch {
	case lo == 0 && math.IsInf(float64(hi), 1):
		return graph.ActReLU
	case lo == 0 && hi == 6:
		return graph.ActReLU6
	}
	return graph.ActClip(lo, hi)
}

// uniform is the value of a constant whose elements are all equal.
func uniform(g *graph.Graph, id graph.ID) (float32, bool) {
	n := g.Node(id)
	if _, ok := n.Op.(graph.Constant); !ok || n.Value == nil || len(n.Value.Data) != 1 {
		return 0, false
	}
	return n.Value.Data[0], true
}

// split tells the uniform constant of a binary node from its other input.
func split(g *graph.Graph, n *graph.Node) (x graph.ID, c float32, left, ok bool) {
	if c, ok = uniform(g, n.In[1]); ok {
		return n.In[0], c, false, true
	}
	if c, ok = uniform(g, n.In[0]); ok {
		return n.In[1], c, true, true
	}
	return 0, 0, false, false
}

// shifted finds x in relu6(x+3).
func shifted(g *graph.Graph, id graph.ID) (x graph.ID, ok bool) {
	a, isAct := g.Node(id).Op.(graph.Activation)
	if !isAct || a.Act != graph.ActReLU6 {
		return 0, false
	}
	sum := g.Node(g.Node(id).In[0])
	if b, isBin := sum.Op.(graph.Binary); !isBin || b.Fn != graph.Add || b.Act.Kind != graph.Linear {
		return 0, false
	}
	x, c, _, ok := split(g, sum)
	return x, ok && c == 3
}

// hardGate finds factor*relu6(x+3) and factor*(x*relu6(x+3)), where the factor
// may also be a division by 6.
func hardGate(g *graph.Graph, n *graph.Node, op graph.Binary) {
	if op.Act.Kind != graph.Linear {
		return
	}
	y, c, left, ok := split(g, n)
	if !ok {
		return
	}
	switch {
	case op.Fn == graph.Mul:
	case op.Fn == graph.Div && !left && c == 6:
		c = graph.Sixth
	default:
		return
	}
	if x, ok := shifted(g, y); ok && g.Node(x).Type.Shape.Equal(n.Type.Shape) {
		n.Op, n.In = graph.Activation{Act: graph.Act{Kind: graph.HSigmoid, A: c}}, []graph.ID{x}
		return
	}
	prod := g.Node(y)
	if b, isBin := prod.Op.(graph.Binary); !isBin || b.Fn != graph.Mul || b.Act.Kind != graph.Linear {
		return
	}
	for i, gate := range prod.In {
		if x, ok := shifted(g, gate); ok && x == prod.In[1-i] {
			n.Op, n.In = graph.Activation{Act: graph.Act{Kind: graph.HSwish, A: c}}, []graph.ID{x}
			return
		}
	}
}

// ownGate finds a value times its own gate.
func ownGate(g *graph.Graph, n *graph.Node) {
	b, ok := n.Op.(graph.Binary)
	if !ok || b.Fn != graph.Mul || b.Act.Kind != graph.Linear {
		return
	}
	for i, id := range n.In {
		gate := g.Node(id)
		a, isAct := gate.Op.(graph.Activation)
		if !isAct || gate.In[0] != n.In[1-i] {
			continue
		}
		switch {
		case a.Act.Kind == graph.Sigmoid:
			n.Op, n.In = graph.Activation{Act: graph.ActSwish}, []graph.ID{gate.In[0]}
		case a.Act.Kind == graph.HSigmoid:
			n.Op, n.In = graph.Activation{Act: graph.Act{Kind: graph.HSwish, A: a.Act.A}}, []graph.ID{gate.In[0]}
		default:
			continue
		}
		return
	}
}

// prune keeps the nodes that the outputs need, and the inputs.
func prune(g *graph.Graph) (*graph.Graph, error) {
	live := make([]bool, len(g.Nodes))
	for _, o := range g.Outputs {
		live[o.ID] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if live[i] {
			for _, in := range g.Nodes[i].In {
				live[in] = true
			}
		}
	}
	out := &graph.Graph{}
	to := make([]graph.ID, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		var err error
		switch op := n.Op.(type) {
		case graph.Input:
			to[i], err = out.AddInput(n.Name, n.Type)
		case graph.Variable:
			if live[i] {
				if to[i], err = out.AddVariable(n.Name, op.Role, n.Type.Shape...); err == nil {
					out.Node(to[i]).Value = n.Value
				}
			}
		case graph.Constant:
			if live[i] {
				to[i], err = out.AddValue(n.Name, n.Type, n.Value)
			}
		default:
			if live[i] {
				in := make([]graph.ID, len(n.In))
				for k, id := range n.In {
					in[k] = to[id]
				}
				to[i], err = out.Add(n.Name, op, in...)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	for _, o := range g.Outputs {
		if err := out.SetOutput(o.Name, to[o.ID]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
