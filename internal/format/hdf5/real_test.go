package hdf5

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReal reads the Keras files of the data folder whole. The sums are
// NumPy's, in float64, of what h5py reads.
func TestReal(t *testing.T) {
	root := os.Getenv("MOBILENET_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	for _, c := range []struct {
		file    string
		tensors int
		sum     float64
		layers  int
	}{
		{"cls/mobilenet_v1_0.25_224_keras.h5", 137, 52408.77724854397, 91},
		{"cls/flowers_mobilenet_v2_0.35_224_fft.h5", 262, 59955.11737861711, 157},
		{"det/st_ssd_mobilenet_v1_0.25_192_person.h5", 249, 108865.74714656365, 173},
	} {
		path := filepath.Join(root, "models", filepath.FromSlash(c.file))
		r, err := os.Open(path)
		if err != nil {
			t.Skipf("no test data: %v (set MOBILENET_TESTDATA)", err)
		}
		defer r.Close()
		st, err := r.Stat()
		if err != nil {
			t.Fatal(err)
		}
		f, err := Read(r, st.Size(), nil)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		tensors, err := f.Tensors()
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		sum := 0.0
		for _, x := range tensors {
			v, err := x.Float64s()
			if err != nil {
				t.Fatal(err)
			}
			for _, y := range v {
				sum += y
			}
		}
		layers := len(f.Root.Group("model_weights").Attrs["layer_names"].Strings)
		if len(tensors) != c.tensors || layers != c.layers || !(sum-c.sum < 1e-6 && c.sum-sum < 1e-6) {
			t.Errorf("%s: %d tensors summing to %v in %d layers, want %d, %v, %d", c.file, len(tensors), sum, layers, c.tensors, c.sum, c.layers)
		}
		if len(f.Notes) > 0 {
			t.Errorf("%s: %q", c.file, f.Notes)
		}
		if len(f.Root.Attrs["model_config"].Strings) != 1 {
			t.Errorf("%s: no model_config", c.file)
		}
	}
}
