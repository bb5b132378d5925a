package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestOpenTensorFlow opens a checkpoint with TF-slim's names, with the moving
// averages and counters that training leaves.
func TestOpenTensorFlow(t *testing.T) {
	net, err := arch.New("mobilenet_v1", arch.Options{Dialect: "slim", Width: 0.25, Classes: 1001})
	if err != nil {
		t.Fatal(err)
	}
	w := testkit.NewTFWriter(1)
	set := checkpoint(t, net, "slim")
	for _, x := range set.Tensors() {
		w.Add(x.Name, 1, x.Shape, 0, x.Data)
		w.Add(x.Name+"/RMSProp", 1, x.Shape, 0, x.Data)
	}
	average := set.Tensors()[0]
	w.Add(average.Name+"/ExponentialMovingAverage", 1, average.Shape, 0, average.Data)
	w.Add("global_step", 9, nil, 0, make([]byte, 8))
	path := filepath.Join(t.TempDir(), "mobilenet_v1_0.25_224.ckpt.index")
	for name, b := range map[string][]byte{path: w.Index(), path[:len(path)-6] + ".data-00000-of-00001": w.Shards[0]} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if i := m.Info; i.Name != "mobilenet_v1" || i.Dialect != "slim" || i.Rows != 1001 || !i.Background || m.Net().Options.Width != 0.25 {
		t.Errorf("read as %+v", i)
	}
	if n := len(m.Report.Applied); n != set.Len() || m.Report.Applied[0].Source != average.Name+"/ExponentialMovingAverage" {
		t.Errorf("%d of %d tensors, the first from %s", n, set.Len(), m.Report.Applied[0].Source)
	}
}
