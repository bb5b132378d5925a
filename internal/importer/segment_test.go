package importer

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// TestRealSegmenters runs DeepLab on photos and compares the class of every
// pixel with the framework's. It covers dilated convolutions, image pooling,
// joining and resizing with aligned corners.
func TestRealSegmenters(t *testing.T) {
	dir := dataDir(t)
	m := open(t, filepath.Join(dir, "models", "seg", "deeplabv3_mobilenet_v2_0.5_257_float.tflite"))
	if m.H != 257 || m.W != 257 || m.Classes != 21 || m.Vector || m.SingleBatch {
		t.Errorf("%d x %d, %d classes, vector %v, single batch %v", m.H, m.W, m.Classes, m.Vector, m.SingleBatch)
	}
	masks, _ := filepath.Glob(filepath.Join(dir, "golden", "deeplabv3_257_float", "*.png"))
	if len(masks) == 0 {
		t.Skip("no golden masks")
	}
	masks = masks[:min(len(masks), 8)]
	if testing.Short() {
		masks = masks[:1]
	}
	g, err := m.Build(1, 257, 257)
	if err != nil {
		t.Fatal(err)
	}
	forward := runner(t, g)
	wrong, total := 0, 0
	for _, mask := range masks {
		name := strings.TrimSuffix(filepath.Base(mask), ".png") + ".jpg"
		b, err := os.ReadFile(filepath.Join(dir, "coco128", "val2017", "images", name))
		if err != nil {
			continue
		}
		img, _, err := imageio.DecodeBytes(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = imageio.Resize(img, 257, 257, imageio.Bilinear); err != nil {
			t.Fatal(err)
		}
		x := make([]float32, len(img.Pix))
		for i, v := range img.Pix {
			x[i] = (float32(v) - 127.5) / 127.5
		}
		y := forward(x)
		f, err := os.Open(mask)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 257 * 257 {
			total++
			if argmax(y[i*21:(i+1)*21]) != int(want.(*image.Gray).Pix[i]) {
				wrong++
			}
		}
	}
	if total == 0 {
		t.Skip("no photos for the golden masks")
	}
	t.Logf("%d of %d pixels differ", wrong, total)
	if float64(wrong) > 0.002*float64(total) {
		t.Errorf("%d of %d pixels differ", wrong, total)
	}
}

func TestPortraitImports(t *testing.T) {
	m := open(t, filepath.Join(dataDir(t), "models", "seg", "mnv3_minimalistic_portrait_256_float.tflite"))
	g, err := m.Build(1, 256, 256)
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Node(g.Outputs[0].ID).Type.Shape; !s.Equal([]int{1, 256, 256, 2}) || m.Classes != 2 {
		t.Errorf("output %v", s)
	}
}
