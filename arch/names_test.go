package arch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// TestNameMaps compares with the full maps: every variable has its name,
// every name is used, every shape is equal.
func TestNameMaps(t *testing.T) {
	var file map[string]map[string]map[string]any
	golden(t, "checkpoint_maps.json.gz", &file)
	if len(file) != 8 {
		t.Errorf("%d networks, want 8", len(file))
	}
	for key, maps := range file {
		n, err := New(strings.TrimSuffix(key, "_1.0"), Options{Dialect: "timm"})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		shapes := maps["_shapes"]
		delete(maps, "_shapes")
		for scheme, names := range maps {
			got, err := n.Tensors(scheme)
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			if len(got) != len(names) || len(got) != len(shapes) {
				t.Errorf("%s %s: %d tensors, want %d names and %d shapes", key, scheme, len(got), len(names), len(shapes))
			}
			for _, g := range got {
				if names[g.Canonical] != g.Published {
					t.Errorf("%s %s: %s is %s, want %v", key, scheme, g.Canonical, g.Published, names[g.Canonical])
				}
				if s := strings.ReplaceAll(fmt.Sprint(shapes[g.Canonical]), " ", ","); s != g.Shape.String() {
					t.Errorf("%s: %s has shape %v, want %s", key, g.Canonical, g.Shape, s)
				}
				checkStored(t, g)
			}
		}
	}
}

// checkStored checks that the stored shape is the graph's shape in the layout.
func checkStored(t *testing.T, g TensorName) {
	t.Helper()
	s := g.Shape
	want := s
	switch g.Layout {
	case HWIO:
		want = tensor.Shape{s[2], s[3], s[1], s[0]}
	case DepthwiseHWIO:
		want = tensor.Shape{s[2], s[3], s[0], s[1]}
	case DenseIO:
		want = tensor.Shape{s[1], s[0]}
	case OIHW:
		if len(g.Stored) == 2 {
			want = s[:2]
		}
	default:
		t.Errorf("%s: layout %q", g.Canonical, g.Layout)
	}
	if !g.Stored.Equal(want) {
		t.Errorf("%s: stored as %v in layout %s, want %v", g.Canonical, g.Stored, g.Layout, want)
	}
}

// TestStateDicts compares with the tensors of torchvision's own networks.
func TestStateDicts(t *testing.T) {
	var file map[string]map[string]tensor.Shape
	golden(t, "state_dicts.json.gz", &file)
	if len(file) < 4 {
		t.Errorf("only %d networks", len(file))
	}
	for key, want := range file {
		var name string
		var width float64
		if _, err := fmt.Sscan(key, &name, &width); err != nil {
			t.Fatal(err)
		}
		n, err := New(name, Options{Width: width, Dialect: "torchvision"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Tensors("torchvision")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d tensors, want %d", key, len(got), len(want))
		}
		for _, g := range got {
			if w, ok := want[g.Published]; !ok || !g.Stored.Equal(w) {
				t.Errorf("%s: %s is %s %v; torchvision has %v", key, g.Canonical, g.Published, g.Stored, w)
			}
		}
	}
}

// TestNamesByRule spot-checks the schemes and networks that no full map
// covers, and that no name is used twice.
func TestNamesByRule(t *testing.T) {
	for _, c := range []struct{ net, scheme, canonical, published string }{
		{"mnasnet_small", "timm", "blocks.4.se.reduce.weight", "blocks.3.0.se.conv_reduce.weight"},
		{"mnasnet_small", "timm", "blocks.8.dw.bn.var", "blocks.4.0.bn2.running_var"},
		{"mnasnet_b1", "timm", "blocks.16.project.weight", "blocks.6.0.conv_pwl.weight"},
		{"mobilenet_edgetpu_v2_s", "timm", "blocks.0.project.weight", "blocks.0.0.conv.weight"},
		{"mobilenet_edgetpu_v2_s", "timm", "blocks.2.expand.weight", "blocks.1.1.conv_exp.weight"},
		{"mobilenet_edgetpu_v2_s", "timm", "blocks.7.expand.bn.mean", "blocks.3.0.bn1.running_mean"},
		{"mobilenet_edgetpu_v2_s", "timm", "blocks.11.dw.weight", "blocks.4.0.conv_dw.weight"},
		{"v3_small", "keras_h5", "blocks.0.se.reduce.weight", "expanded_conv/squeeze_excite/Conv/kernel"},
		{"v3_small", "keras_h5", "blocks.3.dw.weight", "expanded_conv_3/depthwise/depthwise_kernel"},
		{"v3_small", "keras_h5", "head.conv.bn.bias", "Conv_1/BatchNorm/beta"},
		{"v3_small", "keras_h5", "classifier.bias", "Logits/bias"},
		{"v2", "keras_h5", "classifier.weight", "Logits/kernel"},
		{"v1", "hf", "stem.weight", "mobilenet_v1.conv_stem.convolution.weight"},
		{"v1", "hf", "blocks.2.pw.bn.var", "mobilenet_v1.layer.5.normalization.running_var"},
		{"v2", "hf", "blocks.0.project.weight", "mobilenet_v2.conv_stem.reduce_1x1.convolution.weight"},
		{"v2", "hf", "blocks.16.expand.weight", "mobilenet_v2.layer.15.expand_1x1.convolution.weight"},
		{"conv_mobilenet", "slim", "blocks.4.conv.weight", "MobilenetV1/Conv2d_5/weights"},
	} {
		n, err := New(c.net, Options{})
		if err != nil {
			t.Fatal(err)
		}
		names, err := n.Tensors(c.scheme)
		if err != nil {
			t.Errorf("%s: %v", c.net, err)
			continue
		}
		seen := map[string]bool{}
		found := false
		for _, g := range names {
			if seen[g.Published] {
				t.Errorf("%s %s: %s is used twice", c.net, c.scheme, g.Published)
			}
			seen[g.Published] = true
			checkStored(t, g)
			if g.Canonical == c.canonical {
				found = true
				if g.Published != c.published {
					t.Errorf("%s %s: %s is %s, want %s", c.net, c.scheme, g.Canonical, g.Published, c.published)
				}
			}
		}
		if !found {
			t.Errorf("%s has no %s", c.net, c.canonical)
		}
	}
	for _, c := range []struct{ net, scheme, want string }{
		{"mnasnet_a1", "torchvision", "no name for blocks.3.expand.weight"},
		{"v1", "torchvision", "no name for stem.weight"},
		{"mobilenet_edgetpu", "keras", "no name for stem.weight"},
		{"mobilenet_edgetpu_v2_l", "slim", "no name for blocks.2.expand.weight"},
		{"v2", "torchvison", `did you mean "torchvision"`},
	} {
		n, err := New(c.net, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Tensors(c.scheme); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error %v, want one with %q", c.net, c.scheme, err, c.want)
		}
	}
}
