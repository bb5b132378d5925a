package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// generatedModel is a network with generated weights; change may spoil the
// set of its tensors, which has the scheme's names.
func generatedModel(t *testing.T, name string, o arch.Options, opt *Options, change func(*weights.Set)) *Model {
	t.Helper()
	net, err := arch.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(g)
	set, err := weights.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		if err := set.Add(tensor.FromFloat32(n.Name, n.Type.Shape, n.Value.Data)); err != nil {
			t.Fatal(err)
		}
	}
	set.Source.Path = name
	if change != nil {
		change(set)
	}
	if opt == nil {
		opt = &Options{}
	}
	opt.Net = net
	m, err := FromSet(set, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// photos are generated pictures of several shapes.
func photos(n int) []*transform.Image {
	var out []*transform.Image
	for i := range n {
		h, w := 90+11*i, 140-7*i
		pix := goldenPicture(h, w)
		for k := range pix {
			pix[k] += byte(k * i / 97)
		}
		out = append(out, &transform.Image{W: w, H: h, Pix: pix})
	}
	return out
}

func labels(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("label %d", i)
	}
	return out
}

// permute reorders slices of a tensor of float32: along axis 1 of a stem
// weight, or the rows of a matrix or vector.
func permute(t *tensor.Tensor, outer, count, inner int, order []int) {
	old := slices.Clone(t.Data)
	for o := range outer {
		for i, from := range order {
			copy(t.Data[4*((o*count+i)*inner):4*((o*count+i+1)*inner)], old[4*((o*count+from)*inner):])
		}
	}
}

// TestCompareNamesTheCause spoils a model in the five classic ways, and a few
// more, and asks for the cause by name, from the other model and from recorded
// scores alone.
func TestCompareNamesTheCause(t *testing.T) {
	ctx := context.Background()
	const classes = 20
	o := arch.Options{Dialect: "keras", Width: 0.75, Resolution: 96, Classes: classes}
	base := func(opt *Options, dialect string, change func(*weights.Set)) *Model {
		o := o
		if dialect != "" {
			o.Dialect = dialect
		}
		return generatedModel(t, "mobilenet_v2", o, opt, change)
	}
	pictures := photos(4)
	good := base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", nil)
	roll := make([]int, classes)
	for i := range roll {
		roll[i] = (i + 1) % classes
	}
	withEps := func(eps float64) *Model {
		m := base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", nil)
		return m.variant(m.Info.Recipe, withEpsilon(eps))
	}
	padded := func() *Model {
		m := base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", nil)
		return m.variant(m.Info.Recipe, otherPadding)
	}
	for _, c := range []struct {
		name, cause, first string
		model              *Model
		modelOnly          bool
	}{
		{"same", CauseNone, "", base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", nil), false},
		{"channels in the recipe", CauseChannel, "input", base(&Options{Preprocess: "tf,order=bgr", Labels: labels(classes)}, "", nil), false},
		{"channels in the weights", CauseChannel, "stem", base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", func(s *weights.Set) {
			w := s.Get("stem.weight")
			permute(w, w.Shape[0], 3, 9, []int{2, 1, 0})
		}), false},
		{"range", CauseRange, "input", base(&Options{Preprocess: "torchvision", Labels: labels(classes)}, "", nil), false},
		{"range of bytes", CauseRange, "input", base(&Options{Preprocess: "bytes", Labels: labels(classes)}, "", nil), false},
		{"rows shifted", CauseLabels, "classifier", base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", func(s *weights.Set) {
			w := s.Get("classifier.weight")
			permute(w, 1, classes, w.Shape[1], roll)
			permute(s.Get("classifier.bias"), 1, classes, 1, roll)
		}), false},
		{"labels shifted", CauseLabels, "labels", base(&Options{Preprocess: "tf", Labels: append(labels(classes)[1:], "extra")}, "", nil), true},
		{"epsilon", CauseEpsilon, "stem", withEps(1e-5), false},
		{"padding", CausePadding, "stem", padded(), false},
		{"resize", CauseResize, "resize", base(&Options{Preprocess: "tf,resize=squash", Labels: labels(classes)}, "", nil), true},
		{"weights", CauseUnknown, "blocks.3.dw", base(&Options{Preprocess: "tf", Labels: labels(classes)}, "", func(s *weights.Set) {
			d := s.Get("blocks.3.dw.weight").Data
			for i := 3; i < len(d); i += 4 {
				d[i] ^= 0x80 // the signs
			}
		}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Compare(ctx, good, c.model, pictures, false)
			if err != nil {
				t.Fatal(err)
			}
			if got.Cause != c.cause || got.First != c.first {
				t.Errorf("cause %q (%s), first difference at %q; want %q at %q\n%+v", got.Cause, got.Detail, got.First, c.cause, c.first, got.Hypotheses)
			}
			if c.modelOnly {
				return
			}
			scores, err := good.scoresOf(ctx, pictures, false)
			if err != nil {
				t.Fatal(err)
			}
			got, err = CompareGolden(ctx, c.model, Golden{Scores: scores}, pictures, false)
			if err != nil {
				t.Fatal(err)
			}
			if got.Cause != c.cause {
				t.Errorf("from recorded scores: cause %q (%s), want %q\n%+v", got.Cause, got.Detail, c.cause, got.Hypotheses)
			}
		})
	}
}

