package arch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// The one-line form of a network. Items are separated by blanks or commas:
//
//	name=mine family=v3 act=hs stem_k3_s2_c16 ir_r3_k5_s2_e3_c40_se0.25_nre head_c960_f1280
//
// A block row is its kind and its parts, joined by underscores:
//
//	cn ds ir er  kind: convolution, separable, inverted residual, fused
//	rN           repeats            kN   kernel       sN  stride      dN  dilation
//	eF           expansion factor   xN   expansion in channels
//	cN           output channels    seF  squeeze-and-excite ratio     gsN channels a group
//	nACT         activation: li re r6 hs sw sg hg ge lrSLOPE
//	noskip       no residual        join the row continues timm's stage
//
// stem_kN_sN_cN_nACT is the first convolution, head_cN_fN_nACT the 1x1
// convolution before pooling and the 1x1 layer after it. Settings are
// key=value: name, family, act, gate, se=input|expansion, pad, eps, keep (batch
// norm's momentum), and the options dialect, width, res, classes, os, dropout
// and force_act.

const maxSpec = 1 << 16

// ParseSpec makes a network from its one-line form, which [Net.Spec] writes.
// An error names the row, counted from 1, and the part at fault.
//
// A row is written as ir_r3_k5_s2_e3_c40_se0.25_nre: kind (cn convolution, ds
// separable, ir inverted residual, er fused), repeats, kernel, stride, expansion
// factor (or xN: channels), output channels, squeeze-and-excite ratio,
// activation; further gsN, dN, noskip, join. The first convolution is
// stem_k3_s2_c16_nhs, the layers around the pooling head_c960_f1280. Settings
// are key=value, as dialect=timm width=0.75 classes=10 dropout=0.2.
func ParseSpec(s string) (*Net, error) {
	if len(s) > maxSpec {
		return nil, fmt.Errorf("network spec of %d bytes: the limit is %d", len(s), maxSpec)
	}
	var t Table
	var o Options
	seen := map[string]bool{}
	once := func(key string) error {
		if seen[key] {
			return fmt.Errorf("network spec: %s is given twice", key)
		}
		seen[key] = true
		return nil
	}
	for _, item := range strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == ',' }) {
		key, value, setting := strings.Cut(item, "=")
		kind, _, _ := strings.Cut(item, "_")
		var err error
		switch {
		case setting:
			if err = once(clip(key, 40)); err == nil {
				err = parseSetting(&t, &o, key, value)
			}
		case kind == "stem":
			if err = once("stem"); err == nil {
				err = parseParts(item, map[string]any{"k": &t.StemKernel, "s": &t.StemStride, "c": &t.StemOut, "n": &t.StemAct})
			}
		case kind == "head":
			if err = once("head"); err == nil {
				err = parseParts(item, map[string]any{"c": &t.HeadConv, "f": &t.HeadFC, "n": &t.HeadAct})
			}
		default:
			if len(t.Rows) == maxBlocks {
				return nil, fmt.Errorf("network spec: more than %d rows", maxBlocks)
			}
			r := Row{Kind: Kind(kind)}
			err = parseParts(item, map[string]any{
				"r": &r.Repeat, "k": &r.Kernel, "s": &r.Stride, "d": &r.Dilation, "e": &r.Expand, "x": &r.ExpandTo, "c": &r.Out,
				"se": &r.SE, "gs": &r.GroupSize, "n": &r.Act, "noskip": &r.NoSkip, "join": &r.Join,
			})
			switch {
			case err != nil:
				err = fmt.Errorf("row %d: %w", len(t.Rows)+1, err)
			case r.Out == 0:
				err = fmt.Errorf("row %d: %q has no output channels, as c40", len(t.Rows)+1, clip(item, 60))
			}
			t.Rows = append(t.Rows, r)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seen["stem"] || t.StemOut == 0 {
		return nil, fmt.Errorf("network spec has no first convolution: write it as stem_k3_s2_c32")
	}
	return Custom(t, o)
}

// parseParts reads the parts after the first of an item joined by underscores.
// Each key of into is the letters a part begins with; the longest wins.
func parseParts(item string, into map[string]any) error {
	_, rest, ok := strings.Cut(item, "_")
	fail := func(part, why string) error {
		return fmt.Errorf("%q: part %q %s", clip(item, 60), clip(part, 30), why)
	}
	if !ok {
		return fmt.Errorf("%q: write a row as ir_r1_k3_s1_e6_c40", clip(item, 60))
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rest, "_") {
		key := ""
		for k := range into {
			if _, flag := into[k].(*bool); flag && part != k {
				continue
			}
			if strings.HasPrefix(part, k) && len(k) > len(key) {
				key = k
			}
		}
		value := part[len(key):]
		switch {
		case key == "":
			return fail(part, "is unknown")
		case seen[key]:
			return fail(part, "is given twice")
		}
		seen[key] = true
		var err error
		switch p := into[key].(type) {
		case *int:
			*p, err = parseInt(value)
			if err == nil && *p == 0 {
				err = fmt.Errorf("must be above 0")
			}
		case *float64:
			*p, err = parseFloat(value)
			if err == nil && *p == 0 && key == "e" {
				err = fmt.Errorf("must be above 0")
			}
		case *Act:
			*p, err = Act(value).canonical()
		case *bool:
			*p = true
		}
		if err != nil {
			return fail(part, err.Error())
		}
	}
	return nil
}

var errZero = errors.New("give a number above 0")

func parseSetting(t *Table, o *Options, key, value string) error {
	var err error
	switch key {
	case "name":
		t.Name = value
	case "family":
		t.Family = Family(value)
	case "act":
		t.Act, err = Act(value).canonical()
	case "gate":
		t.Gate, err = Act(value).canonical()
	case "se":
		if t.SEOfInput = value == "input"; !t.SEOfInput && value != "expansion" {
			err = fmt.Errorf("want input or expansion")
		}
	case "pad":
		t.Padding = Padding(value)
	case "eps":
		t.Epsilon, err = parseFloat(value)
	case "keep":
		t.Momentum, err = parseFloat(value)
	case "dialect":
		o.Dialect = value
	case "width":
		if o.Width, err = parseFloat(value); err == nil && o.Width == 0 {
			err = errZero
		}
	case "res", "classes", "os":
		at := map[string]*int{"res": &o.Resolution, "classes": &o.Classes, "os": &o.OutputStride}[key]
		if *at, err = parseInt(value); err == nil && *at == 0 {
			err = errZero
		}
	case "dropout":
		var v float64
		v, err = parseFloat(value)
		o.Dropout = &v
	case "force_act":
		o.Act, err = Act(value).canonical()
	default:
		return fmt.Errorf("network spec: unknown setting %q", clip(key, 40))
	}
	if err != nil {
		return fmt.Errorf("network spec: %s=%s: %w", key, clip(value, 40), err)
	}
	return nil
}

// parseInt reads a plain decimal number; ranges are checked later.
func parseInt(s string) (int, error) {
	v, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("is not a whole number up to %d", 1<<31-1)
	}
	return int(v), nil
}

