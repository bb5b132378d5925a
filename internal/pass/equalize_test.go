package pass_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// spoil multiplies the channels between convolutions with factors far apart,
// which leaves the function of linear and ReLU networks alone.
func spoil(t *testing.T, g *graph.Graph) {
	t.Helper()
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if c, ok := n.Op.(graph.Conv2D); ok && c.Act.Kind == graph.ReLU6 {
			c.Act = graph.ActReLU
			n.Op = c
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if c, ok := n.Op.(graph.Conv2D); !ok || !c.Depthwise(g.InTypes(graph.ID(i))) {
			continue
		}
		// The rows of the convolution before it, against the depthwise one's.
		before := g.Node(n.In[0])
		if _, ok := before.Op.(graph.Conv2D); !ok || g.Uses()[n.In[0]] != 1 {
			continue
		}
		w, b, d := clone(g, before.In[1]), clone(g, before.In[2]), clone(g, n.In[1])
		outs := len(b)
		for o := range outs {
			by := float32(math.Pow(2, float64(o%9)-4))
			for k := range w[o*len(w)/outs : (o+1)*len(w)/outs] {
				w[o*len(w)/outs+k] *= by
			}
			b[o] *= by
			for k := range d[o*len(d)/outs : (o+1)*len(d)/outs] {
				d[o*len(d)/outs+k] /= by
			}
		}
	}
}

func clone(g *graph.Graph, id graph.ID) []float32 {
	n := g.Node(id)
	w := append([]float32(nil), n.Value.Values(nil)...)
	n.Value = &graph.Array{Shape: n.Value.Shape, Data: w}
	return w
}

// watch runs a graph on the reference kernels and gives what every value's
// channels were.
func watch(t *testing.T, g *graph.Graph, in []float64) (map[string]*pass.Channels, []float64) {
	t.Helper()
	r, err := exec.NewReference[float64](g)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(in); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]*pass.Channels)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if _, constant := n.Op.(graph.Constant); constant {
			continue
		}
		c := n.Type.Shape[len(n.Type.Shape)-1]
		ch := &pass.Channels{Mean: make([]float64, c), Lo: make([]float32, c), Hi: make([]float32, c)}
		for k, v := range r.Value(graph.ID(i)) {
			ch.Lo[k%c], ch.Hi[k%c] = min(ch.Lo[k%c], float32(v)), max(ch.Hi[k%c], float32(v))
		}
		seen[n.Name] = ch
	}
	return seen, r.Value(g.Outputs[0].ID)
}

func input(g *graph.Graph) []float64 {
	s := g.Node(g.Inputs[0]).Type.Shape
	var in []float64
	for _, v := range testkit.Input(s[1], s[2]) {
		in = append(in, float64(v))
	}
	return in
}

// unevenness is the greatest ratio between the weights of a layer's outputs.
func unevenness(g *graph.Graph, name string) float64 {
	id, _ := g.Lookup(name)
	w := g.Node(g.Node(id).In[1])
	values := w.Value.Values(nil)
	outs := w.Type.Shape[0]
	lo, hi := math.Inf(1), 0.0
	for o := range outs {
		m := 0.0
		for _, v := range values[o*len(values)/outs : (o+1)*len(values)/outs] {
			m = max(m, math.Abs(float64(v)))
		}
		lo, hi = min(lo, m), max(hi, m)
	}
	return hi / lo
}

// TestEqualize: the function stays, the spread of the channels goes. With
// ReLU6 it stays too, because what its bound has cut is left alone.
func TestEqualize(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil bool
	}{{"mobilenet_v2", true}, {"mobilenet_v2", false}, {"mobilenet_v1", false}, {"mobilenet_v3_small", false}, {"mobilenet_edgetpu", false}} {
		g, _ := bounds(t, c.name)
		if c.spoil {
			spoil(t, g)
		}
		in := input(g)
		seen, want := watch(t, g, in)
		even, pairs := pass.Equalize(g, seen)
		if pairs == 0 {
			t.Errorf("%s: nothing to equalize", c.name)
			continue
		}
		_, got := watch(t, even, in)
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-4*(1+math.Abs(want[i])) {
				t.Errorf("%s: output %d is %v, was %v", c.name, i, got[i], want[i])
				break
			}
		}
		if c.spoil {
			if before, after := unevenness(g, "blocks.3.dw"), unevenness(even, "blocks.3.dw"); before < 100 || after > before/10 {
				t.Errorf("%s: channels %.0f apart before, %.0f after", c.name, before, after)
			}
		}
		// The source is left as it was.
		if _, again := watch(t, g, in); again[0] != want[0] {
			t.Errorf("%s: the source has changed", c.name)
		}
	}
}
