// Package tfevents writes TensorBoard's event files: scalars by step, in
// records framed as TensorFlow frames them (length, masked CRC-32C of the
// length, an Event message, masked CRC-32C of it). The field numbers are those
// of tensorflow/core/util/event.proto and framework/summary.proto.
package tfevents

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Scalar is one named number.
type Scalar struct {
	Tag   string
	Value float32
}

// Writer writes events to a file that TensorBoard reads while it grows.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter begins a file: its first record names the format's version.
func NewWriter(w io.Writer, at time.Time) (*Writer, error) {
	e := &Writer{w: w}
	msg := protowire.AppendTag(appendTime(nil, at), 3, protowire.BytesType) // Event.file_version
	msg = protowire.AppendString(msg, "brain.Event:2")
	return e, e.record(msg)
}

// Scalars writes numbers that belong to one step.
func (e *Writer) Scalars(at time.Time, step int64, values ...Scalar) error {
	var summary []byte
	for _, v := range values {
		var value []byte
		value = protowire.AppendTag(value, 1, protowire.BytesType) // Value.tag
		value = protowire.AppendString(value, v.Tag)
		value = protowire.AppendTag(value, 2, protowire.Fixed32Type) // Value.simple_value
		value = protowire.AppendFixed32(value, math.Float32bits(v.Value))
		summary = protowire.AppendTag(summary, 1, protowire.BytesType) // Summary.value
		summary = protowire.AppendBytes(summary, value)
	}
	msg := appendTime(nil, at)
	msg = protowire.AppendTag(msg, 2, protowire.VarintType) // Event.step
	msg = protowire.AppendVarint(msg, uint64(step))
	msg = protowire.AppendTag(msg, 5, protowire.BytesType) // Event.summary
	msg = protowire.AppendBytes(msg, summary)
	return e.record(msg)
}

func appendTime(b []byte, at time.Time) []byte {
	b = protowire.AppendTag(b, 1, protowire.Fixed64Type) // Event.wall_time, seconds
	return protowire.AppendFixed64(b, math.Float64bits(float64(at.UnixNano())/1e9))
}

// record frames a message and writes it at once, so that a reader never sees
// half of one from a single write.
func (e *Writer) record(msg []byte) error {
	b := binary.LittleEndian.AppendUint64(e.buf[:0], uint64(len(msg)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, msg...)
	b = binary.LittleEndian.AppendUint32(b, masked(msg))
	e.buf = b
	if _, err := e.w.Write(b); err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as the record format stores it: rotated and shifted,
// so that a checksum of data with checksums inside stays meaningful.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
