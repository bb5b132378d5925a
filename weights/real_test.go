package weights

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// dataFile finds a file of the test data, or skips.
func dataFile(tb testing.TB, name string) string {
	tb.Helper()
	root := os.Getenv("MOBILENET_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("no test data: %v (set MOBILENET_TESTDATA)", err)
	}
	return path
}

const legacyV1 = "models/cls/mobilenet_v1_0.25_224_pytorch_legacy.pth.tar"

func TestRealLegacyCheckpoint(t *testing.T) {
	path := dataFile(t, legacyV1)
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source.Format != TorchLegacy || s.Source.StateDict != "state_dict" || s.Source.Stripped != "module." {
		t.Errorf("source %+v", s.Source)
	}
	if s.Metadata["checkpoint.epoch"] != "18" || s.Metadata["checkpoint.arch"] != "resnet18" {
		t.Errorf("metadata %v", s.Metadata)
	}
	if s.Len() != 164 {
		t.Errorf("%d tensors", s.Len())
	}
	params := 0
	for _, x := range s.Tensors() {
		if !strings.Contains(x.Name, "running_") && !strings.Contains(x.Name, "num_batches") {
			params += x.Len()
		}
	}
	// V1 0.25 with 1000 classes, as the paper's tables count it.
	if params != 470072 {
		t.Errorf("%d parameters", params)
	}
	var want []Wanted
	for _, x := range s.Tensors() {
		if !strings.Contains(x.Name, "num_batches") {
			want = append(want, Wanted{Name: x.Name, Source: "module." + x.Name, Shape: x.Shape})
		}
	}
	got, rep, err := Bind(want, s, nil, nil)
	if err != nil || len(got) != 137 || len(rep.Ignored) != 27 {
		t.Errorf("%d bound, %d ignored, %v", len(got), len(rep.Ignored), err)
	}
	// Sums in float64 of what PyTorch 1.13 reads from the file.
	for name, want := range map[string]float64{"fc.bias": -0.004207723628496751, "stage2.3.3.weight": -60.76001098889287} {
		v, err := s.Get(name).Float64s()
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, x := range v {
			sum += x
		}
		if math.Abs(sum-want) > 1e-9 {
			t.Errorf("%s sums to %v, want %v", name, sum, want)
		}
	}
	sum, err := s.SHA256()
	if err != nil || len(sum) != 64 {
		t.Errorf("%q, %v", sum, err)
	}
}

func TestSniffReal(t *testing.T) {
	for name, want := range map[string]Format{
		legacyV1: TorchLegacy,
		"models/cls/mobilenet_v1_0.25_224_float.tflite":           TFLite,
		"models/cls/mobilenet_v1_0.25_224_keras.h5":               HDF5,
		"models/cls/derived_mobilenet_v2_1.0_224_float_nchw.onnx": ONNX,
		"models/cls/mobilenet_v2_1.0_224_qdq_pytorch.onnx":        ONNX,
		"golden/v1_0.25_224_float.npz":                            NPZ,
		"golden/accuracy.json":                                    Unknown,
		"images/coral/parrot.jpg":                                 Unknown,
	} {
		f, err := os.Open(dataFile(t, name))
		if err != nil {
			t.Fatal(err)
		}
		info, _ := f.Stat()
		if got := Sniff(f, info.Size()); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		f.Close()
	}
}

func BenchmarkOpenLegacy(b *testing.B) {
	path := dataFile(b, legacyV1)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	var x *tensor.Tensor
	for b.Loop() {
		s, err := Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		x = s.Get("fc.weight")
	}
	_ = x
}
