package tfckpt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
)

func read(w *testkit.TFWriter, index []byte, lim *Limits) (*File, error) {
	return Read(bytes.NewReader(index), int64(len(index)), func(i, n int) (Shard, error) {
		if n != len(w.Shards) {
			return Shard{}, fmt.Errorf("%d shards", n)
		}
		return Shard{bytes.NewReader(w.Shards[i]), int64(len(w.Shards[i]))}, nil
	}, lim)
}

func sample() *testkit.TFWriter {
	w := testkit.NewTFWriter(2)
	for i := range 70 {
		w.Add(fmt.Sprintf("MobilenetV1/Conv2d_%d_pointwise/weights", i), 1, []int{1, 2}, i%2, binary.LittleEndian.AppendUint64(nil, uint64(i)<<32))
	}
	w.Add("MobilenetV1/Conv2d_3_pointwise/weights/ExponentialMovingAverage", 1, []int{1, 2}, 0, make([]byte, 8))
	w.Add("global_step", 9, nil, 1, binary.LittleEndian.AppendUint64(nil, 12345))
	w.Add("half", 19, []int{3}, 0, []byte{0, 60, 0, 192, 0, 0})
	w.Add("empty", 1, []int{0, 5}, 0, nil)
	w.Add("model/w"+objectSuffix, 2, nil, 0, binary.LittleEndian.AppendUint64(nil, 0x3ff8000000000000))
	w.Add("_CHECKPOINTABLE_OBJECT_GRAPH", 7, nil, 0, []byte("text"))
	return w
}

func TestRead(t *testing.T) {
	w := sample()
	f, err := read(w, w.Index(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Tensors) != 75 || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "_CHECKPOINTABLE_OBJECT_GRAPH") {
		t.Errorf("%d tensors, notes %q", len(f.Tensors), f.Notes)
	}
	byName := map[string]*tensor.Tensor{}
	for _, x := range f.Tensors {
		byName[x.Name] = x
	}
	for i := range 70 {
		x := byName[fmt.Sprintf("MobilenetV1/Conv2d_%d_pointwise/weights", i)]
		if x == nil || x.DType != tensor.F32 || !slices.Equal(x.Shape, []int{1, 2}) || binary.LittleEndian.Uint32(x.Data[4:]) != uint32(i) {
			t.Errorf("tensor %d: %+v", i, x)
		}
	}
	if v, err := byName["global_step"].Int64s(); err != nil || v[0] != 12345 {
		t.Errorf("global_step %v, %v", v, err)
	}
	if v, err := byName["half"].Float32s(); err != nil || !slices.Equal(v, []float32{1, -2, 0}) {
		t.Errorf("half %v, %v", v, err)
	}
	if v, err := byName["model/w"].Float64s(); err != nil || v[0] != 1.5 {
		t.Errorf("object name: %v, %v", v, err)
	}
}

