// Package weights reads published checkpoints into sets of named tensors and
// binds them to the variables of a network.
//
// [Open] tells the format by the file's content and reads safetensors, PyTorch
// (.pt, .pth, .pth.tar, in the zip and the legacy format), Keras (.h5, .keras),
// TensorFlow checkpoints (.index with its .data files) and npz. Nothing in a file is ever run, and no file makes it take more memory than [Limits] say.
// [Bind] gives every variable its tensor, converted to float32 and to the
// layout of the network (convolutions OIHW), and reports what was applied,
// missing, unused and mismatched; it is strict unless told otherwise.
package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/format/safetensors"
	"github.com/mobilenet-go/mobilenet/internal/format/torchpt"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Limits bound what a file may ask for, checked before memory is taken. A
// field of zero or less means its default.
type Limits struct {
	MaxFileBytes   int64 // default 2 GiB
	MaxTensorBytes int64 // all tensors together; default 2 GiB
	MaxTensors     int   // default 65536
	MaxRank        int   // default 16
	MaxDepth       int   // nesting of objects and groups; default 64, for HDF5 32
	// MaxRatio bounds the bytes of tensors made from a byte of a PyTorch, Keras
	// or npz file, beyond a first 64 MiB (32 MiB for HDF5): compressed entries and strided views can
	// claim more than the file holds. Default 8.
	MaxRatio int64
}

// Options steer Open and Read. The zero value is the default.
type Options struct {
	Limits Limits
	// StateDict names the dictionary to take out of a PyTorch checkpoint that
	// holds several, as "model_ema". Empty means the first usual one.
	StateDict string
	// SkipChecksum accepts PyTorch zip files written without checksums.
	SkipChecksum bool
	// Sum computes the file's SHA-256 while it is at hand, for Read from
	// something that SHA256 cannot open again by name.
	Sum bool
	// Dir is the folder where Read finds the data files of a TensorFlow
	// checkpoint, by the index's name; Open sets it. Empty: there are none.
	Dir string
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	l := &out.Limits
	if l.MaxFileBytes <= 0 {
		l.MaxFileBytes = 2 << 30
	}
	if l.MaxTensorBytes <= 0 {
		l.MaxTensorBytes = 2 << 30
	}
	if l.MaxTensors <= 0 {
		l.MaxTensors = 65536
	}
	if l.MaxRank <= 0 {
		l.MaxRank = 16
	}
	return out
}

// Source says where a set came from.
type Source struct {
	Path   string // file name, empty for a set made in memory
	Format Format
	Size   int64
	// StateDict is the key of a PyTorch checkpoint that the tensors were under,
	// Others the keys of further state dictionaries, Stripped the prefix that
	// was removed from all names.
	StateDict string
	Others    []string
	Stripped  string
}

// Set is an ordered collection of tensors by name, with metadata.
type Set struct {
	Metadata map[string]string
	Source   Source

	tensors []*tensor.Tensor
	index   map[string]int
	sum     string
}

