package ref_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// drawn makes cases.
type drawn struct{ *rand.Rand }

func (d drawn) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return b
}

// scale is drawn evenly on a logarithmic axis.
func (d drawn) scale(lo, hi float64) float32 {
	return float32(lo * math.Exp(d.Float64()*math.Log(hi/lo)))
}

func (d drawn) zero(typ string) int {
	if typ == "int8" {
		return d.IntN(256) - 128
	}
	return d.IntN(256)
}

func (d drawn) value(typ string, scale float32, shape ...int) value {
	v := value{Type: typ, Shape: shape, Scale: []float32{scale}, Zero: d.zero(typ)}
	v.Data = d.bytes(v.elems())
	return v
}

func (d drawn) out(typ string, scale float32, shape ...int) value {
	v := d.value(typ, scale, shape...)
	v.Data = nil
	return v
}

func (d drawn) conv(op, typ string) kase {
	c := kase{Op: op, Valid: d.IntN(2) == 0, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Act: []int{0, 1, 3}[d.IntN(3)]}
	k, ci, o := []int{1, 3, 5}[d.IntN(3)], 1+d.IntN(40), 1+d.IntN(24)
	h, wd := k+d.IntN(9), k+d.IntN(9)
	wshape, per := []int{o, k, k, ci}, o
	switch op {
	case "DEPTHWISE_CONV_2D":
		if d.IntN(4) == 0 {
			o = 2 * ci
		} else {
			o = ci
		}
		wshape, per = []int{1, k, k, o}, o
	case "FULLY_CONNECTED":
		k, wshape = 1, []int{o, ci}
		h, wd = 1, 1
	}
	if op != "FULLY_CONNECTED" {
		s := 1 + d.IntN(2)
		c.Stride = [2]int{s, s}
		if s == 1 && d.IntN(4) == 0 {
			if c.Dilation = [2]int{2, 2}; c.Valid {
				h, wd = h+k, wd+k
			}
		}
	}
	x := d.value(typ, d.scale(0.005, 0.2), 1+d.IntN(2), h, wd, ci)
	if op == "FULLY_CONNECTED" {
		x.Shape = []int{x.Shape[0], ci}
		x.Data = x.Data[:x.elems()]
	}
	w := d.value(typ, d.scale(0.002, 0.05), wshape...)
	w.Const = true
	scales := []float32{w.Scale[0]}
	if typ == "int8" {
		w.Zero = 0
		if op != "FULLY_CONNECTED" {
			for len(scales) < per {
				scales = append(scales, d.scale(0.002, 0.05))
			}
			w.Scale = scales
			if op == "DEPTHWISE_CONV_2D" {
				w.Axis = 3
			}
		}
		for i := range w.Data {
			if w.Data[i] == 0x80 {
				w.Data[i] = 0x81
			}
		}
	}
	bias := make([]int32, o)
	taps := float64(k * k)
	if op != "DEPTHWISE_CONV_2D" {
		taps *= float64(ci)
	}
	for i := range bias {
		bias[i] = int32((d.Float64() - 0.5) * 20000 * math.Sqrt(taps))
	}
	b := value{Type: "int32", Shape: []int{o}, Data: bytesOf(bias...), Const: true}
	for _, s := range w.Scale {
		b.Scale = append(b.Scale, x.Scale[0]*s)
	}
	c.In = []value{x, w, b}
	span := float64(x.Scale[0]) * float64(w.Scale[0]) * math.Sqrt(taps) * 90 * 90 / 60
	c.Out = d.out(typ, d.scale(span, span*3), 1, 1, 1, 1)
	oh, _ := c.window(h, k, c.Stride[0], c.Dilation[0])
	ow, _ := c.window(wd, k, c.Stride[1], c.Dilation[1])
	if c.Out.Shape = []int{x.Shape[0], oh, ow, o}; op == "FULLY_CONNECTED" {
		c.Out.Shape = []int{x.Shape[0], o}
	}
	return c
}

// biased has inputs of real zeros, so that the outputs are biases rescaled: of
// all numbers those near ties, where every choice of arithmetic shows.
func (d drawn) biased(op, typ string) kase {
	c := d.conv(op, typ)
	x, w, b := &c.In[0], &c.In[1], &c.In[2]
	for i := range x.Data {
		x.Data[i] = byte(x.Zero)
	}
	c.Act, c.Out.Scale[0] = 0, x.Scale[0]*w.Scale[0]*d.scale(5e5, 2e6)
	bias := make([]int32, b.Shape[0])
	for o := range bias {
		unit := float64(x.Scale[0]) * float64(w.Scale[min(o, len(w.Scale)-1)]) / float64(c.Out.Scale[0])
		y := float64(d.IntN(254)) + 0.5 - float64(c.Out.zero())
		bias[o] = int32(math.Round(y/unit)) + int32(d.IntN(9)-4)
	}
	b.Data = bytesOf(bias...)
	return c
}

