package graph

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mobilenet-go/mobilenet/tensor"
	"pgregory.net/rapid"
)

// TestSamePadding pins TensorFlow's rule on the cases that ports get wrong:
// an even input at stride 2 pads one side only, an odd one both.
func TestSamePadding(t *testing.T) {
	for _, c := range []struct{ in, k, s, d, out, before, after int }{
		{224, 3, 2, 1, 112, 0, 1},
		{225, 3, 2, 1, 113, 1, 1},
		{224, 5, 2, 1, 112, 1, 2},
		{113, 5, 2, 1, 57, 2, 2},
		{7, 3, 1, 1, 7, 1, 1},
		{14, 3, 1, 2, 14, 2, 2},
		{1, 3, 2, 1, 1, 1, 1},
		{8, 1, 2, 1, 4, 0, 0},
		{5, 2, 1, 1, 5, 0, 1},
	} {
		w := Square(c.k, c.s, c.d, SamePadding)
		oh, ow, pad, err := w.Output(c.in, c.in)
		if err != nil || oh != c.out || ow != c.out || pad.Top != c.before || pad.Left != c.before || pad.Bottom != c.after || pad.Right != c.after {
			t.Errorf("in %d k %d s %d d %d: got %d x %d pad %+v err %v, want %d pad %d,%d", c.in, c.k, c.s, c.d, oh, ow, pad, err, c.out, c.before, c.after)
		}
	}
}

// TestWindowCoversOutput checks the defining property of a window: the last
// output reads inside the padded input and one more output would not fit.
func TestWindowCoversOutput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.IntRange(1, 300).Draw(t, "in")
		w := Square(rapid.IntRange(1, 7).Draw(t, "k"), rapid.IntRange(1, 4).Draw(t, "s"), rapid.IntRange(1, 3).Draw(t, "d"), Pad(rapid.IntRange(0, 4).Draw(t, "pad")))
		w.Pad.Same = rapid.Bool().Draw(t, "same")
		oh, _, pad, err := w.Output(in, in)
		ek := (w.KH-1)*w.DilationH + 1
		if err != nil {
			if !w.Pad.Same && in+2*w.Pad.Top < ek {
				return
			}
			t.Fatal(err)
		}
		last := (oh-1)*w.StrideH + ek
		if last > in+pad.Top+pad.Bottom {
			t.Fatalf("output %d reads to %d of %d", oh, last, in+pad.Top+pad.Bottom)
		}
		if w.Pad.Same && oh != (in+w.StrideH-1)/w.StrideH {
			t.Fatalf("SAME output %d of %d stride %d", oh, in, w.StrideH)
		}
		if !w.Pad.Same && last+w.StrideH <= in+pad.Top+pad.Bottom {
			t.Fatalf("one more output would fit")
		}
	})
}

func sample(t testing.TB) *Graph {
	t.Helper()
	var b Builder
	x := b.Input("image", 1, 9, 9, 3)
	y := b.Conv("stem", x, ConvSpec{Window: Square(3, 2, 1, SamePadding), Out: 8})
	y = b.Norm("stem.bn", y, BatchNorm{Epsilon: 1e-3, Momentum: 0.99})
	y = b.Act("stem.act", y, ActHSwish)
	s := b.Op("pool", GlobalAvgPool{}, y)
	s = b.Conv("gate", s, ConvSpec{Window: Square(1, 1, 1, Padding{}), Out: 8, Bias: true})
	s = b.Act("gate.act", s, Act{Kind: HSigmoid, A: SlimSixth})
	y = b.Op("scale", Binary{Fn: Mul}, y, s)
	y = b.Op("padded", Pad2D{Padding: Pad(1)}, y)
	y = b.Op("max", Pool{Window: Square(3, 1, 1, Padding{}), Max: true}, y)
	y = b.Op("up", Resize2D{ScaleH: 2, ScaleW: 2, Rule: AlignCorners}, y)
	y = b.Op("cat", Concat{Axis: 3}, y, y)
	y = b.Op("nchw", Transpose{Perm: []int{0, 3, 1, 2}}, y)
	y = b.Op("drop", Dropout{Rate: 0.2}, y)
	y = b.Op("flat", Reshape{Shape: tensor.Shape{0, -1}}, y)
	y = b.Op("prob", Softmax{}, y)
	least := b.Op("range", MinMax{}, b.Op("ranges", Concat{}, b.Variable("prob.range", Range, 2), b.Variable("other.range", Range, 2)))
	y = b.Op("rounded", FakeQuant{}, y, least)
	b.Op("weight.rounded", FakeQuantWeight{}, b.Variable("weight", Weight, 4, 3, 1, 1))
	b.Output("prob", y)
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = &Array{Shape: n.Type.Shape, Data: make([]float32, n.Type.Shape.Len())}
	}
	return g
}

