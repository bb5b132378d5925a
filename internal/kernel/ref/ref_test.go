package ref_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// TestTorch compares every operation with PyTorch's in float64, and the float32
// instance with the same numbers to float32's precision. The cases are made by
// testdata/torch_golden.py.
func TestTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/torch_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Op   string
		Args json.RawMessage
		Y    []float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, c := range cases {
		seen[c.Op] = true
		t.Run(fmt.Sprintf("%s%d", c.Op, i), func(t *testing.T) {
			// Constants of activations are float32 in every instance.
			compare(t, run[float64](t, c.Op, c.Args, len(c.Y)), c.Y, 1e-7)
			compare(t, run[float32](t, c.Op, c.Args, len(c.Y)), c.Y, 2e-5)
		})
	}
	if len(seen) != 11 {
		t.Errorf("%d operations have cases, want all 11", len(seen))
	}
}

func run[T ref.Float](t *testing.T, op string, args json.RawMessage, n int) []T {
	y := make([]T, n)
	read := func(a any) {
		if err := json.Unmarshal(args, a); err != nil {
			t.Fatal(err)
		}
	}
	switch op {
	case "conv":
		a := ref.ConvArgs[T]{Y: y}
		read(&a)
		a.ConvShape = a.ConvShape.Normal()
		ref.Conv(&a)
	case "activation":
		a := ref.ActivationArgs[T]{Y: y}
		read(&a)
		ref.Activation(&a)
	case "gap":
		a := ref.GlobalAvgPoolArgs[T]{Y: y}
		read(&a)
		ref.GlobalAvgPool(&a)
	case "pool":
		a := ref.PoolArgs[T]{Y: y}
		read(&a)
		ref.Pool(&a)
	case "binary":
		a := ref.BinaryArgs[T]{Y: y}
		read(&a)
		ref.Binary(&a)
	case "softmax":
		a := ref.SoftmaxArgs[T]{Y: y}
		read(&a)
		ref.Softmax(&a)
	case "batchnorm":
		a := ref.BatchNormArgs[T]{Y: y}
		read(&a)
		ref.BatchNorm(&a)
	case "resize":
		a := ref.ResizeArgs[T]{Y: y}
		read(&a)
		ref.Resize(&a)
	case "pad":
		a := ref.PadArgs[T]{Y: y}
		read(&a)
		ref.Pad(&a)
	case "concat":
		a := ref.ConcatArgs[T]{Y: y}
		read(&a)
		ref.Concat(&a)
	case "transpose":
		a := ref.TransposeArgs[T]{Y: y}
		read(&a)
		ref.Transpose(&a)
	default:
		t.Fatalf("no operation %q", op)
	}
	return y
}

func compare[T ref.Float](t *testing.T, got []T, want []float64, tolerance float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= tolerance*(1+math.Abs(w))) {
			t.Fatalf("%T: element %d is %v, want %v", got[i], i, got[i], w)
		}
	}
}

// TestLayouts holds the addressing: a channel-blocked picture and a slice of a
// wider tensor give the numbers of plain NHWC.
func TestLayouts(t *testing.T) {
	const n, h, w, c, o = 2, 3, 4, 20, 18
	s := ref.ConvShape{N: n, H: h, W: w, C: c, OH: h, OW: w, O: o, KH: 3, KW: 3, PadTop: 1, PadLeft: 1, HasResidual: true}.Normal()
	plain := ref.ConvArgs[float64]{ConvShape: s, X: numbers(n * h * w * c), Weight: numbers(o * c * 9), Bias: numbers(o),
		Residual: numbers(n * h * w * o), Y: make([]float64, n*h*w*o)}
	ref.Conv(&plain)
	for _, layout := range [][4]int{{c + 3, 16, o + 1, 16}, {16, n * h * w * 16, 16, n * h * w * 16}} {
		a := plain
		a.XPixel, a.XBlock, a.YPixel, a.YBlock = layout[0], layout[1], layout[2], layout[3]
		place := func(p, ch, pixel, block int) int { return p*pixel + ch/16*block + ch%16 }
		a.X, a.Y, a.Residual = make([]float64, 4*n*h*w*c), make([]float64, 4*n*h*w*o), make([]float64, 4*n*h*w*o)
		for p := range n * h * w {
			for ch := range c {
				a.X[place(p, ch, a.XPixel, a.XBlock)] = plain.X[p*c+ch]
			}
			for ch := range o {
				a.Residual[place(p, ch, a.YPixel, a.YBlock)] = plain.Residual[p*o+ch]
			}
		}
		ref.Conv(&a)
		for p := range n * h * w {
			for ch := range o {
				if got := a.Y[place(p, ch, a.YPixel, a.YBlock)]; got != plain.Y[p*o+ch] {
					t.Fatalf("layout %v: pixel %d channel %d is %v, want %v", layout, p, ch, got, plain.Y[p*o+ch])
				}
			}
		}
	}
}

func numbers(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Sin(float64(i*i%1009 + n))
	}
	return x
}

// TestNaN: a NaN reaches the result through every activation, or trouble
// upstream would look like a confident answer.
func TestNaN(t *testing.T) {
	for k := range ref.NumActs {
		if y := ref.ApplyAct(ref.Act{Kind: k, A: 0.5, B: 1}, math.NaN()); !math.IsNaN(y) {
			t.Errorf("activation %d makes %v of NaN", k, y)
		}
	}
}
