package tensor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Shape lists the extents of a tensor, outermost first. An empty shape is a
// scalar of one element.
type Shape []int

// Elems is the number of elements. It fails on a negative extent and on a
// product that does not fit an int, so that sizes from files can be trusted
// once it has succeeded.
func (s Shape) Elems() (int, error) {
	n := 1
	for _, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: negative extent", s)
		}
		if d != 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v: more elements than fit an int", s)
		}
		n *= d
	}
	return n, nil
}

// Len is Elems for a shape already known to be valid; it is 0 otherwise.
func (s Shape) Len() int {
	n, err := s.Elems()
	if err != nil {
		return 0
	}
	return n
}

// Equal reports whether both shapes have the same extents.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Clone is a copy that shares no memory with s.
func (s Shape) Clone() Shape { return slices.Clone(s) }

// Squeeze is the shape without its extents of 1. Two shapes with equal
// Squeeze differ only in how a 1x1 convolution or a linear layer is written.
func (s Shape) Squeeze() Shape {
	out := make(Shape, 0, len(s))
	for _, d := range s {
		if d != 1 {
			out = append(out, d)
		}
	}
	return out
}

// String is the shape as "[64,3,3,3]".
func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(d))
	}
	b.WriteByte(']')
	return b.String()
}
