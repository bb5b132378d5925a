package engine

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/weights"
)

// saved writes a network with generated weights to a file.
func saved(t *testing.T, name string, o arch.Options) string {
	t.Helper()
	net, err := arch.New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Generate(net, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := m.Save(context.Background(), path, SaveOptions{NoGolden: true}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWeightsAreReadOnce opens a network from a file: its bytes are in memory
// once, as the network's weights, and compiling adds one packed copy, which
// programs for other shapes share.
func TestWeightsAreReadOnce(t *testing.T) {
	path := saved(t, "mobilenet_v2", arch.Options{})
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file := uint64(st.Size())
	const slack = 3 << 20 // graph, labels, alignment to a huge page
	heap := func() (total, live uint64) {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.TotalAlloc, s.HeapAlloc
	}
	total0, live0 := heap()
	m, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	total1, live1 := heap()
	if got := total1 - total0; got > file+slack {
		t.Errorf("opening a file of %d bytes takes %d", file, got)
	}
	for _, batch := range []int{1, 4} {
		if _, err := m.Program(Shape{Batch: batch, H: m.Info.H, W: m.Info.W}); err != nil {
			t.Fatal(err)
		}
	}
	_, live2 := heap()
	packed := uint64(m.run.packs.Bytes())
	if packed < file*9/10 || packed > file*11/10 {
		t.Errorf("%d bytes packed of a file of %d", packed, file)
	}
	if got := live2 - live1; got > packed+slack {
		t.Errorf("compiling for two batches adds %d bytes, the packed weights are %d", got, packed)
	}
	if live2 < live0 {
		t.Error("the model has gone")
	}
	runtime.KeepAlive(m)
}

// TestWeightsAreViews checks that a network's weights are the tensors of the
// set they came from, not copies.
func TestWeightsAreViews(t *testing.T) {
	set, err := weights.Open(saved(t, "mobilenet_v2", arch.Options{Width: 0.35}), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := readOwn(set, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, id := range g.Variables() {
		v := g.Node(id)
		src := set.Get(v.Name)
		if v.Op.(graph.Variable).Role != graph.Weight {
			continue
		}
		n++
		was := v.Value.Data[0]
		src.Data[3] ^= 0x80 // the sign of the first element
		if v.Value.Data[0] != -was {
			t.Errorf("%s is a copy", v.Name)
		}
		src.Data[3] ^= 0x80
	}
	if n < 50 {
		t.Errorf("%d weights", n)
	}
}

// TestPackingInParallel packs the same bits on any number of goroutines.
func TestPackingInParallel(t *testing.T) {
	path := saved(t, "mobilenet_v3_small", arch.Options{Width: 0.35})
	var want []float32
	for _, threads := range []int{1, 3} {
		m, err := Open(path, &Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.run.packs.Threads != threads {
			t.Errorf("packs on %d goroutines, want %d", m.run.packs.Threads, threads)
		}
		got, err := m.runBytes(context.Background(), goldenPicture(m.Info.H, m.Info.W))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("score %d differs on %d threads", i, threads)
			}
		}
	}
}
