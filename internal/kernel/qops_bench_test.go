package kernel_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// benchByteOp is bench with the time of the best run of each task beside, which
// what else the machine does disturbs less.
func benchByteOp[A any](b *testing.B, name string, table []kernel.Kernel[A], a A, elems int) {
	for _, k := range table {
		if k.Impl == "ref" || !k.Available() || !k.Accepts(&a) {
			continue
		}
		b.Run(name+"/"+k.Name+"/impl="+k.Impl, func(b *testing.B) {
			scratch, best := make([]float32, k.ScratchLen(&a)), make([]time.Duration, k.Tasks(&a))
			for i := range best {
				best[i] = time.Hour
			}
			for b.Loop() {
				for task := range best {
					start := time.Now()
					k.Run(&a, task, scratch)
					best[task] = min(best[task], time.Since(start))
				}
			}
			var sum time.Duration
			for _, d := range best {
				sum += d
			}
			b.ReportMetric(float64(sum.Nanoseconds())/1e3, "undisturbed-µs")
			b.ReportMetric(float64(elems)/float64(sum.Nanoseconds()), "Gelem/s")
		})
	}
}

// BenchmarkByteOps measures the operations on bytes but for convolutions: the
// sums of V2 and the gates of V3, inputs and outputs of 224 x 224.
func BenchmarkByteOps(b *testing.B) {
	const n = 224 * 224 * 3
	x, z := randomBytes(n, 1), randomBytes(n, 2)
	for _, s := range [][2]int{{56, 24}, {28, 32}, {14, 64}, {14, 96}, {7, 160}} {
		shape := [4]int{1, s[0], s[0], s[1]}
		a := newQBinary(shape, shape, ref.Add, 4)
		benchByteOp(b, "add"+strconv.Itoa(s[0])+"x"+strconv.Itoa(s[1]), kernel.QBinaryKernels(), a, len(a.Y))
	}
	for _, s := range [][2]int{{56, 72}, {28, 120}, {14, 480}, {7, 960}} {
		a := newQBinary([4]int{1, s[0], s[0], s[1]}, [4]int{1, 1, 1, s[1]}, ref.Mul, 4)
		a.Scales(0.05, 1./256, 0.05)
		benchByteOp(b, "gate"+strconv.Itoa(s[0])+"x"+strconv.Itoa(s[1]), kernel.QBinaryKernels(), a, len(a.Y))
		m := kernel.QMean{N: 1, H: s[0], W: s[0], C: s[1], X: a.A, Y: make([]uint8, s[1]), Hi: 255}
		m.SetScales(0.1, 0.1)
		benchByteOp(b, "mean"+strconv.Itoa(s[0])+"x"+strconv.Itoa(s[1]), kernel.QMeanKernels(), m, len(m.X))
	}
	table := kernel.Table{Len: n, Table: (*[256]uint8)(randomBytes(256, 3)), X: x, Y: z}
	benchByteOp(b, "table", kernel.TableKernels(), table, n)
	q := kernel.Quantize{Len: n, Scale: 1. / 127, Zero: 128, Hi: 255, X: testkit.Noise(n, 5), Y: z}
	benchByteOp(b, "quantize", kernel.QuantizeKernels(), q, n)
	benchByteOp(b, "dequantize", kernel.DequantizeKernels(), kernel.Dequantize{Len: n, Scale: 0.1, Zero: 128, X: x, Y: make([]float32, n)}, n)
	pool := kernel.QPool{N: 1, H: 7, W: 7, C: 1024, OH: 1, OW: 1, KH: 7, KW: 7, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Hi: 255, X: x, Y: make([]uint8, 1024)}
	benchByteOp(b, "pool7x1024", kernel.QPoolKernels(), pool, 49*1024)
	soft := kernel.QSoftmax{Rows: 1, Cols: 1001, Exp: new([256]float32), YScale: 1. / 256, Hi: 255, X: x, Y: make([]uint8, 1001)}
	for d := range soft.Exp {
		soft.Exp[d] = float32(math.Exp(-0.1 * float64(d)))
	}
	benchByteOp(b, "softmax1001", kernel.QSoftmaxKernels(), soft, 1001)
	benchByteOp(b, "argmax1001", kernel.ArgMaxKernels(), kernel.ArgMax{Rows: 1, Cols: 1001, X: x, Y: make([]int32, 1)}, 1001)
	for _, signed := range []bool{false, true} {
		r := kernel.ByteResize{N: 1, H: 65, W: 65, C: 21, OH: 513, OW: 513, Rule: ref.AlignCorners, Signed: signed, X: x, Y: make([]uint8, 513*513*21)}
		benchByteOp(b, map[bool]string{true: "resizeInt8", false: "resizeUint8"}[signed], kernel.ByteResizeKernels(), r, len(r.Y))
	}
	benchByteOp(b, "concat", kernel.ByteConcatKernels(), kernel.ByteConcat{Outer: 56 * 56, Inner: []int{24, 24}, Xs: [][]uint8{x, z}, Y: make([]uint8, 56*56*48)}, 56*56*48)
	benchByteOp(b, "pad", kernel.BytePadKernels(), kernel.BytePad{N: 1, H: 56, W: 56, C: 24, Bottom: 1, Right: 1, X: x, Y: make([]uint8, 57*57*24)}, 57*57*24)
	benchByteOp(b, "transpose", kernel.ByteTransposeKernels(), kernel.ByteTranspose{Rank: 3, Shape: [6]int{224, 224, 3}, Perm: [6]int{2, 0, 1}, X: x, Y: z}, n)
}

// BenchmarkQDepthwise runs the depthwise convolutions of V1 at 224 x 224, and
// those of 5 x 5 of V3, in bytes and in float32, and logs the pace of each.
func BenchmarkQDepthwise(b *testing.B) {
	for _, impl := range append([]string{"go"}, vectorRungs()...) {
		b.Run("impl="+impl, func(b *testing.B) {
			var shapes []kernel.ConvShape
			var layers []*byteLayer
			var floats []layer
			all := v1Layers(224)
			network := len(all)
			all = append(all, same(1, 28, 28, 72, 72, 5, 2, 72), same(1, 28, 28, 120, 120, 5, 1, 120), same(1, 14, 14, 672, 672, 5, 2, 672), same(1, 7, 7, 960, 960, 5, 1, 960))
			count := 0
			for i, f := range all {
				if f.Groups > 1 {
					s := plainBytes(f)
					f.Act = relu6
					shapes, layers = append(shapes, f), append(layers, newByteLayer(s, kernel.SelectQConv(&s, impl)))
					floats = append(floats, newLayer(f, kernel.SelectConv(&f, impl), 1))
				}
				if i < network {
					count = len(layers)
				}
			}
			for b.Loop() {
				for i, l := range layers {
					l.run()
					floats[i].run()
				}
			}
			var bytes, float time.Duration
			for i, l := range layers {
				d, e := l.undisturbed(), floats[i].undisturbed()
				if i < count {
					bytes, float = bytes+d, float+e
				}
				b.Logf("%-32s %-20s %7.1f µs, float32 %7.1f µs", shapeName(&shapes[i]), l.k.Name, float64(d.Nanoseconds())/1e3, float64(e.Nanoseconds())/1e3)
			}
			b.ReportMetric(bytes.Seconds()*1e3, "V1-undisturbed-ms")
			b.ReportMetric(float.Seconds()*1e3, "V1-float32-ms")
		})
	}
}
