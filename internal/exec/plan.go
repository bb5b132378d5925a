// Package exec runs graphs. Plan places every value of a graph in one arena,
// Compile picks the kernels and packs the weights, and the resulting Program
// is run by Sessions, each with an arena of its own. A run allocates nothing.
package exec

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// align is the alignment of every value in the arena, in elements: 64 bytes of
// float32, one cache line.
const align = 16

// Plan is the placement of a graph's values in one arena. Values that are
// never alive at the same step may share memory.
type Plan struct {
	// Slots gives for every node where its value lies. Constants and
	// variables have a Len of 0: they are not in the arena.
	Slots []Slot
	// Len is the arena's size in elements.
	Len int
	// Naive is the size without any sharing, for comparison.
	Naive int
}

// Slot is a range of the arena, in elements.
type Slot struct {
	Off, Len int
	// alias is the node whose memory this one shares, None if its own.
	alias graph.ID
}

// Bytes is the arena's size for an element size in bytes.
func (p *Plan) Bytes(elem int) int64 { return int64(p.Len) * int64(elem) }

// life is the interval of steps during which a value must stay.
type life struct {
	id         graph.ID
	len        int
	born, dies int
	off        int
}

// NewPlan places the values of g. Sizes are checked: a graph that needs more
// than maxElems elements is refused.
func NewPlan(g *graph.Graph, maxElems int) (*Plan, error) {
	return newPlan(g, maxElems, nil, nil)
}

// newPlan is NewPlan with some chains of convolutions run as one step each:
// what is inside of them has no place, and what goes into them stays until
// their end. pixels gives the distance of pixels of values laid out with gaps.
func newPlan(g *graph.Graph, maxElems int, chains [][]graph.ID, pixels map[graph.ID]int) (*Plan, error) {
	p := &Plan{Slots: make([]Slot, len(g.Nodes))}
	last := lastUse(g)
	inside := make([]bool, len(g.Nodes))
	heads := make(map[graph.ID]graph.ID) // the input of the chain that ends with a node
	for _, c := range chains {
		tail := c[len(c)-1]
		for _, id := range c[:len(c)-1] {
			inside[id] = true
		}
		in := g.Nodes[c[0]].In[0]
		last[in] = max(last[in], int(tail))
		heads[tail] = in
	}
	owner := aliases(g, last, heads)
	lives := make([]life, 0, len(g.Nodes))
	at := make(map[graph.ID]int)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		id := graph.ID(i)
		p.Slots[i].alias = graph.None
		if leaf(n.Op) || inside[i] {
			continue
		}
		size, err := n.Type.Shape.Elems()
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", n.Name, err)
		}
		size = words(n.Type, size)
		if gap := pixels[id]; gap != 0 {
			size = size / n.Type.Shape[3] * gap
		}
		if owner[i] != id {
			p.Slots[i].alias = owner[i]
			l := &lives[at[owner[i]]]
			l.dies = max(l.dies, last[i])
			l.len = max(l.len, size)
			continue
		}
		if _, in := n.Op.(graph.Input); in {
			// Inputs are written before the first step.
			lives = append(lives, life{id, size, -1, last[i], 0})
		} else {
			lives = append(lives, life{id, size, i, last[i], 0})
		}
		at[id] = len(lives) - 1
	}
	for i := range lives {
		if lives[i].len > math.MaxInt-align-p.Naive {
			return nil, fmt.Errorf("activations do not fit the address space")
		}
		lives[i].len = (lives[i].len + align - 1) / align * align
		p.Naive += lives[i].len
	}
	p.Len = place(lives)
	if p.Len > maxElems {
		return nil, fmt.Errorf("activations need %d MiB, the limit is %d MiB: use a smaller input or batch", p.Len>>18, maxElems>>18)
	}
	for i := range g.Nodes {
		id := graph.ID(i)
		if leaf(g.Nodes[i].Op) || inside[i] {
			continue
		}
		l := lives[at[owner[i]]]
		p.Slots[id].Off = l.off
		p.Slots[id].Len = words(g.Nodes[i].Type, g.Nodes[i].Type.Shape.Len())
		if gap := pixels[id]; gap != 0 {
			p.Slots[id].Len = l.len
		}
	}
	return p, nil
}

