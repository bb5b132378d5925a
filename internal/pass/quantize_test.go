package pass_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// bounds is a network with generated weights, folded for Quantize, with a range
// for every value.
func bounds(t *testing.T, name string) (*graph.Graph, map[string]pass.Range) {
	t.Helper()
	net, err := arch.New(name, arch.Options{Resolution: 32})
	if err != nil {
		t.Fatal(err)
	}
	g, err := net.Graph(1, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(g)
	f := pass.Folder{Bounds: true}
	folded, err := f.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	ranges := make(map[string]pass.Range)
	for i := range folded.Nodes {
		ranges[folded.Nodes[i].Name] = pass.Range{Lo: -1, Hi: 2}
	}
	return folded, ranges
}

// TestQuantizeFamily: every network of the family becomes integers from the
// first convolution to the last, by the rules of TFLite's int8 networks.
func TestQuantizeFamily(t *testing.T) {
	for _, name := range arch.Names() {
		g, ranges := bounds(t, name)
		q, err := pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if share := pass.FloatShare(q); share != 0 {
			t.Errorf("%s: %.3f of the multiply-adds in float", name, share)
		}
		checkSpec(t, name, q)
	}
}

// checkSpec holds a graph against TFLite's quantization specification.
func checkSpec(t *testing.T, name string, g *graph.Graph) {
	t.Helper()
	for i := range g.Nodes {
		n := &g.Nodes[i]
		in := g.InTypes(graph.ID(i))
		switch op := n.Op.(type) {
		case graph.QConv2D:
			w := in[1].Quant
			if n.Type.DType != tensor.I8 || in[1].DType != tensor.I8 || len(w.Scales) != in[1].Shape[0] {
				t.Errorf("%s: %s: %v of %v with %d scales", name, n.Name, n.Type, in[1], len(w.Scales))
			}
			for o, z := range w.Zeros {
				if z != 0 {
					t.Errorf("%s: %s: weights of output %d have zero point %d", name, n.Name, o, z)
				}
			}
			for _, b := range g.Node(n.In[1]).Value.Bytes {
				if int8(b) == -128 {
					t.Errorf("%s: %s: a weight of -128", name, n.Name)
					break
				}
			}
			if op.Bias {
				for o, s := range in[2].Quant.Scales {
					if s != in[0].Quant.Scales[0]*w.Scales[o] {
						t.Errorf("%s: %s: bias %d has scale %v, not that of the sums", name, n.Name, o, s)
					}
				}
			}
		case graph.Reshape, graph.Concat, graph.Pad2D, graph.QPool:
			if in[0].Quant != nil && !n.Type.Quant.Equal(in[0].Quant) {
				t.Errorf("%s: %s (%s) changes the scale", name, n.Name, n.Op.Kind())
			}
		case graph.QSoftmax:
			if !n.Type.Quant.Equal(graph.PerTensor(1.0/256, -128)) {
				t.Errorf("%s: %s: softmax stored as %+v", name, n.Name, n.Type.Quant)
			}
		case graph.QActivation:
			if op.Act.Kind == graph.Sigmoid && !n.Type.Quant.Equal(graph.PerTensor(1.0/256, -128)) {
				t.Errorf("%s: %s: sigmoid stored as %+v", name, n.Name, n.Type.Quant)
			}
		}
	}
	for _, o := range g.Outputs {
		if ty := g.Node(o.ID).Type; ty.DType != tensor.F32 {
			t.Errorf("%s: output %q is %v", name, o.Name, ty)
		}
	}
}

// TestQuantizeNumbers: weights, biases and clamps of a small convolution, by
// hand.
func TestQuantizeNumbers(t *testing.T) {
	var b graph.Builder
	x := b.Input("x", 1, 1, 1, 1)
	w := &graph.Array{Shape: tensor.Shape{2, 1, 1, 1}, Data: []float32{-2, 0.5}}
	bias := &graph.Array{Shape: tensor.Shape{2}, Data: []float32{1, -4}}
	wid, _ := b.G.AddConstant("w", w)
	bid, _ := b.G.AddConstant("b", bias)
	y := b.Op("y", graph.Conv2D{Window: graph.Square(1, 1, 1, graph.Padding{}), Bias: true, Act: graph.ActReLU6}, x, wid, bid)
	b.Output("y", y)
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	ranges := map[string]pass.Range{"x": {Lo: -1, Hi: 1.55}, "y": {Lo: 0, Hi: 5.1}}
	q, err := pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := q.Lookup("y")
	n := q.Node(id)
	op := n.Op.(graph.QConv2D)
	if s := op.Stored; math.Abs(float64(s.Scale)-0.02) > 1e-8 || s.Zero != -128 || s.Lo != -128 || s.Hi != 127 {
		t.Errorf("result stored as %+v", s)
	}
	in := q.Node(n.In[0]).Type.Quant
	if math.Abs(float64(in.Scales[0])-0.01) > 1e-8 || in.Zeros[0] != -28 {
		t.Errorf("input stored as %+v", in)
	}
	wq := q.Node(n.In[1])
	if int8(wq.Value.Bytes[0]) != -127 || int8(wq.Value.Bytes[1]) != 127 {
		t.Errorf("weights %v", wq.Value.Bytes)
	}
	raw := q.Node(n.In[2]).Value.Bytes
	want := []int32{6350, -101600} // 1/(0.01*2/127), -4/(0.01*0.5/127)
	for o, v := range want {
		if got := int32(binary.LittleEndian.Uint32(raw[4*o:])); got != v {
			t.Errorf("bias %d is %d, want %d", o, got, v)
		}
	}
	// One scale for both outputs.
	q, err = pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges, PerTensor: true})
	if err != nil {
		t.Fatal(err)
	}
	id, _ = q.Lookup("y")
	if wq := q.Node(q.Node(id).In[1]); len(wq.Type.Quant.Scales) != 1 || int8(wq.Value.Bytes[1]) != 32 {
		t.Errorf("weights %v with scales %v", wq.Value.Bytes, wq.Type.Quant.Scales)
	}
	// A bias that is huge beside the weights widens their scale instead of
	// overflowing.
	bias.Data[1] = 1e9
	q, err = pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges})
	if err != nil {
		t.Fatal(err)
	}
	id, _ = q.Lookup("y")
	raw = q.Node(q.Node(id).In[2]).Value.Bytes
	if got := int32(binary.LittleEndian.Uint32(raw[4:])); got < 1<<29 || got > 1<<30 {
		t.Errorf("huge bias became %d", got)
	}
}

