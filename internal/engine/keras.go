package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// kerasLayer is a layer of a Keras model's configuration: the fields that
// decide what the network computes.
type kerasLayer struct {
	Class  string
	Name   string   `json:"name"`
	Eps    *float64 `json:"epsilon"`
	Stride []int    `json:"strides"`
	Rate   []int    `json:"dilation_rate"`
	Max    *float64 `json:"max_value"`
	Slope  *float64 `json:"negative_slope"`
	Scale  any      `json:"scale"` // a number in Rescaling, a boolean in batch norm
	Offset any      `json:"offset"`
	Format string   `json:"data_format"`
	Shape  []any    `json:"batch_input_shape"`
	Shape3 []any    `json:"batch_shape"` // the same since Keras 3
	Pad    any      `json:"padding"`
	Act    any      `json:"activation"`
}

// kerasLayers reads the configuration that a Keras file carries, models inside
// models unfolded; nil when it has none.
func kerasLayers(set *weights.Set) ([]kerasLayer, error) {
	text := set.Metadata[weights.KerasConfig]
	if text == "" {
		return nil, nil
	}
	type entry struct {
		Class  string          `json:"class_name"`
		Config json.RawMessage `json:"config"`
	}
	const maxDepth = 8
	var out []kerasLayer
	var walk func(e entry, depth int) error
	walk = func(e entry, depth int) error {
		var inner struct {
			Layers []entry `json:"layers"`
		}
		if json.Unmarshal(e.Config, &inner) == nil && inner.Layers != nil {
			if depth > maxDepth {
				return fmt.Errorf("models nested more than %d deep", maxDepth)
			}
			for _, l := range inner.Layers {
				if err := walk(l, depth+1); err != nil {
					return err
				}
			}
			return nil
		}
		l := kerasLayer{}
		if err := json.Unmarshal(e.Config, &l); err != nil {
			// Fields of other classes may have other types; the class and the
			// name are enough to refuse or to pass over a layer.
			l = kerasLayer{}
			var n struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(e.Config, &n)
			l.Name = n.Name
		}
		l.Class = e.Class
		out = append(out, l)
		return nil
	}
	var top entry
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		return nil, fmt.Errorf("%s: the Keras model's configuration: %w", set.Source.Path, err)
	}
	if err := walk(top, 0); err != nil {
		return nil, fmt.Errorf("%s: the Keras model's configuration: %w", set.Source.Path, err)
	}
	return out, nil
}

// kerasResolution is the side of the square picture that a Keras file was
// made for; 0 where it does not say.
func kerasResolution(set *weights.Set) int {
	layers, err := kerasLayers(set)
	if err != nil {
		return 0
	}
	for _, l := range layers {
		s := l.Shape
		if s == nil {
			s = l.Shape3
		}
		if len(s) != 4 {
			continue
		}
		h, okH := s[1].(float64)
		w, okW := s[2].(float64)
		c, okC := s[3].(float64)
		if okH && okW && okC && h == w && c == 3 && h >= 1 && h <= 1<<16 && h == math.Trunc(h) {
			return int(h)
		}
		return 0
	}
	return 0
}

// kerasInfo takes from a Keras file's configuration what it says about
// preprocessing: a Rescaling layer at the front is part of the recipe here.
func (i *Info) kerasInfo(set *weights.Set) {
	layers, err := kerasLayers(set)
	if err != nil {
		return
	}
	for _, l := range layers {
		if l.Class != "Rescaling" {
			continue
		}
		scale, offset := number(l.Scale), number(l.Offset)
		switch {
		case near(scale, 1/127.5) && near(offset, -1):
			i.Recipe.Range = transform.RangeSigned
		case near(scale, 1/255.0) && near(offset, 0):
			i.Recipe.Range = transform.RangeUnit
		case near(scale, 1) && near(offset, 0):
			i.Recipe.Range = transform.RangeBytes
		default:
			i.Notes = append(i.Notes, fmt.Sprintf("layer %q scales pictures by %v and adds %v, which is no range known here: give --preprocess", l.Name, l.Scale, l.Offset))
		}
		return
	}
}

