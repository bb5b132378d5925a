package weights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Wanted is a variable of a network that a checkpoint has to fill.
type Wanted struct {
	Name   string       // canonical, as "blocks.3.dw.weight"
	Source string       // published, as "features.4.conv.1.0.weight"; empty: the canonical name
	Shape  tensor.Shape // in PyTorch's layout: OIHW, [C,1,kh,kw], [O,I], [C]
	Layout Layout       // how the checkpoint stores it
	// DropBackground accepts one class more than Shape has and drops row 0:
	// the background class of TensorFlow's 1001-class heads. A tensor that has
	// exactly Shape's rows is taken as it is.
	DropBackground bool
}

// BindOptions relax Bind. The zero value is strict.
type BindOptions struct {
	// AllowUnused accepts tensors that nothing wants. They are still reported.
	AllowUnused bool
	// AnyClasses lists canonical names (the classifier's weight and bias) whose
	// number of rows may differ, as when a network is fine-tuned for other
	// classes. One that differs is left out of the result and is reported as
	// skipped.
	AnyClasses []string
	// Ignore says of further published names that they are no weights.
	Ignore func(name string) bool
}

const emaSuffix = "/ExponentialMovingAverage"

// Bind fills every wanted tensor from the set and returns them by canonical
// name as float32 of the wanted shape. Names overrides Wanted's Source and
// Layout where it has an entry; it may be nil. Shapes have to agree after the
// change of layout, up to extents of 1: a linear [O,I] fills a 1x1 convolution
// [O,I,1,1]. Of a TensorFlow variable with an exponential moving average the
// average is taken.
//
// The report is never nil. The error is the report's Err, or says which wanted
// name occurs twice. Results may share memory with the set: treat both as
// read-only.
func Bind(want []Wanted, set *Set, names NameMap, opt *BindOptions) (map[string]*tensor.Tensor, *Report, error) {
	var o BindOptions
	if opt != nil {
		o = *opt
	}
	rep := &Report{File: set.Source.Path, allowUnused: o.AllowUnused}
	out := make(map[string]*tensor.Tensor, len(want))
	used := map[string]bool{}
	seen := map[string]bool{}
	for _, w := range want {
		if seen[w.Name] {
			return nil, rep, fmt.Errorf("weights: %q is wanted twice", w.Name)
		}
		seen[w.Name] = true
		if p, ok := names[w.Name]; ok {
			w.Source, w.Layout = p.Name, p.Layout
		}
		if w.Source == "" {
			w.Source = w.Name
		}
		t := set.find(w.Source)
		if t == nil {
			rep.Missing = append(rep.Missing, Missing{w.Name, w.Source, w.Shape})
			continue
		}
		used[t.Name] = true
		fitted, err := w.fit(t)
		switch {
		case err == nil:
			out[w.Name] = fitted
			rep.Applied = append(rep.Applied, Applied{w.Name, t.Name, t.DType, t.Shape})
		case slices.Contains(o.AnyClasses, w.Name) && w.otherClasses(t):
			rep.Skipped = append(rep.Skipped, Mismatch{w.Name, t.Name, w.Shape, t.Shape, "other classes"})
		default:
			rep.Mismatched = append(rep.Mismatched, Mismatch{w.Name, t.Name, w.Shape, t.Shape, err.Error()})
		}
	}
	for _, t := range set.Tensors() {
		switch {
		case used[t.Name]:
		case notWeight(t.Name), used[t.Name+emaSuffix], o.Ignore != nil && o.Ignore(t.Name):
			rep.Ignored = append(rep.Ignored, t.Name)
		default:
			rep.Unused = append(rep.Unused, Unused{t.Name, t.Shape})
		}
	}
	return out, rep, rep.Err()
}

// find looks a published name up: its moving average first, then the name
// itself, then the name as it was before the set's prefix was stripped.
func (s *Set) find(name string) *tensor.Tensor {
	if t := s.Get(name + emaSuffix); t != nil {
		return t
	}
	if t := s.Get(name); t != nil {
		return t
	}
	if s.Source.Stripped != "" {
		if short, ok := strings.CutPrefix(name, s.Source.Stripped); ok {
			return s.Get(short)
		}
	}
	return nil
}

// fit brings a tensor into the wanted layout, shape and type.
func (w *Wanted) fit(t *tensor.Tensor) (*tensor.Tensor, error) {
	u, err := w.Layout.toTorch(t)
	if err != nil {
		return nil, err
	}
	if w.DropBackground && len(w.Shape) > 0 && len(u.Shape) > 0 && u.Shape[0] == w.Shape[0]+1 {
		if u, err = u.Rows(1, u.Shape[0]); err != nil {
			return nil, err
		}
	}
	if !u.Shape.Squeeze().Equal(w.Shape.Squeeze()) {
		return nil, fmt.Errorf("shape %v", u.Shape)
	}
	if u, err = u.Reshape(w.Shape); err != nil {
		return nil, err
	}
	if u, err = u.ToFloat32(); err != nil {
		return nil, err
	}
	return &tensor.Tensor{Name: w.Name, DType: u.DType, Shape: u.Shape, Data: u.Data}, nil
}

// otherClasses reports whether t would fit but for its number of rows.
func (w *Wanted) otherClasses(t *tensor.Tensor) bool {
	u, err := w.Layout.toTorch(t)
	return err == nil && len(w.Shape) > 0 && len(u.Shape) > 0 && u.Shape[0] != w.Shape[0] &&
		u.Shape[1:].Squeeze().Equal(w.Shape[1:].Squeeze())
}

// notWeight knows what training leaves in checkpoints beside the weights.
func notWeight(name string) bool {
	last := name
	if i := strings.LastIndexAny(name, "./"); i >= 0 {
		last = name[i+1:]
	}
	switch last {
	case "num_batches_tracked", "n_averaged", "global_step", "Momentum", "RMSProp", "RMSProp_1", "Adam", "Adam_1", "beta1_power", "beta2_power":
		return true
	}
	for _, part := range []string{"/act_quant/", "/weights_quant/", "/RMSProp", "/Momentum/", "/Adam/"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasPrefix(name, "optimizer.") || strings.HasPrefix(name, "optimizer_weights")
}
