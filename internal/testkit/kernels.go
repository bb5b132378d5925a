package testkit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// guard is the elements on either side of a buffer under test.
const guard = 64

// canary is the bit pattern of the guards: a NaN, so that reading one spoils
// the result and writing one shows.
const canary = 0x7fc0beef

// Guarded is a buffer of n elements between two guards. Its capacity ends with
// it. It starts as canaries too, so an element left unwritten shows.
type Guarded struct {
	all  []float32
	Data []float32
}

// NewGuarded makes a buffer of n elements.
func NewGuarded(n int) *Guarded {
	g := &Guarded{all: make([]float32, n+2*guard)}
	for i := range g.all {
		g.all[i] = math.Float32frombits(canary)
	}
	g.Data = g.all[guard : guard+n : guard+n]
	return g
}

// GuardedCopy is a guarded buffer with the elements of x.
func GuardedCopy(x []float32) *Guarded {
	g := NewGuarded(len(x))
	copy(g.Data, x)
	return g
}

// Check reports a guard that was written.
func (g *Guarded) Check() error {
	n := len(g.Data)
	for i, v := range g.all {
		if (i < guard || i >= guard+n) && math.Float32bits(v) != canary {
			return fmt.Errorf("wrote %g at element %d of a buffer of %d", v, i-guard, n)
		}
	}
	return nil
}

// Noise gives n numbers in [-1, 1) from a seed.
func Noise(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 17))
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

// guardSlices replaces every []float32 and [][]float32 of the argument block a
// (a pointer to a struct) by guarded copies, keyed by field name. Y becomes a
// fresh buffer unless it is the same slice as another field: then it stays so.
func guardSlices(a any) map[string]*Guarded {
	v := reflect.ValueOf(a).Elem()
	buffers := map[string]*Guarded{}
	shared := ""
	out := resultField(a)
	y := v.FieldByName(out).Interface().([]float32)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch x := v.Field(i).Interface().(type) {
		case []float32:
			if x == nil || name == out {
				continue
			}
			if len(x) > 0 && len(y) > 0 && &x[0] == &y[0] {
				shared = name
			}
			buffers[name] = GuardedCopy(x)
			v.Field(i).Set(reflect.ValueOf(buffers[name].Data))
		case [][]float32:
			for j := range x {
				key := fmt.Sprintf("%s[%d]", name, j)
				buffers[key] = GuardedCopy(x[j])
				x[j] = buffers[key].Data
			}
		}
	}
	if shared != "" {
		v.FieldByName(out).Set(reflect.ValueOf(buffers[shared].Data))
		return buffers
	}
	buffers[out] = NewGuarded(len(y))
	v.FieldByName(out).Set(reflect.ValueOf(buffers[out].Data))
	return buffers
}

// resultField names the field of an argument block that takes the result.
func resultField(a any) string {
	for _, name := range []string{"DX", "DWeight"} {
		if reflect.ValueOf(a).Elem().FieldByName(name).IsValid() {
			return name
		}
	}
	return "Y"
}

// widen copies an argument block in float32 into the same block in float64.
// Every slice is copied, so operands that share memory no longer do.
func widen(dst, src any) {
	d, s := reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem()
	for i := range s.NumField() {
		switch x := s.Field(i).Interface().(type) {
		case []float32:
			if x != nil {
				d.Field(i).Set(reflect.ValueOf(float64s(x)))
			}
		case [][]float32:
			all := make([][]float64, len(x))
			for j := range x {
				all[j] = float64s(x[j])
			}
			d.Field(i).Set(reflect.ValueOf(all))
		default:
			d.Field(i).Set(s.Field(i))
		}
	}
}

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// CheckKernels runs every available kernel of a table that accepts the
// arguments and compares it with the float64 reference. W is the argument
// block A in float64. Tolerances are relative to the largest input magnitude
// or the result, whichever is larger.
func CheckKernels[A, W any](t *testing.T, table []kernel.Kernel[A], args A, reference func(*W)) {
	t.Helper()
	for _, k := range table {
		if !k.Available() || !k.Accepts(&args) {
			continue
		}
		a, w := clone(args), new(W)
		buffers := guardSlices(&a)
		widen(w, &a)
		largest := largestInput(&a)
		reference(w)
		want := reflect.ValueOf(w).Elem().FieldByName(resultField(w)).Interface().([]float64)

		tasks, scratch := k.Tasks(&a), NewGuarded(k.ScratchLen(&a))
		merges := 0
		if k.Reduce != nil {
			buffers["partial"] = NewGuarded(k.Reduce.Len(&a))
			*k.Reduce.At(&a) = buffers["partial"].Data
			merges = k.Reduce.Tasks(&a)
		}
		for _, task := range rand.Perm(tasks) {
			k.Run(&a, task, scratch.Data)
		}
		for _, task := range rand.Perm(merges) {
			k.Reduce.Merge(&a, task)
		}
		got := reflect.ValueOf(&a).Elem().FieldByName(resultField(&a)).Interface().([]float32)
		for i := range got {
			bound := k.MaxError * math.Max(largest, math.Abs(want[i]))
			if !near(float64(got[i]), want[i], bound) {
				t.Errorf("%s: element %d of %d is %v, want %v within %v", k.Name, i, len(got), got[i], want[i], bound)
				break
			}
		}
		buffers["scratch"] = scratch
		for name, g := range buffers {
			if err := g.Check(); err != nil {
				t.Errorf("%s: %s: %v", k.Name, name, err)
			}
		}
		if n := testing.AllocsPerRun(1, func() {
			for task := range tasks {
				k.Run(&a, task, scratch.Data)
			}
			for task := range merges {
				k.Reduce.Merge(&a, task)
			}
		}); n != 0 && k.Impl != "ref" {
			t.Errorf("%s: %v allocations", k.Name, n)
		}
	}
}

