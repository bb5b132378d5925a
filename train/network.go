package train

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/transform"
)

// network is what is trained: a graph for one picture whose values are those
// that training begins with.
type network struct {
	net  *arch.Net // nil for an imported graph
	base *graph.Graph
	// plain is what head's values belong to: base, or what that was before fake
	// quantization.
	plain *graph.Graph
	info  engine.Info
	head  engine.Head
	// kept says that the classifier came with the weights.
	kept bool
}

// fromScratch makes a network with random weights.
func fromScratch(p *Plan) (*network, error) {
	var net *arch.Net
	var err error
	if strings.ContainsAny(p.Model, " =") {
		net, err = arch.ParseSpec(p.Model)
	} else {
		net, err = arch.New(p.Model, arch.Options{})
	}
	if err != nil {
		return nil, err
	}
	if net, err = p.fit(net); err != nil {
		return nil, err
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		return nil, err
	}
	initialize(g, p.Seed)
	n := &network{net: net, base: g}
	n.info = engine.Info{Name: net.Name, Recipe: transform.Default(transform.SourceTorch, 0, p.Resolution)}
	return n, n.finish(p)
}

// fit gives a network the plan's classes, resolution and dropout.
func (p *Plan) fit(net *arch.Net) (*arch.Net, error) {
	o := net.Options
	o.Classes, o.Resolution = len(p.Classes), p.Resolution
	if p.Recipe.Dropout != nil {
		o.Dropout = p.Recipe.Dropout
	}
	return arch.Custom(net.Table, o)
}

// fromWeights makes a network of an opened model, with a classifier for the
// plan's classes.
func fromWeights(p *Plan, m *engine.Model) (*network, error) {
	n := &network{info: m.Info}
	n.kept = p.keeps(m)
	g, err := m.GraphAt(1, p.Resolution, p.Resolution)
	if err != nil {
		return nil, err
	}
	for i := range g.Nodes {
		if g.Nodes[i].Type.Quantized() {
			return nil, fmt.Errorf("train: %s holds integers, which cannot be trained: give the float weights that they were made of", m.Info.Path)
		}
	}
	if pass.FakeQuantized(g) {
		if g, _, err = pass.Unrounded(g); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
		}
	}
	if net := m.Net(); net != nil {
		if n.net, err = p.fit(net); err != nil {
			return nil, err
		}
		fresh, err := n.net.Graph(1, 0, 0)
		if err != nil {
			return nil, err
		}
		initialize(fresh, p.Seed)
		for _, id := range fresh.Variables() {
			v := fresh.Node(id)
			old, ok := g.Lookup(v.Name)
			if ok && g.Node(old).Type.Shape.Equal(v.Type.Shape) && (n.kept || !strings.HasPrefix(v.Name, "classifier.")) {
				v.Value = g.Node(old).Value
			} else if !strings.HasPrefix(v.Name, "classifier.") {
				return nil, fmt.Errorf("%s: variable %q is missing", m.Info.Path, v.Name)
			}
		}
		n.base = fresh
		return n, n.finish(p)
	}
	if n.kept {
		n.base = g
		return n, n.finish(p)
	}
	dropout := 0.0
	if p.Recipe.Dropout != nil {
		dropout = *p.Recipe.Dropout
	}
	if n.base, err = engine.ReplaceHead(g, len(p.Classes), dropout); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
	}
	if err := n.finish(p); err != nil {
		return nil, err
	}
	w := n.base.Node(n.head.Weight)
	w.Value = &graph.Array{Shape: w.Type.Shape, Data: normal(p.Seed, w.Name, w.Type.Shape.Len(), 0.01)}
	return n, nil
}

// finish settles what the network's files will say of it.
func (n *network) finish(p *Plan) (err error) {
	n.plain = n.base
	if n.head, err = engine.FindHead(n.base); err != nil {
		return err
	}
	i := &n.info
	r := i.Recipe.Resolved()
	// The same part of the picture at another size.
	if side := max(r.Width, r.Height); r.Shorter > 0 && side != p.Resolution {
		r.Shorter = int(math.Round(float64(r.Shorter) * float64(p.Resolution) / float64(side)))
	}
	r.Width, r.Height = p.Resolution, p.Resolution
	if err := r.Validate(); err != nil {
		return err
	}
	i.Recipe = p.Recipe.Augment.Validation(r).Resolved()
	i.RecipeGuessed, i.Probabilities, i.Background = false, false, false
	i.Labels, i.ClassIDs = p.labels(), nil
	if len(p.Labels) == len(p.Classes) {
		i.ClassIDs = p.Classes
	}
	i.Rows, i.H, i.W = len(p.Classes), p.Resolution, p.Resolution
	i.Notes, i.Metrics, i.SHA256, i.Format = nil, nil, "", ""
	if m := p.Recipe.BNMomentum; m > 0 {
		for k := range n.base.Nodes {
			if op, ok := n.base.Nodes[k].Op.(graph.BatchNorm); ok {
				op.Momentum = m
				n.base.Nodes[k].Op = op
			}
		}
	}
	return nil
}

