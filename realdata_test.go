package mobilenet_test

import (
	"context"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/weights"
)

// published is a checkpoint of the data folder with what another framework
// made of it.
type published struct {
	file, golden string
	// key of golden/accuracy.json; crops of the golden file are the 50 only
	// where it says so.
	accuracy string
	options  func(t *testing.T) *mobilenet.Options
	// bound on the scores of the 50 crops.
	bound float64
}

var publishedModels = []published{
	{"mobilenet_v1_0.25_224_float.tflite", "v1_0.25_224_float.npz", "v1_0.25_224_float.npz", nil, 1e-5},
	{"mobilenet_v1_0.25_224_pytorch_legacy.pth.tar", "v1_0.25_224_pytorch_float.npz", "v1_0.25_224_pytorch_float.npz", leakyV1, 1e-3},
	{"mobilenet_v1_0.25_224_keras.h5", "v1_0.25_224_keras_h5.npz", "v1_0.25_224_keras_h5.npz", nil, 1e-3},
	{"derived_mobilenet_v2_1.0_224_float_nchw.onnx", "derived_v2_1.0_224_onnx_f32_crops50.npz", "derived_v2_1.0_224_onnx_f32", nil, 1e-3},
	{"derived_mobilenet_v3_small_1.0_224_float_nchw.onnx", "derived_v3_small_onnx_f32_crops50.npz", "derived_v3_small_onnx_f32", nil, 1e-3},
	{"derived_mobilenet_v3_large_minimalistic_224_float_nchw.onnx", "derived_v3_large_minimalistic_onnx_f32_crops50.npz", "derived_v3_large_minimalistic_onnx_f32", nil, 1e-3},
}

