package arch

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/dialects.md")

// dialectsDoc writes the dialects' values as a page.
func dialectsDoc() string {
	var b strings.Builder
	b.WriteString(`# Dialects

Generated from the values in package arch by ` + "`go test ./arch -run TestDialectsDoc -update`" + `. Do not edit.

Every implementation builds a different network from the same table of a paper. At width 1 the layers are equal; padding, batch-norm constants and every other width are not. A dialect is one complete value; layers of two dialects are never mixed.

`)
	dialects := Dialects()
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	head := func(first string) {
		cells, rule := []string{first}, []string{"---"}
		for _, d := range dialects {
			cells, rule = append(cells, d.Name), append(rule, "---")
		}
		row(cells...)
		row(rule...)
	}
	each := func(name string, f func(Dialect) string) {
		cells := []string{name}
		for _, d := range dialects {
			cells = append(cells, f(d))
		}
		row(cells...)
	}
	for _, d := range dialects {
		fmt.Fprintf(&b, "- `%s`: %s\n", d.Name, d.Source)
	}
	b.WriteString("\n")
	head("all families")
	each("classes", func(d Dialect) string { return fmt.Sprint(d.Classes) })
	each("gate of squeeze-and-excite", func(d Dialect) string { return string(d.HSigmoid) })
	each("activation of a fused block without expansion", func(d Dialect) string {
		if d.UnexpandedAct == "" {
			return "the table's"
		}
		return string(d.UnexpandedAct)
	})
	each("where a removed stride becomes dilation", func(d Dialect) string { return string(d.Dilating) })
	for _, f := range []Family{V1, V2, V3, EdgeTPU, MnasNet} {
		b.WriteString("\n")
		head("`" + string(f) + "`")
		for _, field := range []struct {
			name string
			get  func(Rules) any
		}{
			{"padding", func(r Rules) any { return r.Padding }},
			{"batch norm epsilon", func(r Rules) any { return r.Epsilon }},
			{"batch norm average kept", func(r Rules) any { return r.Momentum }},
			{"dropout", func(r Rules) any { return r.Dropout }},
			{"rounding of widths", func(r Rules) any { return r.Width }},
			{"stem", func(r Rules) any { return r.Stem }},
			{"expansion", func(r Rules) any { return r.Expansion }},
			{"squeeze", func(r Rules) any { return r.Squeeze }},
			{"head convolution", func(r Rules) any { return r.HeadConv }},
			{"head after pooling", func(r Rules) any { return r.HeadFC }},
		} {
			each(field.name, func(d Dialect) string {
				r, err := d.Rules(f)
				if err != nil {
					return err.Error()
				}
				return fmt.Sprint(field.get(r))
			})
		}
	}
	b.WriteString(`
Parameters and multiply-adds of V3-Large, 1000 classes, 224:

`)
	head("width")
	for _, w := range []float64{0.35, 0.5, 0.75, 1, 1.25} {
		each(fmt.Sprint(w), func(d Dialect) string {
			n, err := New("v3_large", Options{Width: w, Dialect: d.Name, Classes: 1000})
			if err != nil {
				return err.Error()
			}
			s, err := n.Summary()
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%d / %d", s.Params, s.MAdds)
		})
	}
	b.WriteString(`
What the words mean:

- symmetric: (k-1)/2 pixels on every side. same: TensorFlow's rule, the odd pixel at the bottom and right. same_corner: same, but a strided depthwise layer pads as for an even size.
- divisible8: nearest multiple of 8, at least 8, one up where more than a tenth is lost. trunc_divisible8: the fraction is dropped first. trunc: the fraction is dropped. trunc_min8: and at least 8.
- scaled: follows the width. scaled_above_1: follows widths above 1. fixed: does not. fixed_below_0.75: does not below 0.75. ratio_of_last_block: a fixed multiple of the last block's output.
- factor: expansion factor times the block's input. factor_divisible8: rounded as divisible8. factor_2_digits_divisible8: the factor has two decimals. absolute: the paper's number of channels times the width.
- squeeze divisible8: a ratio of the expanded channels, rounded. floor_divisible8: the fraction is dropped first. MnasNet's tables take the ratio of the block's input instead.
- blocks_after: a block whose stride is removed keeps its own rate. block_itself: it is dilated too.
`)
	return b.String()
}

func TestDialectsDoc(t *testing.T) {
	const path = "../docs/dialects.md"
	want := dialectsDoc()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Errorf("%s is not what the dialects say: run go test ./arch -run TestDialectsDoc -update", path)
	}
}

// TestDialectsComplete checks that no rule of a dialect was left out.
func TestDialectsComplete(t *testing.T) {
	for _, d := range Dialects() {
		if d.Name == "" || d.Source == "" || d.Classes < 1000 || d.HSigmoid == "" || d.Dilating == "" {
			t.Errorf("dialect %+v is not complete", d)
		}
		for _, f := range []Family{V1, V2, V3, EdgeTPU, MnasNet} {
			r, err := d.Rules(f)
			if err != nil {
				t.Fatal(err)
			}
			if r.Padding == "" || r.Epsilon == 0 || r.Momentum == 0 || r.Width == "" || r.Stem == "" || r.Expansion == "" || r.Squeeze == "" || r.HeadConv == "" || r.HeadFC == "" {
				t.Errorf("%s %s: %+v is not complete", d.Name, f, r)
			}
		}
	}
}
