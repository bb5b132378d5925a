package tensor

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type golden struct {
	Float16      string   `json:"float16"`
	BFloat16     string   `json:"bfloat16"`
	E5M2         []uint32 `json:"float8_e5m2"`
	E4M3         []uint32 `json:"float8_e4m3"`
	Float64Bytes string   `json:"float64_bytes"`
	Float64      []uint32 `json:"float64"`
	Int64Bytes   string   `json:"int64_bytes"`
	Int64        []uint32 `json:"int64"`
	Uint64Bytes  string   `json:"uint64_bytes"`
	Uint64       []uint32 `json:"uint64"`
}

func readGolden(t *testing.T) *golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

// bits converts t to float32 and gives the bit patterns, NaNs as one.
func bits(t *testing.T, x *Tensor) []uint32 {
	t.Helper()
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]uint32, len(v))
	for i, f := range v {
		out[i] = math.Float32bits(f)
		if f != f {
			out[i] = 0x7fc00000
		}
	}
	return out
}

func mustNew(t *testing.T, dt DType, shape Shape, data []byte) *Tensor {
	t.Helper()
	x, err := New("x", dt, shape, data)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestSmallFloats compares every 16-bit and 8-bit float with numpy and PyTorch.
func TestSmallFloats(t *testing.T) {
	g := readGolden(t)
	all16 := make([]byte, 0, 1<<17)
	all8 := make([]byte, 256)
	for i := range 1 << 16 {
		all16 = binary.LittleEndian.AppendUint16(all16, uint16(i))
	}
	for i := range all8 {
		all8[i] = byte(i)
	}
	for dt, want := range map[DType]string{F16: g.Float16, BF16: g.BFloat16} {
		var b []byte
		for _, u := range bits(t, mustNew(t, dt, Shape{1 << 16}, all16)) {
			b = binary.LittleEndian.AppendUint32(b, u)
		}
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%v: the 65536 values sum to %s, want %s", dt, got, want)
		}
	}
	for dt, want := range map[DType][]uint32{F8E5M2: g.E5M2, F8E4M3: g.E4M3} {
		got := bits(t, mustNew(t, dt, Shape{256}, all8))
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%v 0x%02x is 0x%08x, want 0x%08x", dt, i, got[i], want[i])
			}
		}
	}
}

// TestRounding compares wide numbers rounded to float32 with numpy.
func TestRounding(t *testing.T) {
	g := readGolden(t)
	for _, c := range []struct {
		dt   DType
		data string
		want []uint32
	}{{F64, g.Float64Bytes, g.Float64}, {I64, g.Int64Bytes, g.Int64}, {U64, g.Uint64Bytes, g.Uint64}} {
		data, err := hex.DecodeString(c.data)
		if err != nil {
			t.Fatal(err)
		}
		if got := bits(t, mustNew(t, c.dt, Shape{len(c.want)}, data)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %08x, want %08x", c.dt, got, c.want)
		}
	}
}

func TestIntegers(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 8)
	for dt, want := range map[DType]int64{
		I64: -1, I32: -1, I16: -1, I8: -1, U32: 1<<32 - 1, U16: 1<<16 - 1, U8: 255, Bool: 1,
	} {
		x := mustNew(t, dt, Shape{1}, ff[:dt.Size()])
		v, err := x.Int64s()
		if err != nil || v[0] != want {
			t.Errorf("%v: %v, %v; want %d", dt, v, err, want)
		}
		f, err := x.Float64s()
		if err != nil || f[0] != float64(want) {
			t.Errorf("%v: %v, %v; want %d", dt, f, err, want)
		}
	}
	if v, err := mustNew(t, U64, Shape{1}, ff).Int64s(); err == nil {
		t.Errorf("2^64-1 became the int64 %d", v)
	}
	if _, err := mustNew(t, F32, Shape{1}, ff[:4]).Int64s(); err == nil {
		t.Error("float32 was read as integers")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		dt    DType
		shape Shape
		bytes int
	}{
		"short":     {F32, Shape{2}, 4},
		"long":      {F32, Shape{}, 8},
		"negative":  {U8, Shape{-1, -1}, 1},
		"invalid":   {Invalid, Shape{0}, 0},
		"unknown":   {DType(200), Shape{0}, 0},
		"overflow":  {U8, Shape{math.MaxInt, 2}, 0},
		"overflow2": {F32, Shape{math.MaxInt/4 + 1}, 0},
	} {
		if x, err := New("x", c.dt, c.shape, make([]byte, c.bytes)); err == nil {
			t.Errorf("%s: %v was accepted", name, x)
		}
		// The same mistake in a literal must not reach memory.
		x := &Tensor{DType: c.dt, Shape: c.shape, Data: make([]byte, c.bytes)}
		if _, err := x.Float32s(); err == nil {
			t.Errorf("%s: converted", name)
		}
		if _, err := x.Transpose(0); err == nil {
			t.Errorf("%s: transposed", name)
		}
		if _, err := x.Rows(0, 0); err == nil {
			t.Errorf("%s: sliced", name)
		}
	}
}

