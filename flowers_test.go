package mobilenet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestFlowers classifies photos with a fine-tuned Keras file, which says
// nothing about its labels or its pictures' preparation: its classes are the
// folders in alphabetical order, and squashing pictures to the input does
// better than cutting their middle out (71 against 69 of the 75).
func TestFlowers(t *testing.T) {
	data := testkit.Data(t)
	labels := []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"}
	c, err := mobilenet.Open(filepath.Join(data, "models/cls/flowers_mobilenet_v2_0.35_224_fft.h5"), &mobilenet.Options{
		Labels: labels, Preprocess: "resize=squash,crop=224,filter=bilinear,range=-1..1",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, split := range []struct {
		name       string
		n, atLeast int
	}{{"train", 250, 240}, {"val", 75, 70}} {
		if split.name == "train" && testing.Short() {
			continue
		}
		var pictures []labelled
		for class, label := range labels {
			folder := filepath.Join(data, "train/flowers", split.name, label)
			files, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				pictures = append(pictures, labelled{filepath.Join(folder, f.Name()), class})
			}
		}
		right := 0
		classifyAll(t, c, pictures, func(i int, r mobilenet.Result) {
			if len(r.Predictions) == 0 || r.Predictions[0].Label != labels[r.Predictions[0].Class] {
				t.Fatalf("predictions %v", r.Predictions)
			}
			if r.Predictions[0].Class == pictures[i].class {
				right++
			}
		})
		t.Logf("%s: %d of %d right, %.1f %%", split.name, right, len(pictures), 100*float64(right)/float64(len(pictures)))
		if len(pictures) != split.n || right < split.atLeast {
			t.Errorf("%s: %d of %d right, want %d of %d", split.name, right, len(pictures), split.atLeast, split.n)
		}
	}
}
