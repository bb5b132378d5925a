package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// TestKerasFlowers runs a fine-tuned V2 whose layers have no names of their
// own, and compares its logits with testdata/keras_golden.py's.
func TestKerasFlowers(t *testing.T) {
	m, err := Open(filepath.Join(testkit.Data(t), "models/cls/flowers_mobilenet_v2_0.35_224_fft.h5"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if i := m.Info; i.Rows != 5 || i.H != 224 || i.Dialect != "keras" || i.Recipe.Range != transform.RangeSigned || len(i.Notes) != 1 || m.Net().Options.Width != 0.35 {
		t.Errorf("read as %+v", i)
	}
	want := []float64{-0.2581677677400961, 0.12991372813239865, -0.09389570134616339, -0.2353860803820001, 0.14117088981001477}
	err = m.Run(context.Background(), Shape{Batch: 1, H: 224, W: 224}, func(in []float32) error {
		for i := range in {
			in[i] = float32((float64(i*7919%256) - 127.5) / 127.5)
		}
		return nil
	}, func(out [][]float32) error {
		for i, w := range want {
			if d := math.Abs(float64(out[0][i]) - w); !(d < 1e-4) {
				t.Errorf("logit %d is %v, want %v", i, out[0][i], w)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// anonymous renames the layers of a published Keras checkpoint as Keras does
// when nobody names them, and makes the configuration that goes with them.
func anonymous(t *testing.T, net *arch.Net, scheme string) (*weights.Set, []map[string]any) {
	t.Helper()
	named := checkpoint(t, net, scheme)
	set, err := weights.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	set.Source.Format, set.Source.Path = weights.HDF5, "made.h5"
	layers := []map[string]any{{"class_name": "InputLayer", "config": map[string]any{"name": "input_1", "batch_input_shape": []any{nil, 160, 160, 3}}}}
	renamed, count := map[string]string{}, map[string]int{}
	for _, x := range named.Tensors() {
		layer, leaf := cutLast(x.Name, '/')
		if renamed[layer] == "" {
			class := "Conv2D"
			switch {
			case leaf == "depthwise_kernel":
				class = "DepthwiseConv2D"
			case leaf == "kernel" && len(x.Shape) == 2:
				class = "Dense"
			case leaf != "kernel":
				class = "BatchNormalization"
			}
			renamed[layer] = fmt.Sprintf("%s_%d", strings.ToLower(class), count[class]+1)
			count[class]++
			layers = append(layers, map[string]any{"class_name": class, "config": map[string]any{"name": renamed[layer], "strides": []int{1, 1}, "epsilon": 1e-3, "scale": true}})
		}
		y := &tensor.Tensor{Name: renamed[layer] + "/" + leaf, DType: x.DType, Shape: x.Shape, Data: x.Data}
		if err := set.Add(y); err != nil {
			t.Fatal(err)
		}
	}
	// The strides and additions of the network itself.
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	strides := map[string][]int{}
	for i := range g.Nodes {
		if c, ok := convolution(&g.Nodes[i]); ok {
			class := "Conv2D"
			if c.Groups > 1 {
				class = "DepthwiseConv2D"
			}
			strides[class] = append(strides[class], c.StrideH)
		}
	}
	for _, l := range layers {
		if s := strides[l["class_name"].(string)]; s != nil {
			l["config"].(map[string]any)["strides"] = []int{s[0], s[0]}
			strides[l["class_name"].(string)] = s[1:]
		}
	}
	for i := range net.Blocks {
		if net.Blocks[i].Residual {
			layers = append(layers, map[string]any{"class_name": "Add", "config": map[string]any{"name": fmt.Sprint("add_", i)}})
		}
	}
	return set, layers
}

func configure(t *testing.T, set *weights.Set, layers []map[string]any) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"class_name": "Functional", "config": map[string]any{"layers": layers}})
	if err != nil {
		t.Fatal(err)
	}
	set.Metadata = map[string]string{weights.KerasConfig: string(b)}
}

func TestKerasByOrder(t *testing.T) {
	for _, c := range []struct {
		name, scheme string
		width        float64
		classes      int
	}{
		{"mobilenet_v1", "keras", 0.25, 1000},
		{"mobilenet_v1", "keras", 0.3, 7}, // a width nobody published
		{"mobilenet_v2", "keras", 0.5, 2},
		{"mobilenet_v3_large", "keras", 1, 1000},
		{"mobilenet_v3_small", "keras_h5", 0.75, 10},
		{"mobilenet_v3_large_minimalistic", "keras", 1, 1000},
	} {
		net, err := arch.New(c.name, arch.Options{Dialect: "keras", Width: c.width, Classes: c.classes})
		if err != nil {
			t.Fatal(err)
		}
		set, layers := anonymous(t, net, c.scheme)
		for _, with := range []bool{false, true} {
			resolution := 224
			if with {
				configure(t, set, layers)
				resolution = 160
			}
			d, err := Detect(set, "")
			if err != nil {
				t.Errorf("%s %v: %v", c.name, c.width, err)
				continue
			}
			if o := d.Net.Options; d.Net.Name != c.name || o.Width != c.width || o.Classes != c.classes || o.Resolution != resolution || d.Net.Dialect.Name != "keras" || d.Names == nil {
				t.Errorf("%s %v with %d classes is taken for %s %v with %d at %d", c.name, c.width, c.classes, d.Net.Name, o.Width, o.Classes, o.Resolution)
			}
		}
		// Every variable gets its own tensor, by the names as well as by order.
		m, err := FromSet(set, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if n := len(m.Report.Applied); n != set.Len() {
			t.Errorf("%s: %d of %d tensors used", c.name, n, set.Len())
		}
		named, err := arch.New(c.name, arch.Options{Dialect: "keras", Width: c.width, Classes: c.classes})
		if err != nil {
			t.Fatal(err)
		}
		if given, err := FromSet(set, &Options{Net: named}); err != nil || len(given.Report.Applied) != set.Len() {
			t.Errorf("%s given: %v", c.name, err)
		} else {
			given.Close()
		}
		m.Close()
	}
}

// TestKerasDisagrees changes a configuration so that the tensors still fit
// but the network is another.
func TestKerasDisagrees(t *testing.T) {
	net, err := arch.New("mobilenet_v2", arch.Options{Dialect: "keras", Classes: 3, Width: 0.35})
	if err != nil {
		t.Fatal(err)
	}
	layer := func(layers []map[string]any, class string) map[string]any {
		for _, l := range layers {
			if l["class_name"] == class {
				return l["config"].(map[string]any)
			}
		}
		t.Fatalf("no %s", class)
		return nil
	}
	for want, change := range map[string]func(layers []map[string]any) []map[string]any{
		"epsilon 1e-05, not 0.001": func(l []map[string]any) []map[string]any {
			layer(l, "BatchNormalization")["epsilon"] = 1e-5
			return l
		},
		"has stride 1, not 2": func(l []map[string]any) []map[string]any { layer(l, "Conv2D")["strides"] = []int{1, 1}; return l },
		"strides [1 2]": func(l []map[string]any) []map[string]any {
			layer(l, "DepthwiseConv2D")["strides"] = []int{1, 2}
			return l
		},
		"dilation [2 2]": func(l []map[string]any) []map[string]any {
			layer(l, "DepthwiseConv2D")["dilation_rate"] = []int{2, 2}
			return l
		},
		"channels first": func(l []map[string]any) []map[string]any {
			layer(l, "Conv2D")["data_format"] = "channels_first"
			return l
		},
		"9 residual additions, not 10": func(l []map[string]any) []map[string]any {
			return l[:len(l)-1]
		},
		"not limited to 6": func(l []map[string]any) []map[string]any {
			return append(l, map[string]any{"class_name": "ReLU", "config": map[string]any{"name": "act", "max_value": nil}})
		},
		"slope 0.1": func(l []map[string]any) []map[string]any {
			return append(l, map[string]any{"class_name": "ReLU", "config": map[string]any{"name": "act", "max_value": 6, "negative_slope": 0.1}})
		},
		`class "Lambda"`: func(l []map[string]any) []map[string]any {
			return append(l, map[string]any{"class_name": "Lambda", "config": map[string]any{"name": "mine"}})
		},
		"pads before the picture": func(l []map[string]any) []map[string]any {
			return append(l, map[string]any{"class_name": "ZeroPadding2D", "config": map[string]any{"name": "pad", "padding": [][]int{{1, 1}, {1, 1}}}})
		},
	} {
		set, layers := anonymous(t, net, "keras")
		configure(t, set, change(layers))
		if _, err := Detect(set, ""); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "made.h5: ") {
			t.Errorf("want %q: %v", want, err)
		}
	}
	set, _ := anonymous(t, net, "keras")
	set.Metadata = map[string]string{weights.KerasConfig: "{"}
	if _, err := Detect(set, ""); err == nil || !strings.Contains(err.Error(), "configuration") {
		t.Error(err)
	}
}

func TestKerasRescaling(t *testing.T) {
	net, err := arch.New("mobilenet_v2", arch.Options{Dialect: "keras", Classes: 3, Width: 0.35})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scale, offset float64
		want          transform.Range
		notes         int
	}{
		{1 / 127.5, -1, transform.RangeSigned, 1},
		{1. / 255, 0, transform.RangeUnit, 1},
		{1, 0, transform.RangeBytes, 1},
		{0.5, 3, transform.RangeSigned, 2},
	} {
		set, layers := anonymous(t, net, "keras")
		scaling := map[string]any{"class_name": "Rescaling", "config": map[string]any{"name": "rescaling", "scale": c.scale, "offset": c.offset}}
		configure(t, set, append([]map[string]any{scaling}, layers...))
		m, err := FromSet(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Info.Recipe.Range != c.want || len(m.Info.Notes) != c.notes {
			t.Errorf("%v, %v: range %v, notes %q", c.scale, c.offset, m.Info.Recipe.Range, m.Info.Notes)
		}
		m.Close()
	}
}
