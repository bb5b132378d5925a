package export

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/importer"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// run gives all outputs of a graph for one input.
func run(t *testing.T, g *graph.Graph, x []float32) [][]float32 {
	t.Helper()
	g, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	p, err := exec.Compile(g, exec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(s.Input(0), x)
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for i := range g.Outputs {
		out = append(out, s.Output(i))
	}
	return out
}

// write exports a graph without notes.
func write(t *testing.T, g *graph.Graph, opt *TFLiteOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	notes, err := TFLite(&b, g, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) > 0 {
		t.Errorf("notes: %.5v", notes)
	}
	return b.Bytes()
}

// read imports a file and builds it at its own size.
func read(t *testing.T, data []byte) *graph.Graph {
	t.Helper()
	f, err := tflite.Parse(data, tflite.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	im, err := importer.FromTFLite(f)
	if err != nil {
		t.Fatal(err)
	}
	g, err := im.Build(1, im.H, im.W)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func relative(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var d, n float64
	for i := range a {
		d += float64(a[i]-b[i]) * float64(a[i]-b[i])
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / max(n, 1e-300))
}

// library runs a file in TensorFlow Lite on one input.
func library(t *testing.T, data, x []byte) [][]byte {
	t.Helper()
	runs := []testkit.TFLiteRun{{Model: data, Inputs: [][]byte{x}}}
	testkit.RunTFLite(t, 1, runs)
	if runs[0].Outputs == nil {
		t.Fatal("TensorFlow Lite refuses the file")
	}
	return runs[0].Outputs
}

// unlike counts the elements of an output of ours that are not the library's.
func unlike(ours []float32, theirs []byte, v *tflite.Tensor) (n int) {
	for i, y := range ours {
		var want float32
		switch v.Type.DType() {
		case tensor.U8:
			want = v.Quant.Scale[0] * float32(int32(theirs[i])-int32(v.Quant.ZeroPoint[0]))
		case tensor.I8:
			want = v.Quant.Scale[0] * float32(int32(int8(theirs[i]))-int32(v.Quant.ZeroPoint[0]))
		case tensor.F32:
			want = math.Float32frombits(binary.LittleEndian.Uint32(theirs[4*i:]))
		case tensor.I64:
			want = float32(binary.LittleEndian.Uint64(theirs[8*i:]))
		case tensor.I32:
			want = float32(binary.LittleEndian.Uint32(theirs[4*i:]))
		}
		if y != want {
			n++
		}
	}
	return n
}

func floatsOf(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

var networks = []struct {
	name, net string
	opt       arch.Options
}{
	{"v1", "mobilenet_v1", arch.Options{Dialect: "timm", Width: 0.5, Resolution: 160}},
	{"v1 leaky", "mobilenet_v1", arch.Options{Dialect: "torchvision", Width: 0.25, Act: arch.LeakyReLU(0.1), Resolution: 96}},
	{"v2", "mobilenet_v2", arch.Options{Dialect: "torchvision"}},
	{"v2 slim", "mobilenet_v2", arch.Options{Dialect: "slim", Width: 0.5, Resolution: 128}},
	{"v3 small", "mobilenet_v3_small", arch.Options{Dialect: "torchvision"}},
	{"v3 small slim", "mobilenet_v3_small", arch.Options{Dialect: "slim"}},
	{"v3 large", "mobilenet_v3_large", arch.Options{Dialect: "timm_tf"}},
	{"v3 large keras", "mobilenet_v3_large", arch.Options{Dialect: "keras", Width: 0.75, Resolution: 161}},
}

// TestTFLiteFloat exports networks of real numbers; what our own importer and
// TensorFlow Lite make of them gives the same scores.
func TestTFLiteFloat(t *testing.T) {
	for _, tt := range networks {
		t.Run(tt.name, func(t *testing.T) {
			n, err := arch.New(tt.net, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			size := tt.opt.Resolution
			if size == 0 {
				size = 224
			}
			g, err := n.Graph(1, size, size)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Fill(g)
			x := testkit.Input(size, size)
			want := run(t, g, x)[0]
			data := write(t, g, nil)
			again := read(t, data)
			if got := run(t, again, x)[0]; !(relative(got, want) <= 1e-6) {
				t.Errorf("imported again: relative distance %.2g", relative(got, want))
			}
			if second := write(t, again, nil); len(second) > len(data)+len(data)/100 {
				t.Errorf("exported again it has %d bytes, once %d", len(second), len(data))
			} else if got := run(t, read(t, second), x)[0]; !(relative(got, want) <= 1e-6) {
				t.Errorf("imported twice: relative distance %.2g", relative(got, want))
			}
			t.Run("library", func(t *testing.T) {
				testkit.TFLite(t)
				got := floatsOf(library(t, data, floats(x))[0])
				if d := relative(got, want); !(d <= 1e-5) {
					t.Errorf("TensorFlow Lite: relative distance %.2g", d)
				} else {
					t.Logf("TensorFlow Lite: relative distance %.2g", d)
				}
			})
		})
	}
}

// TestTFLiteQuantized exports networks of our own integers, int8 per channel.
// What the ranges are does not matter to the bytes.
func TestTFLiteQuantized(t *testing.T) {
	for _, tt := range networks {
		t.Run(tt.name, func(t *testing.T) {
			n, err := arch.New(tt.net, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			const size = 97
			g, err := n.Graph(1, size, size)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Fill(g)
			folder := pass.Folder{Bounds: true}
			if g, err = folder.Fold(g); err != nil {
				t.Fatal(err)
			}
			opt := pass.QuantizeOptions{Ranges: map[string]pass.Range{}}
			for i := range g.Nodes {
				r := float32(1 + i%7)
				opt.Ranges[g.Nodes[i].Name] = pass.Range{Lo: -r, Hi: r * 1.3}
			}
			if g, err = pass.Quantize(g, opt); err != nil {
				t.Fatal(err)
			}
			x := testkit.Input(size, size)
			want := run(t, g, x)[0]
			data := write(t, g, nil)
			if got := run(t, read(t, data), x)[0]; relative(got, want) != 0 {
				t.Errorf("imported again: relative distance %.2g", relative(got, want))
			}
			t.Run("library", func(t *testing.T) {
				testkit.TFLite(t)
				if got := floatsOf(library(t, data, floats(x))[0]); relative(got, want) != 0 {
					t.Errorf("TensorFlow Lite: relative distance %.2g", relative(got, want))
				}
			})
		})
	}
}

// TestTFLiteIntegers exports the published integer networks again.
func TestTFLiteIntegers(t *testing.T) {
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "models", "*", "*int8.tflite"))
	if len(files) == 0 {
		t.Skipf("no test data at %s; set MOBILENET_TESTDATA", dir)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			original, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := tflite.Parse(original, tflite.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			im, err := importer.FromTFLite(f)
			if err != nil {
				t.Skip(err) // detection
			}
			g, err := im.Build(1, im.H, im.W)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := g.Lookup("detections"); ok {
				t.Skip("the detection operator is not exported")
			}
			rng := rand.New(rand.NewPCG(1, 1))
			x := make([]float32, im.H*im.W*im.C)
			raw := make([]byte, len(x))
			for i := range x {
				raw[i] = byte(rng.Uint32() >> (i / 999 % 7)) // not noise alone
				x[i] = float32(raw[i])
			}
			opt := &TFLiteOptions{}
			if sub := &f.Subgraphs[0]; sub.Tensors[sub.Outputs[0]].Type.DType() == tensor.F32 {
				opt.Output = tensor.F32
			}
			data := write(t, g, opt)
			want := run(t, g, x)
			again := read(t, data)
			got := run(t, again, x)
			for i := range want {
				if relative(got[i], want[i]) != 0 {
					t.Errorf("output %d imported again differs", i)
				}
			}
			second := write(t, again, opt)
			if !bytes.Equal(second, data) {
				t.Errorf("importing and exporting again changed the file: %d bytes, %d", len(second), len(data))
			}
			t.Run("library", func(t *testing.T) {
				testkit.TFLite(t)
				if im.Bytes == nil {
					raw = floats(x)
				}
				theirs := library(t, original, raw)
				ours := library(t, data, raw)
				for i := range theirs {
					if n := unlike(want[i], theirs[i], &f.Subgraphs[0].Tensors[f.Subgraphs[0].Outputs[i]]); n > 0 {
						t.Errorf("output %d: %d of %d elements of ours are not TensorFlow Lite's", i, n, len(want[i]))
					}
					if len(theirs[i]) == 2*len(ours[i]) { // indices of int64
						for k := range len(ours[i]) / 4 {
							copy(theirs[i][4*k:], theirs[i][8*k:8*k+4])
						}
						theirs[i] = theirs[i][:len(ours[i])]
					}
					if !bytes.Equal(theirs[i], ours[i]) {
						t.Errorf("output %d: TensorFlow Lite gives other bytes for the exported file", i)
					}
				}
			})
		})
	}
}