func leaf(op graph.Op) bool {
	switch op.(type) {
	case graph.Constant, graph.Variable:
		return true
	}
	return false
}

// lastUse gives for every node the last step that reads its value. Outputs
// live past the end.
func lastUse(g *graph.Graph) []int {
	last := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		last[i] = i
		for _, in := range g.Nodes[i].In {
			last[in] = max(last[in], i)
		}
	}
	for _, o := range g.Outputs {
		last[o.ID] = len(g.Nodes)
	}
	return last
}

// aliases maps every node to the node whose memory holds its value: itself, or
// its input for views and for elementwise steps that may overwrite an input
// that dies there.
// heads gives the value that goes into the chain which ends with a node: the
// chain reads it to its end.
func aliases(g *graph.Graph, last []int, heads map[graph.ID]graph.ID) []graph.ID {
	owner := make([]graph.ID, len(g.Nodes))
	// dies is the last use of each owner's memory, over all its aliases.
	dies := slices.Clone(last)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		owner[i] = graph.ID(i)
		if len(n.In) == 0 {
			continue
		}
		src := n.In[0]
		if leaf(g.Nodes[src].Op) {
			continue
		}
		root := owner[src]
		same := g.Nodes[src].Type.Shape.Len() == n.Type.Shape.Len()
		switch n.Op.(type) {
		case graph.Reshape, graph.Dropout:
		case graph.Activation, graph.Softmax, graph.BatchNorm, graph.FakeQuant:
			if dies[root] > i || isInput(g, root) {
				continue
			}
		case graph.Binary:
			if dies[root] > i || !same || isInput(g, root) || (len(n.In) > 1 && !leaf(g.Nodes[n.In[1]].Op) && owner[n.In[1]] == root) {
				continue
			}
		case graph.Conv2D:
			// The sum may be written over the residual it adds.
			if root = residual(g, n, owner); root == graph.None || dies[root] > i || isInput(g, root) {
				continue
			}
			if in, ok := heads[graph.ID(i)]; ok && owner[in] == root {
				continue
			}
		default:
			continue
		}
		owner[i] = root
		dies[root] = max(dies[root], last[i])
	}
	return owner
}

// residual is the owner of a convolution's residual, None if it has none or if
// another operand lies in the same memory.
func residual(g *graph.Graph, n *graph.Node, owner []graph.ID) graph.ID {
	_, at, _ := n.Op.(graph.Conv2D).Operands()
	if at < 0 || leaf(g.Nodes[n.In[at]].Op) {
		return graph.None
	}
	root := owner[n.In[at]]
	for k, in := range n.In {
		if k != at && !leaf(g.Nodes[in].Op) && owner[in] == root {
			return graph.None
		}
	}
	return root
}

// isInput keeps a caller's input intact, so that it can be run again.
func isInput(g *graph.Graph, id graph.ID) bool {
	_, ok := g.Nodes[id].Op.(graph.Input)
	return ok
}

// place assigns offsets, largest value first, each at the lowest free place
// among the values alive at the same time, and returns the arena's size.
func place(lives []life) int {
	order := make([]*life, len(lives))
	for i := range lives {
		order[i] = &lives[i]
	}
	slices.SortStableFunc(order, func(a, b *life) int {
		if c := cmp.Compare(b.len, a.len); c != 0 {
			return c
		}
		return cmp.Compare(a.born, b.born)
	})
	total := 0
	var placed []*life // by offset
	for _, l := range order {
		off := 0
		for _, p := range placed {
			if p.born > l.dies || l.born > p.dies {
				continue
			}
			if off+l.len <= p.off {
				break
			}
			off = max(off, p.off+p.len)
		}
		l.off = off
		at, _ := slices.BinarySearchFunc(placed, off, func(p *life, off int) int { return cmp.Compare(p.off, off) })
		placed = slices.Insert(placed, at, l)
		total = max(total, off+l.len)
	}
	return total
}
