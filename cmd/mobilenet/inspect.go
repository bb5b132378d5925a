package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/internal/engine"
)

func (a *app) inspect() *cobra.Command {
	var m modelFlags
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a model file holds and whether it can be run",
		Long: `Say what a model file holds and whether it can be run: its format, network,
preprocessing, labels, metadata and tensors, and for TFLite and ONNX the inputs,
outputs and operators. Nothing in the file is run.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%d files to inspect: name one", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			opt, err := m.engineOptions()
			if err != nil {
				return err
			}
			s, err := inspectModel(args[0], opt)
			if err != nil {
				return err
			}
			if a.json {
				err = a.object(s)
			} else {
				err = a.print(inspectText(s))
			}
			if err == nil && !s.Runs && m.model != "" {
				return fmt.Errorf("%s: %s", args[0], s.Problem)
			}
			return err
		},
	}
	m.register(c, false, false)
	return c
}

// inspectText lays an inspection out for a person.
func inspectText(s *engine.Inspection) string {
	rows := [][]string{
		{"file", s.File},
		{"format", s.Format},
		{"size", fmt.Sprintf("%d bytes", s.Bytes)},
		{"sha256", s.SHA256},
	}
	add := func(name, format string, args ...any) {
		rows = append(rows, []string{name, fmt.Sprintf(format, args...)})
	}
	if n := s.Network; n != nil {
		add("network", "%s", strings.Join(slices.DeleteFunc([]string{n.Name, n.Dialect}, func(p string) bool { return p == "" }), ", "))
		if n.Spec != "" {
			add("spec", "%s", n.Spec)
		}
		add("input", "%d x %d pixels", n.Height, n.Width)
		add("output", "%d classes%s%s", n.Classes, when(n.Background, " and a background"), when(n.Probabilities, ", as probabilities"))
		add("parameters", "%d", n.Params)
		add("preprocess", "%s%s", n.Preprocess, when(n.PreprocessGuessed, " (the file does not say)"))
		if n.LabelCount > 0 {
			add("labels", "%s%s", strings.Join(n.Labels, "; "), when(n.LabelCount > len(n.Labels), "; ..."))
		}
		for _, name := range slices.Sorted(maps.Keys(n.Metrics)) {
			add(name, "%g", n.Metrics[name])
		}
		if n.License != "" {
			add("license", "%s", n.License)
		}
		if n.Source != "" {
			add("source", "%s", n.Source)
		}
		for _, note := range n.Notes {
			add("note", "%s", note)
		}
	} else {
		add("problem", "cannot be run: %s", s.Problem)
	}
	if b := s.Bind; b != nil {
		add("tensors", "%d applied, %d missing, %d mismatched, %d unused, %d ignored", b.Applied, len(b.Missing), len(b.Mismatched), len(b.Unused), len(b.Ignored))
		for _, l := range []struct {
			name string
			list []string
		}{{"missing", b.Missing}, {"mismatched", b.Mismatched}, {"unused", b.Unused}} {
			for _, t := range l.list {
				add(l.name, "%s", t)
			}
		}
	}
	for _, v := range s.Inputs {
		add("in", "%s", value(v))
	}
	for _, v := range s.Outputs {
		add("out", "%s", value(v))
	}
	if len(s.Operators) > 0 {
		var ops []string
		for _, o := range s.Operators {
			ops = append(ops, fmt.Sprintf("%d %s", o.Count, o.Op))
		}
		add("operators", "%s", strings.Join(ops, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(s.Metadata)) {
		add("metadata", "%s = %s", k, short(s.Metadata[k]))
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-12s%s\n", r[0], clean(r[1]))
	}
	rows = [][]string{{"tensor", "type", "shape", "bytes"}}
	for _, t := range s.Tensors {
		rows = append(rows, []string{clean(t.Name), t.DType, shape(t.Shape), fmt.Sprint(t.Bytes)})
	}
	if len(s.Tensors) > 0 {
		b.WriteString("\n" + table(rows))
	}
	return b.String()
}

func when(cond bool, text string) string {
	if cond {
		return text
	}
	return ""
}

// short keeps a line of metadata to a line.
func short(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return s
}

func value(v engine.InspectedValue) string {
	s := fmt.Sprintf("%s %s %s", v.Name, v.DType, shape(v.Shape))
	if v.Scale != 0 {
		s += fmt.Sprintf(", %g * (q - %d)", v.Scale, v.ZeroPoint)
	}
	return s
}

// shape writes extents, with ? for an open one.
func shape(s []int) string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = fmt.Sprint(d)
		if d < 0 {
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}
