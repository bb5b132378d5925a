package mobilenet_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// integerModels are the published uint8 files of the test data with the
// outputs of TFLite 2.9 for the 500 photos. All end in probabilities of 1/256.
var integerModels = []published{
	{"mobilenet_v1_0.25_128_uint8.tflite", "v1_0.25_128_uint8.npz", "v1_0.25_128_uint8.npz", nil, 0},
	{"mobilenet_v1_0.25_224_uint8.tflite", "v1_0.25_224_uint8.npz", "v1_0.25_224_uint8.npz", nil, 0},
	{"mobilenet_v1_0.5_160_uint8.tflite", "v1_0.5_160_uint8.npz", "v1_0.5_160_uint8.npz", nil, 0},
	{"mobilenet_v1_0.75_192_uint8.tflite", "v1_0.75_192_uint8.npz", "v1_0.75_192_uint8.npz", nil, 0},
	{"mobilenet_v2_1.0_224_uint8.tflite", "v2_1.0_224_uint8.npz", "v2_1.0_224_uint8.npz", nil, 0},
	{"mobilenet_v3_large_minimalistic_224_uint8.tflite", "v3_large_minimalistic_uint8.npz", "v3_large_minimalistic_uint8.npz", nil, 0},
	{"mobilenet_v3_small_1.0_224_uint8.tflite", "v3_small_1.0_uint8.npz", "v3_small_1.0_uint8.npz", nil, 0},
	{"mobilenet_edgetpu_0.75_224_ptq_uint8.tflite", "edgetpu_0.75_224_ptq.npz", "edgetpu_0.75_224_ptq.npz", nil, 0},
}

// rawOutput counts the outputs that differ from TFLite's bytes, by how much.
func rawOutput(t *testing.T, want, scores []float32) (differ, worst int) {
	t.Helper()
	if len(want) != len(scores) {
		t.Fatalf("%d scores, the golden run has %d", len(scores), len(want))
	}
	for i, w := range want {
		if d := int(math.Abs(math.Round(float64(scores[i])*256) - float64(w))); d != 0 {
			differ++
			worst = max(worst, d)
		}
	}
	return differ, worst
}

// TestIntegerPhotos runs the published uint8 files on the photos: the bytes of
// TFLite.
func TestIntegerPhotos(t *testing.T) {
	photos := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-samples/labels.csv"))
	if testing.Short() {
		photos = photos[:20]
	}
	accuracy := testkit.Accuracy(t)
	for _, p := range integerModels {
		t.Run(p.file, func(t *testing.T) {
			golden := goldenRows(t, p.golden)
			c := p.open(t, nil)
			pictures, outputs, worst := 0, 0, 0
			var got eval.TopK
			classifyAll(t, c, photos, func(i int, r mobilenet.Result) {
				got.Add(r.Scores[len(r.Scores)-1000:], photos[i].class)
				d, w := rawOutput(t, golden[photos[i].class], r.Scores)
				outputs += d
				worst = max(worst, w)
				if d != 0 {
					pictures++
				}
			})
			if pictures != 0 {
				t.Errorf("%d of %d pictures differ, in %d outputs, by %d at most", pictures, len(photos), outputs, worst)
			}
			want, ok := accuracy[p.accuracy]
			t.Logf("%d of %d pictures differ; top-1 %.3f (golden %.3f), top-5 %.3f (golden %.3f)", pictures, len(photos), got.Top1(), want.Top1, got.Top5(), want.Top5)
			if len(photos) == 500 && (!ok || math.Abs(got.Top1()-want.Top1) > 1e-9 || math.Abs(got.Top5()-want.Top5) > 1e-9) {
				t.Errorf("top-1 %.3f, top-5 %.3f", got.Top1(), got.Top5())
			}
		})
	}
}

// TestIntegerCrops runs the published uint8 files on exact network inputs: the
// same bytes by every instruction set. The networks of 224 pixels read the 50
// crops of the test data; with MOBILENET_CROPS all of them read the crops in
// its folders 128, 160, 192 and 224, which bench's peers make of the photos.
func TestIntegerCrops(t *testing.T) {
	all := os.Getenv("MOBILENET_CROPS")
	for _, p := range integerModels {
		c := p.open(t, nil)
		dir := filepath.Join(testkit.Data(t), "images/imagenet-crops224-png")
		if all != "" {
			dir = filepath.Join(all, fmt.Sprint(c.Info().Width))
		} else if c.Info().Width != 224 {
			continue
		}
		crops := readLabels(t, filepath.Join(dir, "labels.csv"))
		golden := goldenRows(t, p.golden)
		for i, rung := range rungs() {
			some := crops
			if rung == "ref" {
				some = crops[:2]
			} else if testing.Short() && i > 0 {
				some = crops[:5]
			}
			t.Run(p.file+"/"+rung, func(t *testing.T) {
				c := p.open(t, func(o *mobilenet.Options) { o.CropInput, o.Kernels = true, rung })
				pictures := 0
				classifyAll(t, c, some, func(i int, r mobilenet.Result) {
					if d, worst := rawOutput(t, golden[some[i].class], r.Scores); d != 0 {
						pictures++
						t.Errorf("%s: %d outputs differ, by %d at most", some[i].name, d, worst)
					}
				})
				t.Logf("equal bytes on %d of %d", len(some)-pictures, len(some))
			})
		}
	}
}
