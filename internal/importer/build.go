package importer

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// val is a value of the file during a walk: a constant, or a value of the
// graph with the relation between the file's axes and the graph's.
type val struct {
	c *tensor.Tensor // the constant, else nil
	// q says what the integers of c stand for; nil where c is what it is.
	q *constQuant

	id graph.ID
	// shape is the value's shape as the file sees it, for a batch of one.
	shape []int
	// axes lists for each axis of the stored value which axis of shape it is:
	// [0,2,3,1] for an [N,C,H,W] value stored [N,H,W,C].
	axes []int
	// batch says that the first stored axis is the batch: of extent 1 in
	// shape and n in the graph.
	batch bool
}

func (v val) isConst() bool { return v.c != nil }

// dims is the value's shape as the file sees it.
func (v val) dims() []int {
	if v.c != nil {
		return v.c.Shape
	}
	return v.shape
}

// build is one walk over a file.
type build struct {
	im    *Imported
	g     graph.Graph
	n     int // batch
	h, w  int
	at    int  // the operator being imported, by its place in the file
	first bool // the walk at the declared size, which notes global pooling
	mixed bool // the batch axis was lost on the way

	vals  map[string]val
	taken map[string]int
	// picture is the order of the file's axes that is [N,H,W,C].
	picture []int
	// outside is the order that is [N,H,W,C] for the input and the outputs. A
	// file may have pictures in another layout there than its operators want.
	outside []int
	folded  int // bytes of constants computed in this walk
}

func (b *build) add(name string, op graph.Op, in ...graph.ID) (graph.ID, error) {
	id, err := b.g.Add(b.unique(name), op, in...)
	if err != nil {
		return id, err
	}
	return id, b.bounded(id)
}

// bounded checks the size of a value.
func (b *build) bounded(id graph.ID) error {
	s := b.g.Node(id).Type.Shape
	if n, err := s.Elems(); err != nil || n/b.n > maxElems {
		return fmt.Errorf("a value of shape %v is larger than the limit of %d elements for a picture", s, maxElems)
	}
	return nil
}

// stored is the value of a node, whose axes are as given.
func (b *build) stored(id graph.ID, axes []int, batch bool) val {
	s := b.g.Node(id).Type.Shape
	v := val{id: id, shape: make([]int, len(s)), axes: axes, batch: batch}
	for i, d := range s {
		if i == 0 && batch {
			d = 1
		}
		v.shape[axes[i]] = d
	}
	return v
}

func identity(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// reorder is x stored with its axes in the order want.
func (b *build) reorder(name string, x val, want []int) (val, error) {
	if slices.Equal(x.axes, want) {
		return x, nil
	}
	if len(x.axes) != len(want) {
		return x, fmt.Errorf("%w: a value of shape %v where %d axes are needed", ErrUnsupported, tensor.Shape(x.shape), len(want))
	}
	batch := x.batch
	if batch && x.axes[0] != want[0] {
		if err := b.loseBatch(); err != nil {
			return x, err
		}
		batch = false
	}
	s := b.g.Node(x.id).Type.Shape
	perm := make([]int, len(want))
	moved := make(tensor.Shape, len(want))
	last, inOrder := -1, true
	for i, a := range want {
		p := slices.Index(x.axes, a)
		perm[i], moved[i] = p, s[p]
		if s[p] == 1 && !(batch && i == 0) {
			continue // an axis of one element may stand anywhere
		}
		inOrder = inOrder && p > last
		last = p
	}
	var id graph.ID
	var err error
	if inOrder {
		id, err = b.view(name, x.id, moved, batch)
	} else {
		id, err = b.add(name+".transpose", graph.Transpose{Perm: perm}, x.id)
	}
	return val{id: id, shape: x.shape, axes: want, batch: batch}, err
}

// loseBatch notes that the batch axis can no longer be told from the others.
func (b *build) loseBatch() error {
	b.mixed = true
	if b.n > 1 {
		return fmt.Errorf("%w: the batch axis is moved or joined with others; run one picture at a time", ErrUnsupported)
	}
	return nil
}

// view emits a reshape of a stored value. A view of a view is a view of the
// original, and none at all when it is back at the original shape.
func (b *build) view(name string, id graph.ID, s tensor.Shape, batch bool) (graph.ID, error) {
	if n := b.g.Node(id); n.Op.Kind() == (graph.Reshape{}).Kind() {
		id = n.In[0]
	}
	from := b.g.Node(id).Type.Shape
	if from.Equal(s) {
		return id, nil
	}
	s = s.Clone()
	if batch && len(from) > 0 && from[0] == s[0] {
		s[0] = 0 // keeps whatever the batch is
	}
	return b.add(name+".view", graph.Reshape{Shape: s}, id)
}

// reshape is x under the file's shape to.
func (b *build) reshape(name string, x val, to []int) (val, error) {
	want, err := tensor.Shape(to).Elems()
	if have := tensor.Shape(x.dims()).Len(); err != nil || have != want {
		return x, fmt.Errorf("cannot view %v as %v", tensor.Shape(x.dims()), tensor.Shape(to))
	}
	if x.isConst() {
		t, err := x.c.Reshape(to)
		if err != nil {
			return x, err
		}
		return val{c: t}, nil
	}
	if slices.Equal(x.shape, to) {
		return x, nil
	}
	if x, err = b.reorder(name, x, identity(len(x.axes))); err != nil {
		return x, err
	}
	batch := len(to) > 0 && to[0] == 1
	if !batch && x.batch {
		if err := b.loseBatch(); err != nil {
			return x, err
		}
	}
	s := tensor.Shape(slices.Clone(to))
	if batch && x.batch {
		s[0] = b.n
	}
	id, err := b.view(name, x.id, s, batch && x.batch)
	if err != nil {
		return x, err
	}
	// Where the batch was lost a leading 1 is the batch again: n is 1 then.
	return val{id: id, shape: slices.Clone(to), axes: identity(len(to)), batch: batch}, nil
}

// transpose reorders the file's axes; nothing moves in memory.
func (b *build) transpose(x val, perm []int) (val, error) {
	if x.isConst() {
		t, err := x.c.Transpose(perm...)
		return val{c: t}, err
	}
	if len(perm) != len(x.shape) {
		return x, fmt.Errorf("permutation %v of %v", perm, tensor.Shape(x.shape))
	}
	out := val{id: x.id, batch: x.batch, shape: make([]int, len(perm)), axes: make([]int, len(perm))}
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if p < 0 || p >= len(perm) || seen[p] {
			return x, fmt.Errorf("permutation %v of %v", perm, tensor.Shape(x.shape))
		}
		seen[p] = true
		out.shape[i] = x.shape[p]
		out.axes[slices.Index(x.axes, p)] = i
	}
	return out, nil
}

