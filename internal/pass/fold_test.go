package pass

import (
	"math"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// layer is a 1x1 convolution of one channel with bias, a batch norm and a
// ReLU, with the given numbers.
func layer(t *testing.T, weight, bias, gamma, beta, mean, variance float32) *graph.Graph {
	t.Helper()
	var b graph.Builder
	x := b.Input("x", 1, 1, 1, 1)
	y := b.Conv("c", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: 1, Bias: true})
	y = b.Norm("c.bn", y, graph.BatchNorm{Epsilon: 1})
	y = b.Act("c.act", y, graph.ActReLU)
	b.Output("y", y)
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float32{"c.weight": weight, "c.bias": bias, "c.bn.weight": gamma, "c.bn.bias": beta, "c.bn.mean": mean, "c.bn.var": variance} {
		id, ok := g.Lookup(name)
		if !ok {
			t.Fatal(name)
		}
		n := g.Node(id)
		n.Value = &graph.Array{Shape: n.Type.Shape, Data: []float32{v}}
	}
	return g
}

// TestFoldNumbers checks the folded weight and bias by hand: a variance of 3
// and an epsilon of 1 make a deviation of 2, so w = 3*5/2 and
// b = (4 - 10)*5/2 + 7.
func TestFoldNumbers(t *testing.T) {
	g, err := Fold(layer(t, 3, 4, 5, 7, 10, 3))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Nodes) != 4 { // input, weight, bias, convolution
		t.Fatalf("%d nodes", len(g.Nodes))
	}
	id := g.Outputs[0].ID
	op := g.Node(id).Op.(graph.Conv2D)
	w, b := g.Node(g.Node(id).In[1]).Value.Values(nil)[0], g.Node(g.Node(id).In[2]).Value.Data[0]
	if op.Act != graph.ActReLU || !op.Bias || w != 7.5 || b != -8 {
		t.Errorf("%+v, weight %v, bias %v", op, w, b)
	}
}

func TestFolderSharesArrays(t *testing.T) {
	g := layer(t, 1, 2, 3, 4, 5, 6)
	var f Folder
	one, err := f.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	two, err := f.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	a, b := one.Node(one.Outputs[0].ID), two.Node(two.Outputs[0].ID)
	if one.Node(a.In[1]).Value != two.Node(b.In[1]).Value {
		t.Error("the folded weight was computed twice")
	}
}

func TestFoldRefuses(t *testing.T) {
	if _, err := Fold(layer(t, 1, 1, 1, 1, 1, -2)); err == nil || !strings.Contains(err.Error(), "c.bn") {
		t.Errorf("a negative variance gives %v", err)
	}
	if _, err := Fold(layer(t, 1, 1, 1, 1, 1, float32(math.NaN()))); err == nil {
		t.Error("a variance that is no number was folded")
	}
	g := layer(t, 1, 1, 1, 1, 1, 1)
	id, _ := g.Lookup("c.weight")
	g.Node(id).Value = nil
	if _, err := Fold(g); err == nil || !strings.Contains(err.Error(), "c.weight") {
		t.Errorf("an unbound weight gives %v", err)
	}
}