func TestBigEndian(t *testing.T) {
	w := testkit.NewTFWriter(1)
	w.Big = true
	w.Add("x", 3, []int{2}, 0, []byte{0, 0, 0, 1, 0, 0, 1, 0})
	f, err := read(w, w.Index(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Tensors[0].Int64s(); err != nil || !slices.Equal(v, []int64{1, 256}) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRefuses(t *testing.T) {
	one := func(change func(w *testkit.TFWriter)) *testkit.TFWriter {
		w := testkit.NewTFWriter(1)
		w.Add("x", 1, []int{2}, 0, make([]byte, 8))
		change(w)
		return w
	}
	for want, w := range map[string]*testkit.TFWriter{
		"damaged: their checksum": one(func(w *testkit.TFWriter) { w.Shards[0][3] ^= 1 }),
		"end after the data file": one(func(w *testkit.TFWriter) { w.Shards[0] = w.Shards[0][:7] }),
		"8 bytes for [3] values":  one(func(w *testkit.TFWriter) { w.Add("y", 1, []int{3}, 0, make([]byte, 8)) }),
		"-1":                      one(func(w *testkit.TFWriter) { w.Add("y", 1, []int{-1}, 0, nil) }),
		"compression 2":           one(func(w *testkit.TFWriter) { w.Kind = 2 }),
		"stored in slices":        one(func(w *testkit.TFWriter) { w.Entries["x"] = testkit.ProtoMessage(w.Entries["x"], 7, nil) }),
		"data file 1 of 1":        one(func(w *testkit.TFWriter) { w.Entries["x"] = testkit.ProtoNumber(w.Entries["x"], 3, 1) }),
		"unknown rank": one(func(w *testkit.TFWriter) {
			w.Entries["x"] = testkit.ProtoMessage(w.Entries["x"], 2, testkit.ProtoNumber(nil, 3, 1))
		}),
		"variables of over 16 bytes": one(func(w *testkit.TFWriter) { w.Entries["y"] = w.Entries["x"] }),
	} {
		if _, err := read(w, w.Index(), nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %q: %v", want, err)
		}
	}
	w := sample()
	for want, l := range map[string]Limits{
		"over the limit of 100": {MaxIndexBytes: 100}, "variables than the limit of 5": {MaxTensors: 5}, "dimensions than the limit of 1": {MaxRank: 1},
		"the limit is 1": {MaxShards: 1}, "the limit is 20": {MaxDataBytes: 20},
	} {
		if _, err := read(w, w.Index(), &l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// TestTruncated cuts and changes the index: the footer and the checksums of
// blocks leave nothing unnoticed but the unused end of the footer.
func TestTruncated(t *testing.T) {
	w := sample()
	b := w.Index()
	for n := range b {
		if _, err := read(w, b[:n], nil); err == nil {
			t.Fatalf("cut to %d of %d bytes: accepted", n, len(b))
		}
	}
	for i := range len(b) - footerBytes {
		c := slices.Clone(b)
		c[i] ^= 0x10
		if _, err := read(w, c, nil); err == nil {
			t.Fatalf("changed at %d: accepted", i)
		}
	}
}

func TestSnappy(t *testing.T) {
	long := strings.Repeat("x", 70)
	for in, want := range map[string]string{
		"\x00":                               "",
		"\x05\x10hello":                      "hello",
		"\x0a\x04ab\x11\x02":                 "ababababab", // a copy of 8 from 2 before, by one byte
		"\x08\x0cabcd\x0e\x04\x00":           "abcdabcd",   // by two bytes
		"\x06\x08abc\x0b\x03\x00\x00\x00":    "abcabc",     // by four
		"\x46\xf0\x45" + long:                long,         // a length of one byte
		"\x48\xf4\x45\x00" + long + "\x04yz": long + "yz",  // and of two
	} {
		if got, err := unsnappy([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "\x01", "\x05\x10hell", "\x04\x10hello", "\x04\x0cabc", "\x08\x0cabcd\x0e\x05\x00", "\x08\x0cabcd\x0e\x00\x00", "\x05\x0cabcd\x0e\x04\x00", "\x05\xfc\x01", "\xff\xff\xff\xff\x0f\x00"} {
		if got, err := unsnappy([]byte(bad)); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
	// A whole index in literals.
	w := sample()
	w.Kind = 1
	if f, err := read(w, w.Index(), nil); err != nil || len(f.Tensors) != 75 {
		t.Error(err)
	}
}

func FuzzSnappy(f *testing.F) {
	f.Add([]byte("\x08\x0cabcd\x0e\x04\x00"))
	f.Add([]byte("\x05\x10hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := unsnappy(b); err == nil && len(out) > 32*len(b) {
			t.Errorf("%d bytes of %d", len(out), len(b))
		}
	})
}

func FuzzRead(f *testing.F) {
	w := sample()
	f.Add(w.Index(), w.Shards[0])
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, index, data []byte) {
		_, err := Read(bytes.NewReader(index), int64(len(index)), func(i, n int) (Shard, error) {
			return Shard{bytes.NewReader(data), int64(len(data))}, nil
		}, &Limits{MaxDataBytes: 1 << 20})
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}

// FuzzBlocks is FuzzRead past the checksums, which stop nearly every change.
func FuzzBlocks(f *testing.F) {
	w := sample()
	w.BlockSize = 1000
	w.Index()
	keys := slices.Sorted(maps.Keys(w.Entries))
	f.Add(testkit.Records(keys, func(k string) []byte { return w.Entries[k] }))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := reader{lim: (*Limits)(nil).withDefaults(), shards: map[int]Shard{}}
		if err := block(b, p.record); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
