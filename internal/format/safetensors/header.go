package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/mobilenet-go/mobilenet/tensor"
)

const metadataKey = "__metadata__"

// codes gives the format's name of every element type.
var codes = [...]string{
	tensor.F64: "F64", tensor.F32: "F32", tensor.F16: "F16", tensor.BF16: "BF16",
	tensor.F8E4M3: "F8_E4M3", tensor.F8E5M2: "F8_E5M2",
	tensor.I64: "I64", tensor.I32: "I32", tensor.I16: "I16", tensor.I8: "I8",
	tensor.U64: "U64", tensor.U32: "U32", tensor.U16: "U16", tensor.U8: "U8",
	tensor.Bool: "BOOL",
}

func dtypeOf(code string) tensor.DType {
	if i := slices.Index(codes[1:], code); i >= 0 {
		return tensor.DType(i + 1)
	}
	return tensor.Invalid
}

// parseHeader decodes the JSON and checks it against the number of bytes that
// follow it in the file.
func parseHeader(raw []byte, dataBytes int64, l *Limits) (*Header, error) {
	if dataBytes > l.MaxDataBytes {
		return nil, fmt.Errorf("safetensors: %d bytes of tensors are over the limit of %d", dataBytes, l.MaxDataBytes)
	}
	if len(raw) == 0 || raw[0] != '{' {
		return nil, errors.New("safetensors: header does not begin with '{'")
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("safetensors: header is not UTF-8")
	}
	d := &headerDecoder{dec: json.NewDecoder(bytes.NewReader(raw)), lim: l}
	d.dec.UseNumber()
	h := &Header{DataOffset: 8 + int64(len(raw))}
	if err := d.header(h); err != nil {
		return nil, fmt.Errorf("safetensors: header at byte %d: %w", 8+d.dec.InputOffset(), err)
	}
	// The reference writer pads with spaces; nothing else may follow.
	if rest := bytes.TrimRight(raw[d.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, fmt.Errorf("safetensors: header at byte %d: bytes after the closing brace", 8+d.dec.InputOffset())
	}
	return h, h.check(dataBytes, l)
}

// check sorts the tensors by position and makes sure that they tile the data.
func (h *Header) check(dataBytes int64, l *Limits) error {
	slices.SortStableFunc(h.Tensors, func(a, b Info) int {
		if a.Begin != b.Begin {
			return compare(a.Begin, b.Begin)
		}
		return compare(a.End, b.End)
	})
	at := int64(0)
	for _, in := range h.Tensors {
		if len(in.Shape) > l.MaxRank {
			return fmt.Errorf("safetensors: tensor %q has %d axes, over the limit of %d", in.Name, len(in.Shape), l.MaxRank)
		}
		n, err := in.Shape.Elems()
		if err != nil {
			return fmt.Errorf("safetensors: tensor %q: %w", in.Name, err)
		}
		size := in.DType.Size()
		if n > math.MaxInt/size || int64(n*size) != in.End-in.Begin {
			return fmt.Errorf("safetensors: tensor %q: %v %v does not take the %d bytes of its offsets [%d,%d]", in.Name, in.DType, in.Shape, in.End-in.Begin, in.Begin, in.End)
		}
		switch {
		case in.Begin < at:
			return fmt.Errorf("safetensors: tensor %q: offsets [%d,%d] overlap the tensor that ends at %d", in.Name, in.Begin, in.End, at)
		case in.Begin > at:
			return fmt.Errorf("safetensors: tensor %q: hole before it, bytes %d to %d belong to no tensor", in.Name, at, in.Begin)
		case in.End > dataBytes:
			return fmt.Errorf("safetensors: tensor %q: ends at byte %d of %d: truncated file", in.Name, in.End, dataBytes)
		}
		at = in.End
	}
	if at != dataBytes {
		return fmt.Errorf("safetensors: tensors end at byte %d of %d: bytes left over", at, dataBytes)
	}
	return nil
}

func compare(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

type headerDecoder struct {
	dec *json.Decoder
	lim *Limits
}

func (d *headerDecoder) header(h *Header) error {
	seen := map[string]bool{}
	return d.object(func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q occurs twice", key)
		}
		seen[key] = true
		if key == metadataKey {
			return d.metadata(h)
		}
		if len(key) > d.lim.MaxNameBytes {
			return fmt.Errorf("tensor name of %d bytes, over the limit of %d", len(key), d.lim.MaxNameBytes)
		}
		if len(h.Tensors) >= d.lim.MaxTensors {
			return fmt.Errorf("more than %d tensors", d.lim.MaxTensors)
		}
		in, err := d.info(key)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		h.Tensors = append(h.Tensors, in)
		return nil
	})
}

