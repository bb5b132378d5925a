package exec

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// trainPlan places the values of a training graph. A value lies in the arena,
// in memory it takes over from an operand that dies, or in the variable that
// it will be assigned to.
type trainPlan struct {
	live []bool
	// owner is the node in whose memory a value lies: itself, or a Variable.
	owner []graph.ID
	off   []int // by owner
	len   int
	naive int
	fused *fusions
	// stored are the values that lie in memory as bfloat16.
	stored map[graph.ID]bool
	// copies are the Assign nodes whose value lies elsewhere.
	copies []assign
}

// newTrainPlan places the values of g in at most that many elements. With apart
// nothing shares memory, for comparison. Nodes of values of at least that many
// bytes are fused; with narrow those that only fused steps read are stored as
// bfloat16.
func newTrainPlan(g *graph.Graph, most int, apart bool, fuse int, narrow bool) (*trainPlan, error) {
	p := &trainPlan{live: make([]bool, len(g.Nodes)), owner: make([]graph.ID, len(g.Nodes)), off: make([]int, len(g.Nodes))}
	assigns, err := p.roots(g)
	if err != nil {
		return nil, err
	}
	p.fused = findFusions(g, p.live, fuse)
	if narrow {
		p.stored = findStored(g, p.live, p.fused)
	}
	last := p.lastUse(g)
	p.place(g, last, assigns, apart)
	lives := make([]life, 0, len(g.Nodes))
	at := make(map[graph.ID]int)
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		if !p.live[i] || p.fused.inside[id] || leaf(n.Op) || leaf(g.Nodes[p.owner[i]].Op) || early(g, id) {
			continue
		}
		if _, ok := n.Op.(graph.Assign); ok {
			continue
		}
		if p.owner[i] != id {
			l := &lives[at[p.owner[i]]]
			l.dies, l.len = max(l.dies, last[i]), max(l.len, p.size(g, id))
			continue
		}
		born := i
		if isInput(g, id) {
			born = -1
		}
		at[id] = len(lives)
		lives = append(lives, life{id, p.size(g, id), born, last[i], 0})
	}
	for i := range lives {
		if apart {
			lives[i].born, lives[i].dies = -1, len(g.Nodes)
		}
		if lives[i].len > math.MaxInt-align-p.naive {
			return nil, fmt.Errorf("values do not fit the address space")
		}
		lives[i].len = (lives[i].len + align - 1) / align * align
		p.naive += lives[i].len
	}
	if p.len = place(lives); p.len > most {
		return nil, fmt.Errorf("a training step needs %d MiB, the limit is %d MiB: use a smaller input or batch", p.len>>18, most>>18)
	}
	for _, l := range lives {
		p.off[l.id] = l.off
	}
	return p, nil
}

// roots finds what has to be computed, and the assigned value of each
// variable.
func (p *trainPlan) roots(g *graph.Graph) ([]assign, error) {
	var assigns []assign
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if _, ok := n.Op.(graph.Assign); ok {
			if err := checkAssign(g, graph.ID(i), assigns); err != nil {
				return nil, err
			}
			assigns = append(assigns, assign{n.In[0], n.In[1]})
			p.live[i] = true
		}
	}
	for _, id := range g.Inputs {
		p.live[id] = true
	}
	for _, o := range g.Outputs {
		p.live[o.ID] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if p.live[i] {
			for _, in := range g.Nodes[i].In {
				p.live[in] = true
			}
		}
	}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; p.live[i] && leaf(n.Op) && n.Value == nil {
			return nil, fmt.Errorf("variable %q has no value: load or generate weights first", n.Name)
		}
	}
	return assigns, nil
}