// TestQuantizeMixed: nodes that are to stay in float do, with changes to and
// from integers at their borders only, and values keep their names.
func TestQuantizeMixed(t *testing.T) {
	g, ranges := bounds(t, "mobilenet_v3_small")
	float := map[string]bool{"blocks.2.dw": true, "classifier": true, "blocks.4.se.reduce": true}
	q, err := pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges, Float: float})
	if err != nil {
		t.Fatal(err)
	}
	var madds int64
	for i := range g.Nodes {
		n := &g.Nodes[i]
		id, ok := q.Lookup(n.Name)
		if n.Op.Kind() == "constant" {
			continue
		}
		if !ok {
			t.Errorf("value %q is lost", n.Name)
			continue
		}
		if float[n.Name] {
			madds += g.NodeCost(graph.ID(i)).MAdds
			if _, is := q.Node(id).Op.(graph.Conv2D); !is {
				t.Errorf("%s is %s", n.Name, q.Node(id).Op.Kind())
			}
		} else if n.Op.Kind() == "conv2d" && q.Node(id).Op.Kind() != "quantized_conv2d" {
			t.Errorf("%s is %s", n.Name, q.Node(id).Op.Kind())
		}
	}
	if want := float64(madds) / float64(g.Cost().MAdds); math.Abs(pass.FloatShare(q)-want) > 1e-9 {
		t.Errorf("share %v, want %v", pass.FloatShare(q), want)
	}
	// A network that stays in float altogether is left as it is.
	all := make(map[string]bool)
	for i := range g.Nodes {
		all[g.Nodes[i].Name] = true
	}
	if q, err = pass.Quantize(g, pass.QuantizeOptions{Ranges: ranges, Float: all}); err != nil {
		t.Fatal(err)
	}
	for i := range q.Nodes {
		if strings.Contains(q.Nodes[i].Op.Kind(), "quantize") {
			t.Errorf("%s is %s", q.Nodes[i].Name, q.Nodes[i].Op.Kind())
		}
	}
}

// TestQuantizeErrors: what is missing or senseless is named.
func TestQuantizeErrors(t *testing.T) {
	g, ranges := bounds(t, "mobilenet_v2")
	for name, c := range map[string]struct {
		change func(o *pass.QuantizeOptions)
		want   string
	}{
		"no range":   {func(o *pass.QuantizeOptions) { delete(o.Ranges, "blocks.3.project") }, `no range for value "blocks.3.project"`},
		"empty":      {func(o *pass.QuantizeOptions) { o.Ranges["blocks.3.project"] = pass.Range{Lo: 1, Hi: -1} }, `"blocks.3.project": the range [1,-1]`},
		"NaN":        {func(o *pass.QuantizeOptions) { o.Ranges["blocks.3.project"] = pass.Range{Lo: float32(math.NaN())} }, `"blocks.3.project": the range`},
		"bad scales": {func(o *pass.QuantizeOptions) { o.WeightScales = map[string][]float32{"stem": {1, 2}} }, `"stem": 2 scales`},
		"rounding":   {func(o *pass.QuantizeOptions) { o.Rounding = 7 }, "unknown rounding 7"},
	} {
		opt := pass.QuantizeOptions{Ranges: make(map[string]pass.Range)}
		for k, v := range ranges {
			opt.Ranges[k] = v
		}
		c.change(&opt)
		if _, err := pass.Quantize(g, opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