// parseFloat reads a plain decimal number that is not negative.
func parseFloat(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0) || v > 1e9 || strings.HasPrefix(s, "-") || strings.ContainsAny(s, "xX_") {
		return 0, fmt.Errorf("is not a number")
	}
	return v, nil
}

// Spec is the network in one line. ParseSpec makes an equal network from it.
func (n *Net) Spec() string {
	var b strings.Builder
	t, o := &n.Table, &n.Options
	add := func(key, value string, write bool) {
		if write {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(key + value)
		}
	}
	number := func(v float64) string { return formatFloat(v, 64) }
	family, _ := n.Dialect.Rules(t.Family)
	add("name=", t.Name, true)
	add("family=", string(t.Family), true)
	add("dialect=", o.Dialect, true)
	add("width=", number(o.Width), o.Width != 1)
	add("res=", strconv.Itoa(o.Resolution), o.Resolution != 224)
	add("classes=", strconv.Itoa(o.Classes), o.Classes != defaultClasses)
	add("os=", strconv.Itoa(o.OutputStride), o.OutputStride != 32)
	add("dropout=", number(*o.Dropout), *o.Dropout != family.Dropout)
	add("force_act=", string(o.Act), o.Act != "")
	add("act=", string(t.Act), true)
	add("gate=", string(t.Gate), t.Gate != "")
	add("se=", "input", t.SEOfInput)
	add("pad=", string(t.Padding), t.Padding != "")
	add("eps=", number(t.Epsilon), t.Epsilon != 0)
	add("keep=", number(t.Momentum), t.Momentum != 0)
	add("stem", fmt.Sprintf("_k%d_s%d_c%d", t.StemKernel, t.StemStride, t.StemOut)+part("_n", string(t.StemAct)), true)
	for _, r := range t.Rows {
		add("", r.spec(), true)
	}
	head := countPart("_c", t.HeadConv) + countPart("_f", t.HeadFC) + part("_n", string(t.HeadAct))
	add("head", head, head != "")
	return b.String()
}

// spec is the row in the one-line form.
func (r Row) spec() string {
	s := fmt.Sprintf("%s_r%d_k%d_s%d", r.Kind, r.Repeat, r.Kernel, r.Stride)
	if r.Kind == Inverted || r.Kind == Fused {
		if r.Expand != 0 {
			s += "_e" + formatFloat(r.Expand, 64)
		}
		s += countPart("_x", r.ExpandTo)
	}
	s += countPart("_c", r.Out)
	if r.SE > 0 {
		s += "_se" + formatFloat(r.SE, 64)
	}
	s += part("_n", string(r.Act)) + countPart("_gs", r.GroupSize)
	if r.Dilation != 1 {
		s += countPart("_d", r.Dilation)
	}
	if r.NoSkip {
		s += "_noskip"
	}
	if r.Join {
		s += "_join"
	}
	return s
}

func part(prefix, value string) string {
	if value == "" {
		return ""
	}
	return prefix + value
}

func countPart(prefix string, n int) string {
	if n == 0 {
		return ""
	}
	return prefix + strconv.Itoa(n)
}