// asPicture is x stored [N,H,W,C].
func (b *build) asPicture(name string, x val) (val, error) {
	if x.isConst() {
		return x, fmt.Errorf("%w: the input is a constant", ErrUnsupported)
	}
	if len(x.shape) != 4 {
		return x, fmt.Errorf("%w: input of shape %v is not a picture", ErrUnsupported, tensor.Shape(x.shape))
	}
	x, err := b.reorder(name, x, b.picture)
	if err == nil && !x.batch && b.n > 1 {
		err = b.loseBatch()
	}
	return x, err
}

// spatial is the height and width of a picture as stored.
func (b *build) spatial(x val) (h, w int) {
	s := b.g.Node(x.id).Type.Shape
	return s[1], s[2]
}

// constant emits a constant of the file as a node.
func (b *build) constant(name string, t *tensor.Tensor, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (graph.ID, error) {
	a, err := b.array(t, how, f)
	if err != nil {
		return graph.None, err
	}
	return b.g.AddConstant(b.unique(name), a)
}

// variable emits a weight of the file as a variable with its value.
func (b *build) variable(name string, role graph.Role, t *tensor.Tensor, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (graph.ID, error) {
	a, err := b.array(t, how, f)
	if err != nil {
		return graph.None, err
	}
	id, err := b.g.AddVariable(b.unique(name), role, a.Shape...)
	if err == nil {
		b.g.Node(id).Value = a
	}
	return id, err
}

// input declares the picture. order is that of the file's axes.
func (b *build) input(name string, c int, axes []int) (val, error) {
	b.outside = axes
	id, err := b.g.AddInput(b.unique(name), graph.F32(b.n, b.h, b.w, c))
	if err != nil {
		return val{}, err
	}
	return b.stored(id, axes, true), b.bounded(id)
}

// output declares a result. A picture is stored [N,H,W,C]; what has one
// element for each channel becomes [N,C].
func (b *build) output(name string, x val) error {
	if x.isConst() {
		return fmt.Errorf("%w: output %q is a constant", ErrUnsupported, name)
	}
	if len(x.shape) == 4 {
		var err error
		if x, err = b.reorder(name, x, b.outside); err != nil {
			return err
		}
	}
	s := b.g.Node(x.id).Type.Shape
	if n := len(s); n != 2 && n > 0 && s[n-1] == tensor.Shape(x.shape).Len() {
		id, err := b.view(name, x.id, tensor.Shape{b.n, s[n-1]}, x.batch)
		if err != nil {
			return err
		}
		x.id = id
	}
	return b.g.SetOutput(name, x.id)
}

// real is an output's value as float32s.
func (b *build) real(name string, x val) (val, error) {
	if x.isConst() {
		return x, nil
	}
	var err error
	switch t := b.g.Node(x.id).Type; {
	case t.Quantized():
		x.id, err = b.add(name+".real", graph.Dequantize{}, x.id)
	case t.DType == tensor.I32:
		x.id, err = b.add(name+".real", graph.ToFloat{}, x.id)
	}
	return x, err
}
