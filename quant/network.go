package quant

import (
	"context"
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/post"
)

// network is a graph of one picture that is ready to run.
type network struct {
	g    *graph.Graph
	prog *exec.Program
}

func newNetwork(g *graph.Graph, kernels string) (*network, error) {
	prog, err := exec.Compile(g, exec.Options{Impl: kernels, Packs: &exec.Packs{Threads: processors()}})
	if err != nil {
		return nil, err
	}
	return &network{g, prog}, nil
}

// run gives every picture's outputs to read, which must cope with calls from
// several goroutines; the outputs are valid until it returns.
func (n *network) run(ctx context.Context, c *crops, workers int, read func(i int, out [][]float32) error) error {
	return each(ctx, len(c.pix), workers, func() (func(int) error, error) {
		f, err := c.newFiller()
		if err != nil {
			return nil, err
		}
		s, err := n.prog.NewSession(nil)
		if err != nil {
			return nil, err
		}
		out := make([][]float32, len(n.g.Outputs))
		return func(i int) error {
			if err := f.fill(c.pix[i], s.Input(0)); err != nil {
				return err
			}
			if err := s.Run(ctx); err != nil {
				return err
			}
			for k := range out {
				out[k] = s.Output(k)
			}
			return read(i, out)
		}, nil
	})
}

// scores runs the network on every picture and keeps its first output.
func (n *network) scores(ctx context.Context, c *crops, tick func()) ([][]float32, error) {
	all := make([][]float32, len(c.pix))
	err := n.run(ctx, c, processors(), func(i int, out [][]float32) error {
		defer tick()
		all[i] = append([]float32(nil), out[0]...)
		return engine.Finite("the network", all[i])
	})
	return all, err
}

// noise compares values with what they should be.
type noise struct {
	signal, error float64 // sums of squares
}

func (n *noise) add(want, got []float32) {
	var s, e float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		s += float64(w) * float64(w)
		e += d * d
	}
	n.signal += s
	n.error += e
}

// db is the ratio of signal to error in decibels, at most 99.
func (n *noise) db() float64 {
	if n.error <= 0 {
		return mostDB
	}
	if n.signal <= 0 {
		return 0
	}
	return min(10*math.Log10(n.signal/n.error), mostDB)
}

const mostDB = 99

// likeness is how a network's scores compare with another's.
type likeness struct {
	SNR       float64 // decibels, over all scores less their picture's mean
	Agreement float64 // part of the pictures with the same best class
}

func compare(want, got [][]float32) likeness {
	var n noise
	same := 0
	for i := range want {
		n.add(centred(want[i]), centred(got[i]))
		if best(want[i]) == best(got[i]) {
			same++
		}
	}
	return likeness{n.db(), float64(same) / float64(max(len(want), 1))}
}

func best(s []float32) int { return post.TopK(s, 1)[0].Class }

// centred takes the mean away: a constant on all scores changes no answer.
func centred(s []float32) []float32 {
	var sum float64
	for _, v := range s {
		sum += float64(v)
	}
	mean := float32(sum / float64(max(len(s), 1)))
	out := make([]float32, len(s))
	for i, v := range s {
		out[i] = v - mean
	}
	return out
}

// tapped is a graph with some of its values as outputs.
func tapped(g *graph.Graph, ids []graph.ID) (*graph.Graph, error) {
	out := *g
	out.Outputs = nil
	for _, id := range ids {
		if err := out.SetOutput(g.Node(id).Name, id); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// values lists the values of a float graph that are computed, and its inputs.
func values(g *graph.Graph) []graph.ID {
	var out []graph.ID
	for i := range g.Nodes {
		switch g.Nodes[i].Op.(type) {
		case graph.Constant, graph.Variable:
		default:
			out = append(out, graph.ID(i))
		}
	}
	return out
}

// tappedIntegers is an integer graph whose outputs are the real numbers of some
// values, by name; those that it lacks are left out. It returns the names.
func tappedIntegers(g *graph.Graph, names []string) (*graph.Graph, []string, error) {
	out, err := g.Resize(1, g.Node(g.Inputs[0]).Type.Shape[1], g.Node(g.Inputs[0]).Type.Shape[2])
	if err != nil {
		return nil, nil, err
	}
	out.Outputs = nil
	var found []string
	for _, name := range names {
		id, ok := out.Lookup(name)
		if !ok {
			continue
		}
		if out.Node(id).Type.Quantized() {
			if id, err = out.Add(fmt.Sprintf("%s.tap", name), graph.Dequantize{}, id); err != nil {
				return nil, nil, err
			}
		}
		if err := out.SetOutput(name, id); err != nil {
			return nil, nil, err
		}
		found = append(found, name)
	}
	return out, found, nil
}
