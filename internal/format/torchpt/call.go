package torchpt

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// call gives the inert value that calling an allow-listed name would give.
func (m *machine) call(g Global, args Tuple) (Value, error) {
	switch roleOf(g.Module, g.Name) {
	case inert:
		return &Object{Class: g, Args: args}, nil
	case reconstructor:
		if len(args) >= 1 {
			if class, ok := args[0].(Global); ok {
				return m.construct(class)
			}
		}
	case rebuildTensor:
		return m.rebuildTensor(g, args)
	case rebuildParameter:
		if len(args) >= 1 {
			if t, ok := args[0].(*Tensor); ok {
				return m.parameter(t)
			}
		}
	case rebuildFromType: // function, type, arguments, state
		if len(args) >= 3 {
			fn, ok1 := args[0].(Global)
			class, ok2 := args[1].(Global)
			inner, ok3 := args[2].(Tuple)
			if ok1 && ok2 && ok3 && roleOf(fn.Module, fn.Name) == rebuildTensor {
				t, err := m.rebuildTensor(fn, inner)
				if err == nil && class.Name == "Parameter" {
					return m.parameter(t)
				}
				return t, err
			}
		}
	case orderedDict:
		return m.newDict(g, args)
	case defaultDict:
		if len(args) <= 1 {
			return &Dict{}, nil
		}
		return m.newDict(g, args[1:])
	case listLike:
		items, ok := elements(args)
		if ok {
			return &List{Items: items}, m.charge(len(items), costItem)
		}
	case setLike:
		items, ok := elements(args)
		if ok {
			return &Set{Items: items}, m.charge(len(items), costItem)
		}
	case tupleLike:
		items, ok := elements(args)
		if ok {
			return Tuple(items), m.charge(len(items), costItem)
		}
	case bytesLike:
		if len(args) == 0 {
			return Bytes(nil), nil
		}
		if b, ok := args[0].(Bytes); ok && len(args) == 1 {
			return b, nil
		}
		fallthrough // bytearray(text, "latin-1")
	case codecsEncode:
		if len(args) == 2 {
			if s, ok := args[0].(string); ok && (args[1] == "latin1" || args[1] == "latin-1") {
				return m.latin1(s)
			}
		}
	case numpyScalar:
		if len(args) == 2 {
			return m.numpyScalar(g, args), nil
		}
	default:
		return nil, m.errorf("calls %s, which only names a type: refused, nothing was run", g)
	}
	return nil, m.errorf("calls %s with arguments it does not take", g)
}

func (m *machine) charge(n, cost int) error {
	m.memory += int64(n) * int64(cost)
	if m.memory > m.opt.MaxPickleBytes {
		return m.errorf("builds values of more than %d bytes, the limit", m.opt.MaxPickleBytes)
	}
	return nil
}

// construct makes an empty instance for copyreg._reconstructor.
func (m *machine) construct(class Global) (Value, error) {
	switch roleOf(class.Module, class.Name) {
	case inert:
		return &Object{Class: class}, nil
	case orderedDict, defaultDict:
		return &Dict{}, nil
	}
	return nil, m.errorf("constructs %s, which is not supported", class)
}

func (m *machine) parameter(t *Tensor) (*Tensor, error) {
	p := *t
	p.Parameter = true
	return &p, m.charge(1, costTensor)
}

// elements is the one optional argument of list, set and tuple, copied.
func elements(args Tuple) ([]Value, bool) {
	if len(args) == 0 {
		return nil, true
	}
	if len(args) > 1 {
		return nil, false
	}
	switch v := args[0].(type) {
	case Tuple:
		return append([]Value(nil), v...), true
	case *List:
		return append([]Value(nil), v.Items...), true
	case *Set:
		return append([]Value(nil), v.Items...), true
	}
	return nil, false
}

// newDict is OrderedDict(), OrderedDict(pairs) or OrderedDict(mapping).
func (m *machine) newDict(g Global, args Tuple) (*Dict, error) {
	d := &Dict{}
	if len(args) == 1 {
		if src, ok := args[0].(*Dict); ok {
			for i, k := range src.Keys {
				d.set(k, src.Values[i])
			}
			return d, m.charge(src.Len(), costEntry)
		}
	}
	pairs, ok := elements(args)
	for _, p := range pairs {
		var kv []Value
		switch p := p.(type) {
		case Tuple:
			kv = p
		case *List:
			kv = p.Items
		}
		if len(kv) != 2 {
			ok = false
			break
		}
		d.set(kv[0], kv[1])
	}
	if !ok {
		return nil, m.errorf("calls %s with arguments it does not take", g)
	}
	return d, m.charge(len(pairs), costEntry)
}

// latin1 undoes how protocol 2 writes bytes: as text of code points below 256.
func (m *machine) latin1(s string) (Value, error) {
	out := make(Bytes, 0, len(s))
	for _, r := range s {
		if r > 255 {
			return nil, m.errorf("encodes U+%04X as latin1", r)
		}
		out = append(out, byte(r))
	}
	return out, m.charge(len(out), 1)
}

// numpyScalar decodes the common numbers; any other stays an inert object.
func (m *machine) numpyScalar(g Global, args Tuple) Value {
	asObject := &Object{Class: g, Args: args}
	dt, ok := args[0].(*Object)
	raw, ok2 := args[1].(Bytes)
	if !ok || !ok2 || len(dt.Args) == 0 {
		return asObject
	}
	code, _ := dt.Args[0].(string)
	if state, ok := dt.State.(Tuple); ok && len(state) > 1 && state[1] == ">" {
		return asObject
	}
	code = strings.TrimLeft(code, "<=|")
	le := binary.LittleEndian
	switch {
	case code == "f8" && len(raw) == 8:
		return math.Float64frombits(le.Uint64(raw))
	case code == "f4" && len(raw) == 4:
		return float64(math.Float32frombits(le.Uint32(raw)))
	case code == "f2" && len(raw) == 2:
		return float64(tensor.HalfToFloat32(le.Uint16(raw)))
	case code == "i8" && len(raw) == 8:
		return int64(le.Uint64(raw))
	case code == "i4" && len(raw) == 4:
		return int64(int32(le.Uint32(raw)))
	case code == "b1" && len(raw) == 1:
		return raw[0] != 0
	}
	return asObject
}
