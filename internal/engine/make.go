package engine

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// GraphAt is the training graph for a batch of pictures of a size.
func (m *Model) GraphAt(batch, h, w int) (*graph.Graph, error) {
	g, err := m.run.build(batch, h, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.run.name, err)
	}
	return g, nil
}

// FromGraph makes a model of a graph whose variables have values. Of info it
// takes the name, the preprocessing, the labels, and what else the caller
// knows; sizes are the graph's. A net, if the graph is one's, travels with the
// model in place of the graph.
func FromGraph(g *graph.Graph, net *arch.Net, info Info, opt *Options) (*Model, error) {
	if opt == nil {
		opt = &Options{}
	}
	if len(g.Inputs) != 1 || len(g.Outputs) == 0 {
		return nil, fmt.Errorf("%s: the graph has %d inputs and %d outputs: one picture in, scores out", info.Name, len(g.Inputs), len(g.Outputs))
	}
	in, out := g.Node(g.Inputs[0]).Type.Shape, g.Node(g.Outputs[0].ID).Type.Shape
	if len(in) != 4 || in[3] != 3 || len(out) != 2 {
		return nil, fmt.Errorf("%s: the graph maps %v to %v, not pictures to scores", info.Name, in, out)
	}
	info.H, info.W, info.Rows, info.Params = in[1], in[2], out[1], 0
	info.Recipe.Height, info.Recipe.Width = info.H, info.W
	info.goldenInput, info.goldenOut = nil, nil
	for _, id := range g.Variables() {
		n := g.Node(id)
		if n.Value == nil {
			return nil, fmt.Errorf("%s: variable %q has no value", info.Name, n.Name)
		}
		if err := finite(n.Value.Data); err != nil {
			return nil, fmt.Errorf("%s: variable %q: %w", info.Name, n.Name, err)
		}
		info.Params += int64(len(n.Value.Data))
	}
	for i := range g.Nodes { // of an integer graph, which has no variables
		if _, ok := g.Nodes[i].Op.(graph.Constant); ok && net == nil {
			info.Params += int64(g.Nodes[i].Value.Len())
		}
	}
	if net != nil {
		info.Name, info.Dialect, info.Spec = net.Name, net.Dialect.Name, net.Spec()
	}
	if err := info.defaults(opt, false); err != nil {
		return nil, err
	}
	m := newModel(info, opt, g.Resize)
	m.net = net
	return m.check(opt)
}