func (d *headerDecoder) metadata(h *Header) error {
	h.Metadata = map[string]string{}
	return d.object(func(key string) error {
		if _, dup := h.Metadata[key]; dup {
			return fmt.Errorf("metadata %q occurs twice", key)
		}
		if len(h.Metadata) >= d.lim.MaxTensors {
			return fmt.Errorf("more than %d entries of metadata", d.lim.MaxTensors)
		}
		tok, err := d.token()
		if err != nil {
			return err
		}
		s, ok := tok.(string)
		if !ok {
			return fmt.Errorf("metadata %q is not a string", key)
		}
		h.Metadata[key] = s
		return nil
	})
}

func (d *headerDecoder) info(name string) (Info, error) {
	in := Info{Name: name, Begin: -1}
	err := d.object(func(key string) error {
		switch {
		case key == "dtype" && in.DType == tensor.Invalid:
			tok, err := d.token()
			if err != nil {
				return err
			}
			code, _ := tok.(string)
			if in.DType = dtypeOf(code); in.DType == tensor.Invalid {
				return fmt.Errorf("element type %v is not supported", tok)
			}
			return nil
		case key == "shape" && in.Shape == nil:
			dims, err := d.numbers(d.lim.MaxRank)
			if err != nil {
				return err
			}
			in.Shape = make(tensor.Shape, len(dims))
			for i, v := range dims {
				if v > math.MaxInt {
					return fmt.Errorf("extent %d does not fit an int", v)
				}
				in.Shape[i] = int(v)
			}
			return nil
		case key == "data_offsets" && in.Begin < 0:
			off, err := d.numbers(2)
			if err != nil {
				return err
			}
			if len(off) != 2 || off[0] > off[1] {
				return fmt.Errorf("data_offsets %v is not a range", off)
			}
			in.Begin, in.End = off[0], off[1]
			return nil
		}
		return fmt.Errorf("unknown or repeated key %q", key)
	})
	if err == nil && (in.DType == tensor.Invalid || in.Shape == nil || in.Begin < 0) {
		err = errors.New("dtype, shape or data_offsets is missing")
	}
	return in, err
}

// numbers reads an array of at most limit non-negative integers.
func (d *headerDecoder) numbers(limit int) ([]int64, error) {
	if err := d.delim('['); err != nil {
		return nil, err
	}
	out := []int64{}
	for d.dec.More() {
		tok, err := d.token()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v where a number is needed", tok)
		}
		v, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2^63-1", num)
		}
		if len(out) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		out = append(out, int64(v))
	}
	return out, d.delim(']')
}

// object calls field for every key; field has to consume the value.
func (d *headerDecoder) object(field func(key string) error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.dec.More() {
		tok, err := d.token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return fmt.Errorf("%v where a key is needed", tok)
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return d.delim('}')
}

func (d *headerDecoder) delim(want json.Delim) error {
	tok, err := d.token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("%v where '%v' is needed", tok, want)
	}
	return nil
}

func (d *headerDecoder) token() (json.Token, error) {
	tok, err := d.dec.Token()
	if err == io.EOF {
		return nil, errors.New("JSON ends too early")
	}
	return tok, err
}