// leakyV1 describes, through the public builder and a name map given as data,
// the network of the legacy PyTorch checkpoint: V1 at width 0.25 with
// LeakyReLU(0.1), trained with PyTorch's symmetric padding.
func leakyV1(t *testing.T) *mobilenet.Options {
	table, _, err := arch.Lookup("mobilenet_v1")
	if err != nil {
		t.Fatal(err)
	}
	table.Name, table.Act = "mobilenet_v1_leaky", arch.LeakyReLU(0.1)
	net, err := arch.Custom(table, arch.Options{Width: 0.25, Dialect: "timm"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join("internal", "testkit", "testdata", "v1_pytorch_legacy_names.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names, err := weights.ReadNameMap(f)
	if err != nil {
		t.Fatal(err)
	}
	return &mobilenet.Options{Net: net, Names: names}
}

func (p published) open(t *testing.T, change func(*mobilenet.Options)) *mobilenet.Classifier {
	t.Helper()
	opt := &mobilenet.Options{}
	if p.options != nil {
		opt = p.options(t)
	}
	if change != nil {
		change(opt)
	}
	c, err := mobilenet.Open(filepath.Join(testkit.Data(t), "models/cls", p.file), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// labelled is a picture file with its class.
type labelled struct {
	name  string
	class int
}

func readLabels(t *testing.T, file string) []labelled {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []labelled
	for _, row := range rows[1:] {
		class, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, labelled{filepath.Join(filepath.Dir(file), row[0]), class})
	}
	return out
}

// classifyAll runs the pictures and hands over the results in order.
func classifyAll(t *testing.T, c *mobilenet.Classifier, pictures []labelled, visit func(i int, r mobilenet.Result)) {
	t.Helper()
	seq := func(yield func(mobilenet.Picture) bool) {
		for _, p := range pictures {
			if !yield(mobilenet.Picture{Name: p.name, Open: func() (io.ReadCloser, error) { return os.Open(p.name) }}) {
				return
			}
		}
	}
	i := 0
	for r := range c.ClassifyAll(context.Background(), seq) {
		if r.Err != nil {
			t.Fatalf("%s: %v", r.Name, r.Err)
		}
		visit(i, r)
		i++
	}
	if i != len(pictures) {
		t.Fatalf("%d of %d pictures", i, len(pictures))
	}
}

// goldenRows reads a golden file: the scores of each picture by class index.
func goldenRows(t *testing.T, name string) map[int][]float32 {
	t.Helper()
	file := filepath.Join(testkit.Data(t), "golden", name)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadArchive(f, st.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var scores []float32
	var index []int64
	width := 0
	for _, a := range arrays {
		if len(a.Shape) == 2 {
			if scores, err = a.Float32s(); err != nil {
				t.Fatal(err)
			}
			width = a.Shape[1]
		} else if index, err = a.Int64s(); err != nil {
			t.Fatal(err)
		}
	}
	out := make(map[int][]float32)
	for i, class := range index {
		out[int(class)] = scores[i*width : (i+1)*width]
	}
	return out
}

// rungs lists the kernels of this machine that real checkpoints are run with:
// the fastest first, the reference last.
func rungs() []string {
	out := slices.Clone(cpu.Present())
	slices.Reverse(out)
	return out
}

// TestGoldenCrops runs the real checkpoints on the exact network inputs of
// the golden runs, so that neither JPEG decoding nor resizing takes part, by
// every instruction set. The reference kernels are slow and run a few crops.
func TestGoldenCrops(t *testing.T) {
	crops := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-crops224-png/labels.csv"))
	if len(crops) != 50 {
		t.Fatalf("%d crops, want 50", len(crops))
	}
	for _, p := range publishedModels {
		for i, rung := range rungs() {
			if testing.Short() && i > 0 {
				break
			}
			crops := crops
			if rung == "ref" {
				crops = crops[:2]
			}
			t.Run(p.file+"/"+rung, func(t *testing.T) { goldenCrops(t, p, rung, crops) })
		}
	}
}

func goldenCrops(t *testing.T, p published, rung string, crops []labelled) {
	golden := goldenRows(t, p.golden)
	c := p.open(t, func(o *mobilenet.Options) { o.CropInput, o.Kernels = true, rung })
	worst, agree := 0.0, 0
	classifyAll(t, c, crops, func(i int, r mobilenet.Result) {
		want := golden[crops[i].class]
		if len(want) != len(r.Scores) {
			t.Fatalf("%d scores, the golden run has %d", len(r.Scores), len(want))
		}
		for j, w := range want {
			worst = max(worst, math.Abs(float64(r.Scores[j])-float64(w)))
		}
		if slices.Index(r.Scores, slices.Max(r.Scores)) == slices.Index(want, slices.Max(want)) {
			agree++
		}
	})
	t.Logf("largest difference %.3g, top-1 equal on %d of %d", worst, agree, len(crops))
	if !(worst <= p.bound) {
		t.Errorf("largest difference %g, bound %g", worst, p.bound)
	}
	if agree != len(crops) {
		t.Errorf("top-1 equal on %d of %d", agree, len(crops))
	}
}

// TestGoldenPhotos runs the whole pipeline, from the JPEG files, and compares
// the accuracy with the golden run's on the same photos: equal, since decoding
// and resizing are exact. Every instruction set runs all of it, but for
// the reference, which would take hours.
func TestGoldenPhotos(t *testing.T) {
	if testing.Short() {
		t.Skip("500 photos take a minute: run without -short")
	}
	accuracy := testkit.Accuracy(t)
	photos := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-samples/labels.csv"))
	if len(photos) != 500 {
		t.Fatalf("%d photos, want 500", len(photos))
	}
	for _, p := range publishedModels {
		want, ok := accuracy[p.accuracy]
		if !ok {
			t.Fatalf("accuracy.json has no %s", p.accuracy)
		}
		for _, rung := range rungs() {
			if rung == "ref" {
				continue // hours
			}
			t.Run(p.file+"/"+rung, func(t *testing.T) {
				c := p.open(t, func(o *mobilenet.Options) { o.Kernels = rung })
				var got eval.TopK
				classifyAll(t, c, photos, func(i int, r mobilenet.Result) {
					got.Add(r.Scores[len(r.Scores)-1000:], photos[i].class)
				})
				t.Logf("top-1 %.3f (golden %.3f), top-5 %.3f (golden %.3f), recipe %s", got.Top1(), want.Top1, got.Top5(), want.Top5, c.Info().Recipe)
				for _, k := range []struct {
					name      string
					got, want float64
				}{{"top-1", got.Top1(), want.Top1}, {"top-5", got.Top5(), want.Top5}} {
					if d := math.Abs(k.got-k.want) * 500; d > 0.01 {
						t.Errorf("%s is %.3f, golden %.3f: %.0f photos apart", k.name, k.got, k.want, d)
					}
				}
			})
		}
	}
}

// TestFeaturesOfRealWeights checks that an embedding times the classifier's
// weights gives the logits, on a real checkpoint.
func TestFeaturesOfRealWeights(t *testing.T) {
	p := publishedModels[1]
	c := p.open(t, nil)
	photo := readLabels(t, filepath.Join(testkit.Data(t), "images/imagenet-samples/labels.csv"))[7]
	open := func() io.Reader {
		data, err := os.ReadFile(photo.name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReader(string(data))
	}
	ctx := context.Background()
	features, err := c.Features(ctx, open(), "blocks.5.pw.act", "pool", "classifier", "logits")
	if err != nil {
		t.Fatal(err)
	}
	if f := features[0]; f.Height != 14 || f.Width != 14 || f.Channels != 128 {
		t.Errorf("feature map is %d x %d x %d", f.Height, f.Width, f.Channels)
	}
	vec, err := c.Embed(ctx, open())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(vec, features[1].Data) {
		t.Error("the embedding is not the pooled vector")
	}
	if !slices.Equal(features[2].Data, features[3].Data) {
		t.Error("classifier and logits differ")
	}
	preds, err := c.Classify(ctx, open())
	if err != nil {
		t.Fatal(err)
	}
	if best := slices.Index(features[3].Data, slices.Max(features[3].Data)); preds[0].Class != best {
		t.Errorf("best class %d, the logits say %d", preds[0].Class, best)
	}
	if _, err := c.Features(ctx, open(), "blocks.99.dw"); err == nil || !strings.Contains(err.Error(), "blocks.99.dw") {
		t.Errorf("an unknown feature gives %v", err)
	}
}
