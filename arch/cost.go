package arch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// Layer is a convolution or pooling layer with everything that belongs to it:
// the batch norm, activation, scale and residual that follow it.
type Layer struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"` // conv3x3, dw, conv1x1, gconv3x3, se, fc, pool
	In         [3]int `json:"in"`   // height, width, channels
	Out        [3]int `json:"out"`
	Kernel     int    `json:"kernel,omitempty"`
	Stride     int    `json:"stride,omitempty"`
	Dilation   int    `json:"dilation,omitempty"`
	Groups     int    `json:"groups,omitempty"`
	Bias       bool   `json:"bias,omitempty"`
	BatchNorm  bool   `json:"bn,omitempty"`
	Act        string `json:"act,omitempty"` // empty for linear
	Residual   bool   `json:"residual,omitempty"`
	Params     int64  `json:"params"`  // trained: weights, biases, batch-norm scales and offsets
	Weights    int64  `json:"weights"` // of them, the convolution's
	BNStats    int64  `json:"bn_stats"`
	MAdds      int64  `json:"madds"`      // products of the convolution
	Ops        int64  `json:"ops"`        // MAdds and one step for everything else
	Activation int64  `json:"activation"` // bytes of input and output in float32
}

// Share is what one kind of layer has of the whole (V1's Table 2).
type Share struct {
	Kind       string  `json:"kind"`
	Params     int64   `json:"params"`
	Weights    int64   `json:"weights"`
	MAdds      int64   `json:"madds"`
	MAddsPct   float64 `json:"madds_pct"`
	WeightsPct float64 `json:"weights_pct"`
}

// Summary is the account of a network for one picture.
type Summary struct {
	Name         string  `json:"name"`
	Dialect      string  `json:"dialect,omitempty"`
	Width        float64 `json:"width,omitempty"`
	Input        [3]int  `json:"input"` // height, width, channels
	Classes      int     `json:"classes,omitempty"`
	OutputStride int     `json:"output_stride,omitempty"`

	// Params are the trained numbers; BNStats are batch norm's averages, which
	// Keras counts as well. The V2 and V3 papers count ParamsWithoutBN.
	Params          int64 `json:"params"`
	BNStats         int64 `json:"bn_stats"`
	ParamsTotal     int64 `json:"params_total_incl_bn_stats"`
	ParamsWithoutBN int64 `json:"params_without_bn"`

	// MAdds is the papers' count, the products of convolutions and fully
	// connected layers. Ops adds one for every bias, batch norm, activation,
	// addition, scale and pooling step.
	MAdds int64 `json:"madds"`
	Ops   int64 `json:"ops"`

	// ActivationPeak is the most bytes that one layer's input and output take
	// in float32; ActivationSum is the sum of all layers' outputs. ArenaBytes
	// is what the executor plans, where it has planned.
	ActivationPeak      int64  `json:"activation_peak_bytes"`
	ActivationPeakLayer string `json:"activation_peak_layer"`
	ActivationSum       int64  `json:"activation_sum_bytes"`
	ArenaBytes          int64  `json:"arena_bytes,omitempty"`

	ByKind []Share `json:"by_kind"`
	Layers []Layer `json:"layers"`
}

// Summary counts the network at its resolution.
func (n *Net) Summary() (*Summary, error) {
	g, err := n.Graph(1, 0, 0)
	if err != nil {
		return nil, err
	}
	s, err := Summarize(g)
	if err != nil {
		return nil, err
	}
	s.Name, s.Dialect, s.Width = n.Name, n.Dialect.Name, n.Options.Width
	s.Classes, s.OutputStride = n.Options.Classes, n.Options.OutputStride
	return s, nil
}

