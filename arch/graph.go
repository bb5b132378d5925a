package arch

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Graph builds the training graph for batches of pictures of h x w pixels: an
// input "input" [batch,h,w,3], convolutions, batch norms and activations as
// nodes of their own, and an output "logits" [batch,classes]. A height or width
// of 0 means the network's resolution. Variables have no values yet.
//
// Node names are the canonical ones: stem, blocks.I.{expand,dw,pw,conv,
// se.reduce,se.expand,project}, head.conv, head.fc, classifier, with .bn, .act
// and the variables .weight, .bias, .bn.weight, .bn.bias, .bn.mean, .bn.var
// below them; blocks.I.add, blocks.I.se.pool, blocks.I.se.gate,
// blocks.I.se.scale, pool, dropout and logits.
func (n *Net) Graph(batch, h, w int) (*graph.Graph, error) {
	if h == 0 {
		h = n.Options.Resolution
	}
	if w == 0 {
		w = n.Options.Resolution
	}
	if batch < 1 || h < 1 || w < 1 || h > maxSide || w > maxSide || batch > 1<<20 {
		return nil, fmt.Errorf("network %s: a batch of %d pictures of %d x %d: sides must be 1 to %d", n.Name, batch, h, w, maxSide)
	}
	b := &net{n: n}
	t := &n.Table
	x := b.Input("input", batch, h, w, 3)
	x = b.conv("stem", x, layer{out: n.StemOut, k: t.StemKernel, s: t.StemStride, act: n.act(t.StemAct, t.Act)})
	for i := range n.Blocks {
		x = b.block(fmt.Sprintf("blocks.%d", i), x, &n.Blocks[i])
	}
	headAct := n.act(t.HeadAct, t.Act)
	if n.HeadConv > 0 {
		x = b.conv("head.conv", x, layer{out: n.HeadConv, k: 1, act: headAct})
	}
	x = b.Op("pool", graph.GlobalAvgPool{}, x)
	if n.HeadFC > 0 {
		x = b.linear("head.fc", x, n.HeadFC)
		x = b.act("head.fc.act", x, headAct)
	}
	if rate := *n.Options.Dropout; rate > 0 {
		x = b.Op("dropout", graph.Dropout{Rate: rate}, x)
	}
	x = b.linear("classifier", x, n.Options.Classes)
	b.Output("logits", b.Op("logits", graph.Reshape{Shape: []int{0, -1}}, x))
	g, err := b.Graph()
	if err != nil {
		return nil, fmt.Errorf("network %s at %d x %d: %w", n.Name, h, w, err)
	}
	return g, nil
}

// net is a graph under construction with the conventions of its network.
type net struct {
	graph.Builder
	n *Net
}

// layer is a convolution with batch norm and activation. Zero strides,
// dilations and groups mean 1.
type layer struct {
	out, k, s, d, groups int
	depthwise            bool
	act                  Act
}

func (b *net) conv(name string, x graph.ID, l layer) graph.ID {
	if l.depthwise {
		l.groups = l.out
	}
	x = b.Conv(name, x, graph.ConvSpec{Window: graph.Square(l.k, max(l.s, 1), max(l.d, 1), b.padding(l)), Out: l.out, Groups: l.groups})
	x = b.Norm(name+".bn", x, graph.BatchNorm{Epsilon: b.n.Rules.Epsilon, Momentum: b.n.Rules.Momentum})
	return b.act(name+".act", x, l.act)
}

func (b *net) padding(l layer) graph.Padding {
	switch b.n.Rules.Padding {
	case Same:
		return graph.SamePadding
	case SameCorner:
		if !l.depthwise || l.s < 2 {
			return graph.SamePadding
		}
		total := max((l.k-1)*max(l.d, 1)+1-l.s, 0)
		before := total / 2
		after := total - before
		return graph.Padding{Top: before, Bottom: after, Left: before, Right: after}
	default:
		return graph.Pad((l.k - 1) / 2 * max(l.d, 1))
	}
}

func (b *net) act(name string, x graph.ID, a Act) graph.ID {
	op, err := a.op()
	if err != nil {
		return b.Fail("node %q: %w", name, err)
	}
	return b.Act(name, x, op)
}

// linear is a fully connected layer: a 1x1 convolution with bias of a 1x1
// picture.
func (b *net) linear(name string, x graph.ID, out int) graph.ID {
	return b.Conv(name, x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: out, Bias: true})
}

// block adds one block; name is "blocks.I".
func (b *net) block(name string, x graph.ID, k *Block) graph.ID {
	in := x
	switch k.Kind {
	case Conv:
		return b.conv(name+".conv", x, layer{out: k.Out, k: k.Kernel, s: k.Stride, d: k.Dilation, act: k.Act})
	case Separable:
		x = b.conv(name+".dw", x, layer{out: k.In, k: k.Kernel, s: k.Stride, d: k.Dilation, depthwise: true, act: k.Act})
		x = b.squeezeExcite(name+".se", x, k)
		return b.conv(name+".pw", x, layer{out: k.Out, k: 1, act: k.Act})
	case Inverted:
		if k.Mid != k.In {
			x = b.conv(name+".expand", x, layer{out: k.Mid, k: 1, act: k.Act})
		}
		x = b.conv(name+".dw", x, layer{out: k.Mid, k: k.Kernel, s: k.Stride, d: k.Dilation, depthwise: true, act: k.Act})
		x = b.squeezeExcite(name+".se", x, k)
		x = b.conv(name+".project", x, layer{out: k.Out, k: 1, act: k.ProjectAct})
	case Fused:
		stride := k.Stride
		if k.Mid != k.In {
			x = b.conv(name+".expand", x, layer{out: k.Mid, k: k.Kernel, s: k.Stride, d: k.Dilation, groups: k.Groups, act: k.Act})
			stride = 1
		}
		x = b.squeezeExcite(name+".se", x, k)
		x = b.conv(name+".project", x, layer{out: k.Out, k: 1, s: stride, act: k.ProjectAct})
	default:
		return b.Fail("node %q: unknown kind %q", name, k.Kind)
	}
	if k.Residual {
		x = b.Op(name+".add", graph.Binary{Fn: graph.Add}, x, in)
	}
	return x
}

// squeezeExcite scales every channel by a gate computed from the channels'
// means.
func (b *net) squeezeExcite(name string, x graph.ID, k *Block) graph.ID {
	if k.SE == 0 {
		return x
	}
	c := b.Channels(x)
	s := b.Op(name+".pool", graph.GlobalAvgPool{}, x)
	s = b.linear(name+".reduce", s, k.SE)
	s = b.act(name+".reduce.act", s, ReLU)
	s = b.linear(name+".expand", s, c)
	s = b.act(name+".gate", s, k.Gate)
	return b.Op(name+".scale", graph.Binary{Fn: graph.Mul}, x, s)
}
