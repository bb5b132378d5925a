package weights

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Report is what Bind did with every wanted and every published tensor.
type Report struct {
	File       string
	Applied    []Applied
	Missing    []Missing
	Mismatched []Mismatch
	Skipped    []Mismatch // classifier tensors left out by AnyClasses
	Unused     []Unused
	Ignored    []string // counters, optimizer state and averaged-over variables

	allowUnused bool
}

// Applied is a wanted tensor that was filled, with the type and shape it had
// in the checkpoint.
type Applied struct {
	Name, Source string
	DType        tensor.DType
	Shape        tensor.Shape
}

// Missing is a wanted tensor that the checkpoint does not have.
type Missing struct {
	Name, Source string
	Shape        tensor.Shape
}

// Mismatch is a tensor whose shape in the checkpoint, Got, does not fill Want.
type Mismatch struct {
	Name, Source string
	Want, Got    tensor.Shape
	Reason       string
}

// wanted is the wanted shape with as many axes as the file's tensor has, if
// leaving extents of 1 off its end gives them: a linear layer's [O,I] is not to
// be told that it should be [O,I,1,1].
func (m Mismatch) wanted() tensor.Shape {
	s := m.Want
	for len(s) > len(m.Got) && s[len(s)-1] == 1 {
		s = s[:len(s)-1]
	}
	return s
}

// Unused is a tensor of the checkpoint that nothing wants.
type Unused struct {
	Source string
	Shape  tensor.Shape
}

// Err is nil when nothing is missing, mismatched or, unless allowed, unused.
// Otherwise it counts them in one line and names the first few.
func (r *Report) Err() error {
	unused := r.Unused
	if r.allowUnused {
		unused = nil
	}
	if len(r.Missing) == 0 && len(r.Mismatched) == 0 && len(unused) == 0 {
		return nil
	}
	var parts []string
	if n := len(r.Missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%d missing (%s)", n, first(r.Missing, func(m Missing) string { return m.Source })))
	}
	if n := len(r.Mismatched); n > 0 {
		parts = append(parts, fmt.Sprintf("%d mismatched (%s)", n, first(r.Mismatched, func(m Mismatch) string {
			return fmt.Sprintf("%s: want %v, got %v", m.Source, m.wanted(), m.Got)
		})))
	}
	if n := len(unused); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unused (%s)", n, first(unused, func(u Unused) string { return u.Source })))
	}
	file := r.File
	if file == "" {
		file = "weights"
	}
	return fmt.Errorf("%s: the weights do not fit the network: %d applied, %s", file, len(r.Applied), strings.Join(parts, ", "))
}

// first names up to three items.
func first[T any](items []T, name func(T) string) string {
	const limit = 3
	var out []string
	for _, it := range items[:min(len(items), limit)] {
		s := name(it)
		if len(s) > 160 {
			s = s[:160] + "..."
		}
		out = append(out, s)
	}
	if len(items) > limit {
		out = append(out, "...")
	}
	return strings.Join(out, ", ")
}

// String is the report for a person: one line of counts, then every tensor
// that needs attention. It ends with a newline.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d applied, %d missing, %d mismatched, %d unused, %d ignored", len(r.Applied), len(r.Missing), len(r.Mismatched), len(r.Unused), len(r.Ignored))
	if len(r.Skipped) > 0 {
		fmt.Fprintf(&b, ", %d skipped", len(r.Skipped))
	}
	b.WriteByte('\n')
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "missing     %s %v, expected as %s\n", m.Name, m.Shape, m.Source)
	}
	for _, m := range r.Mismatched {
		fmt.Fprintf(&b, "mismatched  %s: want %v, %s has %v: %s\n", m.Name, m.wanted(), m.Source, m.Got, m.Reason)
	}
	for _, m := range r.Skipped {
		fmt.Fprintf(&b, "skipped     %s: want %v, %s has %v: %s\n", m.Name, m.wanted(), m.Source, m.Got, m.Reason)
	}
	for _, u := range r.Unused {
		fmt.Fprintf(&b, "unused      %s %v\n", u.Source, u.Shape)
	}
	for _, name := range r.Ignored {
		fmt.Fprintf(&b, "ignored     %s\n", name)
	}
	return b.String()
}
