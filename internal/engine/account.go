package engine

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// maxAccount bounds the numbers in a network whose arena is planned without
// its weights: folding works on values, so they are made up for it.
const maxAccount = 64 << 20

// maxArena bounds, in numbers, what a plan may place.
const maxArena = 1 << 31 / 4

// Account is the summary of a network at its resolution, with the memory that
// the executor plans for its values. ArenaBytes stays 0 for networks too big
// to plan.
func Account(net *arch.Net) (*arch.Summary, error) {
	s, err := net.Summary()
	if err != nil || s.ParamsTotal > maxAccount {
		return s, err
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		return nil, err
	}
	// A plan depends on shapes alone, so all variables can share one array.
	most := 0
	for _, id := range g.Variables() {
		most = max(most, g.Node(id).Type.Shape.Len())
	}
	ones := make([]float32, most)
	for i := range ones {
		ones[i] = 1
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = &graph.Array{Shape: n.Type.Shape, Data: ones[:n.Type.Shape.Len()]}
	}
	s.ArenaBytes, err = arenaBytes(g)
	return s, err
}

// Account is the summary of the model's network.
func (m *Model) Account() (*arch.Summary, error) {
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	var s *arch.Summary
	if m.net != nil {
		s, err = m.net.Summary()
	} else {
		s, err = arch.Summarize(g)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
	}
	if s.Name == "" {
		s.Name = m.Info.Name
	}
	s.ArenaBytes, err = arenaBytes(g)
	return s, err
}

func arenaBytes(g *graph.Graph) (int64, error) {
	folded, err := pass.Fold(g)
	if err != nil {
		return 0, err
	}
	plan, err := exec.NewPlan(folded, maxArena)
	if err != nil {
		return 0, err
	}
	return plan.Bytes(4), nil
}
