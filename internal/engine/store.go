package engine

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// halved tells the variables that may be stored in half precision: filters and
// matrices, not the vectors of biases and batch norms.
func halved(s tensor.Shape) bool { return len(s) > 1 && s.Len() != s[len(s)-1] }

// rounded is the model with the weights that a file of the given type holds,
// so that the golden output of such a file is what its reader computes.
func (m *Model) rounded(stored tensor.DType) (*Model, error) {
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		if n.Value == nil || !halved(n.Value.Shape) {
			continue
		}
		t, err := tensor.FromFloat32As(n.Name, stored, n.Value.Shape, n.Value.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
		}
		data, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		n.Value = &graph.Array{Shape: n.Value.Shape, Data: data}
	}
	r, err := FromGraph(g, m.net, m.Info, &Options{Threads: m.Threads(), Kernels: m.run.impl})
	if err != nil {
		return nil, err
	}
	// FromGraph takes what it can from the graph; the rest is as it was.
	r.Info.Name, r.Info.RecipeGuessed = m.Info.Name, m.Info.RecipeGuessed
	return r, nil
}
