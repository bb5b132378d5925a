// Package tfckpt reads TensorFlow checkpoints in the TensorBundle format: an
// .index file, a sorted table of variables, and .data files with their values.
//
// Format: tensorflow/core/util/tensor_bundle and tensorflow/core/lib/io/table
// (LevelDB's table format) of TensorFlow, protobuf/tensor_bundle.proto.
package tfckpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Limits bound what is read. A field of zero or less means its default.
type Limits struct {
	MaxDataBytes  int64 // values of all variables; default 2 GiB
	MaxIndexBytes int64 // of the index file; default 32 MiB
	MaxTensors    int   // default 65536
	MaxRank       int   // default 32
	MaxShards     int   // data files; default 1024
}

func (l *Limits) withDefaults() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	if out.MaxDataBytes <= 0 {
		out.MaxDataBytes = 2 << 30
	}
	if out.MaxIndexBytes <= 0 {
		out.MaxIndexBytes = 32 << 20
	}
	if out.MaxTensors <= 0 {
		out.MaxTensors = 65536
	}
	if out.MaxRank <= 0 {
		out.MaxRank = 32
	}
	if out.MaxShards <= 0 {
		out.MaxShards = 1024
	}
	return out
}

// Shard is a data file.
type Shard struct {
	R    io.ReaderAt
	Size int64
}

// File is what a checkpoint holds.
type File struct {
	Tensors []*tensor.Tensor // in the order of their names
	Notes   []string         // what was left out and why
}

// entry is where a variable's values are.
type entry struct {
	name         string
	dtype        uint64
	shape        tensor.Shape
	shard        int
	offset, size int64
	crc          uint32
	sliced       bool
}

// ShardName is the suffix of a data file, as ".data-00000-of-00001".
func ShardName(i, n int) string { return fmt.Sprintf(".data-%05d-of-%05d", i, n) }

// Read reads an index file of the given size and all its variables. It calls
// open once for each data file that variables are in, of the number there are.
func Read(r io.ReaderAt, size int64, open func(i, n int) (Shard, error), lim *Limits) (*File, error) {
	l := lim.withDefaults()
	if size > l.MaxIndexBytes {
		return nil, fmt.Errorf("checkpoint index: %d bytes are over the limit of %d", size, l.MaxIndexBytes)
	}
	b := make([]byte, size)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("checkpoint index: %w", err)
	}
	p := reader{lim: l, shards: map[int]Shard{}, open: open}
	if err := table(b, p.record); err != nil {
		return nil, fmt.Errorf("checkpoint index: %w", err)
	}
	if p.count == 0 {
		return nil, errors.New("checkpoint index: no header")
	}
	out := &File{}
	for i := range p.entries {
		e := &p.entries[i]
		dt, known := dtypes[e.dtype]
		switch {
		case !known:
			out.Notes = append(out.Notes, fmt.Sprintf("variable %q: values of TensorFlow's type %d are not read", e.name, e.dtype))
			continue
		case e.sliced:
			return nil, fmt.Errorf("variable %q is stored in slices, which is not supported: save the checkpoint without partitioned variables", e.name)
		}
		t, err := p.load(e, dt)
		if err != nil {
			return nil, fmt.Errorf("variable %q: %w", e.name, err)
		}
		out.Tensors = append(out.Tensors, t)
	}
	return out, nil
}

var dtypes = map[uint64]tensor.DType{
	1: tensor.F32, 2: tensor.F64, 3: tensor.I32, 4: tensor.U8, 5: tensor.I16, 6: tensor.I8, 9: tensor.I64,
	14: tensor.BF16, 17: tensor.U16, 19: tensor.F16, 22: tensor.U32, 23: tensor.U64,
}

type reader struct {
	lim     Limits
	entries []entry
	count   int // data files; 0 before the header
	big     bool
	taken   int64
	present int64 // bytes in the data files opened so far
	shards  map[int]Shard
	open    func(i, n int) (Shard, error)
}

