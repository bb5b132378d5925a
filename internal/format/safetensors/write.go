package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Write writes tensors and metadata. The same content gives the same bytes
// whatever the order of the tensors: they are laid out by element size, widest
// first, then by name, and the header is padded to a multiple of 8, so that
// every tensor is aligned to its element size. Nil metadata writes none.
func Write(w io.Writer, tensors []*tensor.Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b *tensor.Tensor) int {
		if d := b.DType.Size() - a.DType.Size(); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	head, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("safetensors: writing the header: %w", err)
	}
	for _, t := range sorted {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: writing tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

func encodeHeader(sorted []*tensor.Tensor, metadata map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	buf.Write(make([]byte, 8)) // the length, filled in below
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	put := func(v any) error {
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
		buf.Truncate(buf.Len() - 1) // the encoder's newline
		return nil
	}
	sep := byte('{')
	key := func(name string) error {
		buf.WriteByte(sep)
		sep = ','
		if err := put(name); err != nil {
			return err
		}
		buf.WriteByte(':')
		return nil
	}
	if metadata != nil {
		if err := key(metadataKey); err != nil {
			return nil, err
		}
		if err := put(metadata); err != nil {
			return nil, err
		}
	}
	type info struct {
		DType   string       `json:"dtype"`
		Shape   tensor.Shape `json:"shape"`
		Offsets [2]int64     `json:"data_offsets"`
	}
	seen := make(map[string]bool, len(sorted))
	at := int64(0)
	for _, t := range sorted {
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("safetensors: %w", err)
		}
		if t.Name == metadataKey || seen[t.Name] {
			return nil, fmt.Errorf("safetensors: tensor name %q is reserved or used twice", t.Name)
		}
		seen[t.Name] = true
		if !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("safetensors: tensor name %q is not UTF-8", t.Name)
		}
		shape := t.Shape
		if shape == nil {
			shape = tensor.Shape{}
		}
		n := int64(len(t.Data))
		if n > math.MaxInt64-at {
			return nil, fmt.Errorf("safetensors: tensors of more than %d bytes", int64(math.MaxInt64))
		}
		if err := key(t.Name); err != nil {
			return nil, err
		}
		if err := put(info{codes[t.DType], shape, [2]int64{at, at + n}}); err != nil {
			return nil, err
		}
		at += n
	}
	if sep == '{' {
		buf.WriteByte('{')
	}
	buf.WriteByte('}')
	for buf.Len()%8 != 0 {
		buf.WriteByte(' ')
	}
	out := buf.Bytes()
	binary.LittleEndian.PutUint64(out, uint64(len(out)-8))
	return out, nil
}
