package engine

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/transform"
)

// TestReplaceHead gives networks another classifier: the layers before it keep
// their values, and the result is saved and opened as a model.
func TestReplaceHead(t *testing.T) {
	for _, name := range []string{"mobilenet_v2", "mobilenet_v3_small"} {
		net, err := arch.New(name, arch.Options{Width: 0.5, Resolution: 32, Classes: 7})
		if err != nil {
			t.Fatal(err)
		}
		g, err := net.Graph(1, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Fill(g)
		h, err := FindHead(g)
		if err != nil {
			t.Fatal(err)
		}
		if g.Node(h.Conv).Name != "classifier" || g.Node(h.Weight).Name != "classifier.weight" || g.Node(h.Bias).Name != "classifier.bias" || h.Softmax {
			t.Errorf("%s: %+v", name, h)
		}
		if _, drop := g.Node(h.Features).Op.(graph.Dropout); drop {
			t.Errorf("%s: the features are those after dropout", name)
		}
		// Behind the classifier: what imported networks have there.
		clipped, err := g.Add("clipped", graph.Activation{Act: graph.ActClip(-3, 3)}, g.Outputs[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := g.Add("scores", graph.Softmax{}, clipped)
		if err != nil {
			t.Fatal(err)
		}
		g.Outputs[0].ID = scores
		if h, err := FindHead(g); err != nil || !h.Softmax || g.Node(h.Conv).Name != "classifier" {
			t.Errorf("%s: behind a clip and a softmax: %+v, %v", name, h, err)
		}
		other, err := ReplaceHead(g, 3, 0.2)
		if err != nil {
			t.Fatal(err)
		}
		if out := other.Node(other.Outputs[0].ID).Type.Shape; len(out) != 2 || out[1] != 3 {
			t.Errorf("%s: output %v", name, out)
		}
		for _, id := range other.Variables() {
			v := other.Node(id)
			old, ok := g.Lookup(v.Name)
			if !ok || (g.Node(old).Value != v.Value) != strings.HasPrefix(v.Name, "classifier.") {
				t.Errorf("%s: %s is new %v", name, v.Name, !ok)
			}
		}
		recipe := transform.Default(transform.SourceTorch, 0, 32)
		m, err := FromGraph(other, nil, Info{Name: "other", Recipe: recipe, Labels: []string{"a", "b", "c"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		path := filepath.Join(t.TempDir(), "other.safetensors")
		if err := m.Save(context.Background(), path, SaveOptions{NoGolden: true}); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if again.Info.Rows != 3 || again.Info.Labels[2] != "c" || again.Info.H != 32 {
			t.Errorf("%s: reopened as %+v", name, again.Info)
		}
		if _, err := again.GraphAt(2, 32, 32); err != nil {
			t.Error(err)
		}
	}
}

func TestNoHead(t *testing.T) {
	var b graph.Builder
	x := b.Input("in", 1, 8, 8, 3)
	x = b.Conv("map", x, graph.ConvSpec{Window: graph.Square(3, 1, 1, graph.Pad(1)), Out: 4})
	b.Output("out", b.Op("flat", graph.Reshape{Shape: []int{0, -1}}, x))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FindHead(g); err == nil || !strings.Contains(err.Error(), `"map" is no classifier`) {
		t.Errorf("got %v", err)
	}
	if _, err := FromGraph(g, nil, Info{Name: "x"}, nil); err == nil || !strings.Contains(err.Error(), "has no value") {
		t.Errorf("got %v", err)
	}
}