// record takes a key of the index with its value. The first key is empty: the
// header.
func (p *reader) record(key, value []byte) error {
	if p.count == 0 {
		if len(key) != 0 {
			return errors.New("the first key is no header")
		}
		n, order := uint64(0), uint64(0)
		if err := fields(value, func(num protowire.Number, v uint64, _ []byte) error {
			switch num {
			case 1:
				n = v
			case 2:
				order = v
			}
			return nil
		}); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if n < 1 || n > uint64(p.lim.MaxShards) {
			return fmt.Errorf("header: %d data files: the limit is %d", n, p.lim.MaxShards)
		}
		if order > 1 {
			return fmt.Errorf("header: byte order %d", order)
		}
		p.count, p.big = int(n), order == 1
		return nil
	}
	name := string(key)
	if len(key) == 0 || len(key) > 4096 || !utf8.Valid(key) {
		return fmt.Errorf("a key of %d bytes that is no name: %.60q", len(key), name)
	}
	if key[0] == 0 {
		return nil // the name of a slice; the variable it belongs to is refused
	}
	if len(p.entries) >= p.lim.MaxTensors {
		return fmt.Errorf("more variables than the limit of %d", p.lim.MaxTensors)
	}
	e := entry{name: name}
	err := fields(value, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 1:
			e.dtype = v
		case 2:
			return p.shape(&e, b)
		case 3:
			if v >= uint64(p.count) {
				return fmt.Errorf("data file %d of %d", v, p.count)
			}
			e.shard = int(v)
		case 4:
			e.offset = int64(v)
		case 5:
			e.size = int64(v)
		case 6:
			e.crc = uint32(v)
		case 7:
			e.sliced = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("variable %q: %w", name, err)
	}
	p.entries = append(p.entries, e)
	return nil
}

func (p *reader) shape(e *entry, b []byte) error {
	if e.shape == nil {
		e.shape = tensor.Shape{}
	}
	return fields(b, func(num protowire.Number, v uint64, dim []byte) error {
		switch {
		case num == 3 && v != 0:
			return errors.New("a shape of unknown rank")
		case num != 2:
			return nil
		case len(e.shape) >= p.lim.MaxRank:
			return fmt.Errorf("more dimensions than the limit of %d", p.lim.MaxRank)
		}
		n := uint64(0)
		if err := fields(dim, func(num protowire.Number, v uint64, _ []byte) error {
			if num == 1 {
				n = v
			}
			return nil
		}); err != nil {
			return err
		}
		if n > 1<<31-1 {
			return fmt.Errorf("a dimension of %d", int64(n))
		}
		e.shape = append(e.shape, int(n))
		return nil
	})
}

// load reads a variable's values.
func (p *reader) load(e *entry, dt tensor.DType) (*tensor.Tensor, error) {
	if e.shape == nil {
		e.shape = tensor.Shape{}
	}
	n, err := e.shape.Elems()
	if err != nil {
		return nil, err
	}
	if int64(n) > p.lim.MaxDataBytes/int64(dt.Size()) || e.size != int64(n)*int64(dt.Size()) {
		return nil, fmt.Errorf("%d bytes for %v values of %v", e.size, e.shape, dt)
	}
	s, ok := p.shards[e.shard]
	if !ok {
		if s, err = p.open(e.shard, p.count); err != nil {
			return nil, err
		}
		p.shards[e.shard] = s
		p.present += s.Size
	}
	if e.offset < 0 || e.offset > s.Size || e.size > s.Size-e.offset {
		return nil, fmt.Errorf("offset %d: %d bytes end after the data file of %d bytes", e.offset, e.size, s.Size)
	}
	// Variables do not share bytes, so all of them fit the files.
	if p.taken += e.size; p.taken > p.lim.MaxDataBytes || p.taken > p.present {
		return nil, fmt.Errorf("variables of over %d bytes: the limit is %d, the data files have %d", p.taken, p.lim.MaxDataBytes, p.present)
	}
	b := make([]byte, e.size)
	if k, err := s.R.ReadAt(b, e.offset); k < len(b) {
		return nil, fmt.Errorf("offset %d: reading %d bytes: %w", e.offset, len(b), err)
	}
	if got := masked(crc32.Checksum(b, castagnoli)); got != e.crc {
		return nil, fmt.Errorf("offset %d: the values are damaged: their checksum is %08x, the index says %08x", e.offset, got, e.crc)
	}
	if p.big && dt.Size() > 1 {
		for v := b; len(v) > 0; v = v[dt.Size():] {
			slices.Reverse(v[:dt.Size()])
		}
	}
	return tensor.New(strings.TrimSuffix(e.name, objectSuffix), dt, e.shape, b)
}

// objectSuffix ends the names in checkpoints of tf.train.Checkpoint and Keras.
const objectSuffix = "/.ATTRIBUTES/VARIABLE_VALUE"

