package onnx

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mobilenet-go/mobilenet/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// Parse reads a model from the bytes of a file. Tensors may alias data, which
// must not be changed afterwards.
func Parse(data []byte, lim Limits) (*Model, error) {
	lim = lim.withDefaults()
	if int64(len(data)) > lim.FileBytes {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLimit, len(data), lim.FileBytes)
	}
	r := &reader{data: data, lim: lim}
	m := &Model{Opset: map[string]int64{}, Metadata: map[string]string{}}
	seenGraph := false
	err := r.each(span{0, len(data)}, func(f field) (err error) {
		switch f.num {
		case 1:
			m.IRVersion, err = r.varint(f)
		case 2:
			m.Producer, err = r.str(f)
		case 3:
			m.ProducerVersion, err = r.str(f)
		case 7:
			seenGraph = true
			err = r.graph(f, &m.Graph)
		case 8:
			var domain string
			var version int64
			if domain, version, err = r.opset(f); err == nil {
				m.Opset[domain] = version
			}
		case 14:
			var k, v string
			if k, v, err = r.pair(f); err == nil {
				m.Metadata[k] = v
			}
		case 25:
			err = fmt.Errorf("%w: offset %d: functions local to the model; inline them before exporting", ErrUnsupported, f.off)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !seenGraph {
		return nil, r.malformed(len(data), "the file holds no graph")
	}
	return m, nil
}

func (r *reader) opset(f field) (domain string, version int64, err error) {
	m, err := r.message(f)
	if err != nil {
		return "", 0, err
	}
	if err := r.charge(64); err != nil {
		return "", 0, err
	}
	err = r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			domain, err = r.str(f)
		case 2:
			version, err = r.varint(f)
		}
		return err
	})
	if domain == "ai.onnx" {
		domain = "" // both names mean ONNX's own operators
	}
	return domain, version, err
}

// pair reads a StringStringEntryProto.
func (r *reader) pair(f field) (k, v string, err error) {
	m, err := r.message(f)
	if err != nil {
		return "", "", err
	}
	if err := r.charge(64); err != nil {
		return "", "", err
	}
	err = r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			k, err = r.str(f)
		case 2:
			v, err = r.str(f)
		}
		return err
	})
	return k, v, err
}

func (r *reader) graph(f field, g *Graph) error {
	m, err := r.message(f)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, t := range g.Initializers {
		names[t.Name] = true
	}
	return r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			if r.nodes++; r.nodes > r.lim.Nodes {
				return fmt.Errorf("%w: more than %d nodes", ErrLimit, r.lim.Nodes)
			}
			var n Node
			n, err = r.node(f, len(g.Nodes))
			g.Nodes = append(g.Nodes, n)
		case 2:
			g.Name, err = r.str(f)
		case 5:
			var t *tensor.Tensor
			if t, err = r.tensor(f); err != nil {
				return err
			}
			if names[t.Name] {
				return r.malformed(f.off, "two initializers are named %q", t.Name)
			}
			names[t.Name] = true
			g.Initializers = append(g.Initializers, t)
		case 11:
			g.Inputs, err = r.valueInfo(f, g.Inputs)
		case 12:
			g.Outputs, err = r.valueInfo(f, g.Outputs)
		case 13:
			g.Values, err = r.valueInfo(f, g.Values)
		case 15:
			err = fmt.Errorf("%w: offset %d: sparse initializers", ErrUnsupported, f.off)
		}
		return err
	})
}

func (r *reader) node(f field, index int) (Node, error) {
	n := Node{}
	m, err := r.message(f)
	if err != nil {
		return n, err
	}
	if err := r.charge(256); err != nil { // the struct, twice for the slice's growth
		return n, err
	}
	var attrs []field // read once the node's name is known, for the messages
	err = r.each(m, func(f field) (err error) {
		var s string
		switch f.num {
		case 1, 2:
			if s, err = r.str(f); err != nil {
				return err
			}
			if f.num == 1 {
				n.Inputs = append(n.Inputs, s)
			} else {
				n.Outputs = append(n.Outputs, s)
			}
		case 3:
			n.Name, err = r.str(f)
		case 4:
			n.OpType, err = r.str(f)
		case 5:
			attrs = append(attrs, f)
			err = r.charge(400)
		case 7:
			n.Domain, err = r.str(f)
		}
		return err
	})
	if err != nil {
		return n, err
	}
	if n.Domain == "ai.onnx" {
		n.Domain = ""
	}
	if len(attrs) > 0 {
		n.Attrs = make(map[string]Attr, len(attrs))
	}
	for _, f := range attrs {
		name, a, err := r.attr(f)
		if err != nil {
			return n, fmt.Errorf("node %s: %w", n.label(index), err)
		}
		if _, dup := n.Attrs[name]; dup {
			return n, fmt.Errorf("node %s: %w", n.label(index), r.malformed(f.off, "attribute %q twice", name))
		}
		n.Attrs[name] = a
	}
	return n, nil
}

