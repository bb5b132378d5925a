package engine

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

const tinySpec = "name=tiny family=v3 act=hs res=32 classes=3 stem_k3_s2_c8 ir_k3_s2_e2_c8_se0.25_nre ir_k5_s1_e3_c8 head_c32_f16"

func tiny(t testing.TB, opt *Options) *Model {
	t.Helper()
	net, err := arch.ParseSpec(tinySpec)
	if err != nil {
		t.Fatal(err)
	}
	if opt == nil {
		opt = &Options{}
	}
	opt.Net = net
	m, err := FromSet(checkpoint(t, net, "canonical"), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestSaveCarriesMeaning(t *testing.T) {
	ctx := context.Background()
	recipe := transform.Recipe{Width: 32, Filter: transform.Bicubic, Range: transform.RangeSigned, BGR: true}
	m := tiny(t, &Options{Preprocess: recipe.String(), Labels: []string{"a", "b", "ç"}})
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(ctx, path, SaveOptions{License: "CC0-1.0", Source: "made here", Metrics: map[string]float64{"top1": 0.25}}); err != nil {
		t.Fatal(err)
	}
	back, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	i := back.Info
	if i.Spec != m.Info.Spec || i.Name != "tiny" || i.Recipe != recipe.Resolved() || i.RecipeGuessed || !slices.Equal(i.Labels, m.Info.Labels) ||
		i.License != "CC0-1.0" || i.Source != "made here" || i.Metrics["top1"] != 0.25 {
		t.Errorf("read back %+v", i)
	}
	if d, err := back.CheckGolden(ctx); err != nil || d != 0 {
		t.Errorf("golden distance %g, %v", d, err)
	}
	// Saving what was read gives the same bytes.
	var a, b bytes.Buffer
	again := back
	again.Info.Format = m.Info.Format
	for w, model := range map[*bytes.Buffer]*Model{&a: m, &b: again} {
		set, err := model.Set(ctx, SaveOptions{License: "CC0-1.0", Source: "made here", Metrics: map[string]float64{"top1": 0.25}})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("saving again changes the file")
	}
	// A changed weight shows in the golden output.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set, err := weights.Read("m", bytes.NewReader(raw), int64(len(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	set.Get("classifier.bias").Data[3] ^= 1
	spoiled, err := readOwn(set, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer spoiled.Close()
	if d, err := spoiled.CheckGolden(ctx); err != nil || d == 0 {
		t.Errorf("spoiled weights: distance %g, %v", d, err)
	}
}

// TestSaveGraph writes a model that has no table, as an imported file's, and
// reads it back through the graph's structure.
func TestSaveGraph(t *testing.T) {
	ctx := context.Background()
	m := tiny(t, nil)
	m.net = nil
	m.Info.Spec, m.Info.Background = "", false
	path := filepath.Join(t.TempDir(), "g.safetensors")
	if err := m.Save(ctx, path, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	back, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if back.Net() != nil {
		t.Error("a table from nowhere")
	}
	if d, err := back.CheckGolden(ctx); err != nil || d != 0 {
		t.Errorf("golden distance %g, %v", d, err)
	}
	if name, err := back.Embedding(); err != nil || name != "head.fc.act" {
		t.Errorf("embedding %q, %v", name, err)
	}
}

// TestSpoiledFiles changes one thing at a time in a good file.
func TestSpoiledFiles(t *testing.T) {
	ctx := context.Background()
	m := tiny(t, nil)
	for want, spoil := range map[string]func(*weights.Set){
		"version":        func(s *weights.Set) { s.Metadata["mobilenet.version"] = "9" },
		"network":        func(s *weights.Set) { s.Metadata["mobilenet.spec"] = "ir_r9999999_c8" },
		"preprocessing":  func(s *weights.Set) { s.Metadata["mobilenet.preprocess"] = "crop=99999999" },
		"labels":         func(s *weights.Set) { s.Metadata["mobilenet.labels"] = `["a"` },
		"3 classes":      func(s *weights.Set) { s.Metadata["mobilenet.labels"] = `["a","b"]` },
		"spec nor":       func(s *weights.Set) { delete(s.Metadata, "mobilenet.spec") },
		"do not fit the": func(s *weights.Set) { s.Metadata["mobilenet.spec"] = m.net.Spec() + " ir_k3_s1_e2_c8" },
		"golden": func(s *weights.Set) {
			s.Get("golden.output").Shape = []int{1, 3}
			s.Get("golden.input").Shape = []int{3, 32, 32}
		},
		"metrics": func(s *weights.Set) { s.Metadata["mobilenet.metrics"] = "{" },
		"not a list": func(s *weights.Set) {
			delete(s.Metadata, "mobilenet.spec")
			s.Metadata["mobilenet.graph"] = `{"nodes":7}`
		},
		"not pictures": func(s *weights.Set) { delete(s.Metadata, "mobilenet.spec"); s.Metadata["mobilenet.graph"] = bareGraph },
		"activations need": func(s *weights.Set) {
			s.Metadata["mobilenet.spec"] = strings.Replace(m.net.Spec(), "res=32", "res=4096", 1)
			s.Metadata["mobilenet.preprocess"] = "crop=4096"
		},
		"NaN": func(s *weights.Set) { copy(s.Get("stem.weight").Data, "\x00\x00\xc0\x7f") },
	} {
		set, err := m.Set(ctx, SaveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range set.Tensors() {
			tt.Data = bytes.Clone(tt.Data)
		}
		if want == "not pictures" {
			keep, err := weights.NewSet()
			if err != nil {
				t.Fatal(err)
			}
			keep.Metadata = set.Metadata
			set = keep
		}
		spoil(set)
		set.Source.Path = "x.safetensors"
		got, err := readOwn(set, &Options{})
		if err == nil {
			got.Close()
			t.Errorf("%s: accepted", want)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, want) || !strings.HasPrefix(msg, "x.safetensors: ") || strings.Contains(msg, "\n") {
			t.Errorf("want an error about %q naming the file, got %v", want, err)
		}
	}
}

const bareGraph = `{"nodes":[{"name":"in","op":"input","shape":[1,8,8,3]}],"outputs":[{"Name":"out","ID":0}]}`

// TestRunnerPanic: a session that a panic has left is not used again.
func TestRunnerPanic(t *testing.T) {
	net, err := arch.New("mobilenet_v3_small", arch.Options{Width: 0.35, Resolution: 32})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Generate(net, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var sessions []*float32 // told by their input
	run := func(broken bool) {
		defer func() {
			if (recover() != nil) != broken {
				t.Errorf("broken is %v", broken)
			}
		}()
		err := m.run.run(context.Background(), Shape{Batch: 1, H: 32, W: 32}, func(in []float32) error {
			if sessions = append(sessions, &in[0]); broken {
				panic("broken")
			}
			return nil
		}, func([][]float32) error { return nil })
		if err != nil {
			t.Error(err)
		}
	}
	for _, broken := range []bool{false, true, false} {
		run(broken)
	}
	if sessions[0] != sessions[1] || sessions[1] == sessions[2] {
		t.Errorf("sessions %v: want the first twice, then another", sessions)
	}
}

func TestRunnerKeepsFewPrograms(t *testing.T) {
	m := tiny(t, nil)
	ctx := context.Background()
	for size := 16; size < 16+4*maxPrograms; size += 2 {
		for range 2 {
			err := m.Run(ctx, Shape{Batch: 1, H: size, W: size + 3}, func(in []float32) error {
				if len(in) != size*(size+3)*3 {
					t.Errorf("input of %d", len(in))
				}
				return nil
			}, func([][]float32) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(m.run.programs) > maxPrograms || len(m.run.order) != len(m.run.programs) {
		t.Errorf("%d programs, %d in order", len(m.run.programs), len(m.run.order))
	}
	one := m.run.packs.Bytes()
	if _, err := m.Program(Shape{Batch: 7, H: 32, W: 32}); err != nil {
		t.Fatal(err)
	}
	if two := m.run.packs.Bytes(); two > 2*one {
		t.Errorf("packed weights grew from %d to %d bytes with another batch size", one, two)
	}
}

func TestTaps(t *testing.T) {
	m := tiny(t, nil)
	taps, err := m.Taps()
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range taps {
		p, err := m.Program(Shape{Batch: 1, H: 32, W: 32, Taps: []string{name}})
		if err != nil {
			t.Errorf("tap %s: %v", name, err)
			continue
		}
		id, _ := g.Lookup(name)
		out := p.Graph().Outputs[0]
		if got := p.Graph().Node(out.ID).Type.Shape; !got.Equal(g.Node(id).Type.Shape) {
			t.Errorf("tap %s is %v, want %v", name, got, g.Node(id).Type.Shape)
		}
	}
	for _, bad := range []string{"stem.weight", "nothing", "input.x"} {
		if _, err := m.Program(Shape{Batch: 1, H: 32, W: 32, Taps: []string{bad}}); err == nil {
			t.Errorf("tap %s was accepted", bad)
		}
	}
	if _, ok := g.Node(0).Op.(graph.Input); !ok {
		t.Error("the first node is no input")
	}
}

// TestDamagedScores refuses weights whose elements are all finite and that
// give scores which are no numbers all the same.
func TestDamagedScores(t *testing.T) {
	ctx := context.Background()
	spoil := func(name string, v float32) *weights.Set {
		set := checkpoint(t, tiny(t, nil).net, "canonical")
		data := set.Get(name).Data
		bits := math.Float32bits(v)
		for i := range 4 {
			data[i] = byte(bits >> (8 * i))
		}
		return set
	}
	m, err := FromSet(spoil("stem.bn.var", -1), &Options{Net: tiny(t, nil).net})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Set(ctx, SaveOptions{}); err == nil || !strings.Contains(err.Error(), "stem.bn") {
		t.Errorf("a negative variance gives %v", err)
	}
	m, err = FromSet(spoil("classifier.bias", math.MaxFloat32), &Options{Net: tiny(t, nil).net})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := Finite("x", []float32{1, float32(math.Inf(1))}); err == nil || !strings.HasPrefix(err.Error(), "x: ") {
		t.Errorf("an infinite score gives %v", err)
	}
}

// TestSaveHalf: filters in half precision halve the file, the golden output is
// that of the rounded weights, vectors and class ids are as they were.
func TestSaveHalf(t *testing.T) {
	ctx := context.Background()
	m := tiny(t, &Options{Labels: []string{"a", "b", "c"}})
	dir := t.TempDir()
	sizes := map[tensor.DType]int64{}
	for _, dt := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16} {
		path := filepath.Join(dir, dt.String()+".safetensors")
		if err := m.Save(ctx, path, SaveOptions{Store: dt, ClassIDs: []string{"n01", "n02", "n03"}, NoGolden: true}); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sizes[dt] = st.Size()
		if err := m.Save(ctx, path, SaveOptions{Store: dt, ClassIDs: []string{"n01", "n02", "n03"}}); err != nil {
			t.Fatal(err)
		}
		back, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		if !slices.Equal(back.Info.ClassIDs, []string{"n01", "n02", "n03"}) || !slices.Equal(back.Info.Labels, []string{"a", "b", "c"}) {
			t.Errorf("%v: ids %v, labels %v", dt, back.Info.ClassIDs, back.Info.Labels)
		}
		if d, err := back.CheckGolden(ctx); err != nil || d != 0 {
			t.Errorf("%v: golden distance %g, %v", dt, d, err)
		}
		g0, _ := m.Graph()
		g1, err := back.Graph()
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, id := range g0.Variables() {
			a := g0.Node(id)
			other, _ := g1.Lookup(a.Name)
			b := g1.Node(other)
			for i, v := range a.Value.Data {
				d := math.Abs(float64(v - b.Value.Data[i]))
				if !halved(a.Value.Shape) && d != 0 {
					t.Fatalf("%v: %s changed", dt, a.Name)
				}
				worst = max(worst, d/max(math.Abs(float64(v)), 1e-3))
			}
		}
		if limit := map[tensor.DType]float64{tensor.F32: 0, tensor.F16: 1.0 / 2048, tensor.BF16: 1.0 / 256}[dt]; worst > limit || dt != tensor.F32 && worst == 0 {
			t.Errorf("%v: weights moved by %g", dt, worst)
		}
	}
	if h := float64(sizes[tensor.F16]) / float64(sizes[tensor.F32]); h > 0.75 || sizes[tensor.BF16] > sizes[tensor.F16]+64 {
		t.Errorf("sizes %v", sizes)
	}
	if err := m.Save(ctx, filepath.Join(dir, "x"), SaveOptions{ClassIDs: []string{"n01"}}); err == nil {
		t.Error("one class id for three classes was accepted")
	}
}

// TestOwnAtAnotherSize: a file opens at a size that --preprocess asks for, its
// golden values, which are of another, left aside.
func TestOwnAtAnotherSize(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := tiny(t, nil).Save(ctx, path, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, &Options{Preprocess: "resize=64,crop=64"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.CheckGolden(ctx); m.Info.H != 64 || !errors.Is(err, ErrNoGolden) {
		t.Errorf("%d pixels, golden values: %v", m.Info.H, err)
	}
}
