package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mobilenet-go/mobilenet/weights"
)

// Inspection is what a model file holds and what this program makes of it.
type Inspection struct {
	File    string `json:"file"`
	Format  string `json:"format"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Runs    bool   `json:"runs"`              // the file can be opened for classifying
	Problem string `json:"problem,omitempty"` // why it cannot

	Network *InspectedNet `json:"network,omitempty"` // where Runs
	Bind    *BindReport   `json:"bind,omitempty"`    // for checkpoints of a known network

	Inputs    []InspectedValue `json:"inputs,omitempty"`    // of TFLite and ONNX graphs
	Outputs   []InspectedValue `json:"outputs,omitempty"`   // the same
	Operators []OperatorCount  `json:"operators,omitempty"` // the same, most frequent first

	Metadata map[string]string `json:"metadata,omitempty"`
	Tensors  []InspectedTensor `json:"tensors"` // what is stored: weights and constants
}

// InspectedNet is the network that a file's weights make.
type InspectedNet struct {
	Name              string             `json:"name"`
	Dialect           string             `json:"dialect,omitempty"`
	Spec              string             `json:"spec,omitempty"`
	Height            int                `json:"height"`
	Width             int                `json:"width"`
	Classes           int                `json:"classes"`
	Background        bool               `json:"background"`
	Probabilities     bool               `json:"probabilities"`
	Params            int64              `json:"params"`
	Preprocess        string             `json:"preprocess"`
	PreprocessGuessed bool               `json:"preprocess_guessed"`
	Labels            []string           `json:"labels,omitempty"` // the first few
	LabelCount        int                `json:"label_count"`
	License           string             `json:"license,omitempty"`
	Source            string             `json:"source,omitempty"`
	Metrics           map[string]float64 `json:"metrics,omitempty"`
	Notes             []string           `json:"notes,omitempty"`
}

// BindReport is how a checkpoint's tensors met the network's variables.
type BindReport struct {
	Applied    int      `json:"applied"`
	Missing    []string `json:"missing"`
	Mismatched []string `json:"mismatched"`
	Unused     []string `json:"unused"`
	Ignored    []string `json:"ignored"`
}

// InspectedTensor is a stored tensor.
type InspectedTensor struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Bytes int64  `json:"bytes"`
}

// InspectedValue is an input or output of a graph. An extent of -1 is open.
type InspectedValue struct {
	Name      string  `json:"name"`
	DType     string  `json:"dtype"`
	Shape     []int   `json:"shape"`
	Scale     float32 `json:"scale,omitempty"` // of quantized values
	ZeroPoint int64   `json:"zero_point,omitempty"`
}

// OperatorCount is how often an operator occurs.
type OperatorCount struct {
	Op    string `json:"op"`
	Count int    `json:"count"`
}

// someLabels is the number of labels an Inspection shows.
const someLabels = 5

// Inspect reads a model file of any known format and describes it. The error
// is about the file itself; a well-formed file that cannot be run has a
// Problem.
func Inspect(path string, opt *Options) (*Inspection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return InspectReader(path, f, st.Size(), opt)
}

// InspectReader is Inspect for a model that is open already. The name is for
// messages.
func InspectReader(path string, f io.ReaderAt, size int64, opt *Options) (*Inspection, error) {
	if opt == nil {
		opt = &Options{}
	}
	format := weights.Sniff(f, size)
	s := &Inspection{File: path, Format: format.String(), Bytes: size, Tensors: []InspectedTensor{}}
	var m *Model
	var err error
	ownFile := false
	switch format {
	case weights.TFLite, weights.ONNX:
		if err := s.graph(path, format, f, opt); err != nil {
			return nil, err
		}
		m, err = Read(path, f, size, opt)
	default:
		set, readErr := weights.Read(path, f, size, &weights.Options{Limits: opt.Limits.weights()})
		if readErr != nil {
			return nil, withFormats(readErr)
		}
		s.set(set)
		if ownFile = isOwn(set); ownFile {
			m, err = readOwn(set, opt)
		} else {
			m, err = FromSet(set, opt)
		}
		s.Bind = report(set, m, opt)
	}
	if err != nil {
		if ownFile {
			return nil, err
		}
		s.Problem = strings.TrimPrefix(err.Error(), path+": ")
	} else {
		s.network(m)
		m.Close()
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		return nil, err
	}
	s.SHA256 = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

// withFormats adds to the refusal of a format what to use instead.
func withFormats(err error) error {
	var unsupported *weights.UnsupportedFormatError
	if errors.As(err, &unsupported) {
		return fmt.Errorf("%w: use safetensors, PyTorch, Keras, TensorFlow, TFLite or ONNX", err)
	}
	return err
}

func (s *Inspection) network(m *Model) {
	i := &m.Info
	s.Runs = true
	s.Network = &InspectedNet{
		Name: i.Name, Dialect: i.Dialect, Spec: i.Spec, Height: i.H, Width: i.W, Classes: i.Classes(),
		Background: i.Background, Probabilities: i.Probabilities, Params: i.Params,
		Preprocess: i.Recipe.String(), PreprocessGuessed: i.RecipeGuessed,
		Labels: i.Labels[:min(len(i.Labels), someLabels)], LabelCount: len(i.Labels),
		License: i.License, Source: i.Source, Metrics: i.Metrics, Notes: i.Notes,
	}
}

// set describes a checkpoint's tensors.
func (s *Inspection) set(set *weights.Set) {
	s.Metadata = set.Metadata
	for _, t := range set.Tensors() {
		s.add(t.Name, t.DType.String(), t.Shape, len(t.Data))
	}
}

func (s *Inspection) add(name, dtype string, shape []int, bytes int) {
	s.Tensors = append(s.Tensors, InspectedTensor{name, dtype, extents(shape), int64(bytes)})
}

// extents is never nil, so that a scalar's shape is [] in JSON.
func extents(shape []int) []int { return append([]int{}, shape...) }

// report tells how a set's tensors met a network: the one found, or, where the
// weights do not fit, the one the options name.
func report(set *weights.Set, m *Model, opt *Options) *BindReport {
	var r *weights.Report
	switch {
	case m != nil:
		r = m.Report
	case opt.Net != nil:
		scheme := "canonical"
		if opt.Names == nil {
			scheme = schemeFor(opt.Net, set)
		}
		want, err := wanted(opt.Net, scheme)
		if err != nil {
			return nil
		}
		_, r, _ = weights.Bind(want, set, opt.Names, nil)
	}
	if r == nil {
		return nil
	}
	out := &BindReport{Applied: len(r.Applied), Missing: []string{}, Mismatched: []string{}, Unused: []string{}, Ignored: append([]string{}, r.Ignored...)}
	for _, t := range r.Missing {
		out.Missing = append(out.Missing, t.Source)
	}
	for _, t := range r.Mismatched {
		out.Mismatched = append(out.Mismatched, fmt.Sprintf("%s: want %v, got %v", t.Source, t.Want, t.Got))
	}
	for _, t := range r.Unused {
		out.Unused = append(out.Unused, t.Source)
	}
	return out
}
