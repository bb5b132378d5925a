// Package importer turns the operator lists of ONNX and TFLite files into
// graphs.
//
// A file is parsed once and built many times: every Build walks the operators
// again with the shapes of one picture of the wanted size, so that shape
// arithmetic in the file (Shape, Gather, Concat, Reshape) folds to constants
// and the graph may run any batch and, where the file allows it, any picture
// size. Weights are converted once and shared by all graphs.
//
// Layout: a value in the graph is stored [N,H,W,C] while the file may think
// [N,C,H,W]. The importer carries the permutation between the two with each
// value (see val) and a transpose in the file changes that permutation alone.
// So transposes cancel by themselves and one is only emitted where an operator
// truly needs the elements in another order, as a flatten of a map larger than
// one pixel does.
package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// ErrUnsupported is wrapped by every error about something in a file that is
// well formed and cannot be expressed as a graph.
var ErrUnsupported = errors.New("not supported")

// Format says which kind of file a network came from.
type Format string

// The formats.
const (
	ONNX   Format = "onnx"
	TFLite Format = "tflite"
)

// Imported is a network out of a file. It is safe for concurrent use.
type Imported struct {
	Format   Format
	Producer string            // what the file says about who wrote it
	Metadata map[string][]byte // TFLite's
	Input    string
	// H, W and C are the extents of the input picture. Where the file leaves
	// H or W open they are 224 and AnySize holds.
	H, W, C int
	AnySize bool
	Outputs []string
	// Bytes says how the input is stored where the file takes a picture's
	// bytes; nil where it takes real numbers.
	Bytes *graph.Stored
	// Classes is the number of scores for a picture when the first output is
	// a vector, else its number of channels.
	Classes int
	// Vector reports that the first output is one vector a picture.
	Vector bool
	// Softmax reports that the first output is probabilities, not logits.
	Softmax bool
	// SingleBatch holds when the file mixes the batch axis with others, so
	// that only one picture at a time can be run.
	SingleBatch bool

	src source
	// global marks the pooling operators, by their place in the file, whose
	// window is the whole map at the declared size. They pool the whole map at
	// any size.
	global map[int]bool

	mu     sync.Mutex
	arrays map[arrayKey]*graph.Array
	// static marks the constants that live as long as the file; written by the
	// first walk only.
	static map[*tensor.Tensor]bool
}

// source is a parsed file that can be walked.
type source interface {
	walk(b *build) error
}

type arrayKey struct {
	t   *tensor.Tensor
	how string
}

// maxElems bounds a value for one picture: 256 MiB of float32. Files declare
// shapes freely; this is checked before anything of the size is allocated.
const maxElems = 1 << 26

// maxFolded bounds the bytes of all constants that one walk computes, and
// maxPicked the elements of one that repeats or selects others: shape
// arithmetic needs a few hundred, a transposed weight a few million.
const (
	maxFolded = 128 << 20
	maxPicked = 1 << 21
)

// finish builds the network once as declared, which finds everything that is
// not supported, and fills in what is known of it.
func (m *Imported) finish() (*Imported, error) {
	m.global = map[int]bool{}
	m.arrays = map[arrayKey]*graph.Array{}
	if m.static == nil {
		m.static = map[*tensor.Tensor]bool{}
	}
	g, b, err := m.build(1, m.H, m.W, true)
	if err != nil {
		return nil, err
	}
	for _, o := range g.Outputs {
		m.Outputs = append(m.Outputs, o.Name)
	}
	first := g.Node(g.Outputs[0].ID)
	s := first.Type.Shape
	m.Vector = len(s) == 2
	if len(s) > 0 {
		m.Classes = s[len(s)-1]
	}
	m.Softmax = endsInSoftmax(g, g.Outputs[0].ID)
	m.SingleBatch = b.mixed
	if !m.SingleBatch {
		_, _, err := m.build(2, m.H, m.W, false)
		m.SingleBatch = err != nil
	}
	return m, nil
}

// endsInSoftmax looks through what does not change a vector of probabilities.
func endsInSoftmax(g *graph.Graph, id graph.ID) bool {
	for {
		n := g.Node(id)
		switch op := n.Op.(type) {
		case graph.Softmax, graph.QSoftmax:
			return true
		case graph.Reshape, graph.Transpose, graph.Quantize, graph.Dequantize:
			id = n.In[0]
		case graph.QActivation:
			if op.Act.Kind != graph.Linear {
				return false
			}
			id = n.In[0]
		default:
			return false
		}
	}
}

