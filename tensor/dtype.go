package tensor

import "fmt"

// DType is the element type of a tensor's bytes. The zero value is Invalid.
type DType uint8

// The element types found in published checkpoints.
const (
	Invalid DType = iota
	F64
	F32
	F16
	BF16
	F8E4M3
	F8E5M2
	I64
	I32
	I16
	I8
	U64
	U32
	U16
	U8
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0},
	F64:     {"float64", 8},
	F32:     {"float32", 4},
	F16:     {"float16", 2},
	BF16:    {"bfloat16", 2},
	F8E4M3:  {"float8_e4m3", 1},
	F8E5M2:  {"float8_e5m2", 1},
	I64:     {"int64", 8},
	I32:     {"int32", 4},
	I16:     {"int16", 2},
	I8:      {"int8", 1},
	U64:     {"uint64", 8},
	U32:     {"uint32", 4},
	U16:     {"uint16", 2},
	U8:      {"uint8", 1},
	Bool:    {"bool", 1},
}

// Size is the number of bytes of one element, 0 for Invalid.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// String is the type's name in lower case, as "float32" or "bfloat16".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Float reports whether the elements are floating-point numbers.
func (d DType) Float() bool { return d >= F64 && d <= F8E5M2 }
