package engine

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Head is a network's classifier: the last convolution, which reads a vector.
type Head struct {
	// Features is the value [N,1,1,F] that it reads, dropout left out.
	Features graph.ID
	// Conv is the convolution; Weight and Bias are its operands, Bias None if
	// it has none.
	Conv, Weight, Bias graph.ID
	// Softmax says that probabilities are made of its scores.
	Softmax bool
}

// FindHead finds the classifier of a graph by walking back from its first
// output.
func FindHead(g *graph.Graph) (Head, error) {
	h := Head{Bias: graph.None}
	if len(g.Outputs) == 0 {
		return h, fmt.Errorf("the network has no output")
	}
	for id := g.Outputs[0].ID; ; {
		n := g.Node(id)
		switch op := n.Op.(type) {
		case graph.Conv2D:
			in := g.Node(n.In[0]).Type.Shape
			if op.KH != 1 || op.KW != 1 || op.GroupCount() != 1 || len(in) != 4 || in[1] != 1 || in[2] != 1 {
				return h, fmt.Errorf("the last convolution %q is no classifier of a vector: it reads %v", n.Name, in)
			}
			if op.Residual || op.Scale {
				return h, fmt.Errorf("the last convolution %q does more than score: it has a scale or a sum", n.Name)
			}
			h.Conv, h.Weight, h.Features = id, n.In[1], n.In[0]
			if bias, _, _ := op.Operands(); bias >= 0 {
				h.Bias = n.In[bias]
			}
			for {
				f := g.Node(h.Features)
				if _, drop := f.Op.(graph.Dropout); !drop {
					return h, nil
				}
				h.Features = f.In[0]
			}
		case graph.Softmax:
			h.Softmax = true
		case graph.Reshape, graph.Dropout, graph.Transpose, graph.GlobalAvgPool:
		case graph.Activation:
			// Networks made of quantized ones clip their scores.
		default:
			return h, fmt.Errorf("node %q (%s) comes after the classifier: the scores must be its own", n.Name, n.Op.Kind())
		}
		if len(n.In) == 0 {
			return h, fmt.Errorf("no classifier lies before the output")
		}
		id = n.In[0]
	}
}

// ReplaceHead gives a graph whose classifier scores other classes: everything
// up to the vector it reads, then dropout if the rate is above 0, then a new
// classifier under the old one's names whose values are zero.
func ReplaceHead(g *graph.Graph, classes int, dropout float64) (*graph.Graph, error) {
	h, err := FindHead(g)
	if err != nil {
		return nil, err
	}
	live := make([]bool, len(g.Nodes))
	live[h.Features] = true
	for _, in := range g.Inputs {
		live[in] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if live[i] {
			for _, in := range g.Nodes[i].In {
				live[in] = true
			}
		}
	}
	out, to := &graph.Graph{}, make([]graph.ID, len(g.Nodes))
	for i := range g.Nodes {
		if !live[i] {
			continue
		}
		if to[i], err = copyNode(out, &g.Nodes[i], to); err != nil {
			return nil, err
		}
	}
	b := &headBuilder{g: out}
	x := to[h.Features]
	if dropout > 0 {
		x = b.op(free(out, "dropout"), graph.Dropout{Rate: dropout}, x)
	}
	features := out.Node(to[h.Features]).Type.Shape[3]
	name := g.Node(h.Conv).Name
	bias := name + ".bias"
	if h.Bias != graph.None {
		bias = g.Node(h.Bias).Name
	}
	w := b.variable(free(out, g.Node(h.Weight).Name), graph.Weight, classes, features, 1, 1)
	v := b.variable(free(out, bias), graph.Bias, classes)
	x = b.op(free(out, name), graph.Conv2D{Window: graph.Square(1, 1, 1, graph.Padding{}), Groups: 1, Bias: true}, x, w, v)
	x = b.op(free(out, "logits"), graph.Reshape{Shape: []int{0, -1}}, x)
	if b.err != nil {
		return nil, b.err
	}
	return out, out.SetOutput("logits", x)
}

// free is a name that no node has, as much like the wanted one as can be.
func free(g *graph.Graph, name string) string {
	for try, i := name, 2; ; i++ {
		if _, taken := g.Lookup(try); !taken {
			return try
		}
		try = fmt.Sprintf("%s.%d", name, i)
	}
}

// copyNode appends a node of another graph, whose inputs are mapped by to.
func copyNode(g *graph.Graph, n *graph.Node, to []graph.ID) (graph.ID, error) {
	switch op := n.Op.(type) {
	case graph.Input:
		return g.AddInput(n.Name, n.Type)
	case graph.Constant:
		return g.AddValue(n.Name, n.Type, n.Value)
	case graph.Variable:
		id, err := g.AddVariable(n.Name, op.Role, n.Type.Shape...)
		if err == nil {
			g.Node(id).Value = n.Value
		}
		return id, err
	}
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = to[x]
	}
	return g.Add(n.Name, n.Op, in...)
}

type headBuilder struct {
	g   *graph.Graph
	err error
}

func (b *headBuilder) op(name string, op graph.Op, in ...graph.ID) graph.ID {
	if b.err != nil {
		return graph.None
	}
	var id graph.ID
	id, b.err = b.g.Add(name, op, in...)
	return id
}

func (b *headBuilder) variable(name string, role graph.Role, shape ...int) graph.ID {
	if b.err != nil {
		return graph.None
	}
	var id graph.ID
	if id, b.err = b.g.AddVariable(name, role, shape...); b.err == nil {
		s := b.g.Node(id).Type.Shape
		b.g.Node(id).Value = &graph.Array{Shape: s, Data: make([]float32, s.Len())}
	}
	return id
}
