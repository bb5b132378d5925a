package export

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// The ends of the network: a graph reads and gives float32s, a TFLite file may
// read and give bytes. A node right after an input that makes bytes of it, or
// right before an output that makes them real numbers, then falls away.

// ending gives how the bytes of a node at an end are stored; ok is false for a
// node that is none.
func ending(op graph.Op) (s graph.Stored, pixels, ok bool) {
	switch op := op.(type) {
	case graph.FromPixels:
		return op.Stored, true, true
	case graph.Quantize:
		return op.Stored, false, true
	}
	return s, false, false
}

// reader is the one node that reads a value, None if there are more.
func (x *tfliteWriter) reader(id graph.ID) graph.ID {
	if x.uses[id] != 1 {
		return graph.None
	}
	for i := range x.g.Nodes {
		for _, in := range x.g.Nodes[i].In {
			if in == id {
				return graph.ID(i)
			}
		}
	}
	return graph.None
}

// input declares an input, and with it the bytes that are made of it.
func (x *tfliteWriter) input(id graph.ID) error {
	n := x.g.Node(id)
	next := x.reader(id)
	var s graph.Stored
	var pixels, bytes bool
	if next != graph.None {
		s, pixels, bytes = ending(x.g.Node(next).Op)
	}
	want := x.opt.Input
	if want == tensor.Invalid {
		if want = tensor.F32; pixels {
			want = s.DType
		}
	}
	if want != tensor.F32 && !bytes {
		return fmt.Errorf("input %q is of real numbers, not %v: quantize the network first", n.Name, want)
	}
	if want == tensor.F32 && !pixels {
		t, err := x.add(n.Name, n.Type, 0, nil)
		x.at[id] = t
		x.sub.Inputs = append(x.sub.Inputs, t)
		return err
	}
	outer, err := as(s, want)
	if err != nil {
		return fmt.Errorf("input %q: %w", n.Name, err)
	}
	t, err := x.add(n.Name, graph.Type{DType: want, Shape: n.Type.Shape, Quant: outer}, 0, nil)
	if err != nil {
		return err
	}
	x.sub.Inputs = append(x.sub.Inputs, t)
	if want == tensor.F32 {
		x.notes = append(x.notes, fmt.Sprintf("input %q: the file reads real numbers, the graph pixels: %v*(pixel - %d)", n.Name, s.Scale, s.Zero))
	}
	if want != s.DType {
		if t, err = x.emit(tflite.Quantize, x.g.Node(next).Name, x.g.Node(next).Type, nil, t); err != nil {
			return err
		}
	}
	x.at[next] = t
	return nil
}

// as is the parameters under which a type stands for the same real numbers.
func as(s graph.Stored, t tensor.DType) (*graph.Quant, error) {
	switch {
	case t == tensor.F32:
		return nil, nil
	case t == s.DType:
		return graph.PerTensor(s.Scale, s.Zero), nil
	case t == tensor.U8:
		return graph.PerTensor(s.Scale, s.Zero+128), nil
	case t == tensor.I8:
		return graph.PerTensor(s.Scale, s.Zero-128), nil
	}
	return nil, fmt.Errorf("%v: it may be float32, uint8 or int8", t)
}

// bytesAsked reports that outputs of bytes shall stay bytes.
func (x *tfliteWriter) bytesAsked() bool {
	if x.opt.Output != tensor.Invalid {
		return x.opt.Output != tensor.F32
	}
	for _, id := range x.g.Inputs {
		if next := x.reader(id); next != graph.None {
			if _, pixels, ok := ending(x.g.Node(next).Op); ok && pixels {
				return true
			}
		}
	}
	return false
}

func (x *tfliteWriter) output(o graph.Output) error {
	id := o.ID
	t, err := x.value(id)
	if err != nil {
		return err
	}
	v := x.sub.Tensors[t]
	if want := x.opt.Output; want != tensor.Invalid && want != v.Type.DType() && v.Type.DType() != tensor.I32 {
		if v.Quant == nil || want == tensor.F32 {
			return fmt.Errorf("it is %v, not %v: quantize the network first", v.Type.DType(), want)
		}
		q, err := as(graph.Stored{DType: v.Type.DType(), Scale: v.Quant.Scale[0], Zero: int32(v.Quant.ZeroPoint[0])}, want)
		if err != nil {
			return err
		}
		if t, err = x.emit(tflite.Quantize, o.Name+".bytes", graph.Type{DType: want, Shape: v.Shape, Quant: q}, nil, t); err != nil {
			return err
		}
	}
	x.sub.Tensors[t].Name = o.Name // reserved for it
	x.sub.Outputs = append(x.sub.Outputs, t)
	return nil
}
