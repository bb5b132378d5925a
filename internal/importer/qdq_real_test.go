package importer

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
)

// TestQDQCrops runs the published QLinear file on the 50 exact crops and
// compares with ONNX Runtime's scores. The network's weights have one scale a
// tensor and its steps are coarse: a single byte that is rounded otherwise
// changes the logits by 15 %. So this holds all of the arithmetic.
func TestQDQCrops(t *testing.T) {
	dir := dataDir(t)
	crops, _ := filepath.Glob(filepath.Join(dir, "images", "imagenet-crops224-png", "[0-9][0-9][0-9][0-9]_n*.png"))
	if len(crops) == 0 {
		t.Skipf("no crops under %s", dir)
	}
	m := open(t, filepath.Join(dir, "models", "cls", "mobilenet_v2_1.0_224_qdq_pytorch.onnx"))
	g, err := m.Build(1, 224, 224)
	if err != nil {
		t.Fatal(err)
	}
	forward := runner(t, g)
	want := goldens(t, filepath.Join(dir, "golden", "v2_1.0_224_qdq_onnx_f32_crops50.npz"), "logits", "class")
	mean, deviation := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	var d, n, worst float64
	agree := 0
	for _, c := range crops {
		x := readPNG(t, c)
		for i, v := range x {
			pixel := float32(math.Round(float64(v*127.5 + 127.5)))
			x[i] = (pixel/255 - mean[i%3]) / deviation[i%3]
		}
		var class int
		fmt.Sscanf(filepath.Base(c), "%d", &class)
		ref, got := want[class], forward(x)
		if len(ref) != len(got) {
			t.Fatalf("%s: %d scores, the golden run has %d", c, len(got), len(ref))
		}
		for i, r := range ref {
			e := float64(got[i] - r)
			d += e * e
			n += float64(r) * float64(r)
			worst = max(worst, math.Abs(e))
		}
		if argmax(got) == argmax(ref) {
			agree++
		}
	}
	l2 := math.Sqrt(d / n)
	t.Logf("%d crops: relative L2 distance %.3g, largest difference %.3g, %d equal answers", len(crops), l2, worst, agree)
	if !(l2 <= 2e-2) || agree < len(crops)-2 {
		t.Errorf("relative L2 distance %.3g, want at most 0.02; %d of %d answers equal", l2, agree, len(crops))
	}
}
