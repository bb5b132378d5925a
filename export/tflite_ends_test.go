package export

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// small is a network of integers whose input is a picture's bytes or real
// numbers, with a mean and a softmax.
func small(t *testing.T, typ tensor.DType, pixels bool) *graph.Graph {
	t.Helper()
	var g graph.Graph
	id, err := g.AddInput("x", graph.F32(1, 5, 6, 3))
	add := func(name string, op graph.Op, in ...graph.ID) {
		if err == nil {
			id, err = g.Add(name, op, in...)
		}
	}
	up, rule := int32(0), graph.MeanDivided
	if typ == tensor.U8 {
		up, rule = 128, graph.MeanBias
	}
	s := graph.Whole(typ, 0.02, up-3)
	if pixels {
		add("bytes", graph.FromPixels{Stored: s}, id)
	} else {
		add("bytes", graph.Quantize{Stored: s}, id)
	}
	add("mean", graph.QMean{Stored: graph.Whole(typ, 0.01, up+5), Rule: rule}, id)
	add("flat", graph.Reshape{Shape: tensor.Shape{0, 3}}, id)
	add("softmax", graph.QSoftmax{Stored: graph.Whole(typ, 1.0/256, up-128), Beta: 1}, id)
	add("real", graph.Dequantize{}, id)
	if err == nil {
		err = g.SetOutput("scores", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &g
}

// TestTFLiteEnds asks for every type of input and output. The same picture
// gives the same scores, ours and TensorFlow Lite's.
func TestTFLiteEnds(t *testing.T) {
	for _, typ := range []tensor.DType{tensor.U8, tensor.I8} {
		t.Run(typ.String(), func(t *testing.T) { testEnds(t, typ) })
	}
}

func testEnds(t *testing.T, typ tensor.DType) {
	real := make([]float32, 90)
	pixels, ints := make([]byte, 90), make([]byte, 90)
	for i := range real {
		q := i*37%256 - 128
		real[i] = 0.02 * float32(q+3)
		ints[i], pixels[i] = byte(q), byte(q+128)
	}
	want := run(t, small(t, typ, false), real)[0]
	for _, in := range []tensor.DType{tensor.Invalid, tensor.F32, tensor.U8, tensor.I8} {
		for _, out := range []tensor.DType{tensor.Invalid, tensor.F32, tensor.U8, tensor.I8} {
			for _, fromPixels := range []bool{false, true} {
				g := small(t, typ, fromPixels)
				var b bytes.Buffer
				notes, err := TFLite(&b, g, &TFLiteOptions{Input: in, Output: out})
				if err != nil {
					t.Fatalf("%v to %v: %v", in, out, err)
				}
				if told := len(notes) > 0; told != (fromPixels && in == tensor.F32) {
					t.Errorf("%v to %v: notes %q", in, out, notes)
				}
				f, err := tflite.Parse(b.Bytes(), tflite.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				sub := f.Subgraphs[0]
				x, y := sub.Tensors[sub.Inputs[0]], sub.Tensors[sub.Outputs[0]]
				if in != tensor.Invalid && x.Type.DType() != in || out != tensor.Invalid && y.Type.DType() != out || y.Name != "scores" {
					t.Errorf("asked for %v to %v, written %v to %v %q", in, out, x.Type, y.Type, y.Name)
				}
				feed, bytesIn := real, floats(real)
				if x.Type.DType() != tensor.F32 {
					feed = make([]float32, len(pixels))
					for i, p := range pixels {
						feed[i] = float32(p)
					}
					if bytesIn = pixels; x.Type.DType() == tensor.I8 {
						bytesIn = ints
					}
				}
				if got := run(t, read(t, b.Bytes()), feed)[0]; relative(got, want) != 0 {
					t.Errorf("%v to %v: %v, want %v", in, out, got, want)
				}
				if testkit.HasTFLite() {
					if n := unlike(want, library(t, b.Bytes(), bytesIn)[0], &y); n > 0 {
						t.Errorf("%v to %v: TensorFlow Lite gives %d other scores", in, out, n)
					}
				}
			}
		}
	}
}

// TestTFLiteMetadata finds what a file says about itself.
func TestTFLiteMetadata(t *testing.T) {
	data := write(t, small(t, tensor.I8, true), &TFLiteOptions{Name: "small", Description: "three scores", Labels: []string{"ant", "bee", "cat"},
		Mean: []float32{127.5}, Std: []float32{127.5}, Recipe: "resize=squash"})
	f, err := tflite.Parse(data, tflite.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := tflite.AssociatedFiles(data, tflite.Limits{})
	if err != nil || string(files["labels.txt"]) != "ant\nbee\ncat\n" {
		t.Errorf("files %q, %v", files, err)
	}
	meta := f.Metadata[tflite.MetaKey]
	if string(f.Metadata[tflite.RecipeKey]) != "resize=squash" || f.Description != "three scores" || len(meta) < 8 || string(meta[4:8]) != "M001" {
		t.Errorf("metadata %q, description %q", f.Metadata, f.Description)
	}
	for _, part := range []string{"small", "three scores", "labels.txt", string(floats([]float32{127.5}))} {
		if !bytes.Contains(meta, []byte(part)) {
			t.Errorf("the metadata lack %q", part)
		}
	}
	if testkit.HasTFLite() {
		library(t, data, make([]byte, 90)) // the files behind it do not disturb
	}
}

// TestTFLiteRefuses names what cannot be written.
func TestTFLiteRefuses(t *testing.T) {
	build := func(in graph.Type, op graph.Op) *graph.Graph {
		var g graph.Graph
		id, err := g.AddInput("x", in)
		if err == nil {
			id, err = g.Add("y", op, id)
		}
		if err == nil {
			err = g.SetOutput("y", id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return &g
	}
	picture := graph.F32(1, 8, 8, 4)
	mean := graph.Pool{Window: graph.Square(3, 1, 1, graph.Padding{Top: 2, Left: 1})}
	dilated := graph.Pool{Window: graph.Square(2, 1, 2, graph.Padding{}), Max: true}
	for _, tt := range []struct {
		g    *graph.Graph
		opt  TFLiteOptions
		text string
	}{
		{&graph.Graph{}, TFLiteOptions{}, "0 inputs"},
		{build(graph.F32(2, 8, 8, 4), graph.Softmax{}), TFLiteOptions{}, "of one picture"},
		{build(picture, mean), TFLiteOptions{}, `node "y" (avg_pool) as TFLite: a mean over a window with padding`},
		{build(picture, dilated), TFLiteOptions{}, "does not pool with dilation"},
		{build(picture, graph.Softmax{}), TFLiteOptions{Input: tensor.U8}, "quantize the network first"},
		{build(picture, graph.Softmax{}), TFLiteOptions{Output: tensor.I8}, "quantize the network first"},
		{build(picture, graph.Reduce{}), TFLiteOptions{}, `node "y" (reduce) as TFLite: TFLite has no such operator`},
		{small(t, tensor.I8, true), TFLiteOptions{Input: tensor.I32}, "float32, uint8 or int8"},
	} {
		if _, err := TFLite(io.Discard, tt.g, &tt.opt); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v, want %q", err, tt.text)
		}
	}
}

// TestTFLiteActivations writes every activation alone, with pools and pads of
// every kind, and reads it back.
func TestTFLiteActivations(t *testing.T) {
	inf := float32(math.Inf(1))
	ops := []graph.Op{
		graph.Pool{Window: graph.Square(3, 2, 1, graph.Pad(1)), Max: true},
		graph.Pool{Window: graph.Square(3, 2, 1, graph.SamePadding)},
		graph.Pool{Window: graph.Square(3, 1, 1, graph.SamePadding), CountPad: true},
		graph.Pool{Window: graph.Square(2, 2, 1, graph.Padding{})},
		graph.Pad2D{Padding: graph.Padding{Top: 1, Right: 2}},
		graph.Pad2D{Padding: graph.Padding{Left: 3}, Value: 0.5},
		graph.Resize2D{H: 11, W: 5}, graph.Resize2D{H: 16, W: 16, Rule: graph.AlignCorners}, graph.Resize2D{H: 3, W: 13, Nearest: true, Rule: graph.Asymmetric},
		graph.Transpose{Perm: []int{0, 2, 1, 3}},
	}
	for _, a := range []graph.Act{graph.ActReLU, graph.ActReLU6, graph.ActClip(-1, 1), graph.ActClip(-0.5, inf), graph.ActClip(0.25, 0.75), graph.ActLeakyReLU(0.2),
		graph.ActSwish, graph.ActSigmoid, graph.ActHSwish, {Kind: graph.HSwish, A: graph.SlimSixth}, graph.ActHSigmoid, {Kind: graph.HardSigmoid, A: 0.2, B: 0.5}, {Kind: graph.Tanh}} {
		ops = append(ops, graph.Activation{Act: a}, graph.Binary{Fn: graph.Sub, Act: a})
	}
	x := testkit.Input(8, 9)
	for i := range x {
		x[i] *= 5
	}
	for _, op := range ops {
		var g graph.Graph
		id, err := g.AddInput("x", graph.F32(1, 8, 9, 3))
		in := []graph.ID{id}
		if _, ok := op.(graph.Binary); ok && err == nil {
			id, err = g.AddConstant("c", &graph.Array{Shape: tensor.Shape{3}, Data: []float32{0.5, -1, 2}})
			in = append(in, id)
		}
		if err == nil {
			id, err = g.Add("y", op, in...)
		}
		if err == nil {
			err = g.SetOutput("y", id)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := run(t, &g, x)[0]
		data := write(t, &g, nil)
		if got := run(t, read(t, data), x)[0]; !(relative(got, want) <= 1e-6) {
			t.Errorf("%s %+v: imported again, relative distance %.2g", op.Kind(), op, relative(got, want))
		}
		if testkit.HasTFLite() {
			if d := relative(floatsOf(library(t, data, floats(x))[0]), want); !(d <= 1e-5) {
				t.Errorf("%s %+v: TensorFlow Lite, relative distance %.2g", op.Kind(), op, d)
			}
		}
	}
}
