package torchpt

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Cases that PyTorch 1.13 cannot write: newer element types, which it stores
// untyped, and archives from big-endian machines.

func untyped(dtype string, size string) string {
	ref := "(" + str("storage") + gl("torch.storage", "UntypedStorage") + str("0") + str("cpu") + "K\x08tQ"
	return "}" + str("w") + gl("torch._utils", "_rebuild_tensor_v3") + "(" + ref + "K\x00(" + size + "t(K\x01t\x89" +
		gl("collections", "OrderedDict") + ")R" + gl("torch", dtype) + "tRs"
}

func TestUntypedStorage(t *testing.T) {
	data := map[string][]byte{"0": {0x38, 0xb8, 0, 0, 1, 2, 3, 0xff}}
	for dtype, c := range map[string]struct {
		n    string
		dt   tensor.DType
		want []float64
	}{
		"float8_e4m3fn": {"K\x02", tensor.F8E4M3, []float64{1, -1}},
		"uint16":        {"K\x04", tensor.U16, []float64{0xb838, 0, 0x201, 0xff03}},
		"uint32":        {"K\x02", tensor.U32, []float64{0xb838, 0xff030201}},
		"uint64":        {"K\x01", tensor.U64, []float64{0xff0302010000b838}},
	} {
		f, err := readBytes(zipOf(untyped(dtype, c.n), data), nil)
		if err != nil {
			t.Errorf("%s: %v", dtype, err)
			continue
		}
		x, err := loadAll(f)
		if err != nil || x[0].DType != c.dt {
			t.Errorf("%s: %v, %v", dtype, x, err)
			continue
		}
		if v, _ := x[0].Float64s(); !slices.Equal(v, c.want) {
			t.Errorf("%s: %v, want %v", dtype, v, c.want)
		}
	}
	for dtype, n := range map[string]string{"uint16": "K\x05", "complex64": "K\x01", "float8_e4m3fnuz": "K\x01", "Size": "K\x01"} {
		if _, err := readBytes(zipOf(untyped(dtype, n), data), nil); err == nil {
			t.Errorf("%s of %q elements was accepted", dtype, n)
		}
	}
}

func TestBigEndian(t *testing.T) {
	p := "}" + str("w") + tensorOf(storageRef("FloatStorage", "0", "K\x02"), "K\x00", "K\x02", "K\x01") + "s"
	data := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0x3f800000), 0xc0000000)
	f, err := readBytes(zipOf(p, map[string][]byte{"0": data}, "archive/byteorder", "big"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := loadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := x[0].Float32s(); !slices.Equal(v, []float32{1, -2}) {
		t.Errorf("%v", v)
	}
}

// TestLegacyView reads the view entry of old legacy files: a storage that is a
// part of another.
func TestLegacyView(t *testing.T) {
	ref := func(view string) string {
		return "(" + str("storage") + gl("torch", "ByteStorage") + str("7") + str("cpu") + "K\x06" + view + "tQ"
	}
	build := func(view string) []byte {
		return legacyOf("}"+str("w")+tensorOf(ref(view), "K\x01", "K\x02", "K\x01")+"s", "]"+str("7")+"a",
			append(binary.LittleEndian.AppendUint64(nil, 6), 10, 11, 12, 13, 14, 15))
	}
	f, err := readBytes(build("("+str("8")+"K\x02K\x03t"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := loadAll(f)
	if err != nil || !slices.Equal(x[0].Data, []byte{13, 14}) {
		t.Errorf("%v, %v", x, err)
	}
	for _, view := range []string{"(" + str("8") + "K\x02K\x02t", "(" + str("8") + "K\x05K\x03t", "(" + str("8") + num(0xffffffff) + "K\x03t", "K\x01", "(K\x01t"} {
		if _, err := readBytes(build(view), nil); err == nil {
			t.Errorf("view %q was accepted", view)
		}
	}
}

func TestPickState(t *testing.T) {
	one := tensorOf(storageRef("FloatStorage", "0", "K\x02"), "K\x00", "K\x02", "K\x01")
	store := map[string][]byte{"0": make([]byte, 8)}
	dict := func(kv ...string) string {
		out := "}("
		for i := 0; i < len(kv); i += 2 {
			out += str(kv[i]) + kv[i+1]
		}
		return out + "u"
	}
	for name, c := range map[string]struct{ pickle, key, names string }{
		"root":         {dict("a.weight", one, "epoch", "K\x01"), "", "a.weight"},
		"root nested":  {dict("a", dict("weight", one), "b", dict("bias", one)), "", "a.weight b.bias"},
		"own name":     {dict("my_weights", dict("a", one), "epoch", "K\x01"), "my_weights", "a"},
		"model first":  {dict("net", dict("a", one), "model", dict("b", one)), "model", "b"},
		"inside":       {dict("model", dict("state_dict", dict("module.a", one))), "model.state_dict", "a"},
		"empty model":  {dict("model", "}", "net", dict("b", one)), "net", "b"},
		"model tensor": {dict("model", one), "", "model"},
		"wrapped":      {dict("module._orig_mod.a", one, "module._orig_mod.module.b", one), "", "a module.b"},
		"partly":       {dict("module.a", one, "b", one), "", "module.a b"},
		"averaged":     {dict("n_averaged", one, "module.b", one), "", "n_averaged b"},
	} {
		f, err := readBytes(zipOf(c.pickle, store), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sd, err := f.StateDict("")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, n := range sd.Tensors {
			names = append(names, n.Name)
		}
		if sd.Key != c.key || strings.Join(names, " ") != c.names {
			t.Errorf("%s: picked %q with %q", name, sd.Key, names)
		}
	}
	for name, p := range map[string]string{"list": "]", "tensor": one, "empty": "}", "no tensors": dict("a", "K\x01"), "collision": dict("module.n_averaged", one, "n_averaged", one)} {
		f, err := readBytes(zipOf(p, store), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sd, err := f.StateDict(""); err == nil {
			t.Errorf("%s: picked %+v", name, sd)
		}
	}
}