func TestShape(t *testing.T) {
	s := Shape{64, 1, 3, 1}
	if s.String() != "[64,1,3,1]" || s.Len() != 192 || !s.Squeeze().Equal(Shape{64, 3}) || (Shape{}).Len() != 1 {
		t.Errorf("%v: %d elements, squeezed %v", s, s.Len(), s.Squeeze())
	}
	c := s.Clone()
	c[0] = 1
	if s[0] != 64 {
		t.Error("Clone shares memory")
	}
	if n, err := (Shape{math.MaxInt, 0}).Elems(); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	for dt := F64; dt <= Bool; dt++ {
		if dt.Size() == 0 || dt.String() == "" || dt.Float() != (dt <= F8E5M2) {
			t.Errorf("%d: size %d, name %v", dt, dt.Size(), dt)
		}
	}
	if DType(99).String() != "dtype(99)" {
		t.Error(DType(99))
	}
}

// TestTranspose checks every element against the definition.
func TestTranspose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := Shape(rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape"))
		dt := rapid.SampledFrom([]DType{U8, F16, F32, F64}).Draw(t, "dtype")
		axes := make([]int, len(shape))
		for i := range axes {
			axes[i] = i
		}
		perm := rapid.Permutation(axes).Draw(t, "perm")
		data := make([]byte, shape.Len()*dt.Size())
		for i := range data {
			data[i] = byte(i*7 + i>>8)
		}
		x, err := New("x", dt, shape, data)
		if err != nil {
			t.Fatal(err)
		}
		y, err := x.Transpose(perm...)
		if err != nil {
			t.Fatal(err)
		}
		size := dt.Size()
		for n := range y.Len() {
			// Index of element n of y, then the same element of x.
			rest, at, stride := n, make([]int, len(shape)), 1
			for i := len(perm) - 1; i >= 0; i-- {
				at[perm[i]] = rest % y.Shape[i]
				rest /= y.Shape[i]
			}
			m := 0
			for i := len(shape) - 1; i >= 0; i-- {
				m += at[i] * stride
				stride *= shape[i]
			}
			if !bytes.Equal(y.Data[n*size:][:size], x.Data[m*size:][:size]) {
				t.Fatalf("element %d of %v by %v", n, shape, perm)
			}
		}
	})
	x := FromFloat32("x", Shape{2, 2}, make([]float32, 4))
	for _, perm := range [][]int{{0}, {0, 0}, {0, 2}, {-1, 0}, {0, 1, 2}} {
		if _, err := x.Transpose(perm...); err == nil {
			t.Errorf("permutation %v was accepted", perm)
		}
	}
}

func TestRowsReshapeConvert(t *testing.T) {
	x := FromFloat32("x", Shape{3, 2}, []float32{0, 1, 2, 3, 4, 5})
	r, err := x.Rows(1, 3)
	if err != nil || !r.Shape.Equal(Shape{2, 2}) {
		t.Fatal(r, err)
	}
	if v, _ := r.Float32s(); !slices.Equal(v, []float32{2, 3, 4, 5}) {
		t.Errorf("rows 1 to 3 are %v", v)
	}
	if &r.Data[0] != &x.Data[8] {
		t.Error("Rows copied")
	}
	for _, c := range [][2]int{{-1, 1}, {2, 1}, {0, 4}} {
		if _, err := x.Rows(c[0], c[1]); err == nil {
			t.Errorf("rows %v were accepted", c)
		}
	}
	if e, err := mustNew(t, F32, Shape{0, 4}, nil).Rows(0, 0); err != nil || e.Len() != 0 {
		t.Error(e, err)
	}
	if y, err := x.Reshape(Shape{6, 1}); err != nil || !y.Shape.Equal(Shape{6, 1}) {
		t.Error(y, err)
	}
	if _, err := x.Reshape(Shape{5}); err == nil {
		t.Error("6 elements were viewed as 5")
	}
	if y, err := x.ToFloat32(); err != nil || y != x {
		t.Error("a float32 tensor was copied")
	}
	y, err := mustNew(t, I8, Shape{2}, []byte{0xfe, 3}).ToFloat32()
	if err != nil || y.DType != F32 || y.Name != "x" {
		t.Fatal(y, err)
	}
	if v, _ := y.Float32s(); !slices.Equal(v, []float32{-2, 3}) {
		t.Errorf("int8 became %v", v)
	}
}
