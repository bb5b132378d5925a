package pass

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// unit and signedUnit are how TFLite stores what lies in [0,1] and [-1,1]:
// softmax, sigmoid and tanh.
var (
	unit       = graph.Whole(tensor.I8, 1.0/256, -128)
	signedUnit = graph.Whole(tensor.I8, 1.0/128, 0)
)

// storedRange stores a range, widened to hold zero, as int8s: the bounds are
// the least and the greatest integer, moved by up to half a step so that zero
// is one of the numbers.
func storedRange(r Range) graph.Stored {
	lo, hi := min(float64(r.Lo), 0), max(float64(r.Hi), 0)
	scale := float32((hi - lo) / 255)
	if !(scale > 0) { // nothing but zeros, or next to it
		return graph.Whole(tensor.I8, 1.0/255, -128)
	}
	zero := math.Round(-128 - lo/float64(scale))
	return graph.Whole(tensor.I8, scale, int32(min(max(zero, -128), 127)))
}

// parameters decides how every value is stored. Values that an operation moves
// without computing share scale and zero point with what it moves: their range
// is the union of all.
func (q *quantizer) parameters() {
	root := q.groups()
	ranges := make(map[graph.ID]Range)
	known := make(map[graph.ID]bool)
	for i := range q.src.Nodes {
		id, n := graph.ID(i), &q.src.Nodes[i]
		r, ok := q.rangeOf(id)
		if !ok || !q.live[i] {
			continue
		}
		if !(r.Lo <= r.Hi) || math.IsInf(float64(r.Lo), 0) || math.IsInf(float64(r.Hi), 0) {
			q.fail("value %q: the range [%v,%v] is none", n.Name, r.Lo, r.Hi)
			return
		}
		at := root(id)
		if known[at] {
			r = Range{min(r.Lo, ranges[at].Lo), max(r.Hi, ranges[at].Hi)}
		}
		ranges[at], known[at] = r, true
	}
	for i := range q.src.Nodes {
		id, n := graph.ID(i), &q.src.Nodes[i]
		if !q.live[i] || q.constant(id) {
			continue
		}
		if s, fixed := q.fixedStore(id); fixed {
			q.stored[i] = s
			continue
		}
		if !known[root(id)] {
			// Only what is never stored as integers may lack one.
			if q.needsStore(id) {
				q.fail("no range for value %q: calibrate it", n.Name)
				return
			}
			continue
		}
		q.stored[i] = storedRange(ranges[root(id)])
	}
}

// groups gives a function that tells by one of them which values are stored the
// same way, because an operation moves one to the other.
func (q *quantizer) groups() func(id graph.ID) graph.ID {
	group := make([]graph.ID, len(q.src.Nodes))
	for i := range group {
		group[i] = graph.ID(i)
	}
	var root func(id graph.ID) graph.ID
	root = func(id graph.ID) graph.ID {
		if group[id] != id {
			group[id] = root(group[id])
		}
		return group[id]
	}
	for i := range q.src.Nodes {
		id, n := graph.ID(i), &q.src.Nodes[i]
		if !q.live[i] || !q.integer[i] || !moves(n.Op) {
			continue
		}
		for _, in := range n.In {
			if _, fixed := q.fixedStore(in); !fixed && !q.constant(in) {
				group[root(in)] = root(id)
			}
		}
	}
	return root
}

// needsStore reports a value that is integers somewhere.
func (q *quantizer) needsStore(id graph.ID) bool {
	n := q.src.Node(id)
	if _, in := n.Op.(graph.Input); !in && q.integer[id] {
		_, absorbed := q.tail[id]
		return !absorbed
	}
	for i := range q.src.Nodes {
		if !q.live[i] || !q.integer[i] {
			continue
		}
		for _, in := range q.src.Nodes[i].In {
			if in == id {
				return true
			}
		}
	}
	return false
}

// rangeOf is the range that is given for a value, within the bound of the
// activation that makes it.
func (q *quantizer) rangeOf(id graph.ID) (Range, bool) {
	n := q.src.Node(id)
	r, ok := q.opt.Ranges[n.Name]
	if !ok {
		return q.bounded(n)
	}
	if b, limited := q.bounded(n); limited {
		r = Range{min(max(r.Lo, b.Lo), b.Hi), max(min(r.Hi, b.Hi), b.Lo)}
	}
	return r, true
}

// bounded is the range of an activation that has two bounds.
func (q *quantizer) bounded(n *graph.Node) (Range, bool) {
	var act graph.Act
	switch op := n.Op.(type) {
	case graph.Conv2D:
		act = op.Act
	case graph.Binary:
		act = op.Act
	case graph.Activation:
		act = op.Act
	}
	switch act.Kind {
	case graph.ReLU6:
		return Range{0, 6}, true
	case graph.Clip:
		return Range{act.A, act.B}, !math.IsInf(float64(act.A), 0) && !math.IsInf(float64(act.B), 0)
	case graph.HSigmoid:
		return Range{0, 6 * act.A}, true
	case graph.HardSigmoid:
		return Range{0, 1}, true
	}
	return Range{}, false
}

// fixedStore is how an operation stores its result where that is not free.
func (q *quantizer) fixedStore(id graph.ID) (graph.Stored, bool) {
	n := q.src.Node(id)
	if !q.integer[id] {
		return graph.Stored{}, false
	}
	switch op := n.Op.(type) {
	case graph.Softmax:
		return unit, true
	case graph.Activation:
		switch op.Act.Kind {
		case graph.Sigmoid:
			return unit, true
		case graph.Tanh:
			return signedUnit, true
		}
	}
	return graph.Stored{}, false
}

// moves reports operations whose result is stored as their inputs are.
func moves(op graph.Op) bool {
	switch op.(type) {
	case graph.Concat, graph.Reshape, graph.Transpose, graph.Resize2D, graph.Pad2D, graph.Pool:
		return true
	}
	return false
}

func (q *quantizer) fail(format string, args ...any) {
	if q.err == nil {
		q.err = fmt.Errorf(format, args...)
	}
}
