package exec

import "github.com/mobilenet-go/mobilenet/internal/graph"

// Weights are packed at the beginning of a step, so what rounds them for
// packing comes before that: fake quantization of variables. Their values lie
// in memory of their own.

// early reports a node that is computed before the weights are packed.
func early(g *graph.Graph, id graph.ID) bool {
	n := &g.Nodes[id]
	if _, ok := n.Op.(graph.FakeQuantWeight); !ok || !leaf(g.Nodes[n.In[0]].Op) {
		return false
	}
	return len(n.In) == 1 || leaf(g.Nodes[n.In[1]].Op) || isInput(g, n.In[1])
}

// packable reports values that convolutions can take as weights.
func packable(g *graph.Graph, id graph.ID) bool { return leaf(g.Nodes[id].Op) || early(g, id) }

// addEarly adds the tasks of the nodes that come before the packing.
func (s *TrainSession) addEarly() error {
	s.early = make(map[graph.ID][]float32)
	for i := range s.p.g.Nodes {
		id := graph.ID(i)
		if !s.p.plan.live[i] || !early(s.p.g, id) {
			continue
		}
		s.early[id] = aligned(s.p.g.Node(id).Type.Shape.Len())
		args, err := lower(s.p.g, id, s.value)
		if err != nil {
			return err
		}
		s.add(newTrainTask(args, s.p.impl), 0)
	}
	return nil
}
