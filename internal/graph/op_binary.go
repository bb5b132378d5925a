package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// BinaryKind is the arithmetic of a Binary node.
type BinaryKind uint8

// The elementwise operations of two operands.
const (
	Add BinaryKind = iota
	Sub
	Mul
	Div
)

func (k BinaryKind) String() string {
	if int(k) < 4 {
		return [...]string{"add", "sub", "mul", "div"}[k]
	}
	return fmt.Sprintf("binary(%d)", uint8(k))
}

// Binary is an elementwise operation followed by an activation. Extents of 1
// and missing leading extents are broadcast, as in NumPy; so a [N,1,1,C] gate
// scales a [N,H,W,C] map.
type Binary struct {
	Fn  BinaryKind
	Act Act
}

func (b Binary) Kind() string { return b.Fn.String() }

func (b Binary) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	s, err := Broadcast(in[0].Shape, in[1].Shape)
	if err != nil {
		return Type{}, err
	}
	if b.Fn > Div {
		return Type{}, fmt.Errorf("unknown arithmetic %v", b.Fn)
	}
	return moved(in[0], s), b.Act.Check()
}

func (b Binary) Cost(_ []Type, out Type) Cost {
	n := elems(out)
	if b.Act.Kind != Linear {
		n *= 2
	}
	return Cost{Elementwise: n}
}

// Broadcast is the common shape of two operands under NumPy's rule.
func Broadcast(a, b tensor.Shape) (tensor.Shape, error) {
	n := max(len(a), len(b))
	out := make(tensor.Shape, n)
	for i := 1; i <= n; i++ {
		x, y := 1, 1
		if i <= len(a) {
			x = a[len(a)-i]
		}
		if i <= len(b) {
			y = b[len(b)-i]
		}
		switch {
		case x == y || y == 1:
			out[n-i] = x
		case x == 1:
			out[n-i] = y
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return out, nil
}
