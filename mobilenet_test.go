package mobilenet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/weights"
)

// generated writes a checkpoint with generated weights for a small network and
// returns its file.
func generated(t testing.TB, classes int) (string, *arch.Net) {
	t.Helper()
	net, err := arch.New("mobilenet_v3_small", arch.Options{Width: 0.35, Resolution: 48, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	g, err := net.Graph(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(g)
	names, err := net.Tensors("torchvision")
	if err != nil {
		t.Fatal(err)
	}
	set, err := weights.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		id, _ := g.Lookup(n.Canonical)
		if err := set.Add(tensor.FromFloat32(n.Published, n.Stored, g.Node(id).Value.Data)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "generated.safetensors")
	if err := set.Save(path); err != nil {
		t.Fatal(err)
	}
	return path, net
}

func open(t testing.TB, opt *mobilenet.Options) *mobilenet.Classifier {
	t.Helper()
	path, _ := generated(t, 10)
	if opt == nil {
		opt = &mobilenet.Options{}
	}
	if opt.Preprocess == "" {
		opt.Preprocess = "torchvision,crop=48,resize=55"
	}
	c, err := mobilenet.Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// picture draws stripes that depend on the seed.
func picture(seed, w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{byte(x * seed), byte(y*5 + seed*40), byte((x + y) * 3), 255})
		}
	}
	return m
}

func encoded(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestClassify(t *testing.T) {
	labels := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	c := open(t, &mobilenet.Options{Labels: labels, Top: -1})
	ctx := context.Background()
	preds, err := c.Classify(ctx, bytes.NewReader(encoded(t, picture(1, 90, 60))))
	if err != nil {
		t.Fatal(err)
	}
	if len(preds) != 10 {
		t.Fatalf("%d predictions", len(preds))
	}
	sum := float32(0)
	for i, p := range preds {
		sum += p.Score
		if p.Label != labels[p.Class] || (i > 0 && p.Score > preds[i-1].Score) {
			t.Errorf("place %d: %+v", i, p)
		}
	}
	if sum < 0.9999 || sum > 1.0001 {
		t.Errorf("probabilities add up to %v", sum)
	}
	same, err := c.ClassifyImage(ctx, picture(1, 90, 60))
	if err != nil || !slices.Equal(same, preds) {
		t.Errorf("the decoded picture gives %v, %v", same, err)
	}
}

func TestTopAndThreshold(t *testing.T) {
	ctx := context.Background()
	all, err := open(t, &mobilenet.Options{Top: -1}).ClassifyImage(ctx, picture(2, 50, 50))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		opt  mobilenet.Options
		want int
	}{{mobilenet.Options{}, 5}, {mobilenet.Options{Top: 3}, 3}, {mobilenet.Options{Top: -1, Threshold: all[1].Score}, 2}, {mobilenet.Options{Threshold: 2}, 0}} {
		got, err := open(t, &o.opt).ClassifyImage(ctx, picture(2, 50, 50))
		if err != nil || len(got) != o.want || !slices.Equal(got, all[:o.want]) {
			t.Errorf("%+v: %v, %v", o.opt, got, err)
		}
	}
}

func TestBatchEqualsSingles(t *testing.T) {
	ctx := context.Background()
	var pictures []image.Image
	for i := range 9 {
		pictures = append(pictures, picture(i, 60+7*i, 80-3*i))
	}
	c := open(t, &mobilenet.Options{Top: -1})
	batch, err := c.ClassifyBatch(ctx, pictures)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pictures {
		one, err := c.ClassifyImage(ctx, p)
		if err != nil || !slices.Equal(one, batch[i]) {
			t.Errorf("picture %d alone: %v, in the batch %v, %v", i, one, batch[i], err)
		}
	}
	if _, err := c.ClassifyBatch(ctx, append(pictures, image.NewRGBA(image.Rectangle{}))); err == nil {
		t.Error("an empty picture was accepted")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.ClassifyBatch(cancelled, pictures); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestClassifyFS(t *testing.T) {
	fsys := fstest.MapFS{"notes.txt": {Data: []byte("no picture")}, "sub/broken.jpg": {Data: []byte("\xff\xd8\xff broken")}}
	for i := range 12 {
		fsys[fmt.Sprintf("sub/p%02d.PNG", i)] = &fstest.MapFile{Data: encoded(t, picture(i, 64, 64))}
	}
	ctx := context.Background()
	for _, threads := range []int{1, 4} {
		c := open(t, &mobilenet.Options{Threads: threads})
		var names []string
		for r := range c.ClassifyFS(ctx, fsys) {
			names = append(names, r.Name)
			if broken := r.Name == "sub/broken.jpg"; broken != (r.Err != nil) || broken != (r.Predictions == nil) {
				t.Errorf("%s: %v, %v", r.Name, r.Predictions, r.Err)
			}
		}
		if len(names) != 13 || !slices.IsSorted(names) {
			t.Errorf("%d threads: %v", threads, names)
		}
		// A consumer may stop early.
		for range c.ClassifyFS(ctx, fsys, "sub") {
			break
		}
		var missing []error
		for r := range c.ClassifyFS(ctx, fsys, "nowhere", "notes.txt") {
			missing = append(missing, r.Err)
		}
		if len(missing) != 2 || !errors.Is(missing[0], fs.ErrNotExist) || missing[1] == nil {
			t.Errorf("a missing root gives %v", missing)
		}
	}
}

func TestClassifyAllStopsWhenCancelled(t *testing.T) {
	c := open(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	data := encoded(t, picture(3, 50, 50))
	endless := func(yield func(mobilenet.Picture) bool) {
		for yield(mobilenet.Picture{Name: "x", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}) {
		}
	}
	n := 0
	for range c.ClassifyAll(ctx, endless) {
		if n++; n == 5 {
			cancel()
		}
	}
	if n < 5 || n > 6 {
		t.Errorf("%d results", n)
	}
}

func TestFeatures(t *testing.T) {
	c := open(t, nil)
	ctx := context.Background()
	names, err := c.FeatureNames()
	if err != nil {
		t.Fatal(err)
	}
	data := encoded(t, picture(4, 70, 50))
	got, err := c.Features(ctx, bytes.NewReader(data), names...)
	if err != nil {
		t.Fatal(err)
	}
	// Asked for one at a time they are the same, whatever is fused around.
	for i := 0; i < len(names); i += 17 {
		one, err := c.Features(ctx, bytes.NewReader(data), names[i])
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range one[0].Data {
			if d := v - got[i].Data[j]; d > 1e-4 || d < -1e-4 {
				t.Errorf("%s differs at %d: %g and %g", names[i], j, v, got[i].Data[j])
				break
			}
		}
	}
	vec, err := c.Embed(ctx, bytes.NewReader(data))
	if err != nil || len(vec) != 360 {
		t.Errorf("embedding of %d, %v", len(vec), err)
	}
	for _, bad := range [][]string{nil, {"logits", "logits"}, {"nothing"}} {
		if _, err := c.Features(ctx, bytes.NewReader(data), bad...); err == nil {
			t.Errorf("features %v were accepted", bad)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	path, net := generated(t, 10)
	for name, opt := range map[string]*mobilenet.Options{
		"recipe":  {Preprocess: "crop=0"},
		"labels":  {Labels: []string{"only one"}},
		"threads": {Threads: -1},
	} {
		if c, err := mobilenet.Open(path, opt); err == nil {
			c.Close()
			t.Errorf("%s was accepted", name)
		}
	}
	other, err := arch.New("mobilenet_v2", arch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mobilenet.Open(path, &mobilenet.Options{Net: other}); err == nil {
		t.Error("another network was accepted")
	}
	if _, err := mobilenet.Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	c, err := mobilenet.Open(path, &mobilenet.Options{Net: net})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if i := c.Info(); i.Height != 48 || i.Classes != 10 || i.Recipe != "resize=55,crop=48,filter=bilinear,range=imagenet" || !i.RecipeGuessed {
		t.Errorf("info %+v", i)
	}
}

// TestLimits sets each limit below what a good file asks for.
func TestLimits(t *testing.T) {
	path, _ := generated(t, 10)
	for name, l := range map[string]mobilenet.Limits{
		"bytes":       {FileBytes: 1000},
		"tensor":      {TensorBytes: 1000},
		"tensors":     {Tensors: 3},
		"activations": {Activations: 1000},
	} {
		c, err := mobilenet.Open(path, &mobilenet.Options{Limits: l})
		if err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		} else if !strings.Contains(err.Error(), path) || !(strings.Contains(err.Error(), "limit") || strings.Contains(err.Error(), "more than")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx := context.Background()
	data := encoded(t, picture(1, 300, 200))
	for name, l := range map[string]mobilenet.Limits{"pixels": {Pixels: 300 * 199}, "file": {PictureBytes: int64(len(data)) - 1}} {
		c := open(t, &mobilenet.Options{Limits: l})
		if _, err := c.Classify(ctx, bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDecodeModes cuts a JPEG file and spoils another: the exact decoder takes
// what Pillow takes, the strict one nothing irregular, the tolerant one what is
// there, and says how much.
func TestDecodeModes(t *testing.T) {
	whole, err := os.ReadFile("testdata/pictures/rings.jpg")
	if err != nil {
		t.Fatal(err)
	}
	cut := whole[:len(whole)*2/3]
	ctx := context.Background()
	classify := func(mode mobilenet.DecodeMode, data []byte) mobilenet.Result {
		c := open(t, &mobilenet.Options{Decode: mode})
		pic := mobilenet.Picture{Name: "x", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
		for r := range c.ClassifyAll(ctx, slices.Values([]mobilenet.Picture{pic})) {
			return r
		}
		t.Fatal("no result")
		return mobilenet.Result{}
	}
	exact := classify(mobilenet.DecodeExact, whole)
	for _, mode := range []mobilenet.DecodeMode{mobilenet.DecodeStrict, mobilenet.DecodeTolerant} {
		if r := classify(mode, whole); r.Err != nil || !slices.Equal(r.Scores, exact.Scores) || r.Coverage != 1 {
			t.Errorf("%s of a whole file: %v, coverage %v", mode, r.Err, r.Coverage)
		}
	}
	if r := classify(mobilenet.DecodeDraft, whole); r.Err != nil {
		t.Errorf("draft: %v", r.Err)
	}
	for _, mode := range []mobilenet.DecodeMode{mobilenet.DecodeExact, mobilenet.DecodeStrict} {
		if r := classify(mode, cut); r.Err == nil {
			t.Errorf("%q took a file that is cut", mode)
		}
	}
	if r := classify(mobilenet.DecodeTolerant, cut); r.Err != nil || !(r.Coverage > 0.3 && r.Coverage < 0.95) {
		t.Errorf("tolerant: %v, coverage %v", r.Err, r.Coverage)
	}
	path, _ := generated(t, 10)
	if _, err := mobilenet.Open(path, &mobilenet.Options{Decode: "sloppy"}); err == nil {
		t.Error("an unknown mode was accepted")
	}
}

// TestUseAfterClose works on, with one goroutine.
func TestUseAfterClose(t *testing.T) {
	c := open(t, &mobilenet.Options{Threads: 4})
	ctx := context.Background()
	want, err := c.ClassifyImage(ctx, picture(1, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 20 {
				if got, err := c.ClassifyImage(ctx, picture(1, 64, 64)); err != nil || !slices.Equal(got, want) {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	}
	c.Close()
	c.Close()
	wg.Wait()
	if _, err := c.Classify(ctx, nil); err == nil {
		t.Error("no picture was accepted")
	}
}