func (d drawn) binary(op, typ string) kase {
	s := []int{1 + d.IntN(2), 1 + d.IntN(5), 1 + d.IntN(5), 1 + d.IntN(40)}
	sb := s
	switch d.IntN(4) {
	case 0:
		sb = []int{s[0], 1, 1, s[3]}
	case 1:
		sb = []int{1, 1, 1, 1}
	}
	x, y := d.value(typ, d.scale(0.005, 0.2), s...), d.value(typ, d.scale(0.005, 0.2), sb...)
	if d.IntN(2) == 0 {
		x, y = y, x
	}
	so := float32(math.Sqrt(float64(x.Scale[0]*x.Scale[0]+y.Scale[0]*y.Scale[0]))) * d.scale(0.5, 2)
	if op == "MUL" {
		so = x.Scale[0] * y.Scale[0] * d.scale(30, 200)
	}
	return kase{Op: op, In: []value{x, y}, Act: []int{0, 0, 1, 3}[d.IntN(4)], Out: d.out(typ, so, s...)}
}

func (d drawn) pool(op, typ string) kase {
	c := kase{Op: op, Valid: d.IntN(2) == 0, Act: []int{0, 0, 1, 3}[d.IntN(4)]}
	c.Window = [2]int{1 + d.IntN(7), 1 + d.IntN(7)}
	if d.IntN(4) == 0 {
		c.Window = [2]int{3, 3}
	}
	c.Stride = [2]int{1 + d.IntN(2), 1 + d.IntN(2)}
	x := d.value(typ, d.scale(0.01, 0.1), 1+d.IntN(2), c.Window[0]+d.IntN(5), c.Window[1]+d.IntN(5), 1+d.IntN(40))
	oh, _ := c.window(x.Shape[1], c.Window[0], c.Stride[0], 1)
	ow, _ := c.window(x.Shape[2], c.Window[1], c.Stride[1], 1)
	c.In = []value{x}
	c.Out = value{Type: typ, Shape: []int{x.Shape[0], oh, ow, x.Shape[3]}, Scale: x.Scale, Zero: x.Zero}
	return c
}

func (d drawn) mean(typ string, same bool) kase {
	x := d.value(typ, d.scale(0.01, 0.1), 1+d.IntN(2), 1+d.IntN(9), 1+d.IntN(9), 1+d.IntN(40))
	c := kase{Op: "MEAN", Keep: true, In: []value{x, {Type: "int32", Shape: []int{2}, Data: bytesOf[int32](1, 2), Const: true}}}
	c.Out = d.out(typ, x.Scale[0]*d.scale(0.2, 1.2), x.Shape[0], 1, 1, x.Shape[3])
	if same {
		c.Out.Scale, c.Out.Zero = x.Scale, x.Zero
	}
	if d.IntN(2) == 0 {
		c.Keep, c.Out.Shape = false, []int{x.Shape[0], x.Shape[3]}
	}
	return c
}

func (d drawn) softmax(typ string) kase {
	x := d.value(typ, d.scale(0.01, 0.3), 1+d.IntN(3), 2+d.IntN(1001))
	c := kase{Op: "SOFTMAX", Beta: 1, In: []value{x}, Out: value{Type: typ, Shape: x.Shape, Scale: []float32{1.0 / 256}}}
	if d.IntN(4) == 0 {
		c.Beta = d.scale(0.3, 3)
	}
	if typ == "int8" {
		c.Out.Zero = -128
	}
	return c
}

// table covers all 256 values of a function of one.
func (d drawn) table(op, typ string) kase {
	x := d.value(typ, d.scale(0.01, 0.1), 1, 16, 16, 1)
	for i := range x.Data {
		x.Data[i] = byte(i)
	}
	c := kase{Op: op, In: []value{x}}
	switch c.Out = d.out(typ, x.Scale[0]*d.scale(0.3, 2), x.Shape...); op {
	case "LOGISTIC":
		if c.Out.Scale[0], c.Out.Zero = 1.0/256, 0; typ == "int8" {
			c.Out.Zero = -128
		}
	case "LEAKY_RELU":
		c.Beta = d.scale(0.01, 0.5)
	case "TANH":
		if c.Out.Scale[0], c.Out.Zero = 1.0/128, 128; typ == "int8" {
			c.Out.Zero = 0
		}
	}
	return c
}