func number(v any) float64 {
	switch x := v.(type) {
	case float64:
		return x
	case nil:
		return 0
	}
	return math.NaN()
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

// kerasPasses lists the classes of layers that change nothing in inference,
// or nothing that is not looked at elsewhere.
var kerasPasses = map[string]bool{
	"InputLayer": true, "Dropout": true, "SpatialDropout2D": true, "Reshape": true, "Flatten": true, "GlobalAveragePooling2D": true,
	"Conv2D": true, "DepthwiseConv2D": true, "Dense": true, "BatchNormalization": true, "ReLU": true, "Activation": true,
	"ZeroPadding2D": true, "Add": true, "Multiply": true, "Softmax": true, "Rescaling": true,
	// The hard sigmoid of V3 and the scaling of its pictures, in pieces.
	"TFOpLambda": true, "TensorFlowOpLayer": true, "HardSwish": true,
}

// kerasAgrees compares a network with the configuration in a Keras file:
// tensors that fit do not show how they are used.
func kerasAgrees(set *weights.Set, net *arch.Net) error {
	layers, err := kerasLayers(set)
	if err != nil || layers == nil {
		return err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: the tensors fit %s of %s, but %s: describe the network with --model", set.Source.Path, net.Name, net.Dialect.Name, fmt.Sprintf(format, args...))
	}
	adds := 0
	strides := map[bool][]int{} // by being depthwise
	for _, l := range layers {
		if !kerasPasses[l.Class] && !strings.HasPrefix(l.Class, "Random") {
			return fail("layer %q of class %q has no counterpart in it", l.Name, l.Class)
		}
		if l.Format == "channels_first" {
			return fail("layer %q has channels first", l.Name)
		}
		switch l.Class {
		case "Add":
			adds++
		case "BatchNormalization":
			if l.Eps != nil && math.Abs(*l.Eps-net.Rules.Epsilon) > 1e-3*net.Rules.Epsilon {
				return fail("layer %q has epsilon %g, not %g", l.Name, *l.Eps, net.Rules.Epsilon)
			}
		case "Conv2D", "DepthwiseConv2D":
			depthwise := l.Class == "DepthwiseConv2D"
			for i, s := range append(l.Stride, l.Rate...) {
				if i < len(l.Stride) && s != l.Stride[0] || i >= len(l.Stride) && s != 1 {
					return fail("layer %q has strides %v and dilation %v", l.Name, l.Stride, l.Rate)
				}
			}
			s := 1
			if len(l.Stride) > 0 {
				s = l.Stride[0]
			}
			strides[depthwise] = append(strides[depthwise], s)
		case "ReLU":
			if net.Table.Act == arch.ReLU6 && (l.Max == nil || *l.Max != 6) {
				return fail("layer %q is not limited to 6", l.Name)
			}
			if l.Slope != nil && *l.Slope != 0 {
				return fail("layer %q has slope %g below zero", l.Name, *l.Slope)
			}
		case "ZeroPadding2D":
			if p := fmt.Sprint(l.Pad); p == "[[1 1] [1 1]]" && net.Options.Resolution%32 == 0 || p == "[[1 0] [1 0]]" {
				return fail("layer %q pads before the picture: %s", l.Name, p)
			}
		}
	}
	residuals := 0
	for i := range net.Blocks {
		if net.Blocks[i].Residual {
			residuals++
		}
	}
	if adds != residuals {
		return fail("it has %d residual additions, not %d", adds, residuals)
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		return err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		c, ok := convolution(n)
		if !ok {
			continue
		}
		left := strides[c.Groups > 1]
		if len(left) == 0 {
			continue // a Dense layer, or none named as expected
		}
		if left[0] != c.StrideH {
			return fail("layer %s has stride %d, not %d", n.Name, left[0], c.StrideH)
		}
		strides[c.Groups > 1] = left[1:]
	}
	return nil
}

func convolution(n *graph.Node) (graph.Conv2D, bool) {
	c, ok := n.Op.(graph.Conv2D)
	return c, ok
}
