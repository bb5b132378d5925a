package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// A training step moves far more memory than it computes, so nodes that read
// and write the same large values run together, band by band: what passes
// between them then stays in the second-level cache and has no place in the
// arena.
//
// Forwards a fusion is a convolution with the batch norm before it and the
// statistics of its result. Backwards it is the gradient of a batch norm's
// input, of the convolution before it, by weight and by input, with the sums
// that the batch norm before that needs, and the activations that are computed
// again.
type fusion struct {
	// The members; None where there is none.
	norm, conv, stats                 graph.ID // forwards
	normGrad, again, weight, dx, sums graph.ID // backwards
	first, last                       graph.ID
}

// members lists the nodes of a fusion.
func (f *fusion) members() (out []graph.ID) {
	for _, id := range []graph.ID{f.norm, f.conv, f.stats, f.normGrad, f.again, f.weight, f.dx, f.sums} {
		if id != graph.None {
			out = append(out, id)
		}
	}
	return out
}

// fusions are the groups of a graph by member, and the values that have no
// place.
type fusions struct {
	of     map[graph.ID]*fusion
	inside map[graph.ID]bool
}

const (
	// fuseBytes is the size from which on values are worth it: smaller ones
	// stay in the last-level cache anyway.
	fuseBytes = 2 << 20
	// fusePixels is the pixels of a picture from which on a depthwise
	// convolution is worth it: what is worked out once a channel and picture
	// takes its time as well.
	fusePixels = 144
	// fuseWeights is the largest weight, in elements: every task has sums of
	// its own for the gradient.
	fuseWeights = 1 << 18
)

// uses lists the live readers of every value.
func liveUses(g *graph.Graph, live []bool) [][]graph.ID {
	out := make([][]graph.ID, len(g.Nodes))
	for i := range g.Nodes {
		if live[i] {
			for _, in := range g.Nodes[i].In {
				out[in] = append(out[in], graph.ID(i))
			}
		}
	}
	return out
}

// findFusions groups the live nodes of a training graph.
func findFusions(g *graph.Graph, live []bool, least int) *fusions {
	out := &fusions{of: make(map[graph.ID]*fusion), inside: make(map[graph.ID]bool)}
	if least < 0 {
		return out
	}
	uses := liveUses(g, live)
	output := make(map[graph.ID]bool)
	for _, o := range g.Outputs {
		output[o.ID] = true
	}
	// private reports a value that nothing but some readers needs.
	private := func(id graph.ID, readers int) bool { return len(uses[id]) == readers && !output[id] }
	for i := range g.Nodes {
		if !live[i] {
			continue
		}
		n := &g.Nodes[i]
		f := &fusion{graph.None, graph.None, graph.None, graph.None, graph.None, graph.None, graph.None, graph.None, 0, 0}
		switch op := n.Op.(type) {
		case graph.Conv2D:
			forwardFusion(g, f, graph.ID(i), op, uses, private)
		case graph.ConvGradWeight:
			backwardFusion(g, f, graph.ID(i), op, uses, private)
		}
		if !f.keep(g, uses, least) {
			continue
		}
		for _, id := range f.members() {
			out.of[id] = f
		}
		for _, id := range []graph.ID{f.norm, f.normGrad, f.again} {
			if id != graph.None {
				out.inside[id] = true
			}
		}
	}
	return out
}

func forwardFusion(g *graph.Graph, f *fusion, id graph.ID, op graph.Conv2D, uses [][]graph.ID, private func(graph.ID, int) bool) {
	n := &g.Nodes[id]
	if op.Act.Kind != graph.Linear || op.Residual || op.Scale || !packable(g, n.In[1]) || !banded(g, op.Window, op.GroupCount(), n.In[1], true) {
		return
	}
	for _, u := range uses[id] {
		if _, ok := g.Nodes[u].Op.(graph.ChannelStats); ok {
			f.conv, f.stats = id, u
		}
	}
	x := n.In[0]
	if _, ok := g.Nodes[x].Op.(graph.BatchNormTrain); ok && private(x, 1) {
		f.conv, f.norm = id, x
	}
}

func backwardFusion(g *graph.Graph, f *fusion, id graph.ID, op graph.ConvGradWeight, uses [][]graph.ID, private func(graph.ID, int) bool) {
	n := &g.Nodes[id]
	x, dy := n.In[0], n.In[1]
	if _, ok := g.Nodes[dy].Op.(graph.BatchNormGradInput); !ok || n.Type.Shape.Len() > fuseWeights {
		return
	}
	dx := graph.None
	for _, u := range uses[dy] {
		switch g.Nodes[u].Op.(type) {
		case graph.ConvGradWeight:
		case graph.ConvGradInput:
			dx = u
		default:
			return
		}
	}
	readers := 1
	if dx != graph.None {
		if readers = 2; !packable(g, g.Nodes[dx].In[1]) {
			return
		}
	}
	if !private(dy, readers) || !banded(g, op.Window, max(op.Groups, 1), id, dx == graph.None) {
		return
	}
	f.normGrad, f.weight, f.dx = dy, id, dx
	if _, ok := g.Nodes[x].Op.(graph.BatchNormTrain); ok && private(x, 1) {
		f.again = x
	}
	if dx == graph.None {
		return
	}
	for _, u := range uses[dx] {
		if s := &g.Nodes[u]; s.In[0] != dx {
			if _, ok := s.Op.(graph.BatchNormGradSums); ok && s.In[1] == dx {
				f.sums = u
			}
		}
	}
}

// banded reports a convolution that can be computed some rows at a time:
// pointwise, depthwise, or where dense kernels are allowed any of one group.
func banded(g *graph.Graph, w graph.Window, groups int, weight graph.ID, dense bool) bool {
	s := g.Nodes[weight].Type.Shape
	w = w.Normal()
	if groups == 1 {
		return dense || w.KH*w.KW == 1 && w.StrideH*w.StrideW == 1 && (w.Pad.Same || w.Pad == (graph.Padding{}))
	}
	return groups == s[0] && s[1] == 1
}

// keep settles the order: all members run where the last one stands, so what
// they give may not be read before. It is false for a group not worth it.
func (f *fusion) keep(g *graph.Graph, uses [][]graph.ID, least int) bool {
	for {
		ids := f.members()
		if len(ids) < 2 {
			return false
		}
		mine := make(map[graph.ID]bool)
		f.first, f.last = ids[0], ids[0]
		for _, id := range ids {
			mine[id] = true
			f.first, f.last = min(f.first, id), max(f.last, id)
		}
		early := false
		for _, id := range ids {
			for _, u := range uses[id] {
				early = early || u < f.last && !mine[u]
			}
		}
		if !early {
			break
		}
		if f.sums == graph.None {
			return false
		}
		f.sums = graph.None
	}
	size := 0
	for _, id := range f.members() {
		size = max(size, 4*g.Nodes[id].Type.Shape.Len())
		for _, in := range g.Nodes[id].In {
			size = max(size, 4*g.Nodes[in].Type.Shape.Len())
		}
	}
	if main := max(f.conv, f.weight); least > 1 && len(g.Nodes[main].In) > 1 {
		s := g.Nodes[g.Nodes[main].In[0]].Type.Shape
		w := g.Nodes[main].Type.Shape
		if f.conv != graph.None {
			w = g.Nodes[g.Nodes[main].In[1]].Type.Shape
		}
		if w[2]*w[3] > 1 && s[1]*s[2] < fusePixels {
			return false
		}
	}
	return size >= least
}
