package graph

import "fmt"

// Builder adds nodes and remembers the first error, so that a network reads
// as a list of layers. After an error every method does nothing and returns
// None. The zero value builds a new graph.
type Builder struct {
	G   Graph
	err error
}

// Err is the first error, nil if there was none.
func (b *Builder) Err() error { return b.err }

// Fail records an error unless one is recorded already.
func (b *Builder) Fail(format string, args ...any) ID {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
	return None
}

func (b *Builder) keep(id ID, err error) ID {
	if b.err != nil {
		return None
	}
	if err != nil {
		b.err = err
		return None
	}
	return id
}

// Shape is the shape of a value, nil after an error.
func (b *Builder) Shape(id ID) []int {
	if b.err != nil || id < 0 || int(id) >= len(b.G.Nodes) {
		return nil
	}
	return b.G.Nodes[id].Type.Shape
}

// Channels is the last extent of a value, 0 after an error.
func (b *Builder) Channels(id ID) int {
	s := b.Shape(id)
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1]
}

// Op adds any operation.
func (b *Builder) Op(name string, op Op, in ...ID) ID {
	if b.err != nil {
		return None
	}
	return b.keep(b.G.Add(name, op, in...))
}

// Input adds a float32 picture input [n,h,w,c].
func (b *Builder) Input(name string, n, h, w, c int) ID {
	if b.err != nil {
		return None
	}
	if n < 1 || h < 1 || w < 1 || c < 1 {
		return b.Fail("input %q: %d pictures of %d x %d x %d", name, n, h, w, c)
	}
	return b.keep(b.G.AddInput(name, F32(n, h, w, c)))
}

// Variable adds an unbound variable.
func (b *Builder) Variable(name string, role Role, shape ...int) ID {
	if b.err != nil {
		return None
	}
	return b.keep(b.G.AddVariable(name, role, shape...))
}

// ConvSpec describes a convolution layer for Builder.Conv.
type ConvSpec struct {
	Window
	Out    int // output channels
	Groups int // 0 means 1
	Bias   bool
}

// Conv adds a convolution with its variables name.weight and, if asked,
// name.bias.
func (b *Builder) Conv(name string, x ID, s ConvSpec) ID {
	c := b.Channels(x)
	if b.err != nil {
		return None
	}
	g := max(s.Groups, 1)
	if s.Out < 1 || c%g != 0 || s.Out%g != 0 {
		return b.Fail("node %q: %d to %d channels in %d groups", name, c, s.Out, g)
	}
	in := []ID{x, b.Variable(name+".weight", Weight, s.Out, c/g, s.KH, s.KW)}
	if s.Bias {
		in = append(in, b.Variable(name+".bias", Bias, s.Out))
	}
	return b.Op(name, Conv2D{Window: s.Window, Groups: g, Bias: s.Bias}, in...)
}

// Norm adds a batch norm with its variables name.weight (gamma), .bias
// (beta), .mean and .var.
func (b *Builder) Norm(name string, x ID, n BatchNorm) ID {
	c := b.Channels(x)
	return b.Op(name, n, x,
		b.Variable(name+".weight", Gamma, c), b.Variable(name+".bias", Beta, c),
		b.Variable(name+".mean", Mean, c), b.Variable(name+".var", Var, c))
}

// Act adds an activation, or nothing for the identity.
func (b *Builder) Act(name string, x ID, a Act) ID {
	if a.Kind == Linear {
		return x
	}
	return b.Op(name, Activation{a}, x)
}

// Output declares an output.
func (b *Builder) Output(name string, id ID) {
	if b.err == nil {
		b.err = b.G.SetOutput(name, id)
	}
}

// Graph is the finished graph, or the first error.
func (b *Builder) Graph() (*Graph, error) {
	if b.err != nil {
		return nil, b.err
	}
	return &b.G, nil
}
