package torchpt

import (
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// role is what a name of the allow-list stands for.
type role uint8

const (
	refused       role = iota
	className          // may be named but not called
	inert              // a call gives an Object
	rebuildTensor      // torch._utils._rebuild_tensor, _v2 and _v3
	rebuildParameter
	rebuildFromType
	storageType
	dtypeName
	orderedDict // and every other dictionary
	defaultDict
	listLike
	setLike
	tupleLike
	bytesLike
	codecsEncode
	numpyScalar
	reconstructor // copyreg: how protocols 0 and 1 construct an object
)

// roleOf is the allow-list. Everything that is not here is refused.
func roleOf(module, name string) role {
	switch module {
	case "torch":
		if _, ok := dtypeByName(name); ok {
			return dtypeName
		}
		if _, ok := storageDType(name); ok {
			return storageType
		}
		switch name {
		case "Size":
			return tupleLike
		case "device":
			return inert
		case "Tensor", "strided", "contiguous_format", "channels_last", "preserve_format":
			return className
		}
	case "torch.storage":
		if _, ok := storageDType(strings.TrimPrefix(name, "_")); ok {
			return storageType
		}
		if name == "TypedStorage" || name == "_TypedStorage" {
			return className
		}
	case "torch.cuda":
		if _, ok := storageDType(name); ok {
			return storageType
		}
	case "torch._utils":
		switch name {
		case "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3":
			return rebuildTensor
		case "_rebuild_parameter", "_rebuild_parameter_with_state":
			return rebuildParameter
		}
	case "torch._tensor":
		switch name {
		case "_rebuild_from_type_v2":
			return rebuildFromType
		case "Tensor":
			return className
		}
	case "torch.nn.parameter":
		if name == "Parameter" || name == "Buffer" {
			return className
		}
	case "torch.serialization":
		if name == "_get_layout" {
			return inert
		}
	case "collections":
		switch name {
		case "OrderedDict", "Counter":
			return orderedDict
		case "defaultdict":
			return defaultDict
		}
	case "builtins", "__builtin__":
		switch name {
		case "dict":
			return orderedDict
		case "list":
			return listLike
		case "set", "frozenset":
			return setLike
		case "tuple":
			return tupleLike
		case "bytes", "bytearray":
			return bytesLike
		case "complex", "slice", "range":
			return inert
		case "int", "float", "bool", "str", "object":
			return className
		}
	case "_codecs":
		if name == "encode" {
			return codecsEncode
		}
	case "copyreg", "copy_reg":
		if name == "_reconstructor" {
			return reconstructor
		}
	case "argparse":
		if name == "Namespace" {
			return inert
		}
	case "types":
		if name == "SimpleNamespace" {
			return inert
		}
	case "pathlib":
		switch name {
		case "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path":
			return inert
		}
	case "datetime":
		switch name {
		case "datetime", "date", "timedelta":
			return inert
		}
	case "numpy.core.multiarray", "numpy._core.multiarray":
		switch name {
		case "scalar":
			return numpyScalar
		case "_reconstruct":
			return inert
		}
	case "numpy":
		switch name {
		case "dtype":
			return inert
		case "ndarray":
			return className
		}
	}
	return refused
}

// global looks a name up and refuses it unless it is on the allow-list.
func (m *machine) global(module, name string) (Global, error) {
	g := Global{module, name}
	if roleOf(module, name) != refused {
		return g, nil
	}
	full := printable(module) + "." + printable(name)
	switch {
	case strings.HasPrefix(module, "torch") && (strings.HasPrefix(name, "Q") || strings.HasPrefix(name, "Complex")) && strings.HasSuffix(name, "Storage"):
		return g, m.errorf("names %s: quantized and complex tensors are not supported, convert them to float32 before saving", full)
	case module == "torch._utils" && name == "_rebuild_qtensor":
		return g, m.errorf("names %s: quantized tensors are not supported, call dequantize() before saving", full)
	case module == "torch._utils" && strings.HasPrefix(name, "_rebuild_"):
		return g, m.errorf("names %s: sparse, nested and meta tensors are not supported, convert them to dense tensors before saving", full)
	}
	return g, m.errorf("names %s, which is not on the allow-list: refused, nothing was run%s", full, hint(module))
}

// hint explains the commonest honest reason for a refused name.
func hint(module string) string {
	for _, part := range []string{"torch.nn.modules", "torchvision", "timm", "models", "model", "__main__", "ultralytics"} {
		if module == part || strings.HasPrefix(module, part+".") {
			return " (the file holds a whole model object: save model.state_dict() instead)"
		}
	}
	return ""
}

// storageDType is the element type of a storage class; an untyped storage
// counts bytes.
func storageDType(class string) (tensor.DType, bool) {
	switch class {
	case "DoubleStorage":
		return tensor.F64, true
	case "FloatStorage":
		return tensor.F32, true
	case "HalfStorage":
		return tensor.F16, true
	case "BFloat16Storage":
		return tensor.BF16, true
	case "LongStorage":
		return tensor.I64, true
	case "IntStorage":
		return tensor.I32, true
	case "ShortStorage":
		return tensor.I16, true
	case "CharStorage":
		return tensor.I8, true
	case "ByteStorage", "UntypedStorage":
		return tensor.U8, true
	case "BoolStorage":
		return tensor.Bool, true
	}
	return tensor.Invalid, false
}

// dtypeByName knows every element type of PyTorch by its name in the torch
// module; those that tensors here cannot have are Invalid.
func dtypeByName(name string) (tensor.DType, bool) {
	switch name {
	case "float64", "double":
		return tensor.F64, true
	case "float32", "float":
		return tensor.F32, true
	case "float16", "half":
		return tensor.F16, true
	case "bfloat16":
		return tensor.BF16, true
	case "float8_e4m3fn":
		return tensor.F8E4M3, true
	case "float8_e5m2":
		return tensor.F8E5M2, true
	case "int64", "long":
		return tensor.I64, true
	case "int32", "int":
		return tensor.I32, true
	case "int16", "short":
		return tensor.I16, true
	case "int8":
		return tensor.I8, true
	case "uint64":
		return tensor.U64, true
	case "uint32":
		return tensor.U32, true
	case "uint16":
		return tensor.U16, true
	case "uint8":
		return tensor.U8, true
	case "bool":
		return tensor.Bool, true
	case "complex32", "complex64", "complex128", "qint8", "quint8", "qint32", "float8_e4m3fnuz", "float8_e5m2fnuz":
		return tensor.Invalid, true
	}
	return tensor.Invalid, false
}

// printable shortens and escapes text from a file, so that a message stays
// one readable line.
func printable(s string) string {
	const limit = 100
	cut := ""
	if len(s) > limit {
		s, cut = s[:limit], "..."
	}
	q := strconv.Quote(s)
	return q[1:len(q)-1] + cut
}