// NewSet makes a set of tensors with different names.
func NewSet(tensors ...*tensor.Tensor) (*Set, error) {
	s := &Set{}
	for _, t := range tensors {
		if err := s.Add(t); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add appends a tensor. It fails when the name is taken.
func (s *Set) Add(t *tensor.Tensor) error {
	if err := t.Check(); err != nil {
		return err
	}
	if _, dup := s.index[t.Name]; dup {
		return fmt.Errorf("tensor %q is there already", t.Name)
	}
	if s.index == nil {
		s.index = map[string]int{}
	}
	s.index[t.Name] = len(s.tensors)
	s.tensors = append(s.tensors, t)
	return nil
}

// Get is the tensor of that name, or nil.
func (s *Set) Get(name string) *tensor.Tensor {
	if i, ok := s.index[name]; ok {
		return s.tensors[i]
	}
	return nil
}

// Len is the number of tensors.
func (s *Set) Len() int { return len(s.tensors) }

// Tensors lists the tensors in the file's order. The slice is the set's own.
func (s *Set) Tensors() []*tensor.Tensor { return s.tensors }

// Names lists the tensors' names in the file's order.
func (s *Set) Names() []string {
	out := make([]string, len(s.tensors))
	for i, t := range s.tensors {
		out[i] = t.Name
	}
	return out
}

// Open reads a checkpoint. A file of a format that holds a graph rather than
// named weights, or of no known format, gives an *UnsupportedFormatError.
func Open(path string, opt *Options) (*Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	var o Options
	if opt != nil {
		o = *opt
	}
	if o.Dir == "" {
		o.Dir = filepath.Dir(path)
	}
	return Read(path, f, info.Size(), &o)
}

// Read reads a checkpoint of the given size from r, which is not used after
// the return. The name is for messages and Source.
func Read(name string, r io.ReaderAt, size int64, opt *Options) (*Set, error) {
	o := opt.withDefaults()
	l := o.Limits
	switch {
	case size <= 0:
		return nil, fmt.Errorf("%s: empty file", name)
	case size > l.MaxFileBytes:
		return nil, fmt.Errorf("%s: %d bytes are over the limit of %d", name, size, l.MaxFileBytes)
	}
	s := &Set{Source: Source{Path: name, Format: Sniff(r, size), Size: size}}
	var tensors []*tensor.Tensor
	var err error
	switch s.Source.Format {
	case Safetensors:
		var f *safetensors.File
		f, err = safetensors.Read(r, size, &safetensors.Limits{MaxDataBytes: l.MaxTensorBytes, MaxTensors: l.MaxTensors, MaxRank: l.MaxRank})
		if err == nil {
			tensors, s.Metadata = f.Tensors, f.Metadata
		}
	case TorchZip, TorchLegacy:
		tensors, err = s.readTorch(r, size, &o)
	case Pickle:
		err = torchpt.CheckPickle(r, size, &torchpt.Options{MaxDepth: l.MaxDepth})
	case HDF5:
		tensors, err = s.readHDF5(r, size, &o)
	case KerasZip:
		tensors, err = s.readKerasZip(r, size, &o)
	case TFCheckpoint:
		if tensors, err = s.readTF(r, size, &o); o.Dir == "" {
			return nil, err
		}
	case NPZ:
		tensors, err = npy.ReadArchive(r, size, &npy.Limits{MaxBytes: l.MaxTensorBytes, MaxArrays: l.MaxTensors, MaxRank: l.MaxRank, MaxRatio: l.MaxRatio})
	default:
		return nil, refuse(name, s.Source.Format, r, size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, t := range tensors {
		if err := s.Add(t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if o.Sum {
		if s.sum, err = sum(io.NewSectionReader(r, 0, size), size); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// readTorch fills the set's metadata and source from a checkpoint. The keys of
// the metadata begin with "checkpoint.", so that what a training script noted
// (its "arch" is often wrong) cannot pass for the metadata of our own files.
func (s *Set) readTorch(r io.ReaderAt, size int64, o *Options) ([]*tensor.Tensor, error) {
	f, err := torchpt.Read(r, size, &torchpt.Options{
		MaxTensorBytes: o.Limits.MaxTensorBytes, MaxTensors: o.Limits.MaxTensors, MaxRank: o.Limits.MaxRank,
		MaxDepth: o.Limits.MaxDepth, MaxRatio: o.Limits.MaxRatio, SkipChecksum: o.SkipChecksum,
	})
	if err != nil {
		return nil, err
	}
	sd, err := f.StateDict(o.StateDict)
	if err != nil {
		return nil, err
	}
	s.Source.StateDict, s.Source.Others, s.Source.Stripped = sd.Key, sd.Others, sd.Stripped
	for k, v := range sd.Metadata {
		if s.Metadata == nil {
			s.Metadata = map[string]string{}
		}
		s.Metadata["checkpoint."+k] = v
	}
	out := make([]*tensor.Tensor, len(sd.Tensors))
	for i, n := range sd.Tensors {
		if out[i], err = f.Load(n.Name, n.Tensor); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SHA256 is the checksum, in hexadecimal, of the file that Open read. Unless
// Options.Sum asked for it, the first call computes it by reading the file
// again. It is not safe for concurrent use.
func (s *Set) SHA256() (string, error) {
	if s.sum != "" {
		return s.sum, nil
	}
	if s.Source.Path == "" {
		return "", errors.New("weights: a set made in memory has no file to sum")
	}
	f, err := os.Open(s.Source.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if s.sum, err = sum(f, s.Source.Size); err != nil {
		return "", fmt.Errorf("%s: %w", s.Source.Path, err)
	}
	return s.sum, nil
}

// sum is the SHA-256 of r, which has to hold size bytes.
func sum(r io.Reader, size int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return "", err
	}
	if n != size {
		return "", fmt.Errorf("has %d bytes now, had %d when it was read", n, size)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Write writes the set as safetensors. The same content gives the same bytes.
func (s *Set) Write(w io.Writer) error {
	return safetensors.Write(w, s.tensors, maps.Clone(s.Metadata))
}