// Build is the graph for a batch of pictures of h x w, in training form:
// batch norms and activations are nodes of their own, weights are variables
// with values. Outputs that are pictures are [N,H,W,C] whatever the file's
// layout; an output of one vector a picture is [N,C].
func (m *Imported) Build(batch, h, w int) (*graph.Graph, error) {
	if batch < 1 || h < 1 || w < 1 {
		return nil, fmt.Errorf("a batch of %d pictures of %d x %d: every extent must be positive", batch, h, w)
	}
	if m.SingleBatch && batch > 1 {
		return nil, fmt.Errorf("%w: the %s file mixes its batch axis with others; run one picture at a time", ErrUnsupported, m.Format)
	}
	g, _, err := m.build(batch, h, w, false)
	if err != nil && (h != m.H || w != m.W) {
		return nil, fmt.Errorf("input of %d x %d, where the file says %d x %d: %w", h, w, m.H, m.W, err)
	}
	return g, err
}

func (m *Imported) build(batch, h, w int, first bool) (*graph.Graph, *build, error) {
	b := &build{im: m, n: batch, h: h, w: w, first: first, vals: map[string]val{}, taken: map[string]int{}}
	if err := m.src.walk(b); err != nil {
		return nil, b, err
	}
	if len(b.g.Outputs) == 0 {
		return nil, b, fmt.Errorf("%w: the file declares no output", ErrUnsupported)
	}
	g, err := simplify(&b.g)
	return g, b, err
}

// array converts a constant of the file once. how names the conversion, f
// does it; the result is kept for tensors that outlive this walk.
func (b *build) array(t *tensor.Tensor, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (*graph.Array, error) {
	key := arrayKey{t, how}
	keep := b.im.static[t]
	if keep {
		b.im.mu.Lock()
		defer b.im.mu.Unlock()
		if a, ok := b.im.arrays[key]; ok {
			return a, nil
		}
	}
	if !t.DType.Float() {
		return nil, fmt.Errorf("%w: tensor %q is %v where a float tensor is needed", ErrUnsupported, t.Name, t.DType)
	}
	if f != nil {
		var err error
		if t, err = f(t); err != nil {
			return nil, err
		}
	}
	v, err := t.ViewFloat32s() // a file's tensors are read only, so one copy serves
	if err != nil {
		return nil, err
	}
	a := &graph.Array{Shape: slices.Clone(t.Shape), Data: v}
	if keep {
		b.im.arrays[key] = a
	} else if err := b.account(4 * len(v)); err != nil {
		return nil, err
	}
	return a, nil
}

// unique is name, or name with a number when a node already has it.
func (b *build) unique(name string) string {
	name = strings.TrimSpace(name)
	if name == "" {
		name = "node"
	}
	for {
		k := b.taken[name]
		b.taken[name]++
		if k == 0 {
			return name
		}
		if next := fmt.Sprintf("%s#%d", name, k+1); b.taken[next] == 0 {
			b.taken[next] = 1
			return next
		}
	}
}

// account adds to the bytes of constants computed in this walk.
func (b *build) account(bytes int) error {
	if b.folded += bytes; b.folded > maxFolded {
		return fmt.Errorf("%w: the constants computed in this file take more than %d bytes", ErrUnsupported, maxFolded)
	}
	return nil
}

// fold takes the result of an operator on constants: it accounts for its
// memory if it is new, and keeps it for later walks if it never changes. kept
// tells the caller to note it so.
func (b *build) fold(v val, in []val, static bool) (kept bool, err error) {
	if !v.isConst() {
		return false, nil
	}
	alias := len(in) == 0 || len(v.c.Data) == 0 // a constant of the file
	for _, x := range in {
		alias = alias || x.isConst() && len(x.c.Data) > 0 && &x.c.Data[0] == &v.c.Data[0]
	}
	if !alias {
		if err := b.account(len(v.c.Data)); err != nil {
			return false, err
		}
	}
	if static && b.first {
		b.im.static[v.c] = true
		return true, nil
	}
	return false, nil
}
