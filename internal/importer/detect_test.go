package importer

import (
	"encoding/json"
	"image"
	"image/color"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestFilesCompile takes every network of the test data to a program, for one
// picture and for two.
func TestFilesCompile(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(dataDir(t), "models", "*", "*"))
	n := 0
	for _, f := range files {
		if ext := filepath.Ext(f); ext != ".onnx" && ext != ".tflite" {
			continue
		}
		n++
		t.Run(filepath.Base(f), func(t *testing.T) {
			m := open(t, f)
			if m.SingleBatch {
				t.Error("one picture at a time only")
			}
			for batch := 1; batch < 3; batch++ {
				g, err := m.Build(batch, m.H, m.W)
				if err != nil {
					t.Fatal(err)
				}
				if g, err = pass.Fold(g); err != nil {
					t.Fatal(err)
				}
				if _, err = exec.Compile(g, exec.Options{}); err != nil {
					t.Fatal(err)
				}
				for _, o := range g.Outputs {
					if s := g.Node(o.ID).Type.Shape; s[0] != batch {
						t.Errorf("output %q is %v for %d pictures", o.Name, s, batch)
					}
				}
			}
		})
	}
	if n == 0 {
		t.Skip("no files")
	}
}

// photo is a photo of COCO squashed to a size, as bytes 0 to 255.
func photo(t *testing.T, dir, name string, w, h int) []float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "coco128", "val2017", "images", name))
	if err != nil {
		t.Skip(err)
	}
	img, _, err := imageio.DecodeBytes(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if img, err = imageio.Resize(img, w, h, imageio.Bilinear); err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(img.Pix))
	for i, v := range img.Pix {
		x[i] = float32(v)
	}
	return x
}

// TestRealDetector compares the boxes of the uint8 SSD with TFLite's.
func TestRealDetector(t *testing.T) {
	dir := dataDir(t)
	text, err := os.ReadFile(filepath.Join(dir, "golden", "ssd_mobilenet_v1_coco_val64.json"))
	if err != nil {
		t.Skip(err)
	}
	var golden struct {
		Detections []struct {
			File            string
			Boxes           [][]float64 `json:"boxes_yxyx"`
			Classes, Scores []float64
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	pictures := golden.Detections
	if testing.Short() {
		pictures = pictures[:4]
	}
	m := open(t, filepath.Join(dir, "models", "det", "ssd_mobilenet_v1_coco_300_uint8.tflite"))
	if len(m.Outputs) != 1 || m.Outputs[0] != detectionOutput {
		t.Fatalf("outputs %v", m.Outputs)
	}
	g, err := m.Build(1, 300, 300)
	if err != nil {
		t.Fatal(err)
	}
	forward := runner(t, g)
	worst, rows := 0.0, 0
	for _, p := range pictures {
		y := forward(photo(t, dir, p.File, 300, 300))
		for r := range len(y) / 6 {
			row := make([]float64, 6)
			if r < len(p.Boxes) {
				copy(row, p.Boxes[r])
				row[4], row[5] = p.Classes[r], p.Scores[r]
				rows++
			}
			for i, v := range row {
				worst = max(worst, math.Abs(float64(y[6*r+i])-v))
			}
		}
	}
	t.Logf("%d pictures, %d boxes: largest difference %.3g", len(pictures), rows, worst)
	if !(worst <= 1e-6) || rows == 0 {
		t.Errorf("largest difference %g of %d boxes", worst, rows)
	}
}

// TestRealIntegerSegmenter compares the class of every pixel of the uint8
// DeepLab with TFLite's.
func TestRealIntegerSegmenter(t *testing.T) {
	dir := dataDir(t)
	masks, _ := filepath.Glob(filepath.Join(dir, "golden", "deeplabv3_dm05_513_quant", "*.png"))
	if len(masks) == 0 {
		t.Skip("no golden masks")
	}
	masks = masks[:min(len(masks), 8)]
	if testing.Short() {
		masks = masks[:1]
	}
	m := open(t, filepath.Join(dir, "models", "seg", "deeplabv3_mobilenet_v2_dm05_513_uint8.tflite"))
	g, err := m.Build(1, 513, 513)
	if err != nil {
		t.Fatal(err)
	}
	forward := runner(t, g)
	for _, mask := range masks {
		name := strings.TrimSuffix(filepath.Base(mask), ".png")
		y := forward(photo(t, dir, name+".jpg", 513, 513))
		f, err := os.Open(mask)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for i, c := range y {
			if float32(color.GrayModel.Convert(want.At(i%513, i/513)).(color.Gray).Y) != c {
				wrong++
			}
		}
		if wrong != 0 {
			t.Errorf("%s: %d of %d pixels differ", name, wrong, len(y))
		}
	}
}