// quantize takes real numbers or the integers of the other type or scale.
func (d drawn) quantize(from, typ string) kase {
	x := d.value("uint8", d.scale(0.01, 0.1), 1, 16, 16, 1)
	if x.Type = from; from == "float32" {
		x.Scale, x.Zero = nil, 0
		real := make([]float32, 256)
		y := d.out(typ, d.scale(0.01, 0.1), x.Shape...)
		for i := range real {
			real[i] = y.Scale[0] * (float32(i)/2 + 60 - float32(y.zero())) // ties among them
			if i%3 == 0 {
				real[i] = float32(d.NormFloat64())
			}
		}
		x.Data = bytesOf(real...)
		return kase{Op: "QUANTIZE", In: []value{x}, Out: y}
	}
	x.Zero = d.zero(from)
	for i := range x.Data {
		x.Data[i] = byte(i)
	}
	y := d.out(typ, x.Scale[0]*d.scale(0.3, 3), x.Shape...)
	switch d.IntN(4) {
	case 0:
		y.Scale = x.Scale
	case 1:
		y.Scale, y.Zero = x.Scale, int(x.zero())
		if typ == "int8" {
			y.Zero -= 128
		}
	}
	return kase{Op: "QUANTIZE", In: []value{x}, Out: y}
}

func (d drawn) dequantize(typ string) kase {
	x := d.value(typ, d.scale(0.01, 0.1), 1, 16, 16, 1)
	return kase{Op: "DEQUANTIZE", In: []value{x}, Out: value{Type: "float32", Shape: x.Shape}}
}

func (d drawn) resize(op, typ string) kase {
	x := d.value(typ, d.scale(0.01, 0.1), 1+d.IntN(2), 1+d.IntN(9), 1+d.IntN(9), 1+d.IntN(20))
	size := []int32{1 + int32(d.IntN(20)), 1 + int32(d.IntN(20))}
	if d.IntN(3) == 0 {
		size = []int32{int32(2 * x.Shape[1]), int32(2 * x.Shape[2])}
	}
	c := kase{Op: op, In: []value{x, {Type: "int32", Shape: []int{2}, Data: bytesOf(size...), Const: true}}}
	c.Out = value{Type: typ, Shape: []int{x.Shape[0], int(size[0]), int(size[1]), x.Shape[3]}, Scale: x.Scale, Zero: x.Zero}
	switch d.IntN(3) {
	case 0:
		c.Align = true
	case 1:
		c.Half = true
	}
	return c
}

func (d drawn) pad(typ string) kase {
	x := d.value(typ, d.scale(0.01, 0.1), 1+d.IntN(2), 1+d.IntN(9), 1+d.IntN(9), 1+d.IntN(20))
	p := []int32{0, 0, int32(d.IntN(4)), int32(d.IntN(4)), int32(d.IntN(4)), int32(d.IntN(4)), 0, 0}
	s := []int{x.Shape[0], x.Shape[1] + int(p[2]+p[3]), x.Shape[2] + int(p[4]+p[5]), x.Shape[3]}
	return kase{Op: "PAD", In: []value{x, {Type: "int32", Shape: []int{4, 2}, Data: bytesOf(p...), Const: true}},
		Out: value{Type: typ, Shape: s, Scale: x.Scale, Zero: x.Zero}}
}

// argMax has few different bytes, so that the greatest is there twice.
func (d drawn) argMax(typ string) kase {
	x := d.value(typ, 1, 1+d.IntN(20), 1+d.IntN(40))
	for i := range x.Data {
		x.Data[i] &= 0x87
	}
	axis := value{Type: "int32", Shape: []int{1}, Data: bytesOf[int32](1), Const: true}
	return kase{Op: "ARG_MAX", In: []value{x, axis}, Out: value{Type: "int32", Shape: x.Shape[:1]}}
}

// concat joins pictures along the first axis, uint8s of scales of their own.
func (d drawn) concat(typ string) kase {
	c := kase{Op: "CONCATENATION", Axis: 0}
	n := 2 + d.IntN(3)
	c.Out = d.out(typ, d.scale(0.01, 0.1), n, 16, 16, 1)
	for range n {
		x := d.value(typ, c.Out.Scale[0]*d.scale(0.4, 2.5), 1, 16, 16, 1)
		if typ == "int8" || d.IntN(4) == 0 {
			x.Scale, x.Zero = c.Out.Scale, c.Out.Zero
		}
		for i := range x.Data {
			x.Data[i] = byte(i)
		}
		c.In = append(c.In, x)
	}
	return c
}

