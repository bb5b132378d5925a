package engine

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/weights"
)

// graph describes a TFLite or ONNX file.
func (s *Inspection) graph(path string, format weights.Format, r io.ReaderAt, opt *Options) error {
	data, err := readWhole(path, r, s.Bytes, opt)
	if err != nil {
		return err
	}
	ops := make(map[string]int)
	if format == weights.TFLite {
		err = s.tflite(data, ops)
	} else {
		err = s.onnx(data, ops)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for op, n := range ops {
		s.Operators = append(s.Operators, OperatorCount{op, n})
	}
	slices.SortFunc(s.Operators, func(a, b OperatorCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Op, b.Op)
	})
	return nil
}

func (s *Inspection) tflite(data []byte, ops map[string]int) error {
	f, err := tflite.Parse(data, tflite.Limits{})
	if err != nil {
		return err
	}
	s.Metadata = map[string]string{"schema_version": strconv.Itoa(f.Version)}
	if f.Description != "" {
		s.Metadata["description"] = f.Description
	}
	for _, name := range slices.Sorted(maps.Keys(f.Metadata)) {
		s.Metadata["metadata."+name] = fmt.Sprintf("%d bytes", len(f.Metadata[name]))
	}
	for i := range f.Subgraphs {
		g := &f.Subgraphs[i]
		for j := range g.Tensors {
			if t := &g.Tensors[j]; len(t.Data) > 0 {
				s.add(t.Name, t.Type.String(), t.Shape, len(t.Data))
			}
		}
		for j := range g.Operators {
			ops[g.Operators[j].Name()]++
		}
		if i > 0 {
			continue
		}
		s.Inputs, s.Outputs = tfliteValues(g, g.Inputs), tfliteValues(g, g.Outputs)
	}
	return nil
}

func tfliteValues(g *tflite.Subgraph, ids []int) []InspectedValue {
	var out []InspectedValue
	for _, id := range ids {
		if id < 0 || id >= len(g.Tensors) {
			continue
		}
		t := &g.Tensors[id]
		v := InspectedValue{Name: t.Name, DType: t.Type.String(), Shape: extents(t.Shape)}
		if len(t.Signature) > 0 {
			v.Shape = extents(t.Signature)
		}
		if q := t.Quant; q != nil && len(q.Scale) == 1 && len(q.ZeroPoint) <= 1 {
			v.Scale = q.Scale[0]
			if len(q.ZeroPoint) == 1 {
				v.ZeroPoint = q.ZeroPoint[0]
			}
		}
		out = append(out, v)
	}
	return out
}

func (s *Inspection) onnx(data []byte, ops map[string]int) error {
	f, err := onnx.Parse(data, onnx.Limits{})
	if err != nil {
		return err
	}
	s.Metadata = map[string]string{"ir_version": strconv.FormatInt(f.IRVersion, 10)}
	if f.Producer != "" {
		s.Metadata["producer"] = strings.TrimSpace(f.Producer + " " + f.ProducerVersion)
	}
	for domain, v := range f.Opset {
		if domain == "" {
			domain = "ai.onnx"
		}
		s.Metadata["opset."+domain] = strconv.FormatInt(v, 10)
	}
	for k, v := range f.Metadata {
		s.Metadata["metadata."+k] = v
	}
	stored := make(map[string]bool)
	for _, t := range f.Graph.Initializers {
		stored[t.Name] = true
		s.add(t.Name, t.DType.String(), t.Shape, len(t.Data))
	}
	for i := range f.Graph.Nodes {
		n := &f.Graph.Nodes[i]
		op := n.OpType
		if n.Domain != "" && n.Domain != "ai.onnx" {
			op = n.Domain + "." + op
		}
		ops[op]++
		// Some exporters store the weights in nodes.
		if t := n.Tensor("value"); t != nil && n.OpType == "Constant" && len(n.Outputs) == 1 {
			s.add(n.Outputs[0], t.DType.String(), t.Shape, len(t.Data))
		}
	}
	for _, v := range f.Graph.Inputs {
		if !stored[v.Name] {
			s.Inputs = append(s.Inputs, onnxValue(v))
		}
	}
	for _, v := range f.Graph.Outputs {
		s.Outputs = append(s.Outputs, onnxValue(v))
	}
	return nil
}

func onnxValue(v onnx.ValueInfo) InspectedValue {
	dtype := "other"
	if v.DType != tensor.Invalid {
		dtype = v.DType.String()
	}
	return InspectedValue{Name: v.Name, DType: dtype, Shape: extents(v.Shape)}
}