// integers is a graph of integers with every operation that can be written.
func integers(t testing.TB) *Graph {
	t.Helper()
	var b Builder
	s := Stored{tensor.I8, 0.02, -5, -128, 120}
	x := b.Op("q", Quantize{Stored: s}, b.Input("x", 1, 4, 4, 2))
	add := func(name string, ty Type) ID {
		if b.err != nil {
			return None
		}
		raw := make([]byte, ty.Shape.Len()*ty.DType.Size())
		for i := range raw {
			raw[i] = byte(i)
		}
		return b.keep(b.G.AddIntegers(name, ty, &Array{Shape: ty.Shape, Bytes: raw}))
	}
	w := add("w", Type{tensor.I8, tensor.Shape{2, 1, 3, 3}, &Quant{Scales: []float32{0.1, 1e-9}, Zeros: []int32{0, 0}}})
	bias := add("b", Type{tensor.I32, tensor.Shape{2}, &Quant{Scales: []float32{0.1, 0.3}, Zeros: []int32{0, 0}}})
	y := b.Op("conv", QConv2D{Window: Square(3, 1, 1, Padding{Same: true}), Stored: s, Groups: 2, Bias: true, Rounding: SingleRounding}, x, w, bias)
	y = b.Op("hswish", QActivation{Stored: s, Act: ActHSwish}, y)
	y = b.Op("sum", QBinary{Stored: s, Fn: Add}, y, x)
	y = b.Op("pool", QPool{Window: Square(2, 2, 1, Padding{}), Stored: s}, y)
	y = b.Op("mean", QMean{Stored: s}, y)
	y = b.Op("factor", QBinary{Stored: s, Fn: Mul}, y, add("c", Type{tensor.I8, tensor.Shape{1}, PerTensor(0.5, -7)}))
	y = b.Op("flat", Reshape{Shape: []int{0, -1}}, y)
	p := b.Op("softmax", QSoftmax{Stored: Whole(tensor.I8, 1.0/256, -128), Beta: 1}, y)
	b.Output("p", b.Op("p.float", Dequantize{}, p))
	b.Output("best", b.Op("best.float", ToFloat{}, b.Op("best", ArgMax{}, y)))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCodecRoundTrip(t *testing.T) {
	for name, g := range map[string]*Graph{"real numbers": sample(t), "integers": integers(t)} {
		data, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(data, func(name string, ty Type) (*Array, error) {
			id, _ := g.Lookup(name)
			if got := g.Node(id).Type; got.DType != ty.DType || !got.Quant.Equal(ty.Quant) {
				t.Errorf("%s is asked for as %v", name, ty)
			}
			return g.Node(id).Value, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(g, back, cmpopts.IgnoreUnexported(Graph{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestCodecIntegers: constants of integers that cannot be are refused.
func TestCodecIntegers(t *testing.T) {
	for name, text := range map[string]string{
		"type":        `{"name":"c","op":"constant","shape":[2],"type":"float16"}`,
		"scales":      `{"name":"c","op":"constant","shape":[2],"quant":{"scales":[1]}}`,
		"scale 0":     `{"name":"c","op":"constant","shape":[2],"type":"int8","quant":{"scales":[0]}}`,
		"zero point":  `{"name":"c","op":"constant","shape":[2],"type":"int8","quant":{"scales":[1],"zeros":[300]}}`,
		"zero points": `{"name":"c","op":"constant","shape":[2],"type":"int8","quant":{"scales":[1],"zeros":[3,4]}}`,
		"axis":        `{"name":"c","op":"constant","shape":[2],"type":"int8","quant":{"scales":[1,2],"axis":-1}}`,
		"too many":    `{"name":"c","op":"constant","shape":[2],"type":"uint8","quant":{"scales":[1,2,3]}}`,
	} {
		_, err := Unmarshal([]byte(`{"nodes":[`+text+`],"outputs":[]}`), func(_ string, ty Type) (*Array, error) {
			return &Array{Shape: ty.Shape, Bytes: make([]byte, ty.Shape.Len()*ty.DType.Size())}, nil
		})
		if err == nil || !strings.Contains(err.Error(), `"c"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, g := range []*Graph{sample(f), integers(f)} {
		data, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"nodes":[{"name":"a","op":"input","shape":[1,-1,3,4]}],"outputs":[{"Name":"x","ID":9}]}`))
	f.Add([]byte(`{"nodes":[{"name":"a","op":"reshape","in":[5],"attr":{"Shape":[0,-1]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		Unmarshal(data, func(name string, ty Type) (*Array, error) {
			s := ty.Shape
			if s.Len() > 1<<16 {
				return &Array{Shape: s}, nil
			}
			if ty.DType != tensor.F32 {
				return &Array{Shape: s, Bytes: make([]byte, s.Len()*ty.DType.Size())}, nil
			}
			return &Array{Shape: s, Data: make([]float32, s.Len())}, nil
		})
	})
}

func TestResize(t *testing.T) {
	g := sample(t)
	h, err := g.Resize(3, 17, 33)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := h.Lookup("stem")
	if got := h.Node(id).Type.Shape; !got.Equal(tensor.Shape{3, 9, 17, 8}) {
		t.Errorf("stem is %v", got)
	}
	if _, err := g.Resize(1, 0, 5); err == nil {
		t.Error("an empty picture was accepted")
	}
	w, _ := g.Lookup("stem.weight")
	if &g.Node(w).Value.Data[0] != &h.Node(w).Value.Data[0] {
		t.Error("arrays are copied")
	}
}

func TestBuilderNamesTheNode(t *testing.T) {
	for want, build := range map[string]func(b *Builder, x ID){
		`"grouped"`: func(b *Builder, x ID) {
			b.Conv("grouped", x, ConvSpec{Window: Square(1, 1, 1, Padding{}), Out: 4, Groups: 2})
		},
		`"tiny"`: func(b *Builder, x ID) { b.Conv("tiny", x, ConvSpec{Window: Square(9, 1, 1, Padding{}), Out: 4}) },
		`"drop"`: func(b *Builder, x ID) { b.Op("drop", Dropout{Rate: 1}, x) },
		`"flat"`: func(b *Builder, x ID) { b.Op("flat", Reshape{Shape: tensor.Shape{-1, 7}}, x) },
		`"a"`:    func(b *Builder, x ID) { b.Op("a", Activation{ActReLU}, x); b.Op("a", Activation{ActReLU}, x) },
		`"clip"`: func(b *Builder, x ID) { b.Op("clip", Activation{ActClip(2, 1)}, x) },
		`"sum"`: func(b *Builder, x ID) {
			b.Op("sum", Binary{}, x, b.Op("p", Pool{Window: Square(2, 1, 1, Padding{})}, x))
		},
		`"image"`:    func(b *Builder, _ ID) { b.Input("image", 1, 1, 1, 1) },
		`input 0`:    func(b *Builder, _ ID) { b.Op("q", Softmax{}, ID(99)) },
		`two inputs`: func(b *Builder, x ID) { b.Fail("needs two inputs") },
	} {
		var b Builder
		build(&b, b.Input("image", 1, 4, 4, 3))
		_, err := b.Graph()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %s, got %v", want, err)
		}
	}
}

func TestConvCost(t *testing.T) {
	var b Builder
	x := b.Input("image", 1, 224, 224, 3)
	x = b.Conv("stem", x, ConvSpec{Window: Square(3, 2, 1, Pad(1)), Out: 32})
	x = b.Conv("dw", x, ConvSpec{Window: Square(3, 1, 1, Pad(1)), Out: 32, Groups: 32})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	// MobileNetV1, table 1.
	for name, want := range map[string]int64{"stem": 10838016, "dw": 3612672} {
		id, _ := g.Lookup(name)
		if got := g.NodeCost(id).MAdds; got != want {
			t.Errorf("%s: %d multiply-adds, want %d", name, got, want)
		}
	}
}
