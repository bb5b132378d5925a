package arch

import "fmt"

// torchvisionNames covers V2, V3 and MnasNet-B1; torchvision has no others.
func torchvisionNames(n *Net, m module) (published, bool) {
	switch n.Table.Family {
	case V2:
		return torchvisionV2(n, m)
	case V3:
		return torchvisionV3(n, m)
	case MnasNet:
		return torchvisionMnas(n, m)
	}
	return published{}, false
}

// pair is a convolution and its batch norm, numbered one after the other
// below a prefix.
func pair(prefix string, i int) published {
	return published{conv: fmt.Sprintf("%s.%d", prefix, i), bn: fmt.Sprintf("%s.%d", prefix, i+1)}
}

// torchvisionV2: a layer with an activation is a Sequential of its own; the
// projection and its batch norm stand directly in the block.
func torchvisionV2(n *Net, m module) (published, bool) {
	switch m.part {
	case "stem":
		return pair("features.0", 0), true
	case "head.conv":
		return pair(fmt.Sprintf("features.%d", len(n.Blocks)+1), 0), true
	case "classifier":
		return published{conv: "classifier.1", dense: true}, n.HeadFC == 0
	}
	if m.block == nil || m.block.Kind != Inverted || m.block.SE > 0 {
		return published{}, false
	}
	prefix := fmt.Sprintf("features.%d.conv", m.index+1)
	place := 0
	if m.block.expanded() {
		place = 1
	}
	switch m.part {
	case "expand":
		return pair(prefix+".0", 0), true
	case "dw":
		return pair(fmt.Sprintf("%s.%d", prefix, place), 0), true
	case "project":
		return pair(prefix, place+1), true
	}
	return published{}, false
}

// torchvisionV3: the parts that a block has are numbered in order.
func torchvisionV3(n *Net, m module) (published, bool) {
	switch m.part {
	case "stem":
		return pair("features.0", 0), true
	case "head.conv":
		return pair(fmt.Sprintf("features.%d", len(n.Blocks)+1), 0), true
	case "head.fc":
		return published{conv: "classifier.0", dense: true}, true
	case "classifier":
		return published{conv: "classifier.3", dense: true}, n.HeadFC > 0
	}
	if m.block == nil || m.block.Kind != Inverted {
		return published{}, false
	}
	j := 0
	place := func(next bool) string {
		s := fmt.Sprintf("features.%d.block.%d", m.index+1, j)
		if next {
			j++
		}
		return s
	}
	expand := place(m.block.expanded())
	dw := place(true)
	se := place(m.block.SE > 0)
	switch m.part {
	case "expand":
		return pair(expand, 0), true
	case "dw":
		return pair(dw, 0), true
	case "se.reduce":
		return published{conv: se + ".fc1"}, true
	case "se.expand":
		return published{conv: se + ".fc2"}, true
	case "project":
		return pair(place(false), 0), true
	}
	return published{}, false
}

// torchvisionMnas: one flat list in which the first block's layers stand by
// themselves and each later row is a stack.
func torchvisionMnas(n *Net, m module) (published, bool) {
	switch m.part {
	case "stem":
		return pair("layers", 0), true
	case "head.conv":
		return pair("layers", 8+len(n.Table.Rows)-1), true
	case "classifier":
		return published{conv: "classifier.1", dense: true}, n.HeadFC == 0
	}
	if m.block == nil || m.block.Kind != Inverted || m.block.SE > 0 || m.block.expanded() != (m.block.Row > 0) || m.block.Row == 0 && m.index > 0 {
		return published{}, false
	}
	if m.index == 0 {
		switch m.part {
		case "dw":
			return pair("layers", 3), true
		case "project":
			return pair("layers", 6), true
		}
		return published{}, false
	}
	prefix := fmt.Sprintf("layers.%d.%d.layers", 7+m.block.Row, m.block.Index)
	switch m.part {
	case "expand":
		return pair(prefix, 0), true
	case "dw":
		return pair(prefix, 3), true
	case "project":
		return pair(prefix, 6), true
	}
	return published{}, false
}

// timmNames covers every network: timm numbers stages and the blocks in them,
// and names a block's layers by its kind.
func timmNames(n *Net, m module) (published, bool) {
	switch m.part {
	case "stem":
		return published{conv: "conv_stem", bn: "bn1"}, true
	case "head.conv":
		if n.Table.HeadFC > 0 {
			prefix := fmt.Sprintf("blocks.%d.0", n.Blocks[len(n.Blocks)-1].Stage+1)
			return published{conv: prefix + ".conv", bn: prefix + ".bn1"}, true
		}
		return published{conv: "conv_head", bn: "bn2"}, true
	case "head.fc":
		return published{conv: "conv_head"}, true
	case "classifier":
		return published{conv: "classifier", dense: true}, true
	}
	if m.block == nil {
		return published{}, false
	}
	prefix := fmt.Sprintf("blocks.%d.%d.", m.block.Stage, m.block.StageIndex)
	at := func(conv, bn string) (published, bool) { return published{conv: prefix + conv, bn: prefix + bn}, true }
	switch m.part {
	case "se.reduce":
		return at("se.conv_reduce", "")
	case "se.expand":
		return at("se.conv_expand", "")
	}
	expanded := m.block.expanded()
	switch string(m.block.Kind) + "." + m.part {
	case "cn.conv":
		return at("conv", "bn1")
	case "ds.dw":
		return at("conv_dw", "bn1")
	case "ds.pw":
		return at("conv_pw", "bn2")
	case "ir.expand":
		return at("conv_pw", "bn1")
	case "ir.dw":
		if expanded {
			return at("conv_dw", "bn2")
		}
		return at("conv_dw", "bn1")
	case "ir.project":
		if expanded {
			return at("conv_pwl", "bn3")
		}
		return at("conv_pw", "bn2")
	case "er.expand":
		return at("conv_exp", "bn1")
	case "er.project":
		if expanded {
			return at("conv_pwl", "bn2")
		}
		return at("conv", "bn1")
	}
	return published{}, false
}

// hfNames covers V1 and V2, which transformers converted from TF-slim.
func hfNames(n *Net, m module) (published, bool) {
	at := func(s string) (published, bool) {
		return published{conv: s + ".convolution", bn: s + ".normalization"}, true
	}
	if m.part == "classifier" {
		return published{conv: "classifier", dense: true}, n.HeadFC == 0
	}
	switch n.Table.Family {
	case V1:
		switch {
		case m.part == "stem":
			return at("mobilenet_v1.conv_stem")
		case m.part == "dw" && m.block.Kind == Separable:
			return at(fmt.Sprintf("mobilenet_v1.layer.%d", 2*m.index))
		case m.part == "pw":
			return at(fmt.Sprintf("mobilenet_v1.layer.%d", 2*m.index+1))
		}
	case V2:
		switch {
		case m.part == "stem":
			return at("mobilenet_v2.conv_stem.first_conv")
		case m.part == "head.conv":
			return at("mobilenet_v2.conv_1x1")
		case m.block == nil || m.block.Kind != Inverted || m.block.SE > 0 || m.block.expanded() != (m.index > 0):
			return published{}, false
		}
		prefix := "mobilenet_v2.conv_stem"
		if m.index > 0 {
			prefix = fmt.Sprintf("mobilenet_v2.layer.%d", m.index-1)
		}
		switch m.part {
		case "expand":
			return at(prefix + ".expand_1x1")
		case "dw":
			return at(prefix + ".conv_3x3")
		case "project":
			return at(prefix + ".reduce_1x1")
		}
	}
	return published{}, false
}
