package kernel_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// byteShape is a convolution of bytes with the extents of one of float32s and
// everything else drawn from a seed: zero points, clamp, rounding, zero points
// of weights, a table, pixels that are part of wider ones.
func byteShape(f kernel.ConvShape, seed uint64) kernel.QConvShape {
	r := rand.New(rand.NewPCG(seed, 31))
	s := kernel.QConvShape{N: f.N, H: f.H, W: f.W, C: f.C, OH: f.OH, OW: f.OW, O: f.O, KH: f.KH, KW: f.KW,
		StrideH: f.StrideH, StrideW: f.StrideW, DilationH: f.DilationH, DilationW: f.DilationW,
		PadTop: f.PadTop, PadLeft: f.PadLeft, Groups: f.Groups}.Normal()
	s.XZero, s.YZero, s.Hi = uint8(r.Uint32()), uint8(r.Uint32()), 255
	s.Single, s.Up, s.Float = seed%4 == 1, seed%4 == 2, seed%4 == 3
	s.HasWZero, s.HasTable = r.IntN(3) == 0, r.IntN(3) == 0
	if r.IntN(3) == 0 {
		s.Lo, s.Hi = uint8(r.IntN(120)), uint8(130+r.IntN(126))
	}
	if r.IntN(4) == 0 {
		s.XPixel, s.YPixel = s.C+r.IntN(9), s.O+r.IntN(9)
	}
	return s
}

// newQConv makes the arguments of a convolution of bytes. Multipliers spread
// the results over the bytes, some beyond.
func newQConv(s kernel.QConvShape, seed uint64) *kernel.QConv {
	r := rand.New(rand.NewPCG(seed, 37))
	k := s.C / s.Groups * s.KH * s.KW
	a := &kernel.QConv{QConvShape: s, X: randomBytes((s.N*s.H*s.W-1)*s.XPixel+s.C, seed), Y: make([]uint8, max(0, (s.N*s.OH*s.OW-1)*s.YPixel+s.O)),
		Weight: make([]int8, s.O*k), Bias: make([]int32, s.O), Mult: make([]int32, s.O), Shift: make([]int32, s.O)}
	for i := range a.Weight {
		a.Weight[i] = int8(r.Uint32())
	}
	spread := math.Sqrt(float64(k)) * 74 * 100
	for o := range a.Bias {
		a.Bias[o] = int32(r.NormFloat64() * spread)
		real := math.Exp(r.NormFloat64()) * 80 / spread
		if a.Mult[o], a.Shift[o] = ref.QuantizeMultiplier(real); s.Float {
			a.Mult[o] = ref.FloatMultiplier(float32(real))
		}
	}
	if s.HasWZero {
		a.WZero = make([]int32, s.O)
		for o := range a.WZero {
			a.WZero[o] = r.Int32N(256) - 128
			if seed%2 == 0 { // one for all
				a.WZero[o] = a.WZero[0]
			}
		}
	}
	if s.HasTable {
		a.Table = (*[256]uint8)(randomBytes(256, seed+1))
	}
	return a
}

// checkQConv holds every convolution of bytes that takes a shape to the very
// bytes of the reference, with tasks in any order and each with a scratch that
// another left behind, nothing touched outside of the buffers or between
// pixels, and nothing allocated.
func checkQConv(t *testing.T, plain *kernel.QConv) {
	t.Helper()
	want := *plain
	want.Y = bytes.Repeat([]byte{canary}, len(plain.Y))
	ref.QConv(&want)
	for _, k := range kernel.QConvKernels() {
		if k.Impl == "ref" || !k.Available() || !k.Accepts(&plain.QConvShape) {
			continue
		}
		for _, atEnd := range []bool{true, false} {
			if err := checkQConvOnce(&k, *plain, want.Y, atEnd); err != nil {
				t.Errorf("%s: %+v: %v", k.Name, plain.QConvShape, err)
				break
			}
		}
	}
}

