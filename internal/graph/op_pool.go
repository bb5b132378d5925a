package graph

import "fmt"

// GlobalAvgPool averages each channel over the picture: [N,H,W,C] to
// [N,1,1,C].
type GlobalAvgPool struct{}

func (GlobalAvgPool) Kind() string { return "global_avg_pool" }

func (GlobalAvgPool) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) != 4 || s[1]*s[2] == 0 {
		return Type{}, fmt.Errorf("input %v is not a picture", s)
	}
	return F32(s[0], 1, 1, s[3]), nil
}

// Cost counts one addition per input element.
func (GlobalAvgPool) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: elems(in[0])} }

// Pool takes the mean or the maximum over a window. Padded positions never
// count for a maximum; they count for a mean only if CountPad.
type Pool struct {
	Window
	Max      bool
	CountPad bool
}

func (p Pool) Kind() string {
	if p.Max {
		return "max_pool"
	}
	return "avg_pool"
}

func (p Pool) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) != 4 {
		return Type{}, fmt.Errorf("input %v is not a picture", s)
	}
	oh, ow, pad, err := p.Output(s[1], s[2])
	if err != nil {
		return Type{}, err
	}
	w := p.Normal()
	if ekh, ekw := (w.KH-1)*w.DilationH+1, (w.KW-1)*w.DilationW+1; pad.Top >= ekh || pad.Bottom >= ekh || pad.Left >= ekw || pad.Right >= ekw {
		return Type{}, fmt.Errorf("padding reaches past the %d x %d window", w.KH, w.KW)
	}
	return F32(s[0], oh, ow, s[3]), nil
}

// Cost counts one step per window element.
func (p Pool) Cost(_ []Type, out Type) Cost {
	return Cost{Elementwise: elems(out) * int64(p.KH) * int64(p.KW)}
}
