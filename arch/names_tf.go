package arch

import "fmt"

// kerasNames covers V1, V2 and V3 as Keras 3 names them.
func kerasNames(n *Net, m module) (published, bool) {
	at := func(conv, bn string) (published, bool) { return published{conv: conv, bn: bn}, true }
	switch n.Table.Family {
	case V1:
		switch {
		case m.part == "stem":
			return at("conv1", "conv1_bn")
		case m.part == "classifier":
			return at("conv_preds", "")
		case m.block != nil && m.block.Kind == Separable && m.block.SE == 0:
			s := fmt.Sprintf("conv_%s_%d", m.part, m.index+1)
			return at(s, s+"_bn")
		}
	case V2:
		switch {
		case m.part == "stem":
			return at("Conv1", "bn_Conv1")
		case m.part == "head.conv":
			return at("Conv_1", "Conv_1_bn")
		case m.part == "classifier":
			return published{conv: "predictions", dense: true}, true
		case m.block == nil || m.block.Kind != Inverted || m.block.SE > 0:
			return published{}, false
		}
		s := "expanded_conv_" + tfPart(m.part)
		if m.index > 0 {
			s = fmt.Sprintf("block_%d_%s", m.index, tfPart(m.part))
		}
		return at(s, s+"_BN")
	case V3:
		switch m.part {
		case "stem":
			return at("conv", "conv_bn")
		case "head.conv":
			return at("conv_1", "conv_1_bn")
		case "head.fc":
			return at("conv_2", "")
		case "classifier":
			return at("logits", "")
		}
		if m.block == nil || m.block.Kind != Inverted {
			return published{}, false
		}
		prefix := expandedConv(m.index) + "_"
		switch m.part {
		case "se.reduce":
			return at(prefix+"squeeze_excite_conv", "")
		case "se.expand":
			return at(prefix+"squeeze_excite_conv_1", "")
		}
		return at(prefix+tfPart(m.part), prefix+tfPart(m.part)+"_bn")
	}
	return published{}, false
}

// kerasH5Names is kerasNames with the layer names of older files.
func kerasH5Names(n *Net, m module) (published, bool) {
	if n.Table.Family == V2 && m.part == "classifier" {
		return published{conv: "Logits", dense: true}, true
	}
	if n.Table.Family != V3 {
		return kerasNames(n, m)
	}
	switch m.part {
	case "head.fc":
		return published{conv: "Conv_2"}, true
	case "classifier":
		return published{conv: "Logits"}, true
	}
	return tfScoped("", m)
}

// slimNames covers V1, V2, V3 and EdgeTPU.
func slimNames(n *Net, m module) (published, bool) {
	root := map[Family]string{V1: "MobilenetV1/", V2: "MobilenetV2/", V3: "MobilenetV3/", EdgeTPU: "MobilenetEdgeTPU/"}[n.Table.Family]
	switch {
	case root == "":
		return published{}, false
	case m.part == "classifier":
		return published{conv: root + "Logits/Conv2d_1c_1x1"}, true
	case m.part == "head.fc":
		return published{conv: root + "Conv_2"}, true
	case n.Table.Family != V1:
		return tfScoped(root, m)
	}
	at := func(s string) (published, bool) { return published{conv: s, bn: s + "/BatchNorm"}, true }
	switch m.part {
	case "stem":
		return at(root + "Conv2d_0")
	case "conv":
		return at(fmt.Sprintf("%sConv2d_%d", root, m.index+1))
	case "dw":
		return at(fmt.Sprintf("%sConv2d_%d_depthwise", root, m.index+1))
	case "pw":
		return at(fmt.Sprintf("%sConv2d_%d_pointwise", root, m.index+1))
	}
	return published{}, false
}

// tfScoped gives the names by variable scope that TF-slim and older Keras
// files share.
func tfScoped(root string, m module) (published, bool) {
	at := func(s string) (published, bool) { return published{conv: s, bn: s + "/BatchNorm"}, true }
	switch m.part {
	case "stem":
		return at(root + "Conv")
	case "head.conv":
		return at(root + "Conv_1")
	}
	if m.block == nil || m.block.Kind != Inverted && m.block.Kind != Fused || m.block.Groups > 1 {
		return published{}, false
	}
	prefix := root + expandedConv(m.index) + "/"
	switch m.part {
	case "se.reduce":
		return at(prefix + "squeeze_excite/Conv")
	case "se.expand":
		return at(prefix + "squeeze_excite/Conv_1")
	}
	return at(prefix + tfPart(m.part))
}

func expandedConv(i int) string {
	if i == 0 {
		return "expanded_conv"
	}
	return fmt.Sprintf("expanded_conv_%d", i)
}

func tfPart(part string) string {
	if part == "dw" {
		return "depthwise"
	}
	return part
}
