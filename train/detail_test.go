package train

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/transform"
)

// TestAverages: with an average the exported weights are it, statistics of
// batch norms included, and without one they are the variables.
func TestAverages(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	for _, ema := range []float64{0, 0.7} {
		dir := filepath.Join(t.TempDir(), "run")
		r := quick(8)
		r.EMA = ema
		mustRun(t, &Config{Data: d, Model: tiny, Recipe: r, Dir: dir})
		m, err := engine.Open(filepath.Join(dir, LastFile), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		state := stateOf(t, dir)
		differ := 0
		for _, id := range g.Variables() {
			n := g.Node(id)
			plain, judged := state[n.Name], state[n.Name]
			if ema > 0 {
				judged = state[n.Name+".average"]
			}
			if len(judged) != 4*len(n.Value.Data) {
				t.Fatalf("%s: %d bytes in the state", n.Name, len(judged))
			}
			for i, v := range n.Value.Data {
				if math.Float32bits(v) != binary.LittleEndian.Uint32(judged[4*i:]) {
					t.Fatalf("EMA %v: %s is not what the state has", ema, n.Name)
				}
				if math.Float32bits(v) != binary.LittleEndian.Uint32(plain[4*i:]) {
					differ++
				}
			}
		}
		if (differ > 0) != (ema > 0) {
			t.Errorf("EMA %v: %d numbers are not the variables'", ema, differ)
		}
	}
}

// TestTime plans epochs that fit, and stores what it planned.
func TestTime(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	dir := filepath.Join(t.TempDir(), "run")
	r := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(1000), Dir: dir, Time: 2 * time.Second})
	p, err := ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Steps != r.Steps || p.Steps < 3 || p.Recipe.Epochs > 10000 || len(p.Reasons) == 0 || !strings.HasPrefix(p.Reasons[len(p.Reasons)-1], "epochs: ") {
		t.Errorf("%d steps done, planned %+v", r.Steps, p)
	}
	if r.Seconds > 60 {
		t.Errorf("%v s of 2", r.Seconds)
	}
}

// TestUnsaved: a checkpoint that cannot be written ends the run in one line,
// and the old one is still there.
func TestUnsaved(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	dir := filepath.Join(t.TempDir(), "run")
	state, aside := filepath.Join(dir, StateFile), filepath.Join(dir, "aside")
	c := &Config{Data: d, Model: tiny, Recipe: quick(4), Dir: dir}
	c.Progress = func(p Progress) {
		if p.Stage == "train" && p.Step == 4 {
			// A full folder in its place cannot be renamed over.
			if os.Rename(state, aside) != nil || os.MkdirAll(filepath.Join(state, "x"), 0o755) != nil {
				t.Error("the test's own files")
			}
		}
	}
	_, err := Run(context.Background(), c)
	if err == nil || !strings.Contains(err.Error(), "could not be saved") || !strings.Contains(err.Error(), "its state of step 3 is kept") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if os.RemoveAll(state) != nil || os.Rename(aside, state) != nil {
		t.Fatal("the test's own files")
	}
	c.Resume, c.Progress = true, nil
	if r := mustRun(t, c); r.Steps != 12 {
		t.Errorf("resumed to step %d", r.Steps)
	}
}

// TestWeighing: balanced drawing and class weights train, and weights have a
// mean of 1 over the pictures.
func TestWeighing(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 6, 2))
	d.Train = d.Train[3:] // the first class has half of the others
	dir := filepath.Join(t.TempDir(), "run")
	r := quick(1)
	r.Batch = 4
	mustRun(t, &Config{Data: d, Model: tiny, Recipe: r, Dir: dir, Balanced: true, ClassWeights: []float64{2, 1, 1}, LayerDecay: 0.7})
	p, err := ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	if sum := (3*p.ClassWeights[0] + 6*p.ClassWeights[1] + 6*p.ClassWeights[2]) / 15; math.Abs(sum-1) > 1e-12 || p.ClassWeights[0] != 2*p.ClassWeights[1] {
		t.Errorf("class weights %v", p.ClassWeights)
	}
}

// TestDepths: blocks are counted from the input, by name and, in graphs whose
// layers have other names, by their depthwise layers.
func TestDepths(t *testing.T) {
	net, err := arch.New("mobilenet_v3_small", arch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := net.Graph(1, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	of, deepest := depths(g)
	at := func(name string) int {
		id, ok := g.Lookup(name)
		if !ok {
			t.Fatal(name)
		}
		d, ok := of[id]
		if !ok {
			t.Errorf("%s belongs to no block", name)
		}
		return d
	}
	if at("stem.weight") != 0 || at("stem.bn.bias") != 0 || at("blocks.0.dw.weight") != 1 || at("blocks.10.project.bn.weight") != 11 || at("classifier.bias") != deepest || deepest != 14 {
		t.Errorf("stem %d, blocks.0 %d, blocks.10 %d, classifier %d of %d", at("stem.weight"), at("blocks.0.dw.weight"), at("blocks.10.project.bn.weight"), at("classifier.bias"), deepest)
	}
	for _, id := range g.Variables() {
		if g.Node(id).Op.(graph.Variable).Role.Trained() {
			at(g.Node(id).Name)
		}
	}
}

// TestTeacherInput: what a teacher sees of a student's input is what its own
// preprocessing makes of the picture.
func TestTeacherInput(t *testing.T) {
	m := &transform.Image{W: 2, H: 1, Pix: []byte{0, 128, 255, 10, 20, 30}}
	for _, from := range []string{"range=imagenet", "range=-1..1", "range=0..255,order=bgr"} {
		for _, to := range []string{"range=0..1", "range=imagenet,order=bgr", "range=-1..1"} {
			var in [2][]float32
			var rs [2]transform.Recipe
			for i, text := range []string{from, to} {
				r, err := transform.Parse("resize=none,crop=2x1,"+text, 0)
				if err != nil {
					r, err = transform.Parse("resize=none,crop=1x2,"+text, 0)
				}
				if err != nil {
					t.Fatal(err)
				}
				r.Width, r.Height = 2, 1
				rs[i], in[i] = r, make([]float32, 6)
				if err := r.Apply(m, in[i]); err != nil {
					t.Fatal(err)
				}
			}
			a, b := affine(rs[0])
			c, e := affine(rs[1])
			for i, v := range in[0] {
				colour := i % 3
				if rs[0].BGR {
					colour = 2 - colour
				}
				byteValue := (float64(v) - b[colour]) / a[colour]
				j := i/3*3 + colour
				if rs[1].BGR {
					j = i/3*3 + 2 - colour
				}
				if got := byteValue*c[colour] + e[colour]; math.Abs(got-float64(in[1][j])) > 1e-4*255*c[colour] {
					t.Errorf("%s to %s: %v, want %v", from, to, got, in[1][j])
				}
			}
		}
	}
}
