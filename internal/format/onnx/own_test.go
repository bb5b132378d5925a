package onnx

import (
	"bytes"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// TestOwn overwrites a file's bytes after its tensors were given memory of
// their own: every tensor, of weights and of attributes, stays what it was.
func TestOwn(t *testing.T) {
	made := func(name string, v float32) *tensor.Tensor {
		return tensor.FromFloat32(name, tensor.Shape{2}, []float32{v, -v})
	}
	file, err := Marshal(&Model{IRVersion: 8, Opset: map[string]int64{"": 13}, Graph: Graph{
		Name: "g", Initializers: []*tensor.Tensor{made("w", 1)},
		Nodes: []Node{{Name: "c", OpType: "Constant", Outputs: []string{"k"}, Attrs: map[string]Attr{"value": {Kind: AttrTensor, T: made("", 2)}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tensors := func(m *Model) [][]byte {
		return [][]byte{m.Graph.Initializers[0].Data, m.Graph.Nodes[0].Attrs["value"].T.Data}
	}
	for _, own := range []bool{false, true} {
		data := bytes.Clone(file)
		m, err := Parse(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if own {
			m.Own()
		}
		clear(data)
		for i, want := range [][]byte{made("", 1).Data, made("", 2).Data} {
			if got := bytes.Equal(tensors(m)[i], want); got != own {
				t.Errorf("own=%v: tensor %d is whole: %v", own, i, got)
			}
		}
	}
}
