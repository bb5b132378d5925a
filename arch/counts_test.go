package arch

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// golden decodes a compressed file of testdata.
func golden(t testing.TB, name string, v any) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type countRow struct {
	Model, Impl     string
	Width           float64
	Res, Classes    int
	Params          int64
	BNStats         int64 `json:"bn_stats"`
	ParamsTotal     int64 `json:"params_total_incl_bn_stats"`
	ParamsWithoutBN int64 `json:"params_without_bn"`
	MAdds           int64
}

// dialectsOf gives the dialects that a row's implementation label stands for.
func dialectsOf(impl string) []string {
	switch impl {
	case "keras", "torchvision", "timm", "slim", "slim_finegrain":
		return []string{impl}
	case "slim_plain":
		return []string{"slim"}
	case "timm/keras/slim":
		return []string{"timm", "timm_tf", "keras", "slim", "slim_finegrain"}
	case "tpu/timm":
		return []string{"timm", "timm_tf", "slim"}
	case "paper":
		return []string{"keras", "slim", "timm", "torchvision"}
	}
	return nil
}

func TestCounts(t *testing.T) {
	var file struct{ Rows []countRow }
	golden(t, "counts.json.gz", &file)
	if len(file.Rows) != 305 {
		t.Errorf("%d rows, want 305", len(file.Rows))
	}
	for _, r := range file.Rows {
		name, _, _ := strings.Cut(r.Model, " ")
		dialects := dialectsOf(r.Impl)
		if dialects == nil {
			t.Errorf("%s: implementation %q stands for no dialect", r.Model, r.Impl)
		}
		for _, d := range dialects {
			label := fmt.Sprintf("%s %s width %g at %d", name, d, r.Width, r.Res)
			n, err := New(name, Options{Width: r.Width, Resolution: r.Res, Classes: r.Classes, Dialect: d})
			if err != nil {
				t.Errorf("%s: %v", label, err)
				continue
			}
			s, err := n.Summary()
			if err != nil {
				t.Errorf("%s: %v", label, err)
				continue
			}
			got := countRow{r.Model, r.Impl, r.Width, r.Res, r.Classes, s.Params, s.BNStats, s.ParamsTotal, s.ParamsWithoutBN, s.MAdds}
			if got != r {
				t.Errorf("%s:\n got %+v\nwant %+v", label, got, r)
			}
			if s.Ops <= s.MAdds || s.Ops > 2*s.MAdds {
				t.Errorf("%s: %d operations for %d multiply-adds", label, s.Ops, s.MAdds)
			}
		}
	}
}

