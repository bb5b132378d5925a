// Package engine joins networks and weights: it opens files of every format,
// finds out what they are, and runs them.
package engine

import (
	"context"
	_ "embed"
	"fmt"
	"runtime"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Info is what a model's weights mean.
type Info struct {
	Name    string // the network's, or the file's where that is not known
	Dialect string // empty for an imported graph
	Spec    string // the network as a line of text; empty for an imported graph
	H, W    int    // the input picture
	// Rows is the number of scores the network gives; Background says that
	// row 0 is TensorFlow's background class, which is no class of the data.
	Rows          int
	Background    bool
	Probabilities bool // the network ends in a softmax

	Recipe transform.Recipe
	// RecipeGuessed holds when the file says nothing about preprocessing and
	// the default rule was taken.
	RecipeGuessed bool
	Labels        []string // one a class, without the background; may be empty
	// ClassIDs are the classes' names in the data set, as WordNet's n02123045,
	// in the order of Labels; empty where they are the labels or unknown.
	ClassIDs []string

	Path, Format, SHA256 string
	Source, License      string
	Metrics              map[string]float64
	// Quantized says, as JSON, how an integer network of our own was made;
	// empty for others.
	Quantized              string
	Notes                  []string // what a person should know about how the file was read
	Params                 int64    // numbers in the file's weights
	goldenInput, goldenOut []byte
}

// Classes is the number of classes, the background not counted.
func (i *Info) Classes() int {
	if i.Background {
		return i.Rows - 1
	}
	return i.Rows
}

// Options of Open. The zero value reads everything from the file.
type Options struct {
	// Net is the network the weights belong to, for files that do not say.
	Net *arch.Net
	// Dialect chooses between dialects whose checkpoints look alike, where Net
	// is not given.
	Dialect string
	// Names gives the published names of the network's tensors where no
	// dialect knows them.
	Names weights.NameMap
	// Preprocess and Labels replace what the file says. Preprocess is a
	// recipe's name or a list of key=value, for the network's own resolution
	// where it names none.
	Preprocess string
	Labels     []string
	// Threads bounds the goroutines of one run; 0 means all processors.
	Threads int
	// Kernels limits the kernels to a rung, as "ref" or "go".
	Kernels string
	// Precision is the arithmetic of the products: fp32 if empty, or bf16 or
	// bf16x3, as far as this machine has them.
	Precision string
	Limits    Limits
	// declared holds when Preprocess is the file's own text.
	declared bool
}

// Model is a network with its weights. It is immutable and may be used by any
// number of goroutines.
type Model struct {
	Info   Info
	Report *weights.Report // how a checkpoint was bound; nil for imported graphs
	net    *arch.Net
	run    runner
}

// newModel wraps a way of building graphs.
func newModel(info Info, opt *Options, build func(batch, h, w int) (*graph.Graph, error)) *Model {
	m := &Model{Info: info}
	m.run.name = info.Path
	if m.run.name == "" {
		m.run.name = info.Name
	}
	m.run.build = build
	m.run.impl = opt.Kernels
	m.run.precision = exec.Precision(opt.Precision)
	m.run.pool = exec.NewPool(opt.Threads)
	m.run.packs.Threads = m.run.pool.Threads()
	return m
}

// Close ends the model's worker goroutines.
func (m *Model) Close() { m.run.pool.Close() }

// Started tells what making the model ready has taken so far: a program for a
// new shape adds to it.
func (m *Model) Started() Start {
	m.run.spent.Lock()
	defer m.run.spent.Unlock()
	return m.run.started
}

// Net is the network's table, nil for an imported graph.
func (m *Model) Net() *arch.Net { return m.net }

// Graph is the training graph for one picture of the model's size.
func (m *Model) Graph() (*graph.Graph, error) { return m.run.build(1, m.Info.H, m.Info.W) }

// Program is the compiled program for a shape, for inspection.
func (m *Model) Program(s Shape) (*exec.Program, error) {
	p, err := m.run.program(s)
	if err != nil {
		return nil, err
	}
	return p.prog, nil
}

// Run executes the model: fill writes the input, [Batch,H,W,3], and read gets
// the outputs, or the taps, which are valid until it returns.
func (m *Model) Run(ctx context.Context, s Shape, fill func(in []float32) error, read func(out [][]float32) error) error {
	return m.run.run(ctx, s, fill, read)
}

// Taps lists the names of the values that can be tapped, in order.
func (m *Model) Taps() ([]string, error) {
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range g.Nodes {
		if _, in := g.Nodes[i].Op.(graph.Input); !in && tappable(g, graph.ID(i)) {
			out = append(out, g.Nodes[i].Name)
		}
	}
	return out, nil
}

// Embedding names the vector that the classifier reads: the input of the last
// convolution before the output.
func (m *Model) Embedding() (string, error) {
	g, err := m.Graph()
	if err != nil {
		return "", err
	}
	for id := g.Outputs[0].ID; ; {
		n := g.Node(id)
		if len(n.In) == 0 {
			return "", fmt.Errorf("%s: the network has no classifier to take the input of", m.Info.Name)
		}
		conv, isConv := n.Op.(graph.Conv2D)
		id = n.In[0]
		if isConv {
			if conv.KH != 1 || conv.KW != 1 || len(g.Node(id).Type.Shape) != 4 || g.Node(id).Type.Shape[1] != 1 {
				return "", fmt.Errorf("%s: the last layer %q is no classifier of a vector", m.Info.Name, n.Name)
			}
			for {
				if _, drop := g.Node(id).Op.(graph.Dropout); !drop {
					return g.Node(id).Name, nil
				}
				id = g.Node(id).In[0]
			}
		}
	}
}

// MaxThreads bounds the threads of a model.
const MaxThreads = exec.MaxThreads

// Precisions are the names of the arithmetics of products.
func Precisions() []string { return exec.Precisions() }

// ResolvePrecision tells what a precision comes to on this machine with the
// kernels up to a rung, and whether that is what was asked for.
func ResolvePrecision(precision, kernels string) (used string, asAsked bool) {
	u := exec.Precision(precision).Resolve(kernels)
	return u.String(), !u.FellBack()
}

// Precision is the arithmetic the model computes in.
func (m *Model) Precision() exec.Used { return m.run.precision.Resolve(m.run.impl) }

// Kernels is the rung that the model's kernels are limited to, empty for none.
func (m *Model) Kernels() string { return m.run.impl }

// Threads is the number of goroutines of one run.
func (m *Model) Threads() int { return m.run.pool.Threads() }

//go:embed imagenet_labels.txt
var imageNetLabels string

// ImageNetLabels are the labels of the 1000 ImageNet classes in their usual
// order.
func ImageNetLabels() []string { return strings.Split(strings.TrimRight(imageNetLabels, "\n"), "\n") }

// defaults fills in what a file did not say and applies the options that
// replace what it did. A network that takes pictures of any size takes the
// recipe's.
func (i *Info) defaults(opt *Options, anySize bool) error {
	if opt.Preprocess != "" {
		r, err := transform.Parse(opt.Preprocess, max(i.H, i.W))
		if err != nil {
			return err
		}
		i.Recipe, i.RecipeGuessed = r, false
	}
	i.Recipe = i.Recipe.Resolved()
	if err := i.Recipe.Validate(); err != nil {
		return fmt.Errorf("%s: %w", i.Path, err)
	}
	if anySize {
		i.H, i.W = i.Recipe.Height, i.Recipe.Width
	}
	if opt.Labels != nil {
		i.Labels = opt.Labels
		if i.Background && len(i.Labels) == i.Rows {
			i.Labels = i.Labels[1:]
		}
	}
	if n := len(i.Labels); n == i.Classes()+1 && strings.EqualFold(strings.TrimSpace(i.Labels[0]), "background") {
		i.Labels = i.Labels[1:] // a list for the same classes with the background class
	}
	if len(i.Labels) == 0 && i.Classes() == 1000 {
		i.Labels = ImageNetLabels()
	}
	if len(i.Labels) != 0 && len(i.Labels) != i.Classes() {
		return fmt.Errorf("%s: %d labels for %d classes: give --labels a file with one line for each class", i.Path, len(i.Labels), i.Classes())
	}
	return nil
}

// maxThreads bounds what a caller may ask for.
func maxThreads() int { return 4*runtime.NumCPU() + 64 }