// clone copies an argument block with its list of inputs, whose entries
// guardSlices replaces.
func clone[A any](a A) A {
	v := reflect.ValueOf(&a).Elem()
	for i := range v.NumField() {
		if x, ok := v.Field(i).Interface().([][]float32); ok {
			v.Field(i).Set(reflect.ValueOf(slices.Clone(x)))
		}
	}
	return a
}

func largestInput(a any) (largest float64) {
	v := reflect.ValueOf(a).Elem()
	for i := range v.NumField() {
		x, ok := v.Field(i).Interface().([]float32)
		if !ok || v.Type().Field(i).Name == resultField(a) {
			continue
		}
		for _, e := range x {
			largest = math.Max(largest, math.Abs(float64(e)))
		}
	}
	return largest
}

func near(got, want, bound float64) bool {
	return math.Abs(got-want) <= bound || got == want || math.IsNaN(got) && math.IsNaN(want)
}

// NewConv makes the arguments of a convolution with random operands; the
// weight is [O,C/Groups,KH,KW], not yet packed. Everything is plain memory.
func NewConv(s kernel.ConvShape, seed uint64) *kernel.Conv {
	a := &kernel.Conv{ConvShape: s}
	a.X = Noise(span(s.N*s.H*s.W, s.XPixel, s.C, s.XBlock), seed)
	a.Y = make([]float32, span(s.N*s.OH*s.OW, s.YPixel, s.O, s.YBlock))
	a.Weight = Noise(s.O*(s.C/s.Groups)*s.KH*s.KW, seed+1)
	a.Bias = Noise(s.O, seed+2)
	if s.HasResidual {
		a.Residual = Noise(len(a.Y), seed+3)
	}
	if s.HasScale {
		a.Scale = Noise(s.N*s.C, seed+4)
	}
	return a
}

// span is the length of a tensor of some pixels and channels.
func span(pixels, pixel, channels, block int) int {
	if pixels == 0 || channels == 0 {
		return 0
	}
	return (pixels-1)*pixel + (channels-1)/16*block + (channels-1)%16 + 1
}

// CheckConv runs every available convolution kernel that accepts the shape:
// against the float64 reference, with guards around every buffer, tasks in any
// order, in place over the residual, batches against single pictures bit by
// bit, and without allocation.
func CheckConv(t *testing.T, s kernel.ConvShape, seed uint64) {
	t.Helper()
	plain := NewConv(s, seed)
	want, magnitude := convReference(plain)
	for _, k := range kernel.ConvKernels() {
		if !k.Available() || !k.Accepts(&s) {
			continue
		}
		if err := checkConv(&k, plain, want, magnitude); err != nil {
			t.Errorf("%s: %+v: %v", k.Name, s, err)
		}
	}
}

// convReference is the result in float64, and the sum of the magnitudes of
// everything that is added up in each element.
func convReference(a *kernel.Conv) (want, magnitude []float64) {
	var w, m ref.ConvArgs[float64]
	widen(&w, a)
	widen(&m, a)
	m.Act = kernel.Act{}
	for _, x := range [][]float64{m.X, m.Weight, m.Bias, m.Scale, m.Residual} {
		for i := range x {
			x[i] = math.Abs(x[i])
		}
	}
	ref.Conv(&w)
	ref.Conv(&m)
	return w.Y, m.Y
}