// TestCompareBackground takes a 1001-row head and its 1000-row twin for equal.
func TestCompareBackground(t *testing.T) {
	ctx := context.Background()
	o := arch.Options{Dialect: "slim", Width: 0.25, Resolution: 64, Classes: 1001}
	wide := generatedModel(t, "mobilenet_v1", o, nil, nil)
	set, err := wide.Set(ctx, SaveOptions{NoGolden: true})
	if err != nil {
		t.Fatal(err)
	}
	o.Classes = 1000
	net, err := arch.New("mobilenet_v1", o)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := FromSet(set, &Options{Net: net, Preprocess: "tf"})
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	got, err := Compare(ctx, wide, narrow, photos(2), false)
	if err != nil {
		t.Fatal(err)
	}
	if got.Cause != CauseNone || got.Agreement != 1 {
		t.Errorf("cause %q, first %q, agreement %g", got.Cause, got.First, got.Agreement)
	}
}

func TestCompareRefuses(t *testing.T) {
	m := generatedModel(t, "mobilenet_v3_small", arch.Options{Resolution: 32, Classes: 3}, nil, nil)
	ctx := context.Background()
	if _, err := Compare(ctx, m, m, nil, false); err == nil {
		t.Error("no pictures were accepted")
	}
	if _, err := CompareGolden(ctx, m, Golden{Scores: [][]float32{{1, 2, 3}}}, photos(2), false); err == nil || !strings.Contains(err.Error(), "1 rows of scores for 2 pictures") {
		t.Errorf("got %v", err)
	}
	if _, err := Compare(ctx, m, m, photos(1), true); err == nil {
		t.Error("a picture of another size was accepted as a crop")
	}
}

// TestOtherPaddingTwice returns to the function one started from.
func TestOtherPaddingTwice(t *testing.T) {
	m := generatedModel(t, "mobilenet_v3_small", arch.Options{Dialect: "timm_tf", Resolution: 64, Classes: 5}, nil, nil)
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	once, err := otherPadding(g)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := otherPadding(once)
	if err != nil {
		t.Fatal(err)
	}
	pad := func(g *graph.Graph) []graph.Padding {
		var out []graph.Padding
		for i := range g.Nodes {
			if c, ok := g.Nodes[i].Op.(graph.Conv2D); ok && c.KH > 1 {
				out = append(out, c.Pad)
			}
		}
		return out
	}
	if !slices.Equal(pad(g), pad(twice)) || slices.Equal(pad(g), pad(once)) {
		t.Errorf("%v, %v, %v", pad(g), pad(once), pad(twice))
	}
}

// TestCompareBothWays names the cause where only the first model can be
// changed: the second has its batch norms folded in, as an imported graph has.
func TestCompareBothWays(t *testing.T) {
	ctx := context.Background()
	o := arch.Options{Dialect: "keras", Width: 0.5, Resolution: 64, Classes: 12}
	first := generatedModel(t, "mobilenet_v2", o, &Options{Preprocess: "tf"}, nil)
	other := generatedModel(t, "mobilenet_v2", o, &Options{Preprocess: "tf"}, nil)
	spoiled := other.variant(other.Info.Recipe, withEpsilon(1e-5))
	g, err := spoiled.run.folded(Shape{Batch: 1, H: 64, W: 64})
	if err != nil {
		t.Fatal(err)
	}
	folded := other.variant(other.Info.Recipe, func(*graph.Graph) (*graph.Graph, error) { return g, nil })
	for _, pair := range [][2]*Model{{first, folded}, {folded, first}} {
		got, err := Compare(ctx, pair[0], pair[1], photos(3), false)
		if err != nil {
			t.Fatal(err)
		}
		if got.Cause != CauseEpsilon {
			t.Errorf("cause %q (%s)", got.Cause, got.Detail)
		}
	}
}
