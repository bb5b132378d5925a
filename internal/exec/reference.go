package exec

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// Reference is a graph compiled from the reference kernels, in float32 or
// float64. It is slow and obviously right; the fast programs are proven
// against it. It may be used by one goroutine at a time.
type Reference[T ref.Float] struct {
	g      *graph.Graph
	values map[graph.ID][]T
	steps  []func()
	// assigns are carried out after the last step.
	assigns []assign
}

// assign is an Assign node: the variable and its value of the next run.
type assign struct{ variable, value graph.ID }

// maxElems bounds an arena: 16 GiB of float32 on 64-bit machines.
const maxElems = int(min(uint64(1)<<32, uint64(^uint(0)>>1)/8))

// NewReference compiles g, folded or not, without sharing any memory.
func NewReference[T ref.Float](g *graph.Graph) (*Reference[T], error) {
	if _, err := NewPlan(g, maxElems); err != nil {
		return nil, err
	}
	r := &Reference[T]{g: g, values: make(map[graph.ID][]T)}
	at := func(id graph.ID) []T { return r.values[id] }
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		switch n.Op.(type) {
		case graph.Constant, graph.Variable:
			if n.Value == nil {
				return nil, fmt.Errorf("variable %q has no value: load or generate weights first", n.Name)
			}
			values := n.Value.Values(nil)
			v := make([]T, len(values))
			for j, x := range values {
				v[j] = T(x)
			}
			r.values[id] = v
			continue
		case graph.Reshape, graph.Dropout:
			r.values[id] = r.values[n.In[0]]
			continue
		case graph.Assign:
			if err := checkAssign(g, id, r.assigns); err != nil {
				return nil, err
			}
			r.values[id] = r.values[n.In[1]]
			r.assigns = append(r.assigns, assign{n.In[0], n.In[1]})
			continue
		}
		r.values[id] = make([]T, n.Type.Shape.Len())
		if _, in := n.Op.(graph.Input); in {
			continue
		}
		args, err := lower(g, id, at)
		if err != nil {
			return nil, err
		}
		r.steps = append(r.steps, func() { runRef[T](args) })
	}
	return r, nil
}

// Value is the memory of a node's value.
func (r *Reference[T]) Value(id graph.ID) []T { return r.values[id] }

// Run fills the inputs, in the graph's order, and computes every node.
func (r *Reference[T]) Run(inputs ...[]T) error {
	if len(inputs) != len(r.g.Inputs) {
		return fmt.Errorf("%d inputs given, the graph has %d", len(inputs), len(r.g.Inputs))
	}
	for i, id := range r.g.Inputs {
		if len(inputs[i]) != len(r.values[id]) {
			return fmt.Errorf("input %q has %d elements, got %d", r.g.Nodes[id].Name, len(r.values[id]), len(inputs[i]))
		}
		copy(r.values[id], inputs[i])
	}
	for _, step := range r.steps {
		step()
	}
	// A value may be another variable's old one (a swap), so all are taken
	// before any is written.
	taken := make([][]T, len(r.assigns))
	for i, a := range r.assigns {
		taken[i] = slices.Clone(r.values[a.value])
	}
	for i, a := range r.assigns {
		copy(r.values[a.variable], taken[i])
	}
	return nil
}

// checkAssign refuses an Assign to anything but a variable of its own.
func checkAssign(g *graph.Graph, id graph.ID, before []assign) error {
	n := &g.Nodes[id]
	target := &g.Nodes[n.In[0]]
	if _, ok := target.Op.(graph.Variable); !ok {
		return fmt.Errorf("node %q (assign): %q is no variable", n.Name, target.Name)
	}
	for _, a := range before {
		if a.variable == n.In[0] {
			return fmt.Errorf("node %q (assign): variable %q is assigned twice", n.Name, target.Name)
		}
	}
	return nil
}

// Variable is the memory of the variable of a name, to be read and written
// between runs; nil if there is none.
func (r *Reference[T]) Variable(name string) []T {
	id, ok := r.g.Lookup(name)
	if !ok {
		return nil
	}
	if _, ok := r.g.Nodes[id].Op.(graph.Variable); !ok {
		return nil
	}
	return r.values[id]
}

// runRef calls the reference kernel of an argument block.
func runRef[T ref.Float](args any) {
	switch a := args.(type) {
	case *ref.ConvArgs[T]:
		ref.Conv(a)
	case *ref.ActivationArgs[T]:
		ref.Activation(a)
	case *ref.BinaryArgs[T]:
		ref.Binary(a)
	case *ref.GlobalAvgPoolArgs[T]:
		ref.GlobalAvgPool(a)
	case *ref.PoolArgs[T]:
		ref.Pool(a)
	case *ref.SoftmaxArgs[T]:
		ref.Softmax(a)
	case *ref.BatchNormArgs[T]:
		ref.BatchNorm(a)
	case *ref.ResizeArgs[T]:
		ref.Resize(a)
	case *ref.PadArgs[T]:
		ref.Pad(a)
	case *ref.DetectArgs[T]:
		ref.Detect(a)
	case *ref.ConcatArgs[T]:
		ref.Concat(a)
	case *ref.TransposeArgs[T]:
		ref.Transpose(a)
	default:
		runRefTrain[T](args)
	}
}
