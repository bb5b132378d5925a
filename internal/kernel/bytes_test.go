package kernel_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// canaries fill what lies around a buffer under test, and the buffer itself
// before it is written.
const canary = 0xa5

// walled is memory for a buffer with canaries before and after it and, where
// the system has them, pages that may not be touched right behind it or right
// before it.
type walled struct {
	all      []byte
	from, to int
	free     func()
}

func newWalled(n int, atEnd bool) *walled {
	w := wall(n, atEnd)
	for i := range w.all {
		w.all[i] = canary
	}
	return w
}

func (w *walled) data() []byte { return w.all[w.from:w.to:w.to] }

func (w *walled) check() error {
	for i, v := range w.all {
		if (i < w.from || i >= w.to) && v != canary {
			return fmt.Errorf("wrote byte %d of a buffer of %d", i-w.from, w.to-w.from)
		}
	}
	return nil
}

// walledSlice puts a copy of a slice (of numbers) into walled memory; the
// result is left as canaries.
func walledSlice(x reflect.Value, result, atEnd bool) (reflect.Value, *walled) {
	size := int(x.Type().Elem().Size())
	w := newWalled(x.Len()*size, atEnd)
	y := reflect.New(x.Type()).Elem()
	if x.Len() == 0 {
		y.Set(reflect.MakeSlice(x.Type(), 0, 0))
		return y, w
	}
	p := unsafe.Pointer(&w.data()[0])
	y.Set(reflect.SliceAt(x.Type().Elem(), p, x.Len()))
	if !result {
		reflect.Copy(y, x)
	}
	return y, w
}

// walledBlock puts every slice of an argument block into walled memory. Y that
// is the same memory as another field stays so, in place.
func walledBlock(a any, atEnd bool) map[string]*walled {
	v := reflect.ValueOf(a).Elem()
	walls, y := map[string]*walled{}, v.FieldByName("Y")
	shared := ""
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Kind() != reflect.Slice || f.IsNil() || name == "Y" {
			continue
		}
		if f.Type().Elem().Kind() == reflect.Slice {
			lists := reflect.MakeSlice(f.Type(), f.Len(), f.Len())
			for j := range f.Len() {
				one, w := walledSlice(f.Index(j), false, atEnd)
				lists.Index(j).Set(one)
				walls[fmt.Sprint(name, j)] = w
			}
			f.Set(lists)
			continue
		}
		if f.Type() == y.Type() && f.Len() > 0 && f.Len() == y.Len() && f.Pointer() == y.Pointer() {
			shared = name
		}
		one, w := walledSlice(f, false, atEnd)
		f.Set(one)
		walls[name] = w
	}
	if shared != "" {
		y.Set(v.FieldByName(shared))
		return walls
	}
	one, w := walledSlice(y, true, atEnd)
	y.Set(one)
	walls["Y"] = w
	return walls
}

// rawY is the memory of a block's result.
func rawY(a any) []byte {
	y := reflect.ValueOf(a).Elem().FieldByName("Y")
	if y.Len() == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(y.UnsafePointer()), y.Len()*int(y.Type().Elem().Size()))
}

// checkBytes holds every kernel of a table to the very bytes of its reference,
// with tasks in any order, nothing touched outside of the buffers and nothing
// allocated.
func checkBytes[A any](t *testing.T, table []kernel.Kernel[A], args A, reference func(*A)) {
	t.Helper()
	want := args
	walls := walledBlock(&want, true)
	defer release(walls)
	reference(&want)
	for _, k := range table {
		if !k.Available() || !k.Accepts(&args) {
			continue
		}
		for _, atEnd := range []bool{true, false} {
			if err := checkBytesOnce(&k, args, rawY(&want), atEnd); err != nil {
				t.Errorf("%s: %v (%+v)", k.Name, err, sizesOf(&args))
			}
		}
	}
}

func release(walls map[string]*walled) {
	for _, w := range walls {
		w.free()
	}
}

func checkBytesOnce[A any](k *kernel.Kernel[A], a A, want []byte, atEnd bool) error {
	walls := walledBlock(&a, atEnd)
	defer release(walls)
	tasks := k.Tasks(&a)
	scratch := make([]float32, k.ScratchLen(&a))
	for _, task := range rand.Perm(tasks) {
		k.Run(&a, task, scratch)
	}
	if got := rawY(&a); !bytes.Equal(got, want) {
		for i := range got {
			if got[i] != want[i] {
				return fmt.Errorf("byte %d of %d is %d, want %d", i, len(got), got[i], want[i])
			}
		}
	}
	for name, w := range walls {
		if err := w.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if n := testing.AllocsPerRun(1, func() {
		for task := range tasks {
			k.Run(&a, task, scratch)
		}
	}); n != 0 && k.Impl != "ref" {
		return fmt.Errorf("%v allocations", n)
	}
	return nil
}

// sizesOf is a block without its slices, for messages.
func sizesOf(a any) map[string]any {
	v, out := reflect.ValueOf(a).Elem(), map[string]any{}
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() != reflect.Slice && f.Kind() != reflect.Pointer {
			out[v.Type().Field(i).Name] = f.Interface()
		}
	}
	return out
}

// randomBytes gives n bytes from a seed.
func randomBytes(n int, seed uint64) []uint8 {
	r := rand.New(rand.NewPCG(seed, 29))
	x := make([]uint8, n)
	for i := range x {
		x[i] = uint8(r.Uint32())
	}
	return x
}
