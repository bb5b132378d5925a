package pass

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Range is the interval that a value's elements lie in.
type Range struct{ Lo, Hi float32 }

// QuantizeOptions says how Quantize turns real numbers into integers. Ranges
// is needed; the rest of the zero value is the default.
type QuantizeOptions struct {
	// Ranges gives for every value that is computed, by its node's name, what
	// its elements lie in; elements outside of it saturate. Zero is taken into
	// every range, so that it is stored exactly. Values with bounds or stored
	// parameters of their own (softmax, sigmoid, what only moves) need none.
	Ranges map[string]Range
	// Float names nodes that stay in float. Their inputs and results change
	// over to and from integers as need be.
	Float map[string]bool
	// WeightScales gives scales of a convolution's weights, by the
	// convolution's name: one, or one for each output. Without, a scale follows
	// from the greatest weight.
	WeightScales map[string][]float32
	// PerTensor takes one scale for all weights of a convolution instead of one
	// for each output.
	PerTensor bool
	// Means, where it gives the means of the channels of a convolution's input,
	// by the input's name, moves the convolution's bias by what the rounding of
	// its weights changes in the mean of the result (bias correction). Padding
	// is taken for the mean too.
	Means map[string][]float64
	// Rounding is that of the integer arithmetic. The zero value is TFLite's as
	// released: products of matrices round upward, all else twice.
	Rounding graph.Rounding
}

// Quantize turns an inference graph into the integer graph that computes about
// the same function, by the rules of TFLite's int8 networks: weights symmetric
// in [-127,127], biases at the scale of the sums, activations with a zero
// point. The graph must have been folded with Folder.Bounds; what it names
// keeps its name, so that values can be compared. Inputs and outputs stay
// float32.
//
// h-sigmoid becomes TFLite's addition and multiplication, swish a sigmoid and
// a multiplication; operations that integers do not have stay in float.
func Quantize(g *graph.Graph, opt QuantizeOptions) (*graph.Graph, error) {
	q := newQuantizer(g, opt)
	if opt.Rounding > graph.SingleRounding {
		return nil, fmt.Errorf("quantize: unknown rounding %d", opt.Rounding)
	}
	q.plan()
	q.parameters()
	for i := range g.Nodes {
		if q.err != nil {
			return nil, fmt.Errorf("quantize: %w", q.err)
		}
		if q.live[i] {
			q.emit(graph.ID(i))
		}
	}
	for _, o := range g.Outputs {
		id := q.real(o.ID)
		if q.err == nil {
			q.err = q.g.SetOutput(o.Name, id)
		}
	}
	if q.err != nil {
		return nil, fmt.Errorf("quantize: %w", q.err)
	}
	return q.g, nil
}

func newQuantizer(g *graph.Graph, opt QuantizeOptions) *quantizer {
	return &quantizer{
		adder: adder{g: &graph.Graph{}}, src: g, opt: opt, uses: g.Uses(), live: reachable(g),
		stored: make([]graph.Stored, len(g.Nodes)), ints: nones(len(g.Nodes)), reals: nones(len(g.Nodes)),
	}
}

// FloatShare is the part of a graph's multiply-adds that are done in float.
func FloatShare(g *graph.Graph) float64 {
	var float, all int64
	for i := range g.Nodes {
		n := g.NodeCost(graph.ID(i)).MAdds
		all += n
		if _, ok := g.Nodes[i].Op.(graph.QConv2D); !ok {
			float += n
		}
	}
	return float64(float) / float64(max(all, 1))
}

func nones(n int) []graph.ID {
	out := make([]graph.ID, n)
	for i := range out {
		out[i] = graph.None
	}
	return out
}

// quantizer builds the integer graph. A value of the source has up to two
// forms in it, integers and real numbers; each is made when it is first asked
// for.
type quantizer struct {
	adder
	src  *graph.Graph
	opt  QuantizeOptions
	uses []int
	live []bool
	// integer tells the nodes that compute in integers; bound gives the limit
	// that such a node has taken over from the activation after it, which is
	// the node tail[id] and of which head leads back.
	integer []bool
	bound   map[graph.ID]graph.Act
	tail    map[graph.ID]graph.ID
	head    map[graph.ID]graph.ID
	// stored is how each value is stored as integers.
	stored      []graph.Stored
	ints, reals []graph.ID
}

// plan decides which nodes compute in integers, and which take over a limit.
func (q *quantizer) plan() {
	q.integer = make([]bool, len(q.src.Nodes))
	q.bound, q.tail, q.head = make(map[graph.ID]graph.Act), make(map[graph.ID]graph.ID), make(map[graph.ID]graph.ID)
	for i := range q.src.Nodes {
		id, n := graph.ID(i), &q.src.Nodes[i]
		if _, in := n.Op.(graph.Input); in {
			q.integer[i] = true // as soon as it is asked for
			continue
		}
		if !q.live[i] || q.opt.Float[n.Name] || !q.hasIntegers(id) || !q.fed(n) {
			continue
		}
		q.integer[i] = true
		a, ok := n.Op.(graph.Activation)
		if !ok || !isBound(a.Act) {
			continue
		}
		in := n.In[0]
		if _, twice := q.bound[in]; !twice && q.integer[in] && q.uses[in] == 1 && computes(q.src.Nodes[in].Op) {
			q.bound[in], q.tail[in], q.head[id] = a.Act, id, in
		}
	}
}

// fed reports whether a node has integers to work on. Convolutions make them;
// whatever else lies between values in float stays in float.
func (q *quantizer) fed(n *graph.Node) bool {
	if _, conv := n.Op.(graph.Conv2D); conv {
		return true
	}
	for _, in := range n.In {
		if q.integer[in] {
			return true
		}
	}
	return false
}

// computes tells operations with a clamp of their own from those that move
// integers as they are.
func computes(op graph.Op) bool {
	switch op := op.(type) {
	case graph.Conv2D, graph.Binary, graph.GlobalAvgPool:
		return true
	case graph.Activation:
		return !isBound(op.Act)
	}
	return false
}

// hasIntegers reports whether a node can compute in integers.
func (q *quantizer) hasIntegers(id graph.ID) bool {
	n := &q.src.Nodes[id]
	if len(n.In) > 0 && q.constant(n.In[0]) {
		if b, ok := n.Op.(graph.Binary); !ok || b.Fn == graph.Sub {
			return false
		}
	}
	switch op := n.Op.(type) {
	case graph.Conv2D:
		return !op.Residual && !op.Scale && isBound(op.Act) && q.constant(n.In[1]) && (!op.Bias || q.constant(n.In[2]))
	case graph.Activation:
		return isBound(op.Act) || curve(op.Act.Kind)
	case graph.Binary:
		return op.Fn <= graph.Mul && isBound(op.Act) && !(q.constant(n.In[0]) && q.constant(n.In[1]))
	case graph.GlobalAvgPool, graph.Softmax, graph.Concat, graph.Reshape, graph.Transpose:
		return true
	case graph.Resize2D:
		return true
	case graph.Pool:
		return !op.CountPad
	case graph.Pad2D:
		return op.Value == 0
	}
	return false
}

func (q *quantizer) constant(id graph.ID) bool {
	_, ok := q.src.Nodes[id].Op.(graph.Constant)
	return ok
}

// curve reports the activations, other than bounds, that have integers.
func curve(k graph.ActKind) bool {
	switch k {
	case graph.HSwish, graph.HSigmoid, graph.HardSigmoid, graph.Sigmoid, graph.Swish, graph.Tanh, graph.LeakyReLU, graph.GELU:
		return true
	}
	return false
}
