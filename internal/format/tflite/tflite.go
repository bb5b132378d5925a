// Package tflite reads and writes TensorFlow Lite model files: FlatBuffers with the
// identifier TFL3, as operators, tensors and buffers. It knows the bytes and
// nothing of what an operator does.
//
// The FlatBuffers runtime for Go trusts its input: an accessor on a hostile
// file panics or walks outside a table, and there is no verifier to run first.
// So the two hundred lines that follow offsets are this package's own, checked
// at every step; field numbers are those of the published schema. Tests build
// their files with the FlatBuffers runtime, and so does Write. Buffers alias the
// input.
package tflite

import (
	"errors"
	"fmt"
	"os"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// The kinds of failure; every error of this package wraps one of them.
var (
	ErrMalformed = errors.New("malformed TFLite file")
	ErrLimit     = errors.New("limit exceeded in a TFLite file")
)

// Model is one TFLite file.
type Model struct {
	Version       int
	Description   string
	OperatorCodes []OperatorCode
	Subgraphs     []Subgraph
	Buffers       [][]byte
	Metadata      map[string][]byte
}

// OperatorCode is an entry of the file's table of operators.
type OperatorCode struct {
	Builtin Builtin
	Custom  string // the operator's name when Builtin is Custom
	Version int
}

// Subgraph is a list of operators in the order in which they run. Tensors are
// named by their index.
type Subgraph struct {
	Name      string
	Tensors   []Tensor
	Inputs    []int
	Outputs   []int
	Operators []Operator
}

// Tensor is a value or a constant of a subgraph.
type Tensor struct {
	Name string
	// Shape has 1 where an extent is only known when the model runs; such an
	// extent is -1 in Signature, which is nil when all are fixed.
	Shape     []int
	Signature []int
	HasRank   bool // tells a scalar from an unknown rank, in newer files
	Type      Type
	Buffer    int
	Data      []byte // the constant's elements, little-endian; empty for a value
	Quant     *Quantization
	Variable  bool
	Sparse    bool // Data is then in an encoding this package does not undo
}

// Quantization says how integers stand for real numbers: scale*(q-zero point),
// one pair for the tensor or one for each index along Dimension.
type Quantization struct {
	Scale     []float32
	ZeroPoint []int64
	Min, Max  []float32
	Dimension int
	Custom    bool // the parameters are in a form of their own, not read here
}

// Operator is one step. An optional input left out is -1.
type Operator struct {
	Code    OperatorCode
	Inputs  []int
	Outputs []int
	// Options is a pointer to one of the Options structs of this package, or
	// nil for operators that have none or whose options are not read. The
	// operators that have options always have them, with the schema's defaults.
	Options       any
	CustomOptions []byte
}

// Name is the operator's name in the schema, or a custom operator's own.
func (o *Operator) Name() string {
	if o.Code.Builtin == Custom {
		return o.Code.Custom
	}
	return o.Code.Builtin.String()
}

// Type is the element type of a tensor, by its number in the schema.
type Type int8

var types = [...]struct {
	name string
	dt   tensor.DType
}{
	{"FLOAT32", tensor.F32}, {"FLOAT16", tensor.F16}, {"INT32", tensor.I32}, {"UINT8", tensor.U8}, {"INT64", tensor.I64},
	{"STRING", 0}, {"BOOL", tensor.Bool}, {"INT16", tensor.I16}, {"COMPLEX64", 0}, {"INT8", tensor.I8}, {"FLOAT64", tensor.F64},
	{"COMPLEX128", 0}, {"UINT64", tensor.U64}, {"RESOURCE", 0}, {"VARIANT", 0}, {"UINT32", tensor.U32}, {"UINT16", tensor.U16}, {"INT4", 0},
	{"BFLOAT16", tensor.BF16}, {"INT2", 0}, {"UINT4", 0}, {"FLOAT8_E4M3FN", tensor.F8E4M3}, {"FLOAT8_E5M2", tensor.F8E5M2},
}

// DType is the element type, tensor.Invalid where there is no counterpart.
func (t Type) DType() tensor.DType {
	if t < 0 || int(t) >= len(types) {
		return tensor.Invalid
	}
	return types[t].dt
}

// String is the type's name in the schema.
func (t Type) String() string {
	if t < 0 || int(t) >= len(types) {
		return fmt.Sprintf("TYPE_%d", int8(t))
	}
	return types[t].name
}

// Constant is the tensor's elements, aliasing the file. It fails for a value
// that is computed and for element types with no counterpart.
func (t *Tensor) Constant() (*tensor.Tensor, error) {
	if t.Sparse {
		return nil, fmt.Errorf("tensor %q is stored sparse, which is not supported; densify the model before exporting", t.Name)
	}
	return tensor.New(t.Name, t.Type.DType(), t.Shape, t.Data)
}

// Limits bound what reading a file may cost. A zero field is its default.
type Limits struct {
	FileBytes int64 // size of the file; 2 GiB, the format's own bound
	// Structure bounds the memory for everything but the buffers, which alias
	// the file: tensors, operators, names, shapes; 64 MiB.
	Structure int64
	Files     int   // associated files; 256
	FileSize  int64 // all associated files together, unpacked; 16 MiB
}

func (l Limits) withDefaults() Limits {
	if l.FileBytes == 0 {
		l.FileBytes = 2<<30 - 1
	}
	if l.Structure == 0 {
		l.Structure = 64 << 20
	}
	if l.Files == 0 {
		l.Files = 256
	}
	if l.FileSize == 0 {
		l.FileSize = 16 << 20
	}
	return l
}

// Open reads the model file at path and the files associated with it.
func Open(path string, lim Limits) (*Model, map[string][]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if max := lim.withDefaults().FileBytes; st.Size() > max {
		return nil, nil, fmt.Errorf("%s: %w: %d bytes, more than %d", path, ErrLimit, st.Size(), max)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	m, err := Parse(data, lim)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	files, err := AssociatedFiles(data, lim)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, files, nil
}