// label names a node for messages: by name, first output, or position.
func (n *Node) label(index int) string {
	name := n.Name
	if name == "" && len(n.Outputs) > 0 {
		name = n.Outputs[0]
	}
	if name == "" {
		name = "#" + strconv.Itoa(index)
	}
	return fmt.Sprintf("%q (ONNX op %q)", name, n.OpType)
}

func (r *reader) attr(f field) (name string, a Attr, err error) {
	m, err := r.message(f)
	if err != nil {
		return "", a, err
	}
	off := f.off
	var kind, seen AttrKind // files of the first IR versions carry no kind
	err = r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			name, err = r.str(f)
		case 2:
			if f.typ != protowire.Fixed32Type {
				return r.malformed(f.off, "float attribute has wire type %d", f.typ)
			}
			seen, a.F = AttrFloat, math.Float32frombits(uint32(f.num0))
		case 3:
			seen = AttrInt
			a.I, err = r.varint(f)
		case 4:
			seen = AttrString
			var b span
			if b, err = r.message(f); err == nil {
				a.S = string(r.data[b.pos:b.end])
				err = r.charge(len(a.S))
			}
		case 5:
			seen = AttrTensor
			a.T, err = r.tensor(f)
		case 7:
			seen = AttrFloats
			a.Floats, err = r.floats(f, a.Floats)
		case 8:
			seen = AttrInts
			a.Ints, err = r.ints(f, a.Ints)
		case 9:
			seen = AttrStrings
			var b span
			if b, err = r.message(f); err == nil {
				a.Strings = append(a.Strings, string(r.data[b.pos:b.end]))
				err = r.charge(b.end - b.pos + 32)
			}
		case 10:
			seen = AttrTensors
			var t *tensor.Tensor
			if t, err = r.tensor(f); err == nil {
				a.Tensors = append(a.Tensors, t)
			}
		case 20:
			var k int64
			k, err = r.varint(f)
			kind = AttrKind(k)
		case 6, 11, 14, 15, 22, 23:
			what := map[protowire.Number]string{6: "a subgraph", 11: "subgraphs", 14: "a type", 15: "types", 22: "a sparse tensor", 23: "sparse tensors"}[f.num]
			return fmt.Errorf("%w: offset %d: attribute %q holds %s", ErrUnsupported, f.off, name, what)
		}
		return err
	})
	if err != nil {
		return name, a, err
	}
	if kind == 0 {
		kind = seen
	}
	switch kind {
	case AttrFloat, AttrInt, AttrString, AttrFloats, AttrInts, AttrStrings, AttrTensors:
	case AttrTensor:
		if a.T == nil {
			return name, a, r.malformed(off, "attribute %q says tensor and holds none", name)
		}
	default:
		return name, a, fmt.Errorf("%w: offset %d: attribute %q of kind %d", ErrUnsupported, off, name, kind)
	}
	a.Kind = kind
	return name, a, nil
}

func (r *reader) valueInfo(f field, to []ValueInfo) ([]ValueInfo, error) {
	m, err := r.message(f)
	if err != nil {
		return to, err
	}
	if err := r.charge(256); err != nil {
		return to, err
	}
	var v ValueInfo
	// ValueInfoProto.type -> TypeProto.tensor_type -> elem_type, shape -> dim
	dim := func(f field) error {
		m, err := r.message(f)
		if err != nil {
			return err
		}
		if err := r.charge(48); err != nil {
			return err
		}
		d, symbol := int64(-1), ""
		err = r.each(m, func(f field) (err error) {
			switch f.num {
			case 1:
				if d, err = r.varint(f); err == nil && (d < 0 || d > math.MaxInt32) {
					err = r.malformed(f.off, "value %q has an extent of %d", v.Name, d)
				}
			case 2:
				symbol, err = r.str(f)
			}
			return err
		})
		v.Shape, v.Symbols = append(v.Shape, int(d)), append(v.Symbols, symbol)
		return err
	}
	shape := func(f field) error {
		m, err := r.message(f)
		if err != nil {
			return err
		}
		v.HasShape = true
		return r.each(m, func(f field) error {
			if f.num != 1 {
				return nil
			}
			return dim(f)
		})
	}
	dense := func(f field) error {
		m, err := r.message(f)
		if err != nil {
			return err
		}
		return r.each(m, func(f field) (err error) {
			switch f.num {
			case 1:
				var e int64
				e, err = r.varint(f)
				v.DType = DTypeOf(e)
			case 2:
				err = shape(f)
			}
			return err
		})
	}
	err = r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			v.Name, err = r.str(f)
		case 2:
			var m span
			if m, err = r.message(f); err != nil {
				return err
			}
			err = r.each(m, func(f field) error {
				if f.num != 1 {
					return nil
				}
				return dense(f)
			})
		}
		return err
	})
	return append(to, v), err
}
