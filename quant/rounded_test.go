package quant

import (
	"context"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestTrainedWithRounding: a network that a training left with fake quantization
// is quantized as its weights alone are, wholly.
func TestTrainedWithRounding(t *testing.T) {
	plain := generated(t, "mobilenet_v2", arch.Options{Width: 0.35, Resolution: 64, Classes: 10})
	g, err := plain.Graph()
	if err != nil {
		t.Fatal(err)
	}
	f := pass.Folder{Bounds: true}
	folded, err := f.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	ranges := make(map[string]pass.Range)
	for i := range folded.Nodes {
		ranges[folded.Nodes[i].Name] = pass.Range{Lo: -4, Hi: 4}
	}
	rounds, err := pass.QuantizeAware(folded, pass.QuantizeOptions{Ranges: ranges})
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.FromGraph(rounds, nil, plain.Info, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := Quantize(context.Background(), m, &Options{Pictures: photos(t, 16), NoSpeed: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.FloatShare != 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "int8.safetensors") {
		t.Errorf("%v in float, notes %q", r.FloatShare, r.Notes)
	}
	for i := range r.graph.Nodes {
		switch n := &r.graph.Nodes[i]; n.Op.(type) {
		case graph.FakeQuant, graph.FakeQuantWeight, graph.MinMax:
			t.Errorf("node %q (%s) is left", n.Name, n.Op.Kind())
		}
	}
}
