package weights

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// ramp is a tensor of 0, 1, 2...
func ramp(name string, shape ...int) *tensor.Tensor {
	v := make([]float32, tensor.Shape(shape).Len())
	for i := range v {
		v[i] = float32(i)
	}
	return tensor.FromFloat32(name, shape, v)
}

func mustSet(t *testing.T, ts ...*tensor.Tensor) *Set {
	t.Helper()
	s, err := NewSet(ts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func values(t *testing.T, x *tensor.Tensor) []float32 {
	t.Helper()
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestLayouts checks each layout by the definition of its axes.
func TestLayouts(t *testing.T) {
	const kh, kw, in, out = 2, 3, 4, 5
	set := mustSet(t, ramp("conv", kh, kw, in, out), ramp("dw", kh, kw, in, 1), ramp("dw2", kh, kw, in, 2), ramp("dense", in, out), ramp("linear", out, in), ramp("logits", 1, 1, in, out))
	got, rep, err := Bind([]Wanted{
		{Name: "a", Source: "conv", Shape: tensor.Shape{out, in, kh, kw}, Layout: HWIO},
		{Name: "b", Source: "dw", Shape: tensor.Shape{in, 1, kh, kw}, Layout: DepthwiseHWIO},
		{Name: "c", Source: "dw2", Shape: tensor.Shape{in * 2, 1, kh, kw}, Layout: DepthwiseHWIO},
		{Name: "d", Source: "dense", Shape: tensor.Shape{out, in, 1, 1}, Layout: DenseIO},
		{Name: "e", Source: "linear", Shape: tensor.Shape{out, in, 1, 1}},
		{Name: "f", Source: "logits", Shape: tensor.Shape{out, in}, Layout: HWIO},
	}, set, nil, nil)
	if err != nil || len(rep.Applied) != 6 {
		t.Fatal(err)
	}
	a, b, c, d, e, f := values(t, got["a"]), values(t, got["b"]), values(t, got["c"]), values(t, got["d"]), values(t, got["e"]), values(t, got["f"])
	for o := range out {
		for i := range in {
			if d[o*in+i] != float32(i*out+o) || f[o*in+i] != float32(i*out+o) || e[o*in+i] != float32(o*in+i) {
				t.Errorf("dense weight %d,%d is %v, %v, %v", o, i, d[o*in+i], f[o*in+i], e[o*in+i])
			}
			for y := range kh {
				for x := range kw {
					if got, want := a[((o*in+i)*kh+y)*kw+x], float32(((y*kw+x)*in+i)*out+o); got != want {
						t.Errorf("convolution weight %d,%d,%d,%d is %v, want %v", o, i, y, x, got, want)
					}
					if got, want := b[(i*kh+y)*kw+x], float32((y*kw+x)*in+i); got != want {
						t.Errorf("depthwise weight %d,%d,%d is %v, want %v", i, y, x, got, want)
					}
					for m := range 2 {
						if got, want := c[((i*2+m)*kh+y)*kw+x], float32(((y*kw+x)*in+i)*2+m); got != want {
							t.Errorf("depthwise weight %d,%d,%d,%d is %v, want %v", i, m, y, x, got, want)
						}
					}
				}
			}
		}
	}
	for name, x := range got {
		if x.Name != name || x.DType != tensor.F32 {
			t.Errorf("%s: %s of %v", name, x.Name, x.DType)
		}
	}
	if !got["d"].Shape.Equal(tensor.Shape{out, in, 1, 1}) || !got["f"].Shape.Equal(tensor.Shape{out, in}) {
		t.Errorf("shapes %v, %v", got["d"].Shape, got["f"].Shape)
	}
}

func TestStrictReport(t *testing.T) {
	set := mustSet(t, ramp("w", 2, 3), ramp("extra", 1), ramp("bn.num_batches_tracked"), ramp("short", 4),
		ramp("MobilenetV2/Conv/weights/RMSProp_1", 1), ramp("global_step"))
	set.Source.Path = "net.pth"
	want := []Wanted{
		{Name: "a.weight", Source: "w", Shape: tensor.Shape{2, 3}},
		{Name: "a.bias", Source: "b", Shape: tensor.Shape{2}},
		{Name: "c", Source: "short", Shape: tensor.Shape{5}},
		{Name: "d", Source: "w", Shape: tensor.Shape{3, 2}}, // as many elements, another shape
		{Name: "e", Source: "w", Shape: tensor.Shape{3, 2, 1, 1}, Layout: HWIO},
	}
	got, rep, err := Bind(want, set, nil, nil)
	if len(got) != 1 || err == nil {
		t.Fatal(got, err)
	}
	if want := "net.pth: the weights do not fit the network: 1 applied, 1 missing (b), 3 mismatched (short: want [5], got [4], w: want [3,2], got [2,3], w: want [3,2], got [2,3]), 1 unused (extra)"; err.Error() != want {
		t.Errorf("%v", err)
	}
	if rep.Err() == nil || rep.Err().Error() != err.Error() {
		t.Error("Err differs from Bind's error")
	}
	if !slices.Equal(rep.Ignored, []string{"bn.num_batches_tracked", "MobilenetV2/Conv/weights/RMSProp_1", "global_step"}) {
		t.Errorf("ignored %q", rep.Ignored)
	}
	text := rep.String()
	for _, line := range []string{
		"1 applied, 1 missing, 3 mismatched, 1 unused, 3 ignored\n",
		"missing     a.bias [2], expected as b\n",
		"mismatched  c: want [5], short has [4]: shape [4]\n",
		"unused      extra [1]\n",
		"ignored     global_step\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("report lacks %q:\n%s", line, text)
		}
	}
	if _, _, err := Bind(append(want[:1:1], want[0]), set, nil, nil); err == nil || !strings.Contains(err.Error(), "wanted twice") {
		t.Error(err)
	}
	// Unused tensors alone.
	if _, _, err := Bind(want[:1], set, nil, nil); err == nil || !strings.Contains(err.Error(), "2 unused (extra, short)") {
		t.Error(err)
	}
	if _, rep, err := Bind(want[:1], set, nil, &BindOptions{AllowUnused: true}); err != nil || len(rep.Unused) != 2 {
		t.Error(rep, err)
	}
	if _, _, err := Bind(want[:1], set, nil, &BindOptions{Ignore: func(n string) bool { return n == "extra" || n == "short" }}); err != nil {
		t.Error(err)
	}
}

func TestManyProblemsStayOneLine(t *testing.T) {
	var want []Wanted
	for i := range 500 {
		want = append(want, Wanted{Name: strings.Repeat("long", 50) + string(rune('a'+i%26)) + strings.Repeat("x", i), Shape: tensor.Shape{1}})
	}
	_, _, err := Bind(want, mustSet(t), nil, nil)
	if err == nil || len(err.Error()) > 800 || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "500 missing") {
		t.Error(err)
	}
}

func TestClasses(t *testing.T) {
	set := mustSet(t, ramp("fc.weight", 1001, 2), ramp("fc.bias", 1001))
	want := []Wanted{
		{Name: "classifier.weight", Source: "fc.weight", Shape: tensor.Shape{1000, 2, 1, 1}, DropBackground: true},
		{Name: "classifier.bias", Source: "fc.bias", Shape: tensor.Shape{1000}, DropBackground: true},
	}
	got, _, err := Bind(want, set, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := values(t, got["classifier.bias"]); v[0] != 1 || v[999] != 1000 {
		t.Errorf("row 0 is %v, row 999 %v", v[0], v[999])
	}
	if v := values(t, got["classifier.weight"]); v[0] != 2 || len(v) != 2000 {
		t.Errorf("row 0 begins with %v", v[0])
	}
	for i := range want {
		want[i].DropBackground = false
	}
	if _, rep, err := Bind(want, set, nil, nil); err == nil || len(rep.Mismatched) != 2 {
		t.Error(rep, err)
	}
	names := &BindOptions{AnyClasses: []string{"classifier.weight", "classifier.bias"}}
	got, rep, err := Bind(want, set, nil, names)
	if err != nil || len(got) != 0 || len(rep.Skipped) != 2 || !strings.Contains(rep.String(), "2 skipped") {
		t.Error(rep, err)
	}
	// Another width is no other number of classes.
	want[0].Shape = tensor.Shape{1000, 3}
	if _, rep, err = Bind(want, set, nil, names); err == nil || len(rep.Mismatched) != 1 {
		t.Error(rep, err)
	}
	// A head of exactly the wanted rows is kept whole.
	want = []Wanted{{Name: "b", Source: "b", Shape: tensor.Shape{10}, DropBackground: true}}
	if got, _, err := Bind(want, mustSet(t, ramp("b", 10)), nil, nil); err != nil || values(t, got["b"])[0] != 0 {
		t.Error(err)
	}
}

func TestMovingAverage(t *testing.T) {
	old, ema := ramp("Conv/weights", 3), ramp("Conv/weights/ExponentialMovingAverage", 4)
	ema, _ = ema.Rows(1, 4)
	got, rep, err := Bind([]Wanted{{Name: "w", Source: "Conv/weights", Shape: tensor.Shape{3}}}, mustSet(t, old, ema), nil, nil)
	if err != nil || values(t, got["w"])[0] != 1 || rep.Applied[0].Source != ema.Name || !slices.Equal(rep.Ignored, []string{"Conv/weights"}) {
		t.Error(rep, err)
	}
}

func TestConverts(t *testing.T) {
	half := &tensor.Tensor{Name: "h", DType: tensor.F16, Shape: tensor.Shape{2}, Data: []byte{0, 0x3c, 0, 0xc0}}
	got, rep, err := Bind([]Wanted{{Name: "h", Shape: tensor.Shape{2}}}, mustSet(t, half), nil, nil)
	if err != nil || !slices.Equal(values(t, got["h"]), []float32{1, -2}) || rep.Applied[0].DType != tensor.F16 {
		t.Error(rep, err)
	}
}

func TestNameMap(t *testing.T) {
	const text = `{"classifier.weight": {"name": "preds/kernel", "layout": "dense_io"}, "stem.weight": "stage1.0.0.weight"}`
	m, err := ReadNameMap(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	set := mustSet(t, ramp("preds/kernel", 2, 3), ramp("stage1.0.0.weight", 4))
	got, _, err := Bind([]Wanted{
		{Name: "classifier.weight", Source: "other", Shape: tensor.Shape{3, 2}},
		{Name: "stem.weight", Shape: tensor.Shape{4}, Layout: HWIO},
	}, set, m, nil)
	if err != nil || values(t, got["classifier.weight"])[1] != 3 {
		t.Error(err)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadNameMap(strings.NewReader(string(b)))
	if err != nil || len(again) != 2 || again["classifier.weight"] != m["classifier.weight"] || again["stem.weight"] != m["stem.weight"] {
		t.Errorf("%s: %v, %v", b, again, err)
	}
	for _, bad := range []string{
		``, `[]`, `null`, `{`, `{"a"`, `{"a":}`, `{"a":1}`, `{"a":null}`, `{"a":""}`, `{"":"x"}`, `{"a":"x","a":"y"}`, `{"a":"x"} {}`, `{"a":"x"}x`,
		`{"a":{"name":"x","layout":"sideways"}}`, `{"a":{"name":"x","colour":"red"}}`, `{"a":{"layout":"hwio"}}`, `{"a":["x"]}`,
	} {
		if m, err := ReadNameMap(strings.NewReader(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", bad, m, err)
		}
	}
	if _, err := (Published{"x", Layout(9)}).MarshalJSON(); err == nil {
		t.Error("an unknown layout was written")
	}
}

func FuzzReadNameMap(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":{"name":"d","layout":"hwio"}}`))
	f.Add([]byte(`{"a":{"name":"x","layout":"asis"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadNameMap(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		j, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadNameMap(strings.NewReader(string(j)))
		if err != nil || len(again) != len(m) {
			t.Fatalf("%s: %v", j, err)
		}
		for k, v := range m {
			if again[k] != v {
				t.Fatalf("%q: %v became %v", k, v, again[k])
			}
		}
	})
}
