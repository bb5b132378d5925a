package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// reader reads one FlatBuffer. Every access is checked against the file, and
// the first failure is kept in err: after it all reads give zero values, so
// that code may read a whole table and look at err once.
type reader struct {
	b    []byte
	lim  Limits
	used int64 // memory for structures so far
	err  error
}

func (r *reader) fail(kind error, off int, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: offset %d: %s", kind, off, fmt.Sprintf(format, args...))
	}
}

// in reports whether n bytes at off lie in the file.
func (r *reader) in(off, n int) bool {
	if r.err != nil {
		return false
	}
	if off < 0 || n < 0 || off > len(r.b) || n > len(r.b)-off {
		r.fail(ErrMalformed, off, "%d bytes are needed past the end of %d", n, len(r.b))
		return false
	}
	return true
}

// charge accounts for n bytes of structures about to be allocated. Tables may
// be shared, so the size of the file alone bounds nothing.
func (r *reader) charge(off, n int) bool {
	if r.err != nil {
		return false
	}
	if r.used += int64(n); r.used > r.lim.Structure {
		r.fail(ErrLimit, off, "tensors and operators need more than %d bytes of memory", r.lim.Structure)
		return false
	}
	return true
}

func (r *reader) u16(off int) int {
	if !r.in(off, 2) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(r.b[off:]))
}

func (r *reader) u32(off int) uint32 {
	if !r.in(off, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(r.b[off:])
}

// follow is the position an offset stored at off points to.
func (r *reader) follow(off int) int {
	rel := r.u32(off)
	if r.err != nil {
		return 0
	}
	if rel == 0 || int64(rel) > int64(len(r.b)-off) {
		r.fail(ErrMalformed, off, "an offset of %d leaves the file", rel)
		return 0
	}
	return off + int(rel)
}

// table is a FlatBuffer table. The zero table has no field set.
type table struct {
	r      *reader
	pos    int
	size   int // bytes of the table itself
	vtable int
	vsize  int
}

func (r *reader) table(pos int) table {
	back := int32(r.u32(pos))
	vt := int64(pos) - int64(back)
	if r.err == nil && (vt < 0 || vt > int64(len(r.b))) {
		r.fail(ErrMalformed, pos, "the table's field list lies outside the file")
	}
	if r.err != nil {
		return table{r: r}
	}
	t := table{r: r, pos: pos, vtable: int(vt)}
	t.vsize, t.size = r.u16(t.vtable), r.u16(t.vtable+2)
	if r.err == nil && (t.vsize < 4 || t.vsize%2 != 0 || t.size < 4) {
		r.fail(ErrMalformed, t.vtable, "not a field list")
	}
	if !r.in(t.vtable, t.vsize) || !r.in(pos, t.size) {
		return table{r: r}
	}
	return t
}

// field is where a field of width bytes lies, 0 when the table leaves it out.
func (t table) field(slot, width int) int {
	at := 4 + 2*slot
	if at+2 > t.vsize || t.r.err != nil {
		return 0
	}
	off := t.r.u16(t.vtable + at)
	if off == 0 {
		return 0
	}
	if off < 4 || off+width > t.size {
		t.r.fail(ErrMalformed, t.pos, "field %d lies outside its table", slot)
		return 0
	}
	return t.pos + off
}

func (t table) i8(slot int) int8 {
	if off := t.field(slot, 1); off != 0 {
		return int8(t.r.b[off])
	}
	return 0
}

func (t table) bool(slot int) bool { return t.i8(slot) != 0 }

func (t table) i32(slot int, def int32) int32 {
	if off := t.field(slot, 4); off != 0 {
		return int32(t.r.u32(off))
	}
	return def
}

func (t table) f32(slot int) float32 {
	if off := t.field(slot, 4); off != 0 {
		return math.Float32frombits(t.r.u32(off))
	}
	return 0
}

func (t table) u64(slot int) uint64 {
	if off := t.field(slot, 8); off != 0 {
		return binary.LittleEndian.Uint64(t.r.b[off:])
	}
	return 0
}

// child is the table a field points to; ok is false when there is none.
func (t table) child(slot int) (c table, ok bool) {
	off := t.field(slot, 4)
	if off == 0 {
		return table{r: t.r}, false
	}
	c = t.r.table(t.r.follow(off))
	return c, t.r.err == nil
}

// vector is the position of the first of n elements of size bytes each. A
// vector left out has n = 0 and pos = 0.
func (t table) vector(slot, size int) (pos, n int) {
	off := t.field(slot, 4)
	if off == 0 {
		return 0, 0
	}
	v := t.r.follow(off)
	count := t.r.u32(v)
	if t.r.err != nil {
		return 0, 0
	}
	if int64(count) > int64(len(t.r.b)-v-4)/int64(size) {
		t.r.fail(ErrMalformed, v, "a vector of %d elements leaves the file", count)
		return 0, 0
	}
	return v + 4, int(count)
}

// bytes aliases the file.
func (t table) bytes(slot int) []byte {
	pos, n := t.vector(slot, 1)
	if pos == 0 {
		return nil
	}
	return t.r.b[pos : pos+n : pos+n]
}

func (t table) string(slot int) string {
	pos, n := t.vector(slot, 1)
	if n == 0 || !t.r.charge(pos, n) {
		return ""
	}
	b := t.r.b[pos : pos+n]
	if !utf8.Valid(b) {
		t.r.fail(ErrMalformed, pos, "text is not UTF-8")
		return ""
	}
	return string(b)
}

// ints is a vector of int32, nil when left out.
func (t table) ints(slot int) []int {
	pos, n := t.vector(slot, 4)
	if pos == 0 || !t.r.charge(pos, 8*n) {
		return nil
	}
	out := make([]int, n)
	for i := range out {
		out[i] = int(int32(t.r.u32(pos + 4*i)))
	}
	return out
}

func (t table) floats(slot int) []float32 {
	pos, n := t.vector(slot, 4)
	if pos == 0 || !t.r.charge(pos, 4*n) {
		return nil
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(t.r.u32(pos + 4*i))
	}
	return out
}

func (t table) longs(slot int) []int64 {
	pos, n := t.vector(slot, 8)
	if pos == 0 || !t.r.charge(pos, 8*n) {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(t.r.b[pos+8*i:]))
	}
	return out
}

// each calls f on every table of a vector of tables, after accounting for cost
// bytes of memory each.
func (t table) each(slot, cost int, f func(i int, c table)) {
	pos, n := t.vector(slot, 4)
	for i := 0; i < n && t.r.charge(pos, cost); i++ {
		c := t.r.table(t.r.follow(pos + 4*i))
		if t.r.err != nil {
			return
		}
		f(i, c)
	}
}