func checkQConvOnce(k *kernel.QConvKernel, a kernel.QConv, want []byte, atEnd bool) error {
	s := &a.QConvShape
	size := k.PackedLen(s)
	packed := newWalled((size+63)&^63, atEnd)
	defer packed.free()
	k.Pack(&a, packed.data()[:size])
	for i, v := range packed.data()[size:] {
		if v != canary {
			return fmt.Errorf("packing wrote byte %d of %d", size+i, size)
		}
	}
	// The kernel has what it packed and nothing else.
	a.Weight, a.WZero, a.Bias, a.Mult, a.Shift = nil, nil, nil, nil, nil
	walls := walledBlock(&a, atEnd)
	defer release(walls)
	walls["Packed"] = packed
	a.Packed = packed.data()[:size:size]
	before := bytes.Clone(a.Packed)
	floats := (k.ScratchLen(s) + 15) &^ 15
	space := newWalled(4*floats, atEnd)
	defer space.free()
	walls["scratch"] = space
	scratch := kernel.Float32s(space.data())[:k.ScratchLen(s)]
	tasks := k.Tasks(s)
	for _, task := range rand.Perm(tasks) {
		k.Run(&a, task, scratch)
	}
	for i, v := range want {
		if a.Y[i] != v {
			return fmt.Errorf("pixel %d channel %d is %d, want %d", i/s.YPixel, i%s.YPixel, a.Y[i], v)
		}
	}
	for name, w := range walls {
		if err := w.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !bytes.Equal(before, a.Packed) {
		return fmt.Errorf("changed its constants")
	}
	if n := testing.AllocsPerRun(1, func() {
		for task := range tasks {
			k.Run(&a, task, scratch)
		}
	}); n != 0 {
		return fmt.Errorf("%v allocations", n)
	}
	if !bytes.Equal(a.Y, want) {
		return fmt.Errorf("another order of tasks gives other bytes")
	}
	return nil
}

// byteLayers are shapes of V2, V3 and EdgeTPU and those no network has.
func byteLayers() []kernel.ConvShape {
	return append(append(oddShapes(), v2Layers(48)...),
		same(1, 14, 14, 120, 120, 5, 1, 120), same(1, 14, 14, 72, 72, 5, 2, 72),
		same(1, 1, 1, 72, 24, 1, 1, 1), same(1, 1, 1, 24, 72, 1, 1, 1), same(2, 7, 7, 240, 40, 1, 1, 1),
		same(1, 14, 14, 32, 96, 3, 2, 1), same(1, 9, 9, 24, 40, 3, 1, 1), same(1, 1, 1, 576, 1024, 1, 1, 1),
		same(2, 31, 29, 3, 16, 3, 2, 1), same(1, 20, 20, 4, 16, 5, 2, 1))
}

// TestQConv holds the convolutions of bytes to their reference.
func TestQConv(t *testing.T) {
	seen := map[kernel.QConvShape]bool{}
	for i, f := range byteLayers() {
		if f.XBlock != 16 || f.YBlock != 16 {
			continue
		}
		for seed := range 2 {
			s := byteShape(f, uint64(2*i+seed))
			if seen[s] || testing.Short() && (i+seed)%3 != 0 {
				continue
			}
			seen[s] = true
			checkQConv(t, newQConv(s, uint64(i)))
		}
	}
}

// TestQConvTiles reaches every tile of the products: any number of rows, panels
// of any width, runs of inputs with every rest.
func TestQConvTiles(t *testing.T) {
	for rows := 1; rows <= 35; rows++ {
		for i, o := range []int{1, 8, 16, 17, 24, 32, 40, 64, 75, 128, 136} {
			if testing.Short() && (rows+i)%3 != 0 {
				continue
			}
			f := same(1, 1, rows, 1+(3*rows+i)%23, o, 1, 1, 1)
			checkQConv(t, newQConv(byteShape(f, uint64(16*rows+i)), uint64(rows)))
		}
	}
	for c := 1; c <= 140; c += 3 {
		checkQConv(t, newQConv(byteShape(same(1, 1, 40, c, 33, 1, 1, 1), uint64(c)), uint64(c)))
		checkQConv(t, newQConv(byteShape(same(1, 1, 1, c, 131, 1, 1, 1), uint64(c)), uint64(c)))
	}
}

// TestQConvExtremes puts in what networks do not have: sums that wrap around,
// every shift, multipliers at their ends.
func TestQConvExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for i := range 120 {
		f := same(1, 3, 5, 1+r.IntN(40), 1+r.IntN(40), 1, 1, 1)
		if i%3 == 0 {
			f = same(1, 3, 5, f.C, f.C, 3, 1, f.C)
		}
		a := newQConv(byteShape(f, uint64(i)), uint64(i))
		for o := range a.Bias {
			a.Bias[o] = int32(r.Uint32()) >> r.IntN(32)
			a.Mult[o], a.Shift[o] = 1<<30+r.Int32N(1<<30), 30-r.Int32N(62)
			if r.IntN(4) == 0 {
				a.Mult[o] = []int32{0, 1 << 30, math.MaxInt32}[r.IntN(3)]
			}
			if a.Float {
				a.Mult[o] = ref.FloatMultiplier([]float32{0, math.SmallestNonzeroFloat32, 0.5, 2, 1e9, math.MaxFloat32, float32(math.Inf(1)), r.Float32()}[r.IntN(8)])
			}
		}
		if i%2 == 0 {
			for j := range a.X {
				a.X[j] = 255
			}
			for j := range a.Weight {
				a.Weight[j] = -128
			}
		}
		checkQConv(t, a)
	}
}

