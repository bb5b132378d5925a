package mobilenet_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// openPrecise opens a model in a precision by some instructions, or skips.
func (p published) openPrecise(t *testing.T, precision mobilenet.Precision, way string, change func(*mobilenet.Options)) *mobilenet.Classifier {
	t.Helper()
	t.Setenv(cpu.BF16Env, way)
	c := p.open(t, func(o *mobilenet.Options) {
		o.Precision = precision
		if change != nil {
			change(o)
		}
	})
	if used, asAsked := c.Precision(); !asAsked {
		t.Skip(used)
	}
	return c
}

// TestPrecisionOption: the zero value is fp32, a precision that cannot be had
// says so, and an unknown one is refused with the choices.
func TestPrecisionOption(t *testing.T) {
	file := filepath.Join("testdata", "tiny.safetensors")
	for _, c := range []struct {
		precision mobilenet.Precision
		kernels   string
		asAsked   bool
	}{{"", "", true}, {mobilenet.PrecisionFP32, "", true}, {mobilenet.PrecisionBF16, "go", false}, {mobilenet.PrecisionBF16x3, "ref", false}} {
		m, err := mobilenet.Open(file, &mobilenet.Options{Precision: c.precision, Kernels: c.kernels})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if used, asAsked := m.Precision(); asAsked != c.asAsked || !strings.HasPrefix(used, "fp32") || asAsked == strings.Contains(used, ":") {
			t.Errorf("%q with kernels %q: %q, %v", c.precision, c.kernels, used, asAsked)
		}
	}
	_, err := mobilenet.Open(file, &mobilenet.Options{Precision: "fp8"})
	if err == nil || !strings.Contains(err.Error(), `"fp8"`) || !strings.Contains(err.Error(), "fp32, bf16, bf16x3") {
		t.Errorf("an unknown precision gives %v", err)
	}
}

// bf16Photos is how many of the 500 photos bf16 may answer otherwise, net, for
// the models that have a bound.
var bf16Photos = map[string]float64{
	"mobilenet_v1_0.25_224_float.tflite":                          3,
	"derived_mobilenet_v2_1.0_224_float_nchw.onnx":                3,
	"derived_mobilenet_v3_large_minimalistic_224_float_nchw.onnx": 3,
	"derived_mobilenet_v3_small_1.0_224_float_nchw.onnx":          6,
}

// TestBF16Crops holds the precisions to the scores of the golden runs, by
// every way this machine has.
func TestBF16Crops(t *testing.T) {
	crops := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-crops224-png/labels.csv"))
	for _, p := range publishedModels {
		golden := goldenRows(t, p.golden)
		for _, c := range []struct {
			precision mobilenet.Precision
			bound     float64 // of the scores' relative error
			agree     int
		}{{mobilenet.PrecisionBF16, 0.3, 45}, {mobilenet.PrecisionBF16x3, 1e-4, 50}} {
			for _, way := range []string{"amx", "avx512"} {
				t.Run(p.file+"/"+string(c.precision)+"/"+way, func(t *testing.T) {
					m := p.openPrecise(t, c.precision, way, func(o *mobilenet.Options) { o.CropInput = true })
					worst, agree := 0.0, 0
					classifyAll(t, m, crops, func(i int, r mobilenet.Result) {
						want := golden[crops[i].class]
						worst = max(worst, logitError(r.Scores, want))
						if slices.Index(r.Scores, slices.Max(r.Scores)) == slices.Index(want, slices.Max(want)) {
							agree++
						}
					})
					t.Logf("largest relative error %.3g, top-1 equal on %d of 50", worst, agree)
					if !(worst <= c.bound) {
						t.Errorf("relative error %g, bound %g", worst, c.bound)
					}
					if agree < c.agree {
						t.Errorf("top-1 equal on %d of 50, want %d", agree, c.agree)
					}
				})
			}
		}
	}
}

// logitError is the distance of scores in relative L2. Of probabilities the
// logarithms are taken, which are logits but for a constant.
func logitError(got, want []float32) float64 {
	logits := func(x []float32) []float64 {
		sum, out := 0.0, make([]float64, len(x))
		for i, v := range x {
			out[i] = float64(v)
			sum += out[i]
		}
		if math.Abs(sum-1) > 1e-3 || slices.Min(x) < 0 {
			return out
		}
		mean := 0.0
		for i, v := range out {
			out[i] = math.Log(v)
			mean += out[i] / float64(len(x))
		}
		for i := range out {
			out[i] -= mean
		}
		return out
	}
	g, w := logits(got), logits(want)
	var d, n float64
	for i := range w {
		d += (g[i] - w[i]) * (g[i] - w[i])
		n += w[i] * w[i]
	}
	return math.Sqrt(d / n)
}

// TestBF16Photos holds bf16 to the accuracy of fp32 on the 500 photos.
func TestBF16Photos(t *testing.T) {
	if testing.Short() {
		t.Skip("500 photos take a minute: run without -short")
	}
	accuracy := testkit.Accuracy(t)
	photos := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-samples/labels.csv"))
	for _, p := range publishedModels {
		bound, ok := bf16Photos[p.file]
		if !ok {
			continue
		}
		for _, way := range []string{"amx", "avx512"} {
			t.Run(p.file+"/"+way, func(t *testing.T) {
				c := p.openPrecise(t, mobilenet.PrecisionBF16, way, nil)
				var got eval.TopK
				classifyAll(t, c, photos, func(i int, r mobilenet.Result) {
					got.Add(r.Scores[len(r.Scores)-1000:], photos[i].class)
				})
				want := accuracy[p.accuracy]
				d := (got.Top1() - want.Top1) * 500
				t.Logf("top-1 %.3f, fp32 %.3f: %+.0f photos; top-5 %.3f, fp32 %.3f", got.Top1(), want.Top1, d, got.Top5(), want.Top5)
				if !(math.Abs(d) <= bound+0.01) {
					t.Errorf("top-1 is %.0f photos from fp32's, bound %.0f", d, bound)
				}
			})
		}
	}
}