// ask runs cases in the real library.
func ask(t *testing.T, cases []kase) {
	runs := make([]testkit.TFLiteRun, len(cases))
	for i := range cases {
		data, err := cases[i].file()
		if err != nil {
			t.Fatal(err)
		}
		runs[i] = testkit.TFLiteRun{Model: data, Inputs: cases[i].inputs()}
	}
	testkit.RunTFLite(t, 1, runs)
	for i := range cases {
		if o := runs[i].Outputs; len(o) == 1 {
			cases[i].Out.Data = o[0]
		} else {
			t.Errorf("case %d (%s %v): refused", i, cases[i].Op, cases[i].In[0].Shape)
		}
	}
}

// draws makes a case of each operator and type.
func (d drawn) draws() map[string]func(typ string) kase {
	m := map[string]func(typ string) kase{
		"mean": func(typ string) kase { return d.mean(typ, false) }, "mean, same scale": func(typ string) kase { return d.mean(typ, true) },
		"softmax": d.softmax,
	}
	for _, op := range []string{"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"} {
		m[op] = func(typ string) kase { return d.conv(op, typ) }
		m[op+", bias alone"] = func(typ string) kase { return d.biased(op, typ) }
	}
	for _, op := range []string{"ADD", "SUB", "MUL"} {
		m[op] = func(typ string) kase { return d.binary(op, typ) }
	}
	for _, op := range []string{"AVERAGE_POOL_2D", "MAX_POOL_2D"} {
		m[op] = func(typ string) kase { return d.pool(op, typ) }
	}
	for _, from := range []string{"float32", "uint8", "int8"} {
		m["QUANTIZE "+from] = func(typ string) kase { return d.quantize(from, typ) }
	}
	m["DEQUANTIZE"], m["CONCATENATION"], m["ARG_MAX"], m["PAD"] = d.dequantize, d.concat, d.argMax, d.pad
	for _, op := range []string{"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"} {
		m[op] = func(typ string) kase { return d.resize(op, typ) }
	}
	for _, op := range []string{"HARD_SWISH", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU"} {
		m[op] = func(typ string) kase { return d.table(op, typ) }
	}
	return m
}

func (c *kase) size() (n int) {
	for _, v := range append(slices.Clone(c.In), c.Out) {
		n += v.elems()
	}
	return n
}

// check reports where ours is not the library's answer.
func (c *kase) check(t *testing.T, name string) {
	t.Helper()
	want, got := c.Out.Data, c.ours()
	if bytes.Equal(want, got) {
		return
	}
	for i := range want {
		if len(want) != len(got) || want[i] != got[i] {
			t.Errorf("%s %s of %v: %d bytes, want %d; byte %d is %d, want %d", name, c.Out.Type, c.In[0].Shape, len(got), len(want), i, got[min(i, len(got)-1)], want[i])
			return
		}
	}
}

var update = flag.Bool("update", false, "write the golden file anew; needs "+testkit.TFLiteEnv)

const goldenFile = "testdata/tflite.json"

// TestTFLiteGolden holds the reference kernels to answers of TensorFlow Lite
// 2.9 on x86-64, which -update records.
func TestTFLiteGolden(t *testing.T) {
	var cases []kase
	if *update {
		d := drawn{rand.New(rand.NewPCG(6, 6))}
		m := d.draws()
		for _, name := range slices.Sorted(maps.Keys(m)) {
			for _, typ := range []string{"uint8", "int8"} {
				for range 3 {
					c := m[name](typ)
					for try := 0; try < 100 && c.size() > 900; try++ {
						c = m[name](typ)
					}
					cases = append(cases, c)
				}
			}
		}
		ask(t, cases)
		var b []byte
		for i, c := range cases {
			line, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			b = append(append(b, "[,"[min(i, 1)]), append(line, '\n')...)
		}
		if err := os.WriteFile(goldenFile, append(b, ']', '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		cases[i].check(t, fmt.Sprintf("case %d, %s", i, cases[i].Op))
	}
	if len(cases) < 100 {
		t.Errorf("only %d cases", len(cases))
	}
}

// TestTFLiteLibrary draws other cases each time it runs.
func TestTFLiteLibrary(t *testing.T) {
	testkit.TFLite(t)
	seed := rand.Uint64()
	d := drawn{rand.New(rand.NewPCG(seed, 0))}
	m := d.draws()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, typ := range []string{"uint8", "int8"} {
			t.Run(name+" "+typ, func(t *testing.T) {
				cases := make([]kase, 40)
				for i := range cases {
					cases[i] = m[name](typ)
				}
				ask(t, cases)
				for i := range cases {
					cases[i].check(t, fmt.Sprintf("seed %d, case %d", seed, i))
				}
			})
		}
	}
}