func checkConv(k *kernel.ConvKernel, plain *kernel.Conv, want, magnitude []float64) error {
	a := *plain
	s := &a.ConvShape
	packed := NewGuarded(k.PackedLen(s))
	k.Pack(s, a.Weight, packed.Data)
	a.Weight = packed.Data
	for i, v := range packed.Data {
		if math.Float32bits(v) == canary {
			return fmt.Errorf("packed weight %d of %d is not written", i, len(packed.Data))
		}
	}
	buffers := guardSlices(&a)
	scratch := NewGuarded(k.ScratchLen(s))
	buffers["packed"], buffers["scratch"] = packed, scratch
	tasks := k.Tasks(s)
	for _, task := range rand.Perm(tasks) {
		k.Run(&a, task, scratch.Data)
	}
	for name, g := range buffers {
		if err := g.Check(); err != nil {
			return fmt.Errorf("%s: %v", name, err)
		}
	}
	for p := range s.N * s.OH * s.OW {
		for o := range s.O {
			i := p*s.YPixel + o/16*s.YBlock + o%16
			// No activation is steeper than 2; it rounds once or twice more.
			bound := 2*k.MaxError*magnitude[i] + 4e-7*(1+math.Abs(want[i]))
			if !(math.Abs(float64(a.Y[i])-want[i]) <= bound) {
				return fmt.Errorf("pixel %d channel %d is %v, want %v within %v", p, o, a.Y[i], want[i], bound)
			}
		}
	}
	if err := checkGaps(&a); err != nil {
		return err
	}
	first := slices.Clone(a.Y)

	if err := checkRepeats(k, &a, scratch.Data); err != nil {
		return err
	}
	if s.HasResidual {
		over := a
		over.Y = slices.Clone(a.Residual)
		over.Residual = over.Y
		for task := range tasks {
			k.Run(&over, task, scratch.Data)
		}
		for i, v := range over.Y {
			if math.Float32bits(first[i]) != canary && v != first[i] {
				return fmt.Errorf("writing over the residual changes element %d", i)
			}
		}
	}
	if s.N > 1 {
		return checkSingles(k, &a, first)
	}
	return nil
}

// checkRepeats runs a convolution again, with its tasks in order: without
// allocation, to the bits that Y holds, and so when bound to its shape.
func checkRepeats(k *kernel.ConvKernel, a *kernel.Conv, scratch []float32) error {
	tasks, first := k.Tasks(&a.ConvShape), slices.Clone(a.Y)
	if n := testing.AllocsPerRun(1, func() {
		for task := range tasks {
			k.Run(a, task, scratch)
		}
	}); n != 0 {
		return fmt.Errorf("%v allocations", n)
	}
	if !sameBits(first, a.Y) {
		return fmt.Errorf("another order of tasks gives other bits")
	}
	if k.Bind == nil {
		return nil
	}
	bound, b := k.Bind(&a.ConvShape), *a
	b.Y = NewGuarded(len(a.Y)).Data
	for task := range tasks {
		bound(&b, task, scratch)
	}
	if !sameBits(first, b.Y) {
		return fmt.Errorf("bound to its shape it gives other bits")
	}
	return nil
}

// checkGaps reports a write between the pixels of a slice of a wider tensor.
func checkGaps(a *kernel.Conv) error {
	if a.YBlock != 16 {
		return nil
	}
	for i, v := range a.Y {
		if i%a.YPixel >= a.O && math.Float32bits(v) != canary {
			return fmt.Errorf("wrote %v between two pixels, at element %d", v, i)
		}
	}
	return nil
}

// checkSingles runs the pictures of a batch one by one and compares bits. The
// layout is taken as pixels within pictures.
func checkSingles(k *kernel.ConvKernel, batch *kernel.Conv, want []float32) error {
	if batch.XBlock != 16 || batch.YBlock != 16 {
		return nil
	}
	a := *batch
	a.N = 1
	s := &a.ConvShape
	scratch := make([]float32, k.ScratchLen(s))
	a.Y = slices.Clone(want)
	for n := range batch.N {
		one := a
		one.X, one.Y = a.X[n*s.H*s.W*s.XPixel:], a.Y[n*s.OH*s.OW*s.YPixel:]
		clearPixels(&one)
		if s.HasResidual {
			one.Residual = a.Residual[n*s.OH*s.OW*s.YPixel:]
		}
		if s.HasScale {
			one.Scale = a.Scale[n*s.C:]
		}
		for task := range k.Tasks(s) {
			k.Run(&one, task, scratch)
		}
	}
	if !sameBits(want, a.Y) {
		return fmt.Errorf("a batch of %d and single pictures differ in bits", batch.N)
	}
	return nil
}

// clearPixels forgets the outputs of the first picture, not the gaps.
func clearPixels(a *kernel.Conv) {
	for p := range a.OH * a.OW {
		clear(a.Y[p*a.YPixel:][:a.O])
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