func FuzzQConv(f *testing.F) {
	f.Add([]byte{1, 7, 7, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0}, uint64(1))
	f.Add([]byte{2, 5, 9, 12, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 12}, uint64(2))
	f.Add([]byte{1, 5, 9, 12, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 3}, uint64(4))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) < 16 {
			return
		}
		at := func(i, most int) int { return int(b[i])%most + 1 }
		s := kernel.ConvShape{N: at(0, 3), H: at(1, 20), W: at(2, 20), C: at(3, 80), O: at(4, 80),
			KH: at(5, 6), KW: at(6, 6), StrideH: at(7, 3), StrideW: at(8, 3), DilationH: at(9, 3), DilationW: at(10, 3),
			PadTop: at(11, 4) - 1, PadLeft: at(12, 4) - 1, Groups: max(int(b[15])%64, 1)}
		if b[15]&64 != 0 {
			s.KW, s.StrideW = s.KH, s.StrideH
		}
		if b[15]&128 != 0 {
			s.O, s.Groups = s.C, s.C
		}
		bottom, right := at(13, 4)-1, at(14, 4)-1
		if s.C%s.Groups != 0 || s.O%s.Groups != 0 ||
			s.H+s.PadTop+bottom <= (s.KH-1)*s.DilationH || s.W+s.PadLeft+right <= (s.KW-1)*s.DilationW {
			return
		}
		checkQConv(t, newQConv(byteShape(window(s, bottom, right), seed), seed))
	})
}

// BenchmarkQConv measures every kernel on layers of real networks, and the
// float32 kernel of its rung beside it. An undisturbed figure is made of the
// best time of each task.
func BenchmarkQConv(b *testing.B) {
	for _, f := range append(v1Layers(224), same(1, 224, 224, 3, 16, 3, 2, 1), same(1, 28, 28, 32, 192, 1, 1, 1), same(1, 28, 28, 144, 32, 1, 1, 1),
		same(1, 56, 56, 24, 72, 1, 1, 1), same(1, 28, 28, 120, 120, 5, 1, 120), same(1, 14, 14, 672, 672, 5, 2, 672),
		same(1, 56, 56, 32, 64, 3, 1, 1), same(1, 1, 1, 960, 1280, 1, 1, 1), same(1, 1, 1, 576, 144, 1, 1, 1)) {
		s := plainBytes(f)
		for _, k := range kernel.QConvKernels() {
			if k.Impl == "ref" || !k.Available() || !k.Accepts(&s) {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s/impl=%s", shapeName(&f), k.Name, k.Impl), func(b *testing.B) {
				l := newByteLayer(s, &k)
				for b.Loop() {
					l.run()
				}
				b.ReportMetric(macs(&f)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
				b.ReportMetric(macs(&f)/float64(l.undisturbed().Nanoseconds()), "undisturbed-GMAC/s")
			})
		}
	}
}