// initialize gives every variable a first value, as torchvision does:
// convolutions normal by their fan-out, linear layers of deviation 0.01, batch
// norms 1 and 0. A variable's numbers follow from the seed and its name.
func initialize(g *graph.Graph, seed uint64) {
	linear := make(map[graph.ID]bool)
	for i := range g.Nodes {
		if _, ok := g.Nodes[i].Op.(graph.Conv2D); ok && (g.Nodes[i].Name == "classifier" || g.Nodes[i].Name == "head.fc") {
			linear[g.Nodes[i].In[1]] = true
		}
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		s := n.Type.Shape
		data := make([]float32, s.Len())
		switch n.Op.(graph.Variable).Role {
		case graph.Weight:
			std := 0.01
			if !linear[id] {
				std = math.Sqrt(2 / float64(s[0]*s[2]*s[3]))
			}
			data = normal(seed, n.Name, len(data), std)
		case graph.Gamma, graph.Var:
			for i := range data {
				data[i] = 1
			}
		}
		n.Value = &graph.Array{Shape: s, Data: data}
	}
}

// normal draws numbers that follow from a seed and a name.
func normal(seed uint64, name string, n int, std float64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * std)
	}
	return out
}

// with is the base graph with other values, where the function has some.
func (n *network) with(value func(name string) []float32) *graph.Graph {
	g := *n.base
	g.Nodes = slices.Clone(g.Nodes)
	for i := range g.Nodes {
		v := &g.Nodes[i]
		if v.Value == nil {
			continue
		}
		if data := value(v.Name); data != nil {
			v.Value = &graph.Array{Shape: v.Value.Shape, Data: data}
		}
	}
	return &g
}

// frozen makes of patterns a test for names of variables.
func (n *network) frozen(patterns []string) (func(name string) bool, error) {
	head := map[string]bool{n.plain.Node(n.head.Weight).Name: true}
	if n.head.Bias != graph.None {
		head[n.plain.Node(n.head.Bias).Name] = true
	}
	names, heard := n.layers()
	matches := func(pattern, name string) bool {
		if pattern == "backbone" {
			return !head[name]
		}
		// A pattern covers what lies below what it names.
		for rest := name; ; {
			if ok, _ := path.Match(pattern, rest); ok {
				return true
			}
			dot := strings.LastIndexByte(rest, '.')
			if dot < 0 {
				return false
			}
			rest = rest[:dot]
		}
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(names, func(name string) bool { return matches(p, name) }) {
			return nil, fmt.Errorf("train: Freeze: nothing is named %q%s", p, suggest.DidYouMean(p, append(heard, "backbone")))
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
	}, nil
}

// layers lists the names of values that training can change, and of the
// layers they belong to.
func (n *network) layers() (names, layers []string) {
	for i := range n.base.Nodes {
		v := &n.base.Nodes[i]
		if v.Value == nil {
			continue
		}
		names = append(names, v.Name)
		for at := v.Name; ; {
			dot := strings.LastIndexByte(at, '.')
			if dot < 0 {
				break
			}
			at = at[:dot]
			if !slices.Contains(layers, at) {
				layers = append(layers, at)
			}
		}
	}
	return names, layers
}

// depths numbers the blocks of a graph's variables from the input: a block
// ends before a layer that expands or a depthwise layer, whichever is first.
func depths(g *graph.Graph) (of map[graph.ID]int, deepest int) {
	of = make(map[graph.ID]int)
	block, name := 0, ""
	started := false
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if _, weight := n.Op.(graph.FakeQuantWeight); weight {
			continue // the convolution's
		}
		op, conv := n.Op.(graph.Conv2D)
		if !conv {
			for _, in := range n.In {
				if _, v := g.Node(in).Op.(graph.Variable); v {
					if _, done := of[in]; !done {
						of[in] = block
					}
				}
			}
			continue
		}
		if b := blockName(n.Name); b != "" {
			if started && b != name {
				block++
			}
			name = b
		} else if started && op.Depthwise(g.InTypes(graph.ID(i))) {
			block++
		}
		started = true
		for _, in := range n.In[1:] {
			if w := g.Node(in); len(w.In) > 0 {
				in = w.In[0] // of a rounded weight
			}
			if _, v := g.Node(in).Op.(graph.Variable); v {
				of[in] = block
			}
		}
	}
	return of, block
}

// blockName is the part of a canonical layer's name that its block shares.
func blockName(name string) string {
	f := strings.Split(name, ".")
	switch {
	case f[0] == "stem" || f[0] == "classifier":
		return f[0]
	case (f[0] == "blocks" || f[0] == "head") && len(f) > 1:
		return f[0] + "." + f[1]
	}
	return ""
}
