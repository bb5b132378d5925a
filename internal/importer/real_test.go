package importer

import (
	"fmt"
	"image"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

func dataDir(t testing.TB) string {
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test data at %s; set MOBILENET_TESTDATA", dir)
	}
	return dir
}

// open imports a file of either format.
func open(t testing.TB, path string) *Imported {
	t.Helper()
	m, err := tryOpen(path)
	if os.IsNotExist(err) {
		t.Skipf("no %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tryOpen(path string) (*Imported, error) {
	if strings.HasSuffix(path, ".onnx") {
		f, err := onnx.Open(path, onnx.Limits{})
		if err != nil {
			return nil, err
		}
		return FromONNX(f)
	}
	f, _, err := tflite.Open(path, tflite.Limits{})
	if err != nil {
		return nil, err
	}
	return FromTFLite(f)
}

// runner compiles a graph as a user would and runs it on one batch.
func runner(t testing.TB, g *graph.Graph) func([]float32) []float32 {
	t.Helper()
	folded, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	p, err := exec.Compile(folded, exec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(x []float32) []float32 {
		copy(s.Input(0), x)
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Output(0)
	}
}

func run(t testing.TB, g *graph.Graph, x []float32) []float32 { return runner(t, g)(x) }

func readPNG(t testing.TB, path string) []float32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	out := make([]float32, 0, b.Dx()*b.Dy()*3)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			for _, v := range []uint32{r, g, bl} {
				out = append(out, (float32(v>>8)-127.5)/127.5)
			}
		}
	}
	return out
}

// goldens reads rows of outputs by class index.
func goldens(t *testing.T, path, outputs, classes string) map[int][]float32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, _ := f.Stat()
	list, err := npy.ReadArchive(f, st.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var rows []float32
	var index []int64
	for _, a := range list {
		switch strings.TrimSuffix(a.Name, ".npy") {
		case outputs:
			rows, err = a.Float32s()
		case classes:
			index, err = a.Int64s()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out := map[int][]float32{}
	k := len(rows) / len(index)
	for i, c := range index {
		out[int(c)] = rows[i*k : (i+1)*k]
	}
	return out
}

func argmax(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// TestRealClassifiers runs the published and derived float files on the 50
// exact crops and compares every score with the framework's.
func TestRealClassifiers(t *testing.T) {
	dir := dataDir(t)
	crops, _ := filepath.Glob(filepath.Join(dir, "images", "imagenet-crops224-png", "[0-9][0-9][0-9][0-9]_n*.png"))
	if len(crops) == 0 {
		t.Skipf("no crops under %s", dir)
	}
	if testing.Short() {
		crops = crops[:4]
	}
	tests := []struct {
		file, golden, rows, index string
		softmax                   bool
		tolerance                 float64
	}{
		{"mobilenet_v1_0.25_224_float.tflite", "v1_0.25_224_float.npz", "outputs", "index", true, 1e-5},
		{"derived_mobilenet_v2_1.0_224_float_nchw.onnx", "derived_v2_1.0_224_onnx_f32_crops50.npz", "logits", "class", false, 1e-3},
		{"derived_mobilenet_v3_small_1.0_224_float_nchw.onnx", "derived_v3_small_onnx_f32_crops50.npz", "logits", "class", false, 1e-3},
		{"derived_mobilenet_v3_large_minimalistic_224_float_nchw.onnx", "derived_v3_large_minimalistic_onnx_f32_crops50.npz", "logits", "class", false, 1e-3},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			m := open(t, filepath.Join(dir, "models", "cls", tt.file))
			if m.H != 224 || m.W != 224 || m.C != 3 || m.Classes != 1001 || !m.Vector || m.Softmax != tt.softmax || m.SingleBatch || m.AnySize {
				t.Errorf("imported as %d x %d x %d, %d classes, vector %v, softmax %v, single batch %v, any size %v", m.H, m.W, m.C, m.Classes, m.Vector, m.Softmax, m.SingleBatch, m.AnySize)
			}
			g, err := m.Build(2, 224, 224)
			if err != nil {
				t.Fatal(err)
			}
			forward := runner(t, g)
			want := goldens(t, filepath.Join(dir, "golden", tt.golden), tt.rows, tt.index)
			worst, agree, n := 0.0, 0, 0
			for i := 0; i < len(crops); i += 2 {
				pair := crops[i:min(i+2, len(crops))]
				var x []float32
				for _, c := range pair {
					x = append(x, readPNG(t, c)...)
				}
				y := forward(x)
				for k, c := range pair {
					var class int
					fmt.Sscanf(filepath.Base(c), "%d", &class)
					ref, ok := want[class]
					if !ok {
						t.Fatalf("%s has no golden row", c)
					}
					got := y[k*1001 : (k+1)*1001]
					for j := range ref {
						worst = max(worst, math.Abs(float64(got[j]-ref[j])))
					}
					n++
					if argmax(got) == argmax(ref) {
						agree++
					}
				}
			}
			t.Logf("%d crops: largest difference %.3g, %d equal answers", n, worst, agree)
			if !(worst <= tt.tolerance) || agree != n {
				t.Errorf("largest difference %g, want at most %g; %d of %d answers equal", worst, tt.tolerance, agree, n)
			}
		})
	}
}