// BenchmarkQNetworks runs the convolutions of V1, V2 and V3-Small at 224 x 224 in
// bytes and in float32, with one worker, and logs the pace of each.
func BenchmarkQNetworks(b *testing.B) {
	for _, net := range []struct {
		name   string
		layers []kernel.ConvShape
	}{{"v1", v1Layers(224)}, {"v2", v2Layers(224)}, {"v3small", v3SmallLayers()}} {
		for _, impl := range append([]string{"go"}, vectorRungs()...) {
			b.Run(net.name+"/impl="+impl, func(b *testing.B) { benchBytes(b, net.layers, impl) })
		}
	}
}

func benchBytes(b *testing.B, shapes []kernel.ConvShape, impl string) {
	var layers []*byteLayer
	var floats []layer
	for _, f := range shapes {
		s := plainBytes(f)
		f.Act, f.HasResidual, f.HasScale = relu6, false, false
		layers, floats = append(layers, newByteLayer(s, kernel.SelectQConv(&s, impl))), append(floats, newLayer(f, kernel.SelectConv(&f, impl), 1))
	}
	for b.Loop() {
		for i, l := range layers {
			l.run()
			floats[i].run()
		}
	}
	type sum struct {
		bytes, float time.Duration
		macs         float64
	}
	var all sum
	kinds := map[string]*sum{}
	for i, l := range layers {
		f := &shapes[i]
		d, e := l.undisturbed(), floats[i].undisturbed()
		kind := "dense"
		switch {
		case f.Groups > 1:
			kind = "depthwise"
		case f.H == 1:
			kind = "vector"
		case f.KH == 1:
			kind = "pointwise"
		}
		if kinds[kind] == nil {
			kinds[kind] = new(sum)
		}
		for _, s := range []*sum{&all, kinds[kind]} {
			s.bytes, s.float, s.macs = s.bytes+d, s.float+e, s.macs+macs(f)
		}
		b.Logf("%-28s %-20s %6.1f GMAC/s, float32 %6.1f, time %.2f", shapeName(f), l.k.Name, macs(f)/float64(d.Nanoseconds()), macs(f)/float64(e.Nanoseconds()), float64(d)/float64(e))
	}
	for kind, s := range kinds {
		b.Logf("%-10s %7.3f ms, %6.1f GMAC/s, float32 %7.3f ms", kind, s.bytes.Seconds()*1e3, s.macs/float64(s.bytes.Nanoseconds()), s.float.Seconds()*1e3)
	}
	b.ReportMetric(all.bytes.Seconds()*1e3, "undisturbed-ms")
	b.ReportMetric(all.float.Seconds()*1e3, "float32-ms")
}

// v3SmallLayers are the convolutions of MobileNetV3-Small 1.0 at 224 x 224,
// squeeze and excite included.
func v3SmallLayers() (layers []kernel.ConvShape) {
	h, c := 112, 16
	layers = append(layers, same(1, 224, 224, 3, 16, 3, 2, 1))
	for _, r := range [][5]int{{3, 16, 16, 8, 2}, {3, 72, 24, 0, 2}, {3, 88, 24, 0, 1}, {5, 96, 40, 24, 2}, {5, 240, 40, 64, 1}, {5, 240, 40, 64, 1},
		{5, 120, 48, 32, 1}, {5, 144, 48, 40, 1}, {5, 288, 96, 72, 2}, {5, 576, 96, 144, 1}, {5, 576, 96, 144, 1}} {
		if r[1] != c {
			layers = append(layers, same(1, h, h, c, r[1], 1, 1, 1))
		}
		layers = append(layers, same(1, h, h, r[1], r[1], r[0], r[4], r[1]))
		h /= r[4]
		if r[3] > 0 {
			layers = append(layers, same(1, 1, 1, r[1], r[3], 1, 1, 1), same(1, 1, 1, r[3], r[1], 1, 1, 1))
		}
		layers = append(layers, same(1, h, h, r[1], r[2], 1, 1, 1))
		c = r[2]
	}
	return append(layers, same(1, 7, 7, 96, 576, 1, 1, 1), same(1, 1, 1, 576, 1024, 1, 1, 1), same(1, 1, 1, 1024, 1001, 1, 1, 1))
}

