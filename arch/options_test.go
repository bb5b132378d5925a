package arch

import (
	"math"
	"strings"
	"testing"
)

// TestDefaults holds the contract on names, short forms and defaults.
func TestDefaults(t *testing.T) {
	dialects := map[string]string{
		"mobilenet_v1": "keras", "conv_mobilenet": "keras", "shallow_mobilenet": "keras",
		"mobilenet_v2": "torchvision", "mobilenet_v3_large": "torchvision", "mobilenet_v3_small": "torchvision",
		"mobilenet_v3_large_minimalistic": "keras", "mobilenet_v3_small_minimalistic": "keras",
		"mobilenet_edgetpu": "timm", "mobilenet_edgetpu_v2_xs": "timm", "mobilenet_edgetpu_v2_s": "timm", "mobilenet_edgetpu_v2_m": "timm", "mobilenet_edgetpu_v2_l": "timm",
		"mnasnet_a1": "timm", "mnasnet_b1": "timm", "mnasnet_small": "timm",
	}
	names := Names()
	if len(names) != len(dialects) {
		t.Errorf("%d networks, want %d", len(names), len(dialects))
	}
	for _, name := range names {
		n, err := New(name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n.Dialect.Name != dialects[name] || n.Options.Classes != 1000 || n.Options.Resolution != 224 || n.Options.Width != 1 || n.Name != name {
			t.Errorf("%s: dialect %s, options %+v", name, n.Dialect.Name, n.Options)
		}
	}
	for short, long := range map[string]string{"v1": "mobilenet_v1", "v2": "mobilenet_v2", "v3_large": "mobilenet_v3_large", "v3_small": "mobilenet_v3_small"} {
		n, err := New(short, Options{})
		if err != nil || n.Name != long {
			t.Errorf("%s is %v, %v", short, n, err)
		}
	}
	n, err := New("v2", Options{Dialect: "slim_plain"})
	if err != nil || n.Dialect.Name != "slim" || n.Options.Classes != 1000 {
		t.Errorf("slim_plain: %+v, %v", n, err)
	}
}

func TestWrongOptions(t *testing.T) {
	minus, one := -0.1, 1.0
	for want, opt := range map[string]Options{
		"width -1 is outside":           {Width: -1},
		"width NaN is outside":          {Width: math.NaN()},
		"width +Inf is outside":         {Width: math.Inf(1)},
		"width 1e+06 is outside":        {Width: 1e6},
		"resolution -1 is outside":      {Resolution: -1},
		"resolution 1000000 is outside": {Resolution: 1000000},
		"-5 classes are outside":        {Classes: -5},
		"classes are outside 1":         {Classes: math.MaxInt32},
		"output stride 12":              {OutputStride: 12},
		"dropout -0.1":                  {Dropout: &minus},
		"dropout 1 is":                  {Dropout: &one},
		`unknown dialect "torch"`:       {Dialect: "torch"},
		`unknown activation "relu"`:     {Act: "relu"},
	} {
		for _, name := range []string{"v1", "v2", "v3_large", "mobilenet_edgetpu"} {
			if _, err := New(name, opt); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
	for name, want := range map[string]string{
		"mobilenetv2":            `did you mean "mobilenet_v2"?`,
		"mobilnet_v3_large":      `did you mean "mobilenet_v3_large"?`,
		"resnet50":               "use one of mobilenet_v1",
		"":                       `unknown network ""`,
		strings.Repeat("v", 999): "...",
	} {
		if _, err := New(name, Options{}); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 700 {
			t.Errorf("%q: error %v, want one with %q", clip(name, 40), err, want)
		}
	}
	// A width so small that nothing is left, and the widest one.
	if _, err := New("v1", Options{Width: 0.001, Dialect: "keras"}); err == nil || !strings.Contains(err.Error(), "stem: 0 channels") {
		t.Errorf("width 0.001: %v", err)
	}
	n, err := New("v3_large", Options{Width: maxWidth})
	if err == nil {
		_, err = n.Summary()
	}
	if err != nil && !strings.Contains(err.Error(), "channels") {
		t.Errorf("width %d: %v", maxWidth, err)
	}
}

// TestHugeCost asks for more operations than a 64-bit number should count.
func TestHugeCost(t *testing.T) {
	n, err := Custom(Table{StemOut: 60000, StemStride: 1, Rows: []Row{{Kind: Conv, Kernel: 31, Out: 60000}}}, Options{Resolution: 16000})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := n.Summary(); err == nil || !strings.Contains(err.Error(), "operations") && !strings.Contains(err.Error(), "elements") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSmallPictures builds every network down to one pixel: only Keras's V1,
// whose padding is fixed, has a least size, and says so.
func TestSmallPictures(t *testing.T) {
	for _, name := range Names() {
		for _, d := range Dialects() {
			n, err := New(name, Options{Dialect: d.Name})
			if err != nil {
				t.Fatal(err)
			}
			for _, hw := range [][2]int{{1, 1}, {7, 3}, {13, 15}, {31, 127}} {
				g, err := n.Graph(1, hw[0], hw[1])
				if err != nil {
					if n.Rules.Padding != SameCorner || hw[0] >= 31 || !strings.Contains(err.Error(), "smaller than the window") {
						t.Errorf("%s %s at %v: %v", name, d.Name, hw, err)
					}
					continue
				}
				if g.Node(g.Outputs[0].ID).Type.Shape.Len() != n.Options.Classes {
					t.Errorf("%s %s at %v: output %v", name, d.Name, hw, g.Node(g.Outputs[0].ID).Type)
				}
			}
			for _, hw := range [][2]int{{-1, 5}, {5, maxSide + 1}} {
				if _, err := n.Graph(1, hw[0], hw[1]); err == nil {
					t.Errorf("%s at %v: no error", name, hw)
				}
			}
			if _, err := n.Graph(0, 5, 5); err == nil {
				t.Errorf("%s: no error for an empty batch", name)
			}
		}
	}
}

// TestOddSizes holds the sizes in which the padding flavours differ: on a
// strided depthwise layer of an odd picture Keras's V1 loses a pixel.
func TestOddSizes(t *testing.T) {
	for _, c := range []struct {
		dialect string
		want    int
	}{{"slim", 57}, {"torchvision", 57}, {"keras", 56}} {
		n, err := New("v1", Options{Dialect: c.dialect, Resolution: 225})
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.Summary()
		if err != nil {
			t.Fatal(err)
		}
		if l := s.Layers[3]; l.Name != "blocks.1.dw" || l.In[0] != 113 || l.Out[0] != c.want {
			t.Errorf("%s: %s from %d to %d, want 113 to %d", c.dialect, l.Name, l.In[0], l.Out[0], c.want)
		}
	}
}

// TestOutputStride checks the sizes and rates of dilated networks: torchvision
// dilates the block that lost its stride, the others those after it.
func TestOutputStride(t *testing.T) {
	rates := func(n *Net) (d []int) {
		for _, b := range n.Blocks {
			d = append(d, b.Dilation)
		}
		return d
	}
	tail := func(v []int, n int) []int { return v[len(v)-n:] }
	for _, c := range []struct {
		net, dialect string
		os           int
		want         []int
	}{
		{"v3_large", "torchvision", 16, []int{1, 2, 2, 2}},
		{"v3_large", "slim", 16, []int{1, 1, 2, 2}},
		{"v3_large", "timm", 8, []int{2, 2, 4, 4}},
		{"v3_large", "torchvision", 8, []int{2, 4, 4, 4}},
		{"v1", "slim", 16, []int{1, 1, 1, 2}},
		{"v1", "slim", 8, []int{2, 2, 2, 4}},
		{"v2", "slim", 16, []int{1, 2, 2, 2}},
		{"v2", "slim", 32, []int{1, 1, 1, 1}},
	} {
		n, err := New(c.net, Options{Dialect: c.dialect, OutputStride: c.os})
		if err != nil {
			t.Fatal(err)
		}
		got := tail(rates(n), 4)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s %s at output stride %d: rates %v, want %v", c.net, c.dialect, c.os, got, c.want)
				break
			}
		}
		s, err := n.Summary()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.Layers {
			if l.Name == "pool" && l.In[0] != 224/c.os {
				t.Errorf("%s %s at output stride %d: last map of %d pixels", c.net, c.dialect, c.os, l.In[0])
			}
		}
		plain, err := New(c.net, Options{Dialect: c.dialect})
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := plain.Summary(); p.Params != s.Params {
			t.Errorf("%s: dilation changed the parameters from %d to %d", c.net, p.Params, s.Params)
		}
	}
}

// TestTaps checks every tap against the graph.
func TestTaps(t *testing.T) {
	c4 := map[string]Tap{
		"mobilenet_v1":       {"c4", "blocks.10.pw.act", 16, 512},
		"mobilenet_v2":       {"c4", "blocks.13.expand.act", 16, 576},
		"mobilenet_v3_large": {"c4", "blocks.12.expand.act", 16, 672},
		"mobilenet_v3_small": {"c4", "blocks.8.expand.act", 16, 288},
	}
	for _, name := range Names() {
		for _, os := range []int{32, 16, 8} {
			n, err := New(name, Options{OutputStride: os, Resolution: 256})
			if err != nil {
				t.Fatal(err)
			}
			g, err := n.Graph(1, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, tap := range n.Taps() {
				id, ok := g.Lookup(tap.Node)
				if !ok {
					t.Fatalf("%s: no node %s", name, tap.Node)
				}
				side := 1
				if tap.Stride > 0 {
					side = 256 / tap.Stride
				}
				if s := g.Node(id).Type.Shape; s[1] != side || s[3] != tap.Channels {
					t.Errorf("%s: %+v has shape %v", name, tap, s)
				}
				if want, ok := c4[name]; ok && tap.Name == "c4" && os == 32 && tap != want {
					t.Errorf("%s: %+v, want %+v", name, tap, want)
				}
				seen[tap.Name] = true
			}
			for _, want := range []string{"stride2", "stride4", "stride8", "stride16", "stride32", "c4", "head", "features"} {
				if !seen[want] {
					t.Errorf("%s has no tap %s", name, want)
				}
			}
		}
	}
}

// TestReducedTail holds the V3 detection backbones' last rows.
func TestReducedTail(t *testing.T) {
	for _, c := range []struct {
		net  string
		mid  []int
		out  int
		head int
	}{{"mobilenet_v3_large", []int{672, 480, 480}, 80, 480}, {"mobilenet_v3_small", []int{288, 288, 288}, 48, 288}} {
		table, _, err := Lookup(c.net)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range Dialects() {
			n, err := Custom(table.ReducedTail(), Options{Dialect: d.Name})
			if err != nil {
				t.Fatal(err)
			}
			last := n.Blocks[len(n.Blocks)-3:]
			for i, b := range last {
				if b.Mid != c.mid[i] || b.Out != c.out {
					t.Errorf("%s %s: block %d has %d and %d channels, want %d and %d", c.net, d.Name, i, b.Mid, b.Out, c.mid[i], c.out)
				}
			}
			if n.HeadConv != c.head {
				t.Errorf("%s %s: head of %d, want %d", c.net, d.Name, n.HeadConv, c.head)
			}
		}
		if again, _, _ := Lookup(c.net); again.HeadConv == c.head {
			t.Errorf("%s: the published table was changed", c.net)
		}
	}
}
