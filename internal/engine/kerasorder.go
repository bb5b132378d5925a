package engine

import (
	"fmt"
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Keras numbers layers that nobody named (conv2d_7), and people rename the
// classifier of what they fine-tune. Keras itself loads such files by the
// order of the layers; so does this file, kind by kind, with every shape
// checked.

// kerasQueue lists the prefixes of a file's layers of each kind, in order.
type kerasQueue struct {
	convs, depthwise, dense, norms []string
	other                          []string
}

func isKeras(set *weights.Set) bool {
	return set.Source.Format == weights.HDF5 || set.Source.Format == weights.KerasZip
}

func queueOf(set *weights.Set) kerasQueue {
	var q kerasQueue
	for _, t := range set.Tensors() {
		i := strings.LastIndexByte(t.Name, '/')
		layer, leaf := t.Name[:max(i, 0)], t.Name[i+1:]
		switch {
		case leaf == "kernel" && len(t.Shape) == 4:
			q.convs = append(q.convs, layer)
		case leaf == "depthwise_kernel":
			q.depthwise = append(q.depthwise, layer)
		case leaf == "kernel" && len(t.Shape) == 2:
			q.dense = append(q.dense, layer)
		case leaf == "moving_variance":
			q.norms = append(q.norms, layer)
		case leaf != "bias" && leaf != "gamma" && leaf != "beta" && leaf != "moving_mean":
			q.other = append(q.other, t.Name)
		}
	}
	return q
}

// orderNames gives every variable of a network the tensor at the same place
// among its kind. It fails where a kind has more or fewer layers.
func orderNames(net *arch.Net, q kerasQueue) (weights.NameMap, error) {
	vars, err := net.Tensors("canonical")
	if err != nil {
		return nil, err
	}
	// Layers after the pooling may be dense; those that are come last.
	var linear []string
	seen := map[string]bool{}
	count := kerasQueue{}
	for _, v := range vars {
		base, _ := cutLast(v.Canonical, '.')
		layer, norm := strings.CutSuffix(base, ".bn")
		if seen[base] {
			continue
		}
		seen[base] = true
		switch {
		case norm:
			count.norms = append(count.norms, base)
		case strings.HasSuffix(layer, ".dw"):
			count.depthwise = append(count.depthwise, base)
		default:
			count.convs = append(count.convs, base)
			if layer == "classifier" || layer == "head.fc" {
				linear = append(linear, base)
			}
		}
	}
	dense := len(q.dense)
	if dense > len(linear) || len(count.convs)-dense != len(q.convs) || len(count.depthwise) != len(q.depthwise) || len(count.norms) != len(q.norms) {
		return nil, fmt.Errorf("%d convolutions, %d depthwise convolutions, %d dense layers and %d batch norms for a network of %d convolutions, %d depthwise ones and %d batch norms",
			len(q.convs), len(q.depthwise), dense, len(q.norms), len(count.convs), len(count.depthwise), len(count.norms))
	}
	isDense := map[string]bool{}
	for _, base := range linear[len(linear)-dense:] {
		isDense[base] = true
	}
	at := map[string]string{} // canonical layer to the file's
	for _, base := range count.convs {
		from := &q.convs
		if isDense[base] {
			from = &q.dense
		}
		at[base], *from = (*from)[0], (*from)[1:]
	}
	for i, base := range count.depthwise {
		at[base] = q.depthwise[i]
	}
	for i, base := range count.norms {
		at[base] = q.norms[i]
	}
	names := weights.NameMap{}
	for _, v := range vars {
		base, leaf := cutLast(v.Canonical, '.')
		layer, norm := strings.CutSuffix(base, ".bn")
		p := weights.Published{Name: at[base] + "/"}
		switch {
		case norm:
			p.Name += map[string]string{"weight": "gamma", "bias": "beta", "mean": "moving_mean", "var": "moving_variance"}[leaf]
		case leaf == "bias":
			p.Name += "bias"
		case strings.HasSuffix(layer, ".dw"):
			p.Name, p.Layout = p.Name+"depthwise_kernel", weights.DepthwiseHWIO
		case isDense[base]:
			p.Name, p.Layout = p.Name+"kernel", weights.DenseIO
		default:
			p.Name, p.Layout = p.Name+"kernel", weights.HWIO
		}
		names[v.Canonical] = p
	}
	return names, nil
}

// cutLast cuts a text at the last separator.
func cutLast(s string, sep byte) (before, after string) {
	i := strings.LastIndexByte(s, sep)
	return s[:max(i, 0)], s[i+1:]
}

// detectOrder finds the published network whose layers a Keras file has, in
// order and with their shapes, whatever their names.
func detectOrder(set *weights.Set, dialect string) (*Detected, error) {
	q := queueOf(set)
	if len(q.other) > 0 || len(q.convs) == 0 {
		return nil, nil
	}
	last := q.convs[len(q.convs)-1]
	if len(q.dense) > 0 {
		last = q.dense[len(q.dense)-1]
	}
	kernel := set.Get(last + "/kernel")
	stem := set.Get(q.convs[0] + "/kernel")
	if kernel == nil || stem == nil || len(kernel.Shape) == 0 {
		return nil, nil
	}
	classes, channels := kernel.Shape[len(kernel.Shape)-1], stem.Shape[len(stem.Shape)-1]
	var best *Detected
	var others []string
	for _, d := range []string{"keras", "slim", "slim_finegrain"} {
		if dialect != "" && d != dialect {
			continue
		}
		for _, name := range arch.Names() {
			plain, err := arch.New(name, arch.Options{Dialect: d})
			if err != nil {
				continue
			}
			if _, err := orderNames(plain, q); err != nil {
				continue
			}
			net, names := fitOrder(set, plain, q, arch.Options{Dialect: d, Classes: classes, Resolution: kerasResolution(set)}, channels)
			switch {
			case net == nil:
			case best == nil:
				best = &Detected{Net: net, Scheme: "canonical", Names: names}
			case net.Name != best.Net.Name:
				others = append(others, net.Name)
			}
		}
	}
	if best == nil {
		return nil, nil
	}
	for _, o := range others {
		best.Notes = append(best.Notes, fmt.Sprintf("the layers fit %s as well as %s: give --model if the weights are the former's", o, best.Net.Name))
	}
	best.Notes = append(best.Notes, "the layers were matched by their order, kind and shape: their names are not the published ones")
	return best, kerasAgrees(set, best.Net)
}

// fitOrder finds the multiplier with which all shapes agree. Besides the
// published ones it tries those that the first convolution's width suggests.
func fitOrder(set *weights.Set, plain *arch.Net, q kerasQueue, opt arch.Options, channels int) (*arch.Net, weights.NameMap) {
	widths := detectWidths[:]
	if plain.StemOut > 0 && channels > 0 {
		ratio := float64(channels) / float64(plain.StemOut)
		widths = append(widths[:len(widths):len(widths)], ratio, math.Round(ratio*10)/10, math.Round(ratio*20)/20)
	}
	for _, opt.Width = range widths {
		net, err := arch.New(plain.Name, opt)
		if err != nil {
			continue
		}
		names, err := orderNames(net, q)
		if err != nil {
			continue
		}
		want, err := wanted(net, "canonical")
		if err != nil {
			continue
		}
		if exact(set, want, names) {
			return net, names
		}
	}
	return nil, nil
}

// exact reports whether a set has exactly the tensors that a network wants.
func exact(set *weights.Set, want []weights.Wanted, names weights.NameMap) bool {
	for i := range want {
		want[i].DropBackground = false
		p := names[want[i].Name]
		t := set.Get(p.Name)
		if t == nil || t.Len() != want[i].Shape.Len() {
			return false
		}
	}
	_, _, err := weights.Bind(want, set, names, nil)
	return err == nil
}

// kerasNames matches by order the layers of a Keras file whose names are not
// those of the network that the caller gave; nil where names will do, or
// nothing does.
func kerasNames(set *weights.Set, net *arch.Net, opt *Options) weights.NameMap {
	if !isKeras(set) || opt.Names != nil {
		return nil
	}
	if want, err := wanted(net, schemeFor(net, set)); err == nil {
		missing := false
		for _, w := range want {
			missing = missing || !has(set, w.Source)
		}
		if !missing {
			return nil
		}
	}
	names, err := orderNames(net, queueOf(set))
	if err != nil {
		return nil
	}
	return names
}