// fields visits the fields of a protocol buffer: numbers with their value,
// messages and strings with their bytes.
func fields(b []byte, visit func(num protowire.Number, v uint64, bytes []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var bytes []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			v = uint64(x)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := visit(num, v, bytes); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is how tables store checksums, so that one over data that contains
// checksums stays useful.
func masked(crc uint32) uint32 { return (crc>>15 | crc<<17) + 0xa282ead8 }

const (
	footerBytes  = 48
	trailerBytes = 5 // compression and checksum of a block
	tableMagic   = 0xdb4775248b80fb57
)

// table visits all records of a table in order.
func table(b []byte, visit func(key, value []byte) error) error {
	if len(b) < footerBytes || binary.LittleEndian.Uint64(b[len(b)-8:]) != tableMagic {
		return errors.New("no table footer: this is no .index file of a checkpoint")
	}
	footer := b[len(b)-footerBytes : len(b)-8]
	_, footer, err := handle(b, footer) // the index of metadata, which is empty
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	index, _, err := handle(b, footer)
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	last, end := []byte(nil), uint64(0)
	return block(index, func(_, value []byte) error {
		data, after, err := blockAt(b, value)
		if err != nil {
			return err
		}
		// Blocks follow one another, so that none is visited twice.
		if after <= end {
			return fmt.Errorf("offset %d: a block within the one before", after)
		}
		end = after
		return block(data, func(key, value []byte) error {
			if last != nil && string(key) <= string(last) {
				return fmt.Errorf("key %.60q is out of order", key)
			}
			last = append(last[:0], key...)
			return visit(key, value)
		})
	})
}

// handle reads the place of a block and the block.
func handle(b, h []byte) (data, rest []byte, err error) {
	data, _, err = blockAt(b, h)
	if err != nil {
		return nil, nil, err
	}
	_, n := binary.Uvarint(h)
	_, m := binary.Uvarint(h[n:])
	return data, h[n+m:], nil
}

// blockAt finds the block of a handle, verifies its checksum and says where it
// ends in the file.
func blockAt(b, h []byte) ([]byte, uint64, error) {
	at, n := binary.Uvarint(h)
	if n <= 0 {
		return nil, 0, errors.New("a cut handle")
	}
	size, m := binary.Uvarint(h[n:])
	if m <= 0 {
		return nil, 0, errors.New("a cut handle")
	}
	if at > uint64(len(b)) || size > uint64(len(b))-at || uint64(len(b))-at-size < trailerBytes {
		return nil, 0, fmt.Errorf("offset %d: a block of %d bytes ends after the file of %d bytes", at, size, len(b))
	}
	data, trailer := b[at:at+size], b[at+size:]
	want := binary.LittleEndian.Uint32(trailer[1:])
	if got := masked(crc32.Checksum(b[at:at+size+1], castagnoli)); got != want {
		return nil, 0, fmt.Errorf("offset %d: the block is damaged: its checksum is %08x, the file says %08x", at, got, want)
	}
	switch kind := trailer[0]; kind {
	case 0:
	case 1:
		var err error
		if data, err = unsnappy(data); err != nil {
			return nil, 0, fmt.Errorf("offset %d: %w", at, err)
		}
	default:
		return nil, 0, fmt.Errorf("offset %d: a block of compression %d", at, kind)
	}
	return data, at + size, nil
}

// block visits the records of a block. A key shares its beginning with the
// one before.
func block(b []byte, visit func(key, value []byte) error) error {
	if len(b) < 4 {
		return errors.New("a block without its end")
	}
	restarts := uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	if restarts > uint64(len(b)-4)/4 {
		return fmt.Errorf("a block of %d bytes with %d restarts", len(b), restarts)
	}
	b = b[:len(b)-4-4*int(restarts)]
	var key []byte
	for len(b) > 0 {
		var sizes [3]uint64
		for i := range sizes {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return errors.New("a cut record")
			}
			sizes[i], b = v, b[n:]
		}
		shared, fresh, value := sizes[0], sizes[1], sizes[2]
		if shared > uint64(len(key)) || fresh > uint64(len(b)) || value > uint64(len(b))-fresh {
			return errors.New("a record longer than its block")
		}
		key = append(key[:shared], b[:fresh]...)
		if len(key) > 1<<16 {
			return fmt.Errorf("a key of %d bytes", len(key))
		}
		if err := visit(key, b[fresh:fresh+value]); err != nil {
			return err
		}
		b = b[fresh+value:]
	}
	return nil
}
