package mobilenet_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet"
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
	for _, p := range integerModels {
		t.Run(p.file, func(t *testing.T) {
			golden := goldenRows(t, p.golden)
			c := p.open(t, nil)
			pictures, outputs, worst := 0, 0, 0
			classifyAll(t, c, photos, func(i int, r mobilenet.Result) {
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
		})
	}
}