// TestQConvSelected: every layer of a real network has a kernel of the machine's
// own, at the limit given, where there is one at all.
func TestQConvSelected(t *testing.T) {
	for _, rung := range vectorRungs() {
		own := 0
		for _, k := range kernel.QConvKernels() {
			if k.Impl == rung && k.Available() {
				own++
			}
		}
		if own == 0 {
			t.Logf("no convolution of bytes for %s", rung)
			continue
		}
		for _, f := range append(v2Layers(224), v1Layers(224)...) {
			s := plainBytes(f)
			if k := kernel.SelectQConv(&s, rung); k.Impl != rung && !(rung == "amx" && k.Impl == "avx512") {
				t.Errorf("%s at %s is left to %s", shapeName(&f), rung, k.Name)
			}
		}
	}
}

// TestQConvTasksFollowShape holds the division of work to the shape: enough
// pieces for some cores on the layers that matter, none much too small.
func TestQConvTasksFollowShape(t *testing.T) {
	for _, f := range append(v2Layers(224), v1Layers(224)...) {
		s := plainBytes(f)
		for _, k := range kernel.QConvKernels() {
			if k.Impl == "ref" || k.Impl == "amx" || !k.Available() || !k.Accepts(&s) {
				continue
			}
			if n, work := k.Tasks(&s), macs(&f); s.Groups == 1 && (work > 6e6 && n < 3 || float64(n) > 2+work/5e4) {
				t.Errorf("%s %s: %d tasks for %.1f M multiply-adds", k.Name, shapeName(&f), n, work/1e6)
			}
		}
	}
}

// TestQConvAhead: memory to be fetched ahead changes no result, wherever it
// ends.
func TestQConvAhead(t *testing.T) {
	for i, f := range []kernel.ConvShape{same(1, 14, 14, 40, 100, 1, 1, 1), same(1, 9, 9, 32, 16, 3, 1, 1), same(1, 7, 7, 512, 64, 1, 1, 1), same(1, 1, 1, 300, 200, 1, 1, 1)} {
		for _, n := range []int{1, 17, 64, 70000} {
			a := newQConv(byteShape(f, uint64(i)), uint64(n))
			a.Ahead = randomBytes(n, 1)
			checkQConv(t, a)
		}
	}
}

// plainBytes is a convolution of bytes without anything special, by the rounding
// that TFLite gives its kind.
func plainBytes(f kernel.ConvShape) kernel.QConvShape {
	s := byteShape(f, 2)
	s.HasWZero, s.HasTable, s.Single, s.Up, s.Float, s.XPixel, s.YPixel = false, false, false, s.Groups == 1, false, s.C, s.O
	return s
}

// byteLayer is a convolution of bytes with its constants packed.
type byteLayer struct {
	k       *kernel.QConvKernel
	a       *kernel.QConv
	scratch []float32
	best    []time.Duration // of each task
}

func newByteLayer(s kernel.QConvShape, k *kernel.QConvKernel) *byteLayer {
	l := &byteLayer{k: k, a: newQConv(s, 1), scratch: make([]float32, k.ScratchLen(&s))}
	l.a.Packed = kernel.Bytes(make([]float32, (k.PackedLen(&s)+63)/64*16))[:k.PackedLen(&s)]
	k.Pack(l.a, l.a.Packed)
	l.best = slices.Repeat([]time.Duration{time.Hour}, k.Tasks(&s))
	return l
}

func (l *byteLayer) run() {
	for task := range l.best {
		start := time.Now()
		l.k.Run(l.a, task, l.scratch)
		l.best[task] = min(l.best[task], time.Since(start))
	}
}

func (l *byteLayer) undisturbed() (sum time.Duration) {
	for _, d := range l.best {
		sum += d
	}
	return sum
}

// v1Layers are the convolutions of MobileNetV1 1.0.
func v1Layers(side int) (layers []kernel.ConvShape) {
	h := side / 2
	layers = append(layers, same(1, side, side, 3, 32, 3, 2, 1))
	c := 32
	for _, r := range [][2]int{{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}} {
		layers = append(layers, same(1, h, h, c, c, 3, r[1], c))
		h /= r[1]
		layers = append(layers, same(1, h, h, c, r[0], 1, 1, 1))
		c = r[0]
	}
	return append(layers, same(1, 1, 1, 1024, 1001, 1, 1, 1))
}
