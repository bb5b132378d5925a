package pass

import (
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// residual is a stem, two inverted residuals and a head.
func residual(t *testing.T) *graph.Graph {
	t.Helper()
	var b graph.Builder
	layer := func(name string, x graph.ID, out, k, groups int, a graph.Act) graph.ID {
		x = b.Conv(name, x, graph.ConvSpec{Window: graph.Square(k, 1, 1, graph.Pad(k/2)), Out: out, Groups: groups})
		x = b.Norm(name+".bn", x, graph.BatchNorm{Epsilon: 1e-3, Momentum: 0.9})
		return b.Act(name+".act", x, a)
	}
	x := layer("stem", b.Input("x", 2, 4, 4, 3), 4, 1, 1, graph.ActReLU)
	for _, name := range []string{"a", "b"} {
		y := layer(name+".dw", x, 4, 3, 4, graph.ActReLU6)
		y = layer(name+".project", y, 4, 1, 1, graph.ActNone)
		x = b.Op(name+".add", graph.Binary{Fn: graph.Add}, y, x)
	}
	x = b.Op("dropout", graph.Dropout{Rate: 0.2}, b.Op("pool", graph.GlobalAvgPool{}, x))
	x = b.Conv("head", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: 3, Bias: true})
	b.Output("logits", b.Op("logits", graph.Reshape{Shape: []int{0, -1}}, x))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = full(n.Type.Shape, 1)
	}
	return g
}

func count(g *graph.Graph, kind string) (n int) {
	for i := range g.Nodes {
		if g.Nodes[i].Op.Kind() == kind {
			n++
		}
	}
	return n
}

// TestTrainingStructure: activations go into norms, frozen norms renew
// nothing, branches drop in proportion to their depth.
func TestTrainingStructure(t *testing.T) {
	made, err := Training(residual(t), TrainingOptions{DropPath: 0.4, Frozen: func(name string) bool { return name == "stem.bn" }})
	if err != nil {
		t.Fatal(err)
	}
	g := made.Graph
	for kind, want := range map[string]int{"batch_norm": 0, "activation": 0, "batch_norm_train": 5, "channel_stats": 4, "assign": 8, "random": 3, "dropout": 0} {
		if n := count(g, kind); n != want {
			t.Errorf("%d nodes %s, want %d", n, kind, want)
		}
	}
	for name, want := range map[string]graph.Random{"a.add.path.mask": {Rate: 0.2}, "b.add.path.mask": {Rate: 0.4}, "dropout.mask": {Rate: 0.2}} {
		id, ok := g.Lookup(name)
		if !ok {
			t.Errorf("no node %q", name)
			continue
		}
		r := g.Node(id).Op.(graph.Random)
		if r.Rate != want.Rate || strings.Contains(name, "path") != (r.Shape.Len() == 2) {
			t.Errorf("%s is %+v", name, r)
		}
	}
	if made, err = Training(residual(t), TrainingOptions{NoDropout: true}); err != nil || made.Seed != graph.None || count(made.Graph, "random") != 0 {
		t.Errorf("without dropout there is a seed: %v", err)
	}
	// A folded graph trains with its biases.
	folded, err := Fold(residual(t))
	if err != nil {
		t.Fatal(err)
	}
	if made, err = Training(folded, TrainingOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := len(Trained(made.Graph, nil)); n != 12 {
		t.Errorf("%d variables of a folded graph, want 6 weights and 6 biases", n)
	}
}

// TestGradUnused: what the loss does not depend on has no gradient.
func TestGradUnused(t *testing.T) {
	made, err := Training(residual(t), TrainingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g := made.Graph
	x, _ := g.Lookup("stem")
	loss, err := g.Add("test", graph.Reduce{}, x)
	if err != nil {
		t.Fatal(err)
	}
	vars := Trained(g, nil)
	grads, err := Grad(g, loss, vars)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vars {
		if has := grads[i] != graph.None; has != (g.Node(v).Name == "stem.weight") {
			t.Errorf("%s has a gradient: %v", g.Node(v).Name, has)
		}
	}
}

func TestGradErrors(t *testing.T) {
	folded, err := Fold(residual(t))
	if err != nil {
		t.Fatal(err)
	}
	logits := folded.Outputs[0].ID
	if _, err := Grad(folded, logits, folded.Inputs); err == nil || !strings.Contains(err.Error(), "need one") {
		t.Errorf("a loss of six elements: %v", err)
	}
	loss, err := folded.Add("loss", graph.Reduce{}, logits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Grad(folded, loss, folded.Inputs); err == nil || !strings.Contains(err.Error(), "use Training first") {
		t.Errorf("a fused convolution: %v", err)
	}
	if _, err := Training(residual(t), TrainingOptions{DropPath: 1}); err == nil {
		t.Error("a rate of 1 is accepted")
	}
}

// TestOptimizerChoices: decay and rates are a variable's own.
func TestOptimizerChoices(t *testing.T) {
	made, err := Training(residual(t), TrainingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g := made.Graph
	loss, err := CrossEntropy(g, g.Outputs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	vars := Trained(g, nil)
	grads, err := Grad(g, loss.Mean, vars)
	if err != nil {
		t.Fatal(err)
	}
	lr, err := g.AddInput("lr", graph.F32(1))
	if err != nil {
		t.Fatal(err)
	}
	head, _ := g.Lookup("head.weight")
	o := Optimizer{Kind: SGD, Decay: 0.1, NoDecay: Decayed{}.Excluded(g), Rate: func(v graph.ID) float64 {
		if v == head {
			return 10
		}
		return 1
	}}
	if err := o.Step(g, vars, grads, lr, lr); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"stem.weight": 0.1, "a.dw.weight": 0, "a.dw.bn.weight": 0, "head.weight": 0.1, "head.bias": 0} {
		id, ok := g.Lookup(name + ".velocity.next")
		if !ok {
			t.Fatalf("%s has no velocity", name)
		}
		if u := g.Node(id).Op.(graph.Update); u.Decay != want {
			t.Errorf("%s decays by %v, want %v", name, u.Decay, want)
		}
		id, _ = g.Lookup(name + ".next")
		if u := g.Node(id).Op.(graph.Update); (u.Rate == 10) != (name == "head.weight") {
			t.Errorf("%s has the rate %v", name, u.Rate)
		}
	}
}
