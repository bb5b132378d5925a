package graph

// Cost is the arithmetic of one execution of a node.
type Cost struct {
	// MAdds counts multiply-adds by the papers' rule: the products of
	// convolutions and fully connected layers and nothing else.
	MAdds int64
	// Elementwise counts everything else that computes: biases, batch norms,
	// activations, additions, scales and pooling, one per element and step.
	// MAdds + Elementwise is the counting-everything rule.
	Elementwise int64
}

// Plus is the sum of two costs.
func (c Cost) Plus(d Cost) Cost {
	return Cost{c.MAdds + d.MAdds, c.Elementwise + d.Elementwise}
}

func elems(t Type) int64 { return int64(t.Shape.Len()) }

// NodeCost is the cost of one node of the graph.
func (g *Graph) NodeCost(id ID) Cost {
	n := &g.Nodes[id]
	return n.Op.Cost(g.InTypes(id), n.Type)
}

// Cost is the cost of all nodes.
func (g *Graph) Cost() Cost {
	var c Cost
	for i := range g.Nodes {
		c = c.Plus(g.NodeCost(ID(i)))
	}
	return c
}
