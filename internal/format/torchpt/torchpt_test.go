package torchpt

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

type goldenTensor struct {
	Name   string
	DType  string
	Shape  tensor.Shape
	Values []float64
}

func readGolden(t *testing.T) map[string][]goldenTensor {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	// JSON has no NaN; Python writes it bare, but no golden value is one.
	var out map[string][]goldenTensor
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func readBytes(b []byte, opt *Options) (*File, error) {
	return Read(bytes.NewReader(b), int64(len(b)), opt)
}

func readTestFile(t *testing.T, name string) (*File, error) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return readBytes(b, nil)
}

// loadAll reads every tensor of a file.
func loadAll(f *File) ([]*tensor.Tensor, error) {
	named, err := f.Tensors()
	if err != nil {
		return nil, err
	}
	var out []*tensor.Tensor
	for _, n := range named {
		x, err := f.Load(n.Name, n.Tensor)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// TestGolden compares every tensor with what PyTorch reads from the same file.
func TestGolden(t *testing.T) {
	golden := readGolden(t)
	if len(golden) != 12 {
		t.Fatalf("%d golden files", len(golden))
	}
	for file, want := range golden {
		t.Run(file, func(t *testing.T) {
			f, err := readTestFile(t, file)
			if err != nil {
				t.Fatal(err)
			}
			if f.Legacy != strings.Contains(file, "legacy") {
				t.Errorf("Legacy = %v", f.Legacy)
			}
			got, err := loadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("%d tensors, want %d", len(got), len(want))
			}
			for i, w := range want {
				g := got[i]
				if g.Name != w.Name || g.DType.String() != w.DType || !g.Shape.Equal(w.Shape) {
					t.Errorf("tensor %d: %s %v %v, want %s %s %v", i, g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape)
					continue
				}
				v, err := g.Float64s()
				if err != nil {
					t.Fatal(err)
				}
				for j := range v {
					if math.Float64bits(v[j]) != math.Float64bits(w.Values[j]) && v[j] != w.Values[j] {
						t.Errorf("%s[%d] = %v, want %v", g.Name, j, v[j], w.Values[j])
					}
				}
			}
		})
	}
}

func TestParameterAndSharing(t *testing.T) {
	for _, kind := range []string{"zip", "legacy"} {
		f, err := readTestFile(t, "parameter_"+kind+".pth")
		if err != nil {
			t.Fatal(err)
		}
		named, _ := f.Tensors()
		for _, n := range named {
			if !n.Tensor.Parameter {
				t.Errorf("%s: %s is not a parameter", kind, n.Name)
			}
		}
		if f, err = readTestFile(t, "shared_"+kind+".pth"); err != nil {
			t.Fatal(err)
		}
		x, err := loadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if &x[0].Data[0] != &x[1].Data[0] || &x[0].Data[8] != &x[2].Data[0] {
			t.Errorf("%s: tensors of one storage do not share memory", kind)
		}
	}
}

func TestStateDict(t *testing.T) {
	for _, file := range []string{"checkpoint_zip.pth", "checkpoint_zip_p4.pth", "checkpoint_legacy.pth", "checkpoint_legacy_p4.pth"} {
		f, err := readTestFile(t, file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		sd, err := f.StateDict("")
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if sd.Key != "state_dict" || sd.Stripped != "module." || len(sd.Others) != 1 || sd.Others[0] != "model_ema" {
			t.Errorf("%s: picked %q, stripped %q, others %q", file, sd.Key, sd.Stripped, sd.Others)
		}
		var names []string
		for _, n := range sd.Tensors {
			names = append(names, n.Name)
		}
		want := "features.0.weight features.1.weight features.1.bias features.1.running_mean features.1.running_var features.1.num_batches_tracked classifier.weight classifier.bias"
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: names %s", file, got)
		}
		for key, want := range map[string]string{"epoch": "18", "arch": "tiny", "best_prec1": "61.5", "lr": "0.125", "steps": "77", "done": "true"} {
			if sd.Metadata[key] != want {
				t.Errorf("%s: metadata %s = %q, want %q", file, key, sd.Metadata[key], want)
			}
		}
		ema, err := f.StateDict("model_ema")
		if err != nil || len(ema.Tensors) != 9 || ema.Stripped != "module." {
			t.Errorf("%s: model_ema: %+v, %v", file, ema, err)
		}
		if _, err := f.StateDict("nothing"); err == nil || !strings.Contains(err.Error(), "epoch, arch") {
			t.Errorf("%s: asking for a missing key: %v", file, err)
		}
	}
}

func TestInertValues(t *testing.T) {
	f, err := readTestFile(t, "checkpoint_zip.pth")
	if err != nil {
		t.Fatal(err)
	}
	root := f.Root.(*Dict)
	args, _ := root.Get("args")
	ns, ok := args.(*Object)
	if !ok || ns.Class.String() != "argparse.Namespace" {
		t.Fatalf("args is a %s", kind(args))
	}
	if lr, _ := ns.State.(*Dict).Get("lr"); lr != 0.1 {
		t.Errorf("args.lr = %v", lr)
	}
	if v, _ := root.Get("size"); len(v.(Tuple)) != 2 {
		t.Errorf("size = %v", v)
	}
	if v, _ := root.Get("dtype"); v != (Global{"torch", "float16"}) {
		t.Errorf("dtype = %v", v)
	}
	if v, _ := root.Get("big"); kind(v) != "int" {
		t.Errorf("big is a %s", kind(v))
	}
	if v, ok := root.Get("note"); !ok || v != nil {
		t.Errorf("note = %v", v)
	}
	if v, _ := root.Get("set"); len(v.(*Set).Items) != 2 {
		t.Errorf("set = %v", v)
	}
}

func TestRefused(t *testing.T) {
	for file, want := range map[string]string{
		"refused_module_zip.pth": "names torch.nn.modules.container.Sequential, which is not on the allow-list: refused, nothing was run (the file holds a whole model object",
		"refused_quantized.pth":  "quantized tensors are not supported",
		"refused_sparse.pth":     "sparse, nested and meta tensors are not supported",
		"refused_complex.pth":    "complex tensors are not supported",
		"refused_torchscript.pt": "a TorchScript program (torch.jit.save), which holds code",
	} {
		_, err := readTestFile(t, file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
