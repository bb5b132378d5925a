// Package mobilenet classifies pictures with networks of the MobileNet family,
// in pure Go: V1, V2, V3, MobileNetEdgeTPU and MnasNet, with the weights that
// PyTorch, TensorFlow Lite, ONNX and safetensors files hold, and with the same
// answers as the frameworks those weights came from.
//
// A newcomer needs two functions: [Open] reads a model, and
// [Classifier.Classify] names what a picture shows.
package mobilenet

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Options changes how a model is opened and used. The zero value takes
// everything from the file.
type Options struct {
	// Net is the network the weights belong to, from [arch.New], [arch.Custom]
	// or [arch.ParseSpec]. It is needed only where the file does not say and
	// its tensors are those of no published network.
	Net *arch.Net
	// Dialect chooses between dialects (see [arch.Dialects]) whose checkpoints
	// look alike, where Net is not given.
	Dialect string
	// Names gives the tensors' names in the file where no dialect knows them.
	Names weights.NameMap
	// Preprocess replaces the file's recipe: a name or a list of key=value, as
	// [transform.Parse] reads it.
	Preprocess string
	// Labels replaces the file's labels, one for each class.
	Labels []string
	// Decode says how picture files are decoded.
	Decode DecodeMode
	// CropInput takes pictures that have the network's input size already:
	// they are neither resized nor cropped, only scaled.
	CropInput bool
	// Top is the number of predictions for a picture; 0 means 5, a negative
	// number all classes.
	Top int
	// Threshold leaves out predictions with a lower score (0 to 1).
	Threshold float32
	// Threads bounds the goroutines used; 0 means all processors.
	Threads int
	// Limits bound what pictures and model files may ask for.
	Limits Limits
	// Kernels limits the arithmetic to "ref" (slow, obviously right), "go"
	// (portable), or an instruction set: "neon", "avx2", "avx512" or "amx". Empty
	// takes the fastest this machine has.
	Kernels string
	// Precision is the arithmetic of the products; empty is PrecisionFP32.
	Precision Precision
}

// Precision is the arithmetic of a network's products. Where a machine lacks
// the instructions for one, PrecisionFP32 is used: see [Classifier.Precision].
type Precision string

// The precisions.
const (
	PrecisionFP32 Precision = "fp32"
	// PrecisionBF16 rounds weights, and values between layers, to bfloat16
	// (8 bits of mantissa): twice as fast or more, with scores that agree to
	// about two digits.
	PrecisionBF16 Precision = "bf16"
	// PrecisionBF16x3 makes every product of two bfloat16 parts of each
	// operand: an approximation of fp32 to four digits or more.
	PrecisionBF16x3 Precision = "bf16x3"
)

// Precision tells in words what the classifier computes in: "fp32", "bf16 by
// amx", or "fp32" with the reason why it is not what was asked for; and whether
// it is what was asked for.
func (c *Classifier) Precision() (used string, asAsked bool) {
	p := c.m.Precision()
	return p.String(), !p.FellBack()
}

// DecodeMode says how picture files are decoded.
type DecodeMode string

// The ways of decoding. They differ for JPEG files only.
const (
	// DecodeExact gives the pixels of libjpeg-turbo and accepts what Pillow
	// accepts, as published accuracies were measured.
	DecodeExact DecodeMode = ""
	// DecodeDraft decodes large files at a reduced size: faster, and nearly
	// the same answers.
	DecodeDraft DecodeMode = "draft"
	// DecodeStrict refuses every irregularity: for servers.
	DecodeStrict DecodeMode = "strict"
	// DecodeTolerant takes what a damaged file holds; Result.Coverage says
	// how much that is.
	DecodeTolerant DecodeMode = "tolerant"
)

// Limits bound what files from outside may ask for. They are enforced from
// headers, before memory is taken. A zero field means its default.
type Limits struct {
	Pixels        int64 // width x height of a picture; default 2^27
	PictureBytes  int64 // of a picture's file; default 64 MiB
	PixelsPerByte int64 // declared for each byte of a large picture's file; default 20

	FileBytes   int64 // of a model's file; default 2 GiB
	TensorBytes int64 // of all its tensors together; default 2 GiB
	Tensors     int   // their number; default 65536
	Nodes       int   // operators of a TFLite or ONNX graph; default 65536
	Depth       int   // nesting of objects and groups in a checkpoint; default 64, in HDF5 32
	Ratio       int64 // bytes made from a byte of a checkpoint, beyond a first 64 MiB (HDF5: 32); default 8

	// Activations bounds the memory in bytes of one picture's activations at
	// the size a file declares; default 128 MiB. A size the caller asks for,
	// by a recipe or a network, is the caller's own affair.
	Activations int64
}

