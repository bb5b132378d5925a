package testkit

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// TFWriter makes checkpoints in TensorFlow's TensorBundle format as it does: restarts every 16 records,
// several blocks, sorted keys.
type TFWriter struct {
	Shards    [][]byte          // the data files
	Entries   map[string][]byte // by name, as the index holds them
	BlockSize int               // records in a block
	Big       bool              // big-endian values
	Kind      byte              // compression of the blocks: 0 none, 1 Snappy; others are a lie
}

// NewTFWriter begins a checkpoint of that many data files.
func NewTFWriter(shards int) *TFWriter {
	return &TFWriter{Shards: make([][]byte, shards), Entries: map[string][]byte{}, BlockSize: 20}
}

// ProtoNumber appends a number to a protocol buffer.
func ProtoNumber(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// ProtoMessage appends a message to a protocol buffer.
func ProtoMessage(b []byte, num protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), m)
}

// Add appends a variable of one of TensorFlow's types to a data file.
func (w *TFWriter) Add(name string, dtype uint64, shape []int, shard int, data []byte) {
	var s, e []byte
	for _, n := range shape {
		s = ProtoMessage(s, 2, ProtoNumber(nil, 1, uint64(n)))
	}
	e = ProtoNumber(e, 1, dtype)
	e = ProtoMessage(e, 2, s)
	if shard > 0 {
		e = ProtoNumber(e, 3, uint64(shard))
	}
	if at := len(w.Shards[shard]); at > 0 {
		e = ProtoNumber(e, 4, uint64(at))
	}
	e = ProtoNumber(e, 5, uint64(len(data)))
	e = protowire.AppendFixed32(protowire.AppendTag(e, 6, protowire.Fixed32Type), masked(data))
	w.Shards[shard] = append(w.Shards[shard], data...)
	w.Entries[name] = e
}

// Records makes a block, with common beginnings of keys left out.
func Records(keys []string, value func(string) []byte) []byte {
	var b []byte
	var restarts []uint32
	last := ""
	for i, k := range keys {
		shared := 0
		if i%16 == 0 {
			restarts = append(restarts, uint32(len(b)))
		} else {
			for shared < min(len(k), len(last)) && k[shared] == last[shared] {
				shared++
			}
		}
		v := value(k)
		b = binary.AppendUvarint(b, uint64(shared))
		b = binary.AppendUvarint(b, uint64(len(k)-shared))
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(append(b, k[shared:]...), v...)
		last = k
	}
	if restarts == nil {
		restarts = []uint32{0}
	}
	for _, r := range restarts {
		b = binary.LittleEndian.AppendUint32(b, r)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(restarts)))
}

// Index makes the index file.
func (w *TFWriter) Index() []byte {
	header := ProtoNumber(nil, 1, uint64(len(w.Shards)))
	if w.Big {
		header = ProtoNumber(header, 2, 1)
	}
	w.Entries[""] = ProtoMessage(header, 3, ProtoNumber(nil, 1, 1))
	var out []byte
	put := func(data []byte) (handle []byte) {
		if w.Kind == 1 { // Snappy: one literal
			length := uint32(len(data) - 1)
			data = append(binary.LittleEndian.AppendUint32(append(binary.AppendUvarint(nil, uint64(len(data))), 63<<2), length), data...)
		}
		handle = binary.AppendUvarint(nil, uint64(len(out)))
		handle = binary.AppendUvarint(handle, uint64(len(data)))
		out = append(append(out, data...), w.Kind)
		out = binary.LittleEndian.AppendUint32(out, masked(out[len(out)-1-len(data):]))
		return handle
	}
	handles := map[string][]byte{}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(w.Entries)), w.BlockSize) {
		handles[chunk[len(chunk)-1]+"~"] = put(Records(chunk, func(k string) []byte { return w.Entries[k] }))
	}
	meta := put(Records(nil, nil))
	index := put(Records(slices.Sorted(maps.Keys(handles)), func(k string) []byte { return handles[k] }))
	footer := append(append([]byte(nil), meta...), index...)
	footer = append(footer, make([]byte, 40-len(footer))...)
	return append(out, binary.LittleEndian.AppendUint64(footer, 0xdb4775248b80fb57)...)
}

// masked is the checksum of tables and values.
func masked(b []byte) uint32 {
	crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}
