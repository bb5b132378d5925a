package arch

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSpecBuiltins writes and reads every published network in every dialect.
func TestSpecBuiltins(t *testing.T) {
	half := 0.5
	for _, name := range Names() {
		for _, d := range Dialects() {
			for _, opt := range []Options{
				{Dialect: d.Name},
				{Dialect: d.Name, Width: 0.75, Resolution: 160, Classes: 7, OutputStride: 16, Dropout: &half, Act: LeakyReLU(0.1)},
			} {
				n, err := New(name, opt)
				if err != nil {
					// Groups of a fixed size do not divide every width.
					if opt.Width == 0 || !strings.Contains(err.Error(), "groups") {
						t.Errorf("%s %s: %v", name, d.Name, err)
					}
					continue
				}
				roundTrip(t, n)
			}
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

func roundTrip(t fataler, n *Net) {
	s := n.Spec()
	m, err := ParseSpec(s)
	if err != nil {
		t.Fatalf("%s\n%v", s, err)
	}
	if !reflect.DeepEqual(n, m) {
		t.Fatalf("%s\n became %s\n%+v\n%+v", s, m.Spec(), n, m)
	}
	if again := m.Spec(); again != s {
		t.Fatalf("%s\n became %s", s, again)
	}
}

// TestSpecText checks that text in the full form comes back letter by letter.
func TestSpecText(t *testing.T) {
	const text = "name=mine family=v3 dialect=timm width=0.5 res=96 classes=10 os=16 dropout=0.2 force_act=sw act=hs gate=sg se=input pad=same eps=0.002 keep=0.95 " +
		"stem_k3_s2_c16_nre ir_r1_k3_s1_e1_c16_nr6 ir_r3_k5_s2_e3_c40_se0.25_nre ds_r1_k3_s2_c64 er_r2_k3_s1_e4_x256_c64_gs64_noskip cn_r1_k1_s1_c96_nlr0.1_d2_join head_c960_f1280_nge"
	n, err := ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Spec(); got != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	short, err := ParseSpec("stem_c32, ir_e6_c24\n\tcn_c8")
	if err != nil {
		t.Fatal(err)
	}
	const want = "name=custom family=v2 dialect=torchvision act=r6 stem_k3_s2_c32 ir_r1_k3_s1_e6_c24 cn_r1_k3_s1_c8"
	if got := short.Spec(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !reflect.DeepEqual(short.Blocks[0], Block{Kind: Inverted, In: 32, Mid: 192, Out: 24, Kernel: 3, Stride: 1, Dilation: 1, Groups: 1, Act: ReLU6, ProjectAct: Linear, Reach: 2}) {
		t.Errorf("block %+v", short.Blocks[0])
	}
}

func TestSpecErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"":                                           "no first convolution",
		"stem_k3_s2_c16":                             `"custom" has no rows`,
		"ir_c8":                                      "no first convolution",
		"stem_c16 ir_c8 ir_k3_q5_c8":                 `row 2: "ir_k3_q5_c8": part "q5" is unknown`,
		"stem_c16 ir_c8 ir_k3":                       "row 2: \"ir_k3\" has no output channels",
		"stem_c16 ir_c8 zz_c8":                       `row 2: unknown kind "zz"`,
		"stem_c16 ir_c8_c9":                          `part "c9" is given twice`,
		"stem_c16 ir_k4_c8":                          "row 1: block kernel 4 is not an odd number",
		"stem_c16 ir_s3_c8":                          "row 1: block stride 3",
		"stem_c16 ir_r65_c8":                         "row 1: 65 repeats",
		"stem_c16 ir_r0_c8":                          `row 1: "ir_r0_c8": part "r0" must be above 0`,
		"stem_c16 ir_e0_c8":                          `part "e0" must be above 0`,
		"stem_c16 ir_c-8":                            `part "c-8" is not a whole number`,
		"stem_c16 ir_c99999999999":                   `row 1: "ir_c99999999999": part "c99999999999" is not a whole`,
		"stem_c16 ir_c70000":                         "row 1: 70000 output channels",
		"stem_c16 ir_c8_nzz":                         `part "nzz" unknown activation "zz"`,
		"stem_c16 ir_c8_nlrNaN":                      `unknown activation "lrNaN"`,
		"stem_c16 ir_eInf_c8":                        `part "eInf" is not a number`,
		"stem_c16 ds_e6_c8":                          "row 1: a ds block has no expansion",
		"stem_c16 cn_c8_se0.25":                      "row 1: a cn block has no squeeze-and-excite",
		"stem_c16 cn_c8_noskip":                      "no residual",
		"stem_c16 ir_c8_gs8":                         "only er blocks have groups",
		"stem_c16 er_e4_c8_gs7":                      "row 1: expansion from 16 to 64 channels does not divide into groups of 7",
		"stem_c16 stem_c16 ir_c8":                    "stem is given twice",
		"stem_c16 ir_c8 width=1 width=1":             "width is given twice",
		"stem_c16 ir_c8 colour=red":                  `unknown setting "colour"`,
		"stem_c16 ir_c8 width=-1":                    "width=-1: is not a number",
		"stem_c16 ir_c8 width=65":                    "width 65 is outside",
		"stem_c16 ir_c8 dialect=timn":                `unknown dialect "timn" (did you mean "timm"?)`,
		"stem_c16 ir_c8 family=v9":                   `unknown family "v9"`,
		"stem_c16 ir_c8 os=4":                        "output stride 4",
		"stem_c16 ir_c8 dropout=1":                   "dropout 1 is outside",
		"stem_c16 ir_c8 classes=99999999":            "99999999 classes",
		"stem_c16 ir_c8 res=99999":                   "resolution 99999",
		"stem_c16 ir_c8 name=a/b":                    "network name",
		"stem_c16 ir_c8 pad=full":                    `unknown padding "full"`,
		"stem_c16 ir_x70000_c8":                      "expansion to 70000 channels",
		"stem_c16 ir_e1000_c8":                       "",
		"stem_c16 ir_c60000 ir_e1000_c8":             "row 2: expansion: 6e+07 channels",
		"stem_c16" + strings.Repeat(" ir_r64_c8", 9): "row 9: more than 512 blocks",
		"stem_c16" + strings.Repeat(" ir_s2_c8", 14): "row 14: strides multiply",
		strings.Repeat("x", maxSpec+1):               "the limit is 65536",
		"stem ir_c8":                                 "write a row as",
	} {
		_, err := ParseSpec(spec)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", clip(spec, 60), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s:\n got %v\nwant %s", clip(spec, 60), err, want)
		case err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 300):
			t.Errorf("%s: long error %v", clip(spec, 60), err)
		}
	}
}

