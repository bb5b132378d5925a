package tensor

import (
	"slices"
	"testing"
	"unsafe"
)

// TestViewFloat32s shares memory where it can, copies where it must, and gives
// the values of Float32s either way.
func TestViewFloat32s(t *testing.T) {
	values := []float32{1, -2.5, 3e-40, 4}
	whole := FromFloat32("whole", Shape{4}, values)
	odd := append([]byte{0}, whole.Data...)
	if uintptr(unsafe.Pointer(&odd[0]))%4 != 0 {
		t.Fatal("a slice of bytes begins at an odd address")
	}
	for _, c := range []struct {
		name  string
		t     *Tensor
		share bool
	}{
		{"float32", whole, littleEndian},
		{"unaligned", &Tensor{Name: "odd", DType: F32, Shape: Shape{4}, Data: odd[1:]}, false},
		{"other type", &Tensor{Name: "u8", DType: U8, Shape: Shape{2, 2}, Data: []byte{1, 2, 3, 4}}, false},
		{"empty", &Tensor{Name: "empty", DType: F32, Shape: Shape{0}}, false},
	} {
		want, err := c.t.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.t.ViewFloat32s()
		if err != nil || !slices.Equal(got, want) || cap(got) != len(got) {
			t.Errorf("%s: %v of capacity %d, %v, want %v", c.name, got, cap(got), err, want)
		}
		if len(got) == 0 {
			continue
		}
		if shares := unsafe.Pointer(unsafe.SliceData(got)) == unsafe.Pointer(unsafe.SliceData(c.t.Data)); shares != c.share {
			t.Errorf("%s: shares memory: %v", c.name, shares)
		}
		if unsafe.Pointer(unsafe.SliceData(want)) == unsafe.Pointer(unsafe.SliceData(c.t.Data)) {
			t.Errorf("%s: Float32s is no copy", c.name)
		}
	}
	bad := &Tensor{Name: "bad", DType: F32, Shape: Shape{2}, Data: []byte{1, 2, 3, 4}}
	if _, err := bad.ViewFloat32s(); err == nil {
		t.Error("too few bytes were accepted")
	}
	if _, err := bad.Float32s(); err == nil {
		t.Error("too few bytes were accepted")
	}
}
