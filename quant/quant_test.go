package quant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// photos are parts of two photos, as pictures of their own.
func photos(t *testing.T, n int) []Picture {
	t.Helper()
	var out []Picture
	for _, name := range []string{"orange.jpg", "school-bus.jpg"} {
		f, err := os.Open(filepath.Join("..", "testdata", "everyday", name))
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		b := m.Bounds()
		for i := range n / 2 {
			side := min(b.Dx(), b.Dy()) * (i%3 + 2) / 5
			x, y := (b.Dx()-side)*(i*7%5)/4, (b.Dy()-side)*(i*3%4)/3
			part := image.NewRGBA(image.Rect(0, 0, side, side))
			draw.Draw(part, part.Bounds(), m, b.Min.Add(image.Pt(x, y)), draw.Src)
			var file bytes.Buffer
			if err := png.Encode(&file, part); err != nil {
				t.Fatal(err)
			}
			out = append(out, memory(fmt.Sprintf("%s %d", name, i), file.Bytes()))
		}
	}
	return out
}

func memory(name string, data []byte) Picture {
	return Picture{name, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// generated is a network of the family with generated weights.
func generated(t *testing.T, name string, o arch.Options) *engine.Model {
	t.Helper()
	net, err := arch.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Generate(net, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// changed is a model whose graph a function has changed.
func changed(t *testing.T, m *engine.Model, change func(g *graph.Graph)) *engine.Model {
	t.Helper()
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = &graph.Array{Shape: n.Value.Shape, Data: append([]float32(nil), n.Value.Values(nil)...)}
	}
	change(g)
	out, err := engine.FromGraph(g, nil, m.Info, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

// TestFamily: every network of the family becomes integers, wholly, and stays
// near what it was.
func TestFamily(t *testing.T) {
	pics := photos(t, 16)
	for _, name := range arch.Names() {
		o := arch.Options{Resolution: 32, Width: 0.5, Classes: 10}
		if strings.HasPrefix(name, "mobilenet_edgetpu_v2") {
			if o.Width = 1; name != "mobilenet_edgetpu_v2_xs" {
				continue // the same table, larger
			}
		}
		if name == "mnasnet_a1" {
			continue // on these weights its scores drown, and it is refused as it should be
		}
		m := generated(t, name, o)
		r, err := Quantize(context.Background(), m, &Options{Pictures: pics, Method: MSE, NoEqualize: true, NoCorrect: true, NoSpeed: true, MaxFloat: -1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %.1f dB", name, r.SNR)
		if r.FloatShare != 0 || r.SNR < 9 {
			t.Errorf("%s: %.1f dB, %.3f in float", name, r.SNR, r.FloatShare)
		}
	}
}

// uneven multiplies channels before a depthwise convolution with factors far
// apart and divides the depthwise weights by them, which changes nothing in
// float.
func uneven(g *graph.Graph) {
	value := func(name string) []float32 {
		id, _ := g.Lookup(name)
		return g.Node(id).Value.Data
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		block, ok := strings.CutSuffix(n.Name, ".dw")
		if !ok {
			continue
		}
		if _, expands := g.Lookup(block + ".expand.bn"); !expands {
			continue
		}
		gamma, beta, w := value(block+".expand.bn.weight"), value(block+".expand.bn.bias"), value(n.Name+".weight")
		for c := range gamma {
			by := float32(math.Pow(2, float64(c%7)-3))
			gamma[c] *= by
			beta[c] *= by
			for k := range w[c*9 : c*9+9] {
				w[c*9+k] /= by
			}
		}
	}
}

// TestPerTensorCollapses: where channels are far apart, one scale for a layer's
// weights is refused, with the names of layers; one for each output is fine,
// and equalization undoes what was done to the channels.
func TestPerTensorCollapses(t *testing.T) {
	pics := photos(t, 16)
	m := changed(t, generated(t, "mobilenet_v2", arch.Options{Resolution: 32, Width: 0.35, Classes: 10, Act: arch.ReLU}), uneven)
	opt := Options{Pictures: pics, Method: MinMax, NoEqualize: true, NoCorrect: true, NoSpeed: true}
	fine, err := Quantize(context.Background(), m, &opt)
	if err != nil {
		t.Fatal(err)
	}
	opt.PerTensor = true
	var collapsed *Collapsed
	if _, err = Quantize(context.Background(), m, &opt); !errors.As(err, &collapsed) {
		t.Fatalf("one scale a layer: %v", err)
	}
	if len(collapsed.Worst) == 0 || !strings.Contains(err.Error(), collapsed.Worst[0].Name) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(collapsed.Worst[0].Name, ".dw") && !strings.Contains(collapsed.Worst[0].Name, ".expand") {
		t.Errorf("the worst layer is %s", collapsed.Worst[0].Name)
	}
	opt.NoEqualize = false
	even, err := Quantize(context.Background(), m, &opt)
	if err != nil {
		t.Fatalf("equalized: %v", err)
	}
	if !even.Equalized || even.SNR < fine.SNR-coarser {
		t.Errorf("equalized %v: %.1f dB, %.1f dB with a scale for each output", even.Equalized, even.SNR, fine.SNR)
	}
}

// poisoned gives one pointwise layer's rows a weight that is huge and reads a
// channel that is always zero: it eats the row's scale.
func poisoned(g *graph.Graph) {
	find := func(name string) []float32 {
		id, _ := g.Lookup(name)
		return g.Node(id).Value.Data
	}
	gamma, beta := find("blocks.2.dw.bn.weight"), find("blocks.2.dw.bn.bias")
	gamma[0], beta[0] = 0, 0
	w := find("blocks.2.project.weight")
	id, _ := g.Lookup("blocks.2.project.weight")
	outs := g.Node(id).Type.Shape[0]
	for o := range outs {
		w[o*len(w)/outs] = 500
	}
}

// TestFallback: the layer that spoils the scores is found and stays in float,
// and nothing else; where it may not, nothing is given.
func TestFallback(t *testing.T) {
	pics := photos(t, 16)
	m := changed(t, generated(t, "mobilenet_v2", arch.Options{Resolution: 32, Width: 0.35, Classes: 10}), poisoned)
	opt := Options{Pictures: pics, Method: MinMax, NoEqualize: true, NoCorrect: true, NoSpeed: true, MaxFloat: -1}
	_, err := Quantize(context.Background(), m, &opt)
	if err == nil || !strings.Contains(err.Error(), "blocks.2.project (") {
		t.Fatalf("none may stay in float: %v", err)
	}
	opt.MaxFloat = 0.1
	r, err := Quantize(context.Background(), m, &opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.FloatLayers) != 1 || r.FloatLayers[0] != "blocks.2.project" || !(r.FloatShare > 0 && r.FloatShare <= 0.1) {
		t.Errorf("%v in float, %.3f of the multiply-adds", r.FloatLayers, r.FloatShare)
	}
	for _, l := range r.Layers {
		if l.Float != (l.Name == "blocks.2.project") {
			t.Errorf("%s: float is %v", l.Name, l.Float)
		}
	}
	// The same by accuracy, with the float network's own answers for the truth.
	for _, p := range pics {
		opt.Validation = append(opt.Validation, eval.Sample{Path: p.Name, Open: p.Open, Class: answer(t, m, p)})
	}
	opt.MaxDrop = 0.1
	if r, err = Quantize(context.Background(), m, &opt); err != nil {
		t.Fatal(err)
	}
	if v := r.Validation; v.FloatTop1 != 1 || v.Top1 < 0.9 || v.Pictures != len(pics) {
		t.Errorf("accuracy %+v", v)
	}
}

// answer is the class a model names.
func answer(t *testing.T, m *engine.Model, p Picture) int {
	t.Helper()
	c, bad, err := readCrops(context.Background(), m.Info.Recipe, []source{{p.Name, p.Open}}, func() {})
	if err != nil || bad[0] != nil {
		t.Fatal(err, bad)
	}
	f, err := c.newFiller()
	if err != nil {
		t.Fatal(err)
	}
	class := 0
	err = m.Run(context.Background(), engine.Shape{Batch: 1, H: m.Info.H, W: m.Info.W},
		func(in []float32) error { return f.fill(c.pix[0], in) },
		func(out [][]float32) error { class = best(out[0]); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return class
}

// TestSaved: what is written opens again, says what it is and how it was made,
// and gives the same scores.
func TestSaved(t *testing.T) {
	m := generated(t, "mobilenet_v3_small", arch.Options{Resolution: 32, Width: 0.5, Classes: 10})
	m.Info.Labels = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	r, err := Quantize(context.Background(), m, &Options{Pictures: photos(t, 8), Method: MinMax, NoEqualize: true, NoSpeed: true})
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Model()
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	path := filepath.Join(t.TempDir(), "q.safetensors")
	if err := q.Save(context.Background(), path, engine.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	back, err := engine.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if d, err := back.CheckGolden(context.Background()); err != nil || d != 0 {
		t.Errorf("golden output: %v, %v", d, err)
	}
	if got, want := back.Info.Recipe.String(), m.Info.Recipe.String(); got != want || len(back.Info.Labels) != 10 {
		t.Errorf("recipe %s, want %s; labels %v", got, want, back.Info.Labels)
	}
	if !strings.Contains(back.Info.Quantized, `"weights":"int8 per channel"`) {
		t.Errorf("recorded %s", back.Info.Quantized)
	}
	if _, err := Quantize(context.Background(), back, &Options{Pictures: photos(t, 8)}); err == nil || !strings.Contains(err.Error(), "quantized already") {
		t.Errorf("quantized twice: %v", err)
	}
	if r.BytesAfter*3 > r.BytesBefore {
		t.Errorf("%d bytes of weights became %d", r.BytesBefore, r.BytesAfter)
	}
	page, err := r.HTML()
	if err != nil || !bytes.Contains(page, []byte("<svg")) || !bytes.Contains(page, []byte("blocks.3.dw")) {
		t.Errorf("report of %d bytes, %v", len(page), err)
	}
}

// TestSameBits: quantizing gives the same network for any number of
// processors.
func TestSameBits(t *testing.T) {
	m := generated(t, "mobilenet_v2", arch.Options{Resolution: 32, Width: 0.35, Classes: 10})
	var want *observed
	for _, procs := range []int{1, 3} {
		before := runtime.GOMAXPROCS(procs)
		j := &job{opt: &Options{Pictures: photos(t, 12)}, model: m}
		err := j.prepare()
		if err == nil {
			err = j.read(context.Background())
		}
		var seen *observed
		if err == nil {
			seen, err = observe(context.Background(), j.float, j.calib, "", func() {})
		}
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = seen
		} else if !reflect.DeepEqual(seen, want) {
			t.Error("calibration depends on the number of processors")
		}
	}
}

// TestMistakes: what cannot be is refused before work begins, and pictures that
// cannot be read are told of.
func TestMistakes(t *testing.T) {
	m := generated(t, "mobilenet_v2", arch.Options{Resolution: 32, Width: 0.35, Classes: 10})
	pics := photos(t, 8)
	for name, c := range map[string]struct {
		opt  Options
		want string
	}{
		"none":   {Options{}, "no pictures"},
		"few":    {Options{Pictures: pics[:5]}, "5 pictures to calibrate with: 8 at least"},
		"method": {Options{Pictures: pics, Method: "magic"}, "minmax, percentile, mse"},
		"drop":   {Options{Pictures: pics, MaxDrop: 7}, "a drop of at most 7"},
		"broken": {Options{Pictures: append(pics[:7:7], memory("bad.png", []byte("no picture")))}, "7 pictures to calibrate"},
	} {
		if _, err := Quantize(context.Background(), m, &c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := Quantize(context.Background(), m, &Options{Pictures: append(pics, memory("bad.png", []byte("no picture"))), Method: MSE, NoEqualize: true, NoSpeed: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "bad.png: ") {
		t.Errorf("notes %q", r.Notes)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Quantize(ctx, m, &Options{Pictures: pics}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