// drawTable makes a table that is valid but for sizes.
func drawTable(t *rapid.T) Table {
	act := rapid.SampledFrom([]Act{"", Linear, ReLU, ReLU6, HSwish, Swish, GELU, LeakyReLU(0.1), LeakyReLU(1e-30), HSigmoidBy(0.16667)})
	odd := rapid.SampledFrom([]int{0, 1, 3, 5, 7})
	factor := rapid.Float64Range(0.5, 8)
	t1 := Table{
		Name:    rapid.StringMatching(`[a-zA-Z0-9_.-]{0,12}`).Draw(t, "name"),
		Family:  rapid.SampledFrom([]Family{"", V1, V2, V3, EdgeTPU, MnasNet}).Draw(t, "family"),
		StemOut: rapid.IntRange(1, 64).Draw(t, "stem"), StemKernel: odd.Draw(t, "k"), StemStride: rapid.IntRange(0, 2).Draw(t, "s"),
		StemAct: act.Draw(t, "stem act"), HeadConv: rapid.IntRange(0, 99).Draw(t, "head"), HeadFC: rapid.IntRange(0, 99).Draw(t, "fc"),
		HeadAct: act.Draw(t, "head act"), Act: act.Draw(t, "act"), Gate: act.Draw(t, "gate"), SEOfInput: rapid.Bool().Draw(t, "se of input"),
		Padding: rapid.SampledFrom([]Padding{"", Symmetric, Same, SameCorner}).Draw(t, "pad"),
		Epsilon: rapid.Float64Range(0, 1).Draw(t, "eps"), Momentum: rapid.Float64Range(0, 1).Draw(t, "momentum"),
	}
	for range rapid.IntRange(1, 6).Draw(t, "rows") {
		r := Row{
			Kind: rapid.SampledFrom([]Kind{Conv, Separable, Inverted, Fused}).Draw(t, "kind"), Repeat: rapid.IntRange(0, 3).Draw(t, "r"),
			Kernel: odd.Draw(t, "k"), Stride: rapid.IntRange(0, 2).Draw(t, "s"), Out: rapid.IntRange(1, 99).Draw(t, "c"),
			Dilation: rapid.IntRange(0, 2).Draw(t, "d"), Act: act.Draw(t, "act"), Join: rapid.Bool().Draw(t, "join"),
		}
		if r.Kind == Inverted || r.Kind == Fused {
			r.NoSkip = rapid.Bool().Draw(t, "noskip")
			if rapid.Bool().Draw(t, "factor") {
				r.Expand = factor.Draw(t, "e")
			}
			if rapid.Bool().Draw(t, "absolute") {
				r.ExpandTo = rapid.IntRange(1, 300).Draw(t, "x")
			}
		}
		if r.Kind != Conv && rapid.Bool().Draw(t, "se") {
			r.SE = factor.Draw(t, "ratio") / 10
		}
		t1.Rows = append(t1.Rows, r)
	}
	return t1
}

