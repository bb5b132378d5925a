package importer

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// FuzzONNXGraph changes well-formed graphs node by node, which reaches deeper
// than changing bytes: other operators, other inputs, other attributes and
// shapes. What still imports must build again and lower to kernels.
func FuzzONNXGraph(f *testing.F) {
	files, err := filepath.Glob("testdata/torch/*.onnx")
	if err != nil || len(files) == 0 {
		f.Fatal("no cases", err)
	}
	seeds := make([][]byte, len(files))
	for i, name := range files {
		if seeds[i], err = os.ReadFile(name); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), []byte{0, 1, 2, byte(i), 7, 9})
	}
	ops := slices.Sorted(maps.Keys(onnxOps))
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		m, err := onnx.Parse(seeds[int(which)%len(seeds)], onnx.Limits{})
		if err != nil || len(data) == 0 || len(data) > 64 {
			return
		}
		mutate(m, ops, data)
		im, err := FromONNX(m)
		tryBuild(t, im, err)
		if err != nil {
			return
		}
		g, err := im.Build(1, im.H, im.W)
		if err != nil {
			return
		}
		elems := 0
		for _, n := range g.Nodes {
			elems += n.Type.Shape.Len()
		}
		if elems < 1<<16 {
			if _, err := exec.NewReference[float32](g); err != nil {
				t.Logf("not run: %v", err)
			}
		}
	})
}

func mutate(m *onnx.Model, ops []string, data []byte) {
	at := 0
	draw := func(n int) int {
		v := int(data[at%len(data)]) + 31*(at/len(data))
		at++
		return v % n
	}
	g := &m.Graph
	names := []string{"", g.Inputs[0].Name}
	for _, t := range g.Initializers {
		names = append(names, t.Name)
	}
	for _, n := range g.Nodes {
		names = append(names, n.Outputs...)
	}
	for range 1 + draw(4) {
		n := &g.Nodes[draw(len(g.Nodes))]
		switch draw(7) {
		case 0:
			n.OpType = ops[draw(len(ops))]
		case 1:
			if len(n.Inputs) > 0 {
				n.Inputs[draw(len(n.Inputs))] = names[draw(len(names))]
			}
		case 2:
			n.Inputs = append(n.Inputs, names[draw(len(names))])
		case 3:
			keys := slices.Sorted(maps.Keys(n.Attrs))
			if len(keys) == 0 {
				continue
			}
			k := keys[draw(len(keys))]
			a := n.Attrs[k]
			a.I = int64(draw(9)) - 3
			a.F = float32(draw(9)) - 3
			if len(a.Ints) > 0 {
				a.Ints = slices.Clone(a.Ints)
				a.Ints[draw(len(a.Ints))] = int64(draw(9)) - 3
			}
			n.Attrs[k] = a
		case 4:
			m.Opset[""] = int64(draw(20))
		case 5:
			s := make([]int64, draw(5))
			for i := range s {
				s[i] = int64(draw(9)) - 3
			}
			t := vector("mutant", s)
			if draw(2) == 0 {
				t, _ = foldCast(t, tensor.F32)
			}
			g.Initializers = append(g.Initializers, t)
			names = append(names, "mutant")
		case 6:
			v := &g.Inputs[0]
			v.Shape = slices.Clone(v.Shape)
			v.Shape[draw(len(v.Shape))] = draw(12) - 1
		}
	}
}