// Classifier is a model that gives scores to the classes it knows. It is
// immutable and may be used by any number of goroutines.
type Classifier struct {
	m         *engine.Model
	opt       Options
	pipelines sync.Pool
}

// Open reads a model from a safetensors, PyTorch, float TFLite or ONNX file.
// The format is told by the content. Nil options are the default.
func Open(path string, opt *Options) (*Classifier, error) {
	return open(opt, func(o *engine.Options) (*engine.Model, error) { return engine.Open(path, o) })
}

// Read is Open for a model of size bytes that is not in a file of its own, as
// one embedded in the program. The name is for messages; r is not used after
// the return.
func Read(name string, r io.ReaderAt, size int64, opt *Options) (*Classifier, error) {
	return open(opt, func(o *engine.Options) (*engine.Model, error) { return engine.Read(name, r, size, o) })
}

func open(opt *Options, read func(*engine.Options) (*engine.Model, error)) (*Classifier, error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	switch o.Decode {
	case DecodeExact, DecodeDraft, DecodeStrict, DecodeTolerant:
	default:
		return nil, fmt.Errorf("unknown way of decoding %q: use draft, strict or tolerant", o.Decode)
	}
	m, err := read(&engine.Options{
		Net: o.Net, Dialect: o.Dialect, Names: o.Names, Preprocess: o.Preprocess, Labels: o.Labels, Threads: o.Threads, Kernels: o.Kernels, Precision: string(o.Precision), Limits: engine.Limits(o.Limits),
	})
	if err != nil {
		return nil, err
	}
	return newClassifier(m, o)
}

func newClassifier(m *engine.Model, o Options) (*Classifier, error) {
	if o.Top == 0 {
		o.Top = 5
	}
	c := &Classifier{m: m, opt: o}
	p, err := transform.NewPipeline(m.Info.Recipe)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
	}
	c.pipelines.Put(p)
	return c, nil
}

// Start is the time that making a model ready has taken. A picture or a
// feature that needs a further program of the network adds to it.
type Start struct {
	Load time.Duration // reading the file
	Bind time.Duration // finding out what it is, making the graph, folding
	Pack time.Duration // choosing kernels, packing weights
}

// Started tells what making the model ready has taken so far.
func (c *Classifier) Started() Start { return Start(c.m.Started()) }

// Close frees the classifier's worker goroutines. It may be called while
// others classify; what is used afterwards works on one goroutine.
func (c *Classifier) Close() error {
	c.m.Close()
	return nil
}

// Info describes an opened model.
type Info struct {
	Name          string `json:"name"`
	Dialect       string `json:"dialect,omitempty"`
	Spec          string `json:"spec,omitempty"` // the network as a line of text
	Format        string `json:"format"`
	Height        int    `json:"height"`
	Width         int    `json:"width"`
	Classes       int    `json:"classes"`
	Background    bool   `json:"background"` // the network has a row for "none of them", which is no class
	Probabilities bool   `json:"probabilities"`
	Recipe        string `json:"recipe"`         // the preprocessing, in the form Options.Preprocess takes
	RecipeGuessed bool   `json:"recipe_guessed"` // the file does not say; the default rule was taken
	License       string `json:"license,omitempty"`
	Source        string `json:"source,omitempty"`
	// Metrics are figures that the model's file gives, as top1: 0.71.
	Metrics map[string]float64 `json:"metrics,omitempty"`
	Notes   []string           `json:"notes,omitempty"`
}

// Info tells what the model is and how it prepares pictures.
func (c *Classifier) Info() Info {
	i := &c.m.Info
	return Info{
		Name: i.Name, Dialect: i.Dialect, Spec: i.Spec, Format: i.Format, Height: i.H, Width: i.W, Classes: i.Classes(),
		Background: i.Background, Probabilities: i.Probabilities, Recipe: i.Recipe.String(), RecipeGuessed: i.RecipeGuessed,
		License: i.License, Source: i.Source, Metrics: i.Metrics, Notes: i.Notes,
	}
}

// Labels lists the names of the classes, in their order; nil if unknown.
func (c *Classifier) Labels() []string { return c.m.Info.Labels }

// ClassIDs lists the names that the classes have in the data set the model was
// trained on, as WordNet's n02123045, in the order of Labels; nil where they are
// the labels or the model does not say.
func (c *Classifier) ClassIDs() []string { return c.m.Info.ClassIDs }