// TestCustomProperties makes random networks in every dialect: the one-line
// form gives the same network back, the graph has the planned channels, and the
// number of trained values is the sum over the layers.
func TestCustomProperties(t *testing.T) {
	var dialects []string
	for _, d := range Dialects() {
		dialects = append(dialects, d.Name)
	}
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		drop := rapid.Float64Range(0, 0.9).Draw(t, "dropout")
		n, err := Custom(table, Options{
			Width: rapid.Float64Range(0.05, 2).Draw(t, "width"), Resolution: rapid.IntRange(64, 128).Draw(t, "res"), Classes: rapid.IntRange(1, 20).Draw(t, "classes"),
			OutputStride: rapid.SampledFrom([]int{0, 8, 16, 32}).Draw(t, "os"), Dialect: rapid.SampledFrom(dialects).Draw(t, "dialect"), Dropout: &drop,
		})
		if err != nil {
			if !strings.Contains(err.Error(), "0 channels") { // truncated to nothing by the width
				t.Fatalf("%v", err)
			}
			return
		}
		roundTrip(t, n)
		g, err := n.Graph(2, 0, 0)
		if err != nil {
			if !strings.Contains(err.Error(), "smaller than the window") {
				t.Fatalf("%v", err)
			}
			return
		}
		for i := range n.Blocks {
			id, ok := g.Lookup(n.outputNode(i))
			if !ok {
				t.Fatalf("no node %s", n.outputNode(i))
			}
			if s := g.Node(id).Type.Shape; s[0] != 2 || s[3] != n.Blocks[i].Out {
				t.Fatalf("%s has shape %v, want %d channels", n.outputNode(i), s, n.Blocks[i].Out)
			}
		}
		s, err := Summarize(g)
		if err != nil {
			t.Fatalf("%v", err)
		}
		var params, madds, ops int64
		for _, l := range s.Layers {
			params, madds, ops = params+l.Params, madds+l.MAdds, ops+l.Ops
		}
		if params != s.Params || madds != s.MAdds || ops != s.Ops {
			t.Fatalf("layers sum to %d, %d, %d of %d, %d, %d", params, madds, ops, s.Params, s.MAdds, s.Ops)
		}
		if out := g.Node(g.Outputs[0].ID).Type.Shape; len(out) != 2 || out[0] != 2 || out[1] != n.Options.Classes {
			t.Fatalf("output %v", out)
		}
	})
}

func FuzzParseSpec(f *testing.F) {
	for _, name := range Names() {
		n, err := New(name, Options{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(n.Spec())
	}
	f.Add("stem_c16 ir_r3_k5_s2_e3_c40_se0.25_nre")
	f.Add("stem_k3_s2_c16_nhs,er_e4_x9_c8_gs4_d2_noskip_join head_c9_f9 width=0.1 os=8 eps=1e-05")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSpec(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") && !strings.ContainsAny(s, "\n\r") {
				t.Fatalf("error of several lines: %v", err)
			}
			return
		}
		roundTrip(t, n)
		g, err := n.Graph(1, 33, 17)
		if err != nil {
			return
		}
		if _, err := Summarize(g); err != nil {
			t.Fatal(err)
		}
		n.Taps()
		for _, scheme := range Schemes() {
			_, _ = n.Tensors(scheme)
		}
	})
}
