package pass

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Folding keeps fake quantization as it is: values by a constant range, weights
// as constants that are rounded.

// eatRange marks what joins the ranges of several values.
func (f *folder) eatRange(id graph.ID) {
	n := &f.src.Nodes[id]
	if _, union := n.Op.(graph.MinMax); union {
		f.eaten[id], f.eaten[n.In[0]] = true, true
	}
}

func (f *folder) emitRounding(n *graph.Node) (graph.ID, error) {
	r, err := rangeOf(f.src, n.In[1])
	if err != nil {
		return graph.None, fmt.Errorf("fold: %w", err)
	}
	x, err := f.value(n.In[0])
	if err != nil {
		return graph.None, err
	}
	at, err := f.out.AddConstant(fresh(&f.out, n.Name+".range"), &graph.Array{Shape: tensor.Shape{2}, Data: []float32{r.Lo, r.Hi}})
	if err != nil {
		return graph.None, err
	}
	return f.out.Add(n.Name, graph.FakeQuant{}, x, at)
}

// array is the value of a leaf, or of weights that are rounded.
func (f *folder) array(n *graph.Node) (*graph.Array, error) {
	if _, ok := n.Op.(graph.FakeQuantWeight); !ok {
		return array(n)
	}
	w, err := array(&f.src.Nodes[n.In[0]])
	if err != nil {
		return nil, err
	}
	key := [2]*graph.Array{w, nil}
	if done, ok := f.cache.arrays[key]; ok {
		return done[0], nil
	}
	rounded, _ := roundWeights(w)
	if f.cache.arrays == nil {
		f.cache.arrays = make(map[[2]*graph.Array][2]*graph.Array)
	}
	f.cache.arrays[key] = [2]*graph.Array{rounded, nil}
	return rounded, nil
}
