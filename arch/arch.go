// Package arch describes the networks of the MobileNet family as tables, and
// derives from a table everything else: the graph, the account of parameters
// and multiply-adds, the names that published checkpoints give its tensors.
//
// [New] makes a published network, [Custom] one from a [Table] of your own and
// [ParseSpec] one from a line of text. What the implementations do differently
// (rounding of widths, padding, batch-norm constants) is a [Dialect].
package arch

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// Options changes a network. The zero value is the published default.
type Options struct {
	Width        float64  // multiplier of the numbers of channels; 0 means 1
	Resolution   int      // side of the square input picture; 0 means 224
	Classes      int      // 0 means 1000
	OutputStride int      // 32, 16 or 8; 0 means 32. Below 32 strides become dilation
	Dropout      *float64 // fraction dropped in training; nil for the dialect's
	Dialect      string   // empty for the network's default
	Act          Act      // replaces every activation except linear ones and gates
}

// builtins lists the networks with their default dialects.
func builtins() []struct {
	dialect string
	table   Table
} {
	large, small, one := v3LargeTable(), v3SmallTable(), v1Table()
	return []struct {
		dialect string
		table   Table
	}{
		{"keras", one},
		{"keras", one.FullConvolutions().named("conv_mobilenet")},
		{"keras", one.Shallow().named("shallow_mobilenet")},
		{"torchvision", v2Table()},
		{"torchvision", large},
		{"torchvision", small},
		{"keras", large.Minimalistic().named("mobilenet_v3_large_minimalistic")},
		{"keras", small.Minimalistic().named("mobilenet_v3_small_minimalistic")},
		{"timm", edgeTPUTable()},
		{"timm", edgeTPUV2Table("mobilenet_edgetpu_v2_xs", 32, 3, 1280, 64, [7]int{16, 32, 48, 96, 144, 160, 192})},
		{"timm", edgeTPUV2Table("mobilenet_edgetpu_v2_s", 64, 5, 1280, 64, [7]int{24, 48, 64, 128, 160, 192, 256})},
		{"timm", edgeTPUV2Table("mobilenet_edgetpu_v2_m", 64, 5, 1344, 64, [7]int{32, 64, 80, 160, 192, 240, 320})},
		{"timm", edgeTPUV2Table("mobilenet_edgetpu_v2_l", 64, 7, 1408, 128, [7]int{32, 64, 96, 192, 240, 256, 384})},
		{"timm", mnasA1Table()},
		{"timm", mnasB1Table()},
		{"timm", mnasSmallTable()},
	}
}

// Names lists the published networks by their full names. The short forms v1,
// v2, v3_large and v3_small are understood as well.
func Names() []string {
	var out []string
	for _, b := range builtins() {
		out = append(out, b.table.Name)
	}
	return out
}

// Lookup finds the table of a published network and the name of the dialect
// that [New] builds it in.
func Lookup(name string) (t Table, dialect string, err error) {
	all := builtins()
	for _, b := range all {
		if b.table.Name == name || b.table.Name == "mobilenet_"+name && strings.HasPrefix(name, "v") {
			return b.table, b.dialect, nil
		}
	}
	known := Names()
	return Table{}, "", fmt.Errorf("unknown network %q%s: use one of %s", clip(name, 80), suggest.DidYouMean(name, known), strings.Join(known, ", "))
}

// New makes a published network. Errors name the option at fault.
func New(name string, opt Options) (*Net, error) {
	t, dialect, err := Lookup(name)
	if err != nil {
		return nil, err
	}
	if opt.Dialect == "" {
		opt.Dialect = dialect
	}
	return Custom(t, opt)
}

// clip shortens text from outside for an error message.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
