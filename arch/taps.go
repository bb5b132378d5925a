package arch

import "fmt"

// Tap names a feature map that heads and embeddings read.
type Tap struct {
	// Name is "stride4" and so on for the last block at that distance from the
	// input; "c4" for the map from which detection starts: the expansion
	// inside the block that leaves stride 16, or the last map at stride 16
	// where blocks have no expansion; "head" for the last map and "features"
	// for the pooled vector that the classifier, or V3's layer before it, reads.
	Name     string
	Node     string // in the graph
	Stride   int    // input pixels per step; less than in Name where dilation replaced a stride
	Channels int
}

// Taps lists the network's feature maps, earliest first.
func (n *Net) Taps() []Tap {
	var out []Tap
	stride := n.Table.StemStride
	name, channels := "stem"+suffixOf(n.act(n.Table.StemAct, n.Table.Act)), n.StemOut
	reach := stride
	leave := func() {
		if reach > 1 {
			out = append(out, Tap{fmt.Sprintf("stride%d", reach), name, stride, channels})
		}
	}
	for i := range n.Blocks {
		b := &n.Blocks[i]
		if b.Reach != reach {
			leave()
			if reach == 16 {
				c4 := Tap{"c4", name, stride, channels}
				if b.Kind == Inverted && b.expanded() {
					c4.Node, c4.Channels = fmt.Sprintf("blocks.%d.expand", i)+suffixOf(b.Act), b.Mid
				}
				out = append(out, c4)
			}
		}
		reach = b.Reach
		stride *= b.Stride
		name, channels = n.outputNode(i), b.Out
	}
	leave()
	if n.HeadConv > 0 {
		name, channels = "head.conv"+suffixOf(n.act(n.Table.HeadAct, n.Table.Act)), n.HeadConv
	}
	out = append(out, Tap{"head", name, stride, channels})
	return append(out, Tap{"features", "pool", 0, channels})
}

// suffixOf is the last node of a layer with the given activation.
func suffixOf(a Act) string {
	if a == Linear {
		return ".bn"
	}
	return ".act"
}

// outputNode names the node whose value is the block's.
func (n *Net) outputNode(i int) string {
	b := &n.Blocks[i]
	prefix := fmt.Sprintf("blocks.%d.", i)
	switch {
	case b.Residual:
		return prefix + "add"
	case b.Kind == Conv:
		return prefix + "conv" + suffixOf(b.Act)
	case b.Kind == Separable:
		return prefix + "pw" + suffixOf(b.Act)
	}
	return prefix + "project" + suffixOf(b.ProjectAct)
}
