package arch

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Layout says how a checkpoint stores a weight that the graph wants as
// [output, input/groups, height, width]. The values are the layout names of
// package weights.
type Layout string

// The layouts of published checkpoints.
const (
	OIHW          Layout = "asis"           // as the graph, or a linear layer's [output, input]
	HWIO          Layout = "hwio"           // TensorFlow and Keras
	DepthwiseHWIO Layout = "depthwise_hwio" // TensorFlow's and Keras's [height, width, channels, 1]
	DenseIO       Layout = "dense_io"       // Keras's Dense, [input, output]
)

// TensorName is one variable of a network as a published checkpoint holds it.
type TensorName struct {
	Canonical string       // the graph's variable
	Published string       // the checkpoint's tensor
	Shape     tensor.Shape // the graph's
	Stored    tensor.Shape // the checkpoint's
	Layout    Layout
}

// Schemes lists the naming schemes of published checkpoints. "canonical" is
// this project's own. "keras_h5" is Keras with the names of files written
// before Keras 3; "hf" is Hugging Face transformers.
func Schemes() []string {
	return []string{"canonical", "torchvision", "timm", "keras", "keras_h5", "slim", "hf"}
}

// module is a layer that owns variables.
type module struct {
	name  string // canonical, as "blocks.3.se.reduce"
	part  string // "stem", "head.conv", "head.fc", "classifier" or the name inside its block
	block *Block // nil outside blocks
	index int    // of the block
}

// published is a module's place in a checkpoint: the prefix of its weight and
// bias and the prefix of its batch norm.
type published struct {
	conv, bn string
	dense    bool // stored as a matrix
}

// namer finds a module in one scheme; ok is false where the scheme has no
// name for it.
type namer func(n *Net, m module) (p published, ok bool)

// Tensors lists every variable of the network, in the graph's order, with its
// name in the checkpoints of a scheme (see [Schemes]). The name of a dialect
// stands for its scheme. It fails where the scheme has no names for a layer of
// the network.
func (n *Net) Tensors(scheme string) ([]TensorName, error) {
	var find namer
	suffix := torchSuffix
	switch scheme {
	case "canonical":
		find, suffix = canonicalNames, canonicalSuffix
	case "torchvision":
		find = torchvisionNames
	case "timm", "timm_tf":
		find = timmNames
	case "keras":
		find, suffix = kerasNames, kerasSuffix
	case "keras_h5":
		find, suffix = kerasH5Names, kerasSuffix
	case "slim", "slim_finegrain", "slim_plain", "tf_slim":
		find, suffix = slimNames, slimSuffix
	case "hf", "hf_transformers":
		find = hfNames
	default:
		return nil, fmt.Errorf("unknown naming scheme %q%s: use one of %s", clip(scheme, 40), suggest.DidYouMean(scheme, Schemes()), strings.Join(Schemes(), ", "))
	}
	g, err := n.Graph(1, 0, 0)
	if err != nil {
		return nil, err
	}
	var out []TensorName
	for _, id := range g.Variables() {
		node := g.Node(id)
		base, leaf := node.Name[:strings.LastIndexByte(node.Name, '.')], node.Name[strings.LastIndexByte(node.Name, '.')+1:]
		base, bn := strings.CutSuffix(base, ".bn")
		m := n.module(base)
		p, ok := find(n, m)
		if !ok {
			return nil, fmt.Errorf("network %s (family %s): checkpoints of %s have no name for %s", n.Name, n.Table.Family, scheme, node.Name)
		}
		depthwise := m.part == "dw"
		t := TensorName{Canonical: node.Name, Shape: node.Type.Shape, Stored: node.Type.Shape, Layout: OIHW}
		if bn {
			t.Published = p.bn + suffix("bn."+leaf, depthwise)
		} else {
			t.Published = p.conv + suffix(leaf, depthwise)
		}
		if node.Op.(graph.Variable).Role == graph.Weight {
			t.Stored, t.Layout = stored(t.Shape, strings.HasPrefix(t.Published[len(p.conv):], "/"), depthwise, p.dense)
		}
		out = append(out, t)
	}
	return out, nil
}

// stored gives the shape in which a weight lies in a file.
func stored(s tensor.Shape, tensorflow, depthwise, dense bool) (tensor.Shape, Layout) {
	o, i, h, w := s[0], s[1], s[2], s[3]
	switch {
	case dense && tensorflow:
		return tensor.Shape{i, o}, DenseIO
	case dense:
		return tensor.Shape{o, i}, OIHW
	case depthwise && tensorflow:
		return tensor.Shape{h, w, o, i}, DepthwiseHWIO
	case tensorflow:
		return tensor.Shape{h, w, i, o}, HWIO
	}
	return s, OIHW
}

// module takes a canonical layer name apart.
func (n *Net) module(name string) module {
	m := module{name: name, part: name, index: -1}
	if rest, ok := strings.CutPrefix(name, "blocks."); ok {
		number, part, _ := strings.Cut(rest, ".")
		for _, c := range number {
			m.index = max(m.index, 0)*10 + int(c-'0')
		}
		m.part, m.block = part, &n.Blocks[m.index]
	}
	return m
}

// expanded reports whether the block has an expansion layer.
func (b *Block) expanded() bool { return b.Mid != b.In }

func canonicalNames(_ *Net, m module) (published, bool) {
	return published{conv: m.name, bn: m.name}, true
}

func canonicalSuffix(leaf string, _ bool) string { return "." + leaf }

func torchSuffix(leaf string, _ bool) string {
	switch leaf {
	case "bn.mean":
		return ".running_mean"
	case "bn.var":
		return ".running_var"
	}
	return "." + strings.TrimPrefix(leaf, "bn.")
}

var tfBatchNorm = map[string]string{"bn.weight": "/gamma", "bn.bias": "/beta", "bn.mean": "/moving_mean", "bn.var": "/moving_variance"}

func kerasSuffix(leaf string, depthwise bool) string {
	switch {
	case leaf == "weight" && depthwise:
		return "/depthwise_kernel"
	case leaf == "weight":
		return "/kernel"
	case leaf == "bias":
		return "/bias"
	}
	return tfBatchNorm[leaf]
}

func slimSuffix(leaf string, depthwise bool) string {
	switch {
	case leaf == "weight" && depthwise:
		return "/depthwise_weights"
	case leaf == "weight":
		return "/weights"
	case leaf == "bias":
		return "/biases"
	}
	return tfBatchNorm[leaf]
}
