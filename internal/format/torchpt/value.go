package torchpt

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Value is a node of the inert object tree: nil, bool, int64, float64, string,
// Bytes, *BigInt, Tuple, *List, *Set, *Dict, Global, *Object, *Storage or
// *Tensor. None of them can do anything.
type Value any

// Bytes is a Python bytes or bytearray object.
type Bytes []byte

// BigInt is an integer outside int64, in little-endian two's complement.
type BigInt struct{ Raw []byte }

// Tuple is a Python tuple, torch.Size included.
type Tuple []Value

// List is a Python list.
type List struct{ Items []Value }

// Set is a Python set or frozenset.
type Set struct{ Items []Value }

// Dict is a Python dictionary of any kind, in insertion order. A key set twice
// keeps its first place and its last value, as in Python.
type Dict struct {
	Keys, Values []Value
	State        Value // attributes, as the _metadata of a state dictionary
	index        map[any]int
}

// Global names a Python object of the allow-list.
type Global struct{ Module, Name string }

func (g Global) String() string { return g.Module + "." + g.Name }

// Object is an instance of an allow-listed class that means nothing to this
// package, as argparse.Namespace: only its parts are kept.
type Object struct {
	Class Global
	Args  Tuple
	State Value
}

// Storage is a run of elements that tensors are views of.
type Storage struct {
	Key    string
	DType  tensor.DType
	Elems  int64
	offset int64 // first element within the root storage of that key
	root   *rootStorage
}

// rootStorage is what the file holds under one key.
type rootStorage struct {
	key    string
	bytes  int64
	width  int   // bytes an element, for byte order and for the legacy format
	fileAt int64 // legacy: offset of the first byte; -1 when the file has none
	data   []byte
}

// Tensor is a view of a storage; File.Load turns it into a tensor.Tensor.
// Strides and Offset count elements.
type Tensor struct {
	Storage   *Storage
	DType     tensor.DType
	Shape     tensor.Shape
	Strides   []int64
	Offset    int64
	Parameter bool
}

// Get is the value of a string key.
func (d *Dict) Get(key string) (Value, bool) {
	if i, ok := d.index[key]; ok {
		return d.Values[i], true
	}
	return nil, false
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.Keys) }

func (d *Dict) set(key, v Value) {
	switch key.(type) {
	case nil, bool, int64, float64, string, Global: // comparable, compared as Python does here
		if i, ok := d.index[key]; ok {
			d.Values[i] = v
			return
		}
		if d.index == nil {
			d.index = map[any]int{}
		}
		d.index[key] = len(d.Keys)
	}
	d.Keys = append(d.Keys, key)
	d.Values = append(d.Values, v)
}

// kind names a value's Python type in messages.
func kind(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *BigInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case Bytes:
		return "bytes"
	case Tuple:
		return "tuple"
	case *List:
		return "list"
	case *Set:
		return "set"
	case *Dict:
		return "dict"
	case Global:
		return v.String()
	case *Object:
		return v.Class.String()
	case *Storage:
		return "storage"
	case *Tensor:
		return "tensor"
	}
	return fmt.Sprintf("%T", v)
}

// text is a scalar for reports; ok is false for everything else.
func text(v Value) (s string, ok bool) {
	switch v := v.(type) {
	case bool, int64, float64:
		return fmt.Sprint(v), true
	case string:
		if len(v) > 4096 || strings.ContainsRune(v, 0) {
			return "", false
		}
		return v, true
	}
	return "", false
}
