package onnx

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// Marshal is the bytes of a model file. Tensors are written as raw data, maps
// in the order of their keys, so that equal models give equal bytes.
func Marshal(m *Model) ([]byte, error) {
	g, err := graphBytes(&m.Graph)
	if err != nil {
		return nil, err
	}
	var b []byte
	b = putInt(b, 1, m.IRVersion)
	b = putString(b, 2, m.Producer)
	b = putString(b, 3, m.ProducerVersion)
	b = putBytes(b, 7, g)
	for _, domain := range slices.Sorted(maps.Keys(m.Opset)) {
		o := putInt(putString(nil, 1, domain), 2, m.Opset[domain])
		b = putBytes(b, 8, o)
	}
	for _, k := range slices.Sorted(maps.Keys(m.Metadata)) {
		b = putBytes(b, 14, putString(putString(nil, 1, k), 2, m.Metadata[k]))
	}
	return b, nil
}

func graphBytes(g *Graph) ([]byte, error) {
	var b []byte
	for i := range g.Nodes {
		n, err := nodeBytes(&g.Nodes[i])
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", g.Nodes[i].label(i), err)
		}
		b = putBytes(b, 1, n)
	}
	b = putString(b, 2, g.Name)
	for _, t := range g.Initializers {
		tb, err := tensorBytes(t)
		if err != nil {
			return nil, err
		}
		b = putBytes(b, 5, tb)
	}
	b = putValues(b, 11, g.Inputs)
	b = putValues(b, 12, g.Outputs)
	b = putValues(b, 13, g.Values)
	return b, nil
}

func putValues(b []byte, num protowire.Number, list []ValueInfo) []byte {
	for i := range list {
		b = putBytes(b, num, valueBytes(&list[i]))
	}
	return b
}

func valueBytes(v *ValueInfo) []byte {
	dense := putInt(nil, 1, elemType(v.DType))
	if v.HasShape {
		var shape []byte
		for i, d := range v.Shape {
			var dim []byte
			switch {
			case d >= 0:
				dim = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d))
			case i < len(v.Symbols):
				dim = putString(nil, 2, v.Symbols[i])
			}
			shape = putBytes(shape, 1, dim)
		}
		dense = putBytes(dense, 2, shape)
	}
	return putBytes(putString(nil, 1, v.Name), 2, putBytes(nil, 1, dense))
}

func nodeBytes(n *Node) ([]byte, error) {
	var b []byte
	for _, s := range n.Inputs {
		b = putBytes(b, 1, []byte(s)) // an empty name stands for an input left out
	}
	for _, s := range n.Outputs {
		b = putBytes(b, 2, []byte(s))
	}
	b = putString(b, 3, n.Name)
	b = putString(b, 4, n.OpType)
	for _, name := range slices.Sorted(maps.Keys(n.Attrs)) {
		a, err := attrBytes(name, n.Attrs[name])
		if err != nil {
			return nil, err
		}
		b = putBytes(b, 5, a)
	}
	return putString(b, 7, n.Domain), nil
}

func attrBytes(name string, a Attr) ([]byte, error) {
	b := putString(nil, 1, name)
	switch a.Kind {
	case AttrFloat:
		b = protowire.AppendFixed32(protowire.AppendTag(b, 2, protowire.Fixed32Type), math.Float32bits(a.F))
	case AttrInt:
		b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(a.I))
	case AttrString:
		b = putBytes(b, 4, []byte(a.S))
	case AttrTensor:
		if a.T == nil {
			return nil, fmt.Errorf("attribute %q holds no tensor", name)
		}
		t, err := tensorBytes(a.T)
		if err != nil {
			return nil, err
		}
		b = putBytes(b, 5, t)
	case AttrFloats:
		for _, v := range a.Floats {
			b = protowire.AppendFixed32(protowire.AppendTag(b, 7, protowire.Fixed32Type), math.Float32bits(v))
		}
	case AttrInts:
		for _, v := range a.Ints {
			b = protowire.AppendVarint(protowire.AppendTag(b, 8, protowire.VarintType), uint64(v))
		}
	case AttrStrings:
		for _, s := range a.Strings {
			b = putBytes(b, 9, []byte(s))
		}
	case AttrTensors:
		for _, t := range a.Tensors {
			tb, err := tensorBytes(t)
			if err != nil {
				return nil, err
			}
			b = putBytes(b, 10, tb)
		}
	default:
		return nil, fmt.Errorf("attribute %q of unknown kind %d", name, a.Kind)
	}
	return putInt(b, 20, int64(a.Kind)), nil
}

func tensorBytes(t *tensor.Tensor) ([]byte, error) {
	elem := elemType(t.DType)
	if elem == 0 {
		return nil, fmt.Errorf("tensor %q: ONNX has no element type %v", t.Name, t.DType)
	}
	var dims []byte
	for _, d := range t.Shape {
		dims = protowire.AppendVarint(dims, uint64(d))
	}
	b := make([]byte, 0, len(t.Data)+len(t.Name)+len(dims)+32)
	if len(dims) > 0 {
		b = putBytes(b, 1, dims)
	}
	b = putInt(b, 2, elem)
	b = putString(b, 8, t.Name)
	return putBytes(b, 9, t.Data), nil
}

// putInt and putString leave the default out, as proto3 does.
func putInt(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
}

func putString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func putBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