// lastUse gives the last node that reads a value; an Assign reads at the end.
func (p *trainPlan) lastUse(g *graph.Graph) []int {
	last := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		last[i] = i
		if !p.live[i] {
			continue
		}
		_, assigns := g.Nodes[i].Op.(graph.Assign)
		at := i
		if f := p.fused.of[graph.ID(i)]; f != nil {
			at = int(f.last) // where the group runs
			last[i] = max(last[i], at)
		}
		for k, in := range g.Nodes[i].In {
			switch {
			case assigns && k == 1:
				last[in] = len(g.Nodes)
			case !assigns:
				last[in] = max(last[in], at)
			}
		}
	}
	for _, o := range g.Outputs {
		last[o.ID] = len(g.Nodes)
	}
	return last
}

// place chooses the owner of every value. dies is the last use of an owner's
// memory over all that lies in it.
func (p *trainPlan) place(g *graph.Graph, last []int, assigns []assign, apart bool) {
	target := make(map[graph.ID]graph.ID) // the variable of a value
	for _, a := range assigns {
		if _, twice := target[a.value]; !twice {
			target[a.value] = a.variable
		}
	}
	output := make(map[graph.ID]bool) // an output shows the value of this step
	for _, o := range g.Outputs {
		output[o.ID] = true
	}
	dies := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		p.owner[i], dies[i] = id, last[i]
		if !p.live[i] || leaf(n.Op) || p.fused.inside[id] {
			continue
		}
		if apart && !view(n.Op) {
			continue
		}
		if v, ok := target[id]; ok && p.intoVariable(g, id, v, dies, output) {
			p.owner[i] = v
			continue
		}
		if from := p.inPlace(g, id, dies); from != graph.None {
			p.owner[i] = p.owner[from]
			dies[p.owner[i]] = max(dies[p.owner[i]], last[i])
		}
	}
	for _, a := range assigns {
		if p.owner[a.value] != a.variable {
			p.copies = append(p.copies, a)
		}
	}
}

// intoVariable reports whether a value may be computed right into the variable
// that it is assigned to: its node goes element by element, nothing reads the
// old value later, and the new one is not a view of something else.
func (p *trainPlan) intoVariable(g *graph.Graph, id, v graph.ID, dies []int, output map[graph.ID]bool) bool {
	n := &g.Nodes[id]
	switch n.Op.(type) {
	case graph.Update, graph.Binary:
	default:
		return false
	}
	if output[v] || dies[v] > int(id) || n.Type.Shape.Len() != g.Nodes[v].Type.Shape.Len() {
		return false
	}
	for _, in := range n.In {
		if in == v && g.Nodes[in].Type.Shape.Len() != n.Type.Shape.Len() {
			return false
		}
	}
	return true
}

// view reports a node whose value is its input's memory.
func view(op graph.Op) bool {
	switch op.(type) {
	case graph.Reshape, graph.Dropout:
		return true
	}
	return false
}

// inPlace is the input whose memory a node's value takes over, None for none.
func (p *trainPlan) inPlace(g *graph.Graph, id graph.ID, dies []int) graph.ID {
	n := &g.Nodes[id]
	if view(n.Op) {
		// A view of a leaf stays in the leaf's memory, to the end of its use.
		return n.In[0]
	}
	var at []int
	switch n.Op.(type) {
	case graph.Activation, graph.Softmax, graph.Expand, graph.SoftmaxCrossEntropyGrad, graph.FakeQuant:
		at = []int{0}
	case graph.BatchNormTrain:
		at = []int{0}
	case graph.ActivationGrad, graph.SoftmaxGrad, graph.BatchNormGradInput, graph.FakeQuantGrad:
		at = []int{1}
	case graph.Binary:
		at = []int{0, 1}
	}
	for _, k := range at {
		in := n.In[k]
		root := p.owner[in]
		if leaf(g.Nodes[root].Op) || isInput(g, root) || early(g, root) || dies[root] > int(id) || g.Nodes[in].Type.Shape.Len() != n.Type.Shape.Len() {
			continue
		}
		free := true
		for j, other := range n.In {
			if j != k && p.owner[other] == root {
				free = false
			}
		}
		if free {
			return in
		}
	}
	return graph.None
}
