package tflite

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// flexValue is a number to be written with its type.
type flexValue struct {
	kind byte
	v    float64
}

// flexBytes writes a map of numbers as a FlexBuffer whose values take width
// bytes. Sorted keys come first, then their offsets, the map, the root.
func flexBytes(width int, m map[string]flexValue) []byte {
	var b []byte
	put := func(v uint64) {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], v)
		b = append(b, w[:width]...)
	}
	keys := slices.Sorted(maps.Keys(m))
	at := map[string]int{}
	for _, k := range keys {
		at[k] = len(b)
		b = append(append(b, k...), 0)
	}
	put(uint64(len(keys)))
	list := len(b)
	for _, k := range keys {
		put(uint64(len(b) - at[k]))
	}
	put(uint64(len(b) - list))
	put(uint64(width))
	put(uint64(len(keys)))
	values := len(b)
	var types []byte
	log := byte(map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[width])
	for _, k := range keys {
		v := m[k]
		bits := uint64(int64(v.v))
		if v.kind == flexFloat {
			if bits = uint64(math.Float32bits(float32(v.v))); width == 8 {
				bits = math.Float64bits(v.v)
			}
		}
		put(bits)
		types = append(types, v.kind<<2|log)
	}
	b = append(b, types...)
	put(uint64(len(b) - values))
	return append(b, flexMap<<2|log, byte(width))
}

func TestFlexNumbers(t *testing.T) {
	ints := map[string]flexValue{"max_detections": {flexInt, 10}, "below": {flexInt, -3}, "classes": {flexUint, 90}, "on": {flexBool, 1}}
	all := maps.Clone(ints)
	all["iou"], all["scale"] = flexValue{flexFloat, 0.5}, flexValue{flexFloat, 10}
	for width, m := range map[int]map[string]flexValue{1: ints, 2: ints, 4: all, 8: all} {
		got, err := FlexNumbers(flexBytes(width, m))
		if err != nil {
			t.Fatalf("width %d: %v", width, err)
		}
		want := map[string]float64{}
		for k, v := range m {
			want[k] = v.v
		}
		if !maps.Equal(got, want) {
			t.Errorf("width %d: %v, want %v", width, got, want)
		}
	}
}

// TestFlexHostile damages a map at every byte, and cuts it at every length.
func TestFlexHostile(t *testing.T) {
	good := flexBytes(2, map[string]flexValue{"a": {flexInt, 1}, "bb": {flexUint, 2}, "ccc": {flexBool, 1}})
	for n := range good {
		if _, err := FlexNumbers(good[:n]); err == nil && n < 3 {
			t.Errorf("%d bytes: no error", n)
		}
		for _, v := range []byte{0, 1, 0x7f, 0xff} {
			b := slices.Clone(good)
			b[n] = v
			FlexNumbers(b)
		}
	}
	long := flexBytes(4, map[string]flexValue{strings.Repeat("x", maxFlexKey+1): {flexInt, 1}})
	many := map[string]flexValue{}
	for i := range maxFlexKeys + 1 {
		many[string(rune('a'+i%26))+strings.Repeat("b", i/26)] = flexValue{flexInt, 1}
	}
	root := slices.Clone(good)
	root[len(root)-2] = flexInt << 2
	for text, b := range map[string][]byte{
		"no FlexBuffer": {1}, "not a map": root, "a key of more than": long, "entries": flexBytes(4, many), "a number of 3 bytes": append(good[:len(good)-1:len(good)-1], 3),
	} {
		if _, err := FlexNumbers(b); err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%v, want %q", err, text)
		}
	}
}

func FuzzFlexNumbers(f *testing.F) {
	f.Add(flexBytes(1, map[string]flexValue{"a": {flexInt, 1}}))
	f.Add(flexBytes(4, map[string]flexValue{"iou": {flexFloat, 0.5}, "n": {flexUint, 7}}))
	f.Add(flexBytes(8, map[string]flexValue{"x": {flexIndirectInt, 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := FlexNumbers(b)
		if err == nil && len(m) > maxFlexKeys {
			t.Errorf("%d entries", len(m))
		}
	})
}