// TestCountsTimm compares with profiles measured on timm's own networks.
func TestCountsTimm(t *testing.T) {
	var file struct {
		Timm map[string]struct {
			Params  int64
			BNStats int64 `json:"bn_stats"`
			MAdds   int64 `json:"conv_fc_madds"`
		}
	}
	golden(t, "counts.json.gz", &file)
	if len(file.Timm) < 20 {
		t.Errorf("only %d profiles", len(file.Timm))
	}
	for name, want := range file.Timm {
		ours, width := name, 1.0
		for prefix, to := range map[string]string{"mobilenetv1_": "v1", "mobilenetv2_": "v2", "mnasnet_": "mnasnet_b1", "semnasnet_": "mnasnet_a1"} {
			if w, ok := strings.CutPrefix(name, prefix); ok && w != "small" {
				ours = to
				if _, err := fmt.Sscanf(w, "%f", &width); err != nil {
					t.Fatal(err)
				}
				width /= 100
			}
		}
		ours = strings.TrimSuffix(ours, "_100")
		n, err := New(ours, Options{Width: width, Dialect: "timm"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s, err := n.Summary()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Params != want.Params || s.BNStats != want.BNStats || s.MAdds != want.MAdds {
			t.Errorf("%s: %d params, %d statistics, %d multiply-adds; timm has %+v", name, s.Params, s.BNStats, s.MAdds, want)
		}
	}
}

type archLayer struct {
	Kind, Name           string
	Hin, Win, Hout, Wout int
	Cin, Cout            int
	K, Stride, Dilation  int
	Groups               int
	Bias, BN             bool
	Act                  string
	Params, MAdds        int64
	ResidualAdd          bool `json:"residual_add"`
}

// TestLayers compares every layer of the networks at 224.
func TestLayers(t *testing.T) {
	var file map[string]json.RawMessage
	golden(t, "architectures.json.gz", &file)
	delete(file, "_conventions")
	if len(file) != 10 {
		t.Errorf("%d networks, want 10", len(file))
	}
	for key, raw := range file {
		var want struct {
			Layers []archLayer
			Totals struct{ Params, MAdds int64 }
			ByKind map[string]Share `json:"by_kind"`
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(key, "_1.0_224")
		opt := Options{Dialect: "keras"}
		switch {
		case strings.HasPrefix(name, "mobilenet_edgetpu"):
			opt = Options{Dialect: "slim", Classes: 1001}
		case strings.HasPrefix(name, "mnasnet"):
			opt.Dialect = "timm"
		}
		n, err := New(name, opt)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		s, err := n.Summary()
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		var got []archLayer
		for _, l := range s.Layers {
			a := archLayer{
				Kind: l.Kind, Name: l.Name, Hin: l.In[0], Win: l.In[1], Hout: l.Out[0], Wout: l.Out[1], Cin: l.In[2], Cout: l.Out[2],
				K: l.Kernel, Stride: l.Stride, Dilation: l.Dilation, Groups: l.Groups, Bias: l.Bias, BN: l.BatchNorm, Act: l.Act,
				Params: l.Params, MAdds: l.MAdds, ResidualAdd: l.Residual,
			}
			if l.Kind == "pool" {
				if l.Name != "pool" {
					continue // the pooling of squeeze-and-excite is not listed
				}
				a.Name = "avgpool"
			}
			got = append(got, a)
		}
		if len(got) != len(want.Layers) {
			t.Errorf("%s: %d layers, want %d", key, len(got), len(want.Layers))
		}
		for i := range min(len(got), len(want.Layers)) {
			if got[i] != want.Layers[i] {
				t.Errorf("%s:\n got %+v\nwant %+v", key, got[i], want.Layers[i])
			}
		}
		if len(s.ByKind) != len(want.ByKind) {
			t.Errorf("%s: %d kinds, want %d", key, len(s.ByKind), len(want.ByKind))
		}
		for _, k := range s.ByKind {
			w := want.ByKind[k.Kind]
			if k.Params != w.Params || k.Weights != w.Weights || k.MAdds != w.MAdds ||
				math.Abs(k.MAddsPct-w.MAddsPct) > 0.0051 || math.Abs(k.WeightsPct-w.WeightsPct) > 0.0051 {
				t.Errorf("%s %s:\n got %+v\nwant %+v", key, k.Kind, k, w)
			}
		}
	}
}

// TestActivationPeak holds the figures of the fact book: the largest input and
// output of one layer in float32 KiB at 224.
func TestActivationPeak(t *testing.T) {
	for name, want := range map[string]struct {
		kib   int64
		layer string
	}{
		"v1": {4704, "blocks.0.pw"}, "v2": {5880, "blocks.1.dw"}, "v3_large": {3920, "blocks.1.expand"}, "v3_small": {1372, "stem"},
	} {
		n, err := New(name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.Summary()
		if err != nil {
			t.Fatal(err)
		}
		if s.ActivationPeak != want.kib*1024 || s.ActivationPeakLayer != want.layer {
			t.Errorf("%s: %d bytes at %s, want %d KiB at %s", name, s.ActivationPeak, s.ActivationPeakLayer, want.kib, want.layer)
		}
		var sum int64
		for _, l := range s.Layers {
			sum += volume(l.Out) * 4
		}
		if s.ActivationSum != sum {
			t.Errorf("%s: sum %d, want %d", name, s.ActivationSum, sum)
		}
	}
}

// TestSummaryJSON holds the names that other programs read.
func TestSummaryJSON(t *testing.T) {
	n, err := ParseSpec("stem_c8 ir_e2_c8_se0.5 head_c16")
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.Summary()
	if err != nil {
		t.Fatal(err)
	}
	s.ArenaBytes = 4096
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(raw, &top); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"name", "dialect", "width", "input", "classes", "output_stride", "params", "bn_stats", "params_total_incl_bn_stats", "params_without_bn",
		"madds", "ops", "activation_peak_bytes", "activation_peak_layer", "activation_sum_bytes", "arena_bytes", "by_kind", "layers",
	} {
		if _, ok := top[key]; !ok {
			t.Errorf("no key %q in %s", key, raw)
		}
		delete(top, key)
	}
	if len(top) > 0 {
		t.Errorf("keys %v are not listed here", top)
	}
	const dw = `{"name":"blocks.0.dw","kind":"dw","in":[112,112,16],"out":[112,112,16],"kernel":3,"stride":1,"dilation":1,"groups":16,"bn":true,"act":"relu6",` +
		`"params":176,"weights":144,"bn_stats":32,"madds":1806336,"ops":2207744,"activation":1605632}`
	if !strings.Contains(string(raw), dw) {
		t.Errorf("layer is not %s in %s", dw, raw)
	}
}