// Summarize counts any graph, per batch. Layers are in the graph's order; a
// node that is neither a convolution nor pooling belongs to the layer that its
// latest input comes from.
func Summarize(g *graph.Graph) (*Summary, error) {
	s := &Summary{}
	if len(g.Inputs) > 0 {
		s.Input = extents(g.Node(g.Inputs[0]).Type)
	}
	owner := make([]int, len(g.Nodes)) // layer of each node, -1 before the first
	pooled := make([]bool, len(g.Nodes))
	work := 0.0
	for i := range g.Nodes {
		n, id := &g.Nodes[i], graph.ID(i)
		owner[i] = -1
		latest := graph.None
		for _, in := range n.In {
			if _, leaf := g.Nodes[in].Op.(graph.Variable); leaf {
				continue
			}
			if owner[in] >= owner[i] {
				owner[i] = owner[in]
			}
			latest = max(latest, in)
		}
		if latest >= 0 {
			pooled[i] = pooled[n.In[0]]
		}
		switch op := n.Op.(type) {
		case graph.Variable, graph.Input, graph.Constant:
			continue
		case graph.Conv2D:
			l := convLayer(g, id, op)
			switch {
			case strings.Contains(n.Name, ".se."):
				l.Kind = "se"
			case pooled[i]:
				l.Kind = "fc"
			}
			owner[i] = len(s.Layers)
			s.Layers = append(s.Layers, l)
		case graph.GlobalAvgPool, graph.Pool:
			_, global := op.(graph.GlobalAvgPool)
			pooled[i] = global
			owner[i] = len(s.Layers)
			s.Layers = append(s.Layers, Layer{Name: n.Name, Kind: "pool", In: extents(g.InTypes(id)[0]), Out: extents(n.Type)})
		}
		if work += steps(g, id); work > maxSteps {
			return nil, fmt.Errorf("node %q: the network takes more than %g operations", n.Name, maxSteps)
		}
		cost := g.NodeCost(id)
		s.MAdds += cost.MAdds
		s.Ops += cost.MAdds + cost.Elementwise
		stats, trained, norm, weights := variables(g, n)
		s.BNStats += stats
		s.Params += trained
		s.ParamsWithoutBN += trained - norm
		if owner[i] < 0 {
			continue
		}
		l := &s.Layers[owner[i]]
		l.MAdds += cost.MAdds
		l.Ops += cost.MAdds + cost.Elementwise
		l.Params += trained
		l.Weights += weights
		l.BNStats += stats
		switch op := n.Op.(type) {
		case graph.BatchNorm:
			l.BatchNorm = true
		case graph.Activation:
			l.Act = op.Act.String()
		case graph.Binary:
			l.Residual = l.Residual || op.Fn == graph.Add
		}
	}
	s.ParamsTotal = s.Params + s.BNStats
	for i := range s.Layers {
		l := &s.Layers[i]
		in, out := volume(l.In), volume(l.Out)
		l.Activation = 4 * (in + out)
		s.ActivationSum += 4 * out
		if l.Activation > s.ActivationPeak {
			s.ActivationPeak, s.ActivationPeakLayer = l.Activation, l.Name
		}
	}
	s.ByKind = shares(s)
	return s, nil
}

// maxSteps keeps every sum of Summarize far inside an int64.
const maxSteps = 1e18

// steps is an upper bound, in floating point, on what a node costs.
func steps(g *graph.Graph, id graph.ID) float64 {
	n := g.Node(id)
	v := 4 * float64(n.Type.Shape.Len())
	for _, in := range n.In {
		v += 4 * float64(g.Nodes[in].Type.Shape.Len())
	}
	switch op := n.Op.(type) {
	case graph.Conv2D:
		w := g.InTypes(id)[1].Shape
		v *= float64(w[1]) * float64(w[2]) * float64(w[3])
	case graph.Pool:
		v *= float64(op.KH) * float64(op.KW)
	}
	return v
}

// variables counts the numbers of a node's own variables.
func variables(g *graph.Graph, n *graph.Node) (stats, trained, norm, weights int64) {
	for _, in := range n.In {
		v, ok := g.Nodes[in].Op.(graph.Variable)
		if !ok {
			continue
		}
		size := int64(g.Nodes[in].Type.Shape.Len())
		if !v.Role.Trained() {
			stats += size
			continue
		}
		trained += size
		if v.Role.Norm() {
			norm += size
		}
		if v.Role == graph.Weight {
			weights += size
		}
	}
	return
}

func convLayer(g *graph.Graph, id graph.ID, op graph.Conv2D) Layer {
	n := g.Node(id)
	types := g.InTypes(id)
	w := op.Normal()
	l := Layer{
		Name: n.Name, In: extents(types[0]), Out: extents(n.Type),
		Kernel: w.KH, Stride: w.StrideH, Dilation: w.DilationH, Groups: op.GroupCount(),
		Bias: op.Bias, Residual: op.Residual,
	}
	if op.Act.Kind != graph.Linear {
		l.Act = op.Act.String()
	}
	switch {
	case op.Depthwise(types):
		l.Kind = "dw"
	case op.GroupCount() > 1:
		l.Kind = fmt.Sprintf("gconv%dx%d", w.KH, w.KW)
	default:
		l.Kind = fmt.Sprintf("conv%dx%d", w.KH, w.KW)
	}
	return l
}

func extents(t graph.Type) [3]int {
	s := t.Shape
	if len(s) == 4 {
		return [3]int{s[1], s[2], s[3]}
	}
	return [3]int{1, 1, s.Len()}
}

func volume(e [3]int) int64 { return int64(e[0]) * int64(e[1]) * int64(e[2]) }

// shares sums the layers by kind, most multiply-adds first. Percentages of
// weights leave out batch norms and biases.
func shares(s *Summary) []Share {
	var out []Share
	var weights int64
	for _, l := range s.Layers {
		if l.Kind == "pool" {
			continue
		}
		i := slices.IndexFunc(out, func(k Share) bool { return k.Kind == l.Kind })
		if i < 0 {
			i = len(out)
			out = append(out, Share{Kind: l.Kind})
		}
		out[i].Params += l.Params
		out[i].Weights += l.Weights
		out[i].MAdds += l.MAdds
		weights += l.Weights
	}
	for i := range out {
		out[i].MAddsPct = percent(out[i].MAdds, s.MAdds)
		out[i].WeightsPct = percent(out[i].Weights, weights)
	}
	slices.SortStableFunc(out, func(a, b Share) int { return cmp.Compare(b.MAdds, a.MAdds) })
	return out
}

func percent(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
