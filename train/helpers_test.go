package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// tiny is a network that trains in no time: an expansion, a gate, a sum.
const tiny = "dialect=torchvision stem_k3_s2_c8 ir_r1_k3_s2_e2_c12 ir_r1_k3_s1_e2_c12_se0.25 head_c24 dropout=0.1 res=24"

// shapes writes folders train and val of pictures: red discs, green squares and
// blue stripes on a noisy ground.
func shapes(t testing.TB, dir string, train, val int) string {
	t.Helper()
	for part, n := range map[string]int{"train": train, "val": val} {
		for class, name := range []string{"disc", "square", "stripes"} {
			folder := filepath.Join(dir, part, name)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				r := rand.New(rand.NewPCG(uint64(class), uint64(i)+uint64(len(part))<<32))
				var b bytes.Buffer
				if err := png.Encode(&b, shape(class, r)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.png", i)), b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return dir
}

func shape(class int, r *rand.Rand) image.Image {
	const side = 32
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	cx, cy, size := 10+r.IntN(12), 10+r.IntN(12), 6+r.IntN(5)
	colours := []color.RGBA{{220, 40, 40, 255}, {40, 200, 60, 255}, {50, 60, 220, 255}}
	for y := range side {
		for x := range side {
			dx, dy := x-cx, y-cy
			in := [3]bool{dx*dx+dy*dy < size*size, max(dx, -dx) < size && max(dy, -dy) < size, (x+cx)/4%2 == 0}[class]
			c := color.RGBA{uint8(90 + r.IntN(60)), uint8(90 + r.IntN(60)), uint8(90 + r.IntN(60)), 255}
			if in {
				c = colours[class]
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func openShapes(t testing.TB, dir string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// quick is a recipe for shapes.
func quick(epochs float64) Recipe {
	return Recipe{
		Name: "quick", Epochs: epochs, Batch: 8, Rate: 0.1, Schedule: Schedule{Curve: Cosine, Warmup: 0.5}, Optimizer: Optimizer{Kind: SGD, Momentum: 0.9, Nesterov: true},
		WeightDecay: 1e-4, EMA: 0.9, BNMomentum: 0.8, Clip: 5, Augment: transform.Augment{Crop: transform.CropPad, Flip: 0.5, Mixup: 0.1},
	}
}

func mustRun(t testing.TB, c *Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares files byte by byte.
func same(t testing.TB, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// sameState compares the variables of two runs' states, and where they are.
func sameState(t testing.TB, a, b string) {
	t.Helper()
	x, y := stateOf(t, a), stateOf(t, b)
	if !maps.EqualFunc(x, y, bytes.Equal) {
		t.Errorf("the states of %s and %s differ", a, b)
	}
}

func stateOf(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	set, err := weights.Open(filepath.Join(dir, StateFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]byte)
	for _, v := range set.Tensors() {
		out[v.Name] = v.Data
	}
	return out
}

var noAugment = transform.Augment{}

func floats(b []byte) []float64 {
	out := make([]float64, len(b)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return out
}
