package kernel_test

import (
	"math"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// gradShapes are forward convolutions whose gradients are taken: those of the
// odd shapes with a plain layout, and layers of a network.
func gradShapes() (out []kernel.ConvShape) {
	for _, s := range append(oddShapes(), v2Layers(32)...) {
		if s.XPixel == s.C && s.XBlock == 16 && s.YPixel == s.O && s.YBlock == 16 {
			s.Act, s.HasScale, s.HasResidual = kernel.Act{}, false, false
			out = append(out, s)
		}
	}
	for _, s := range []kernel.ConvShape{same(3, 28, 28, 16, 24, 1, 1, 1), same(2, 33, 31, 24, 24, 5, 2, 24), same(2, 17, 16, 12, 20, 3, 2, 1)} {
		out = append(out, s)
	}
	return out
}

func TestConvGradients(t *testing.T) {
	for i, s := range gradShapes() {
		if testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(shapeName(&s), func(t *testing.T) { checkConvGradients(t, s, uint64(i)) })
	}
}

func checkConvGradients(t *testing.T, s kernel.ConvShape, seed uint64) {
	t.Helper()
	x, dy := testkit.Noise(s.N*s.H*s.W*s.C, seed), testkit.Noise(s.N*s.OH*s.OW*s.O, seed+1)
	w := testkit.Noise(s.O*(s.C/s.Groups)*s.KH*s.KW, seed+2)
	testkit.CheckKernels(t, kernel.ConvGradInputKernels(), kernel.ConvGradInput{ConvShape: s, DY: dy, Weight: w, DX: make([]float32, len(x))}, ref.ConvGradInput[float64])
	testkit.CheckKernels(t, kernel.ConvGradWeightKernels(), kernel.ConvGradWeight{ConvShape: s, X: x, DY: dy, DWeight: make([]float32, len(w))}, ref.ConvGradWeight[float64])
	checkGradInputConv(t, s, dy, w)
}

// checkGradParts gives each kernel a weight's gradient picture by picture and
// compares with the reference of the whole.
func checkGradParts(t *testing.T, s kernel.ConvShape, x, dy []float32) {
	n := s.O * (s.C / s.Groups) * s.KH * s.KW
	want := kernel.ConvGradWeight{ConvShape: s, X: x, DY: dy, DWeight: make([]float32, n)}
	table := kernel.ConvGradWeightKernels()
	if s.BF16 != (kernel.BF16{}) {
		table = kernel.ConvGradWeightBF16Kernels()
	}
	table[len(table)-1].Run(&want, 0, nil)
	for _, k := range table {
		part := s
		part.N = 1
		a := kernel.ConvGradWeight{ConvShape: part, Add: true, DWeight: make([]float32, n)}
		if !k.Available() || !k.Accepts(&a) {
			continue
		}
		scratch := make([]float32, k.ScratchLen(&a))
		if k.Reduce != nil {
			*k.Reduce.At(&a) = make([]float32, k.Reduce.Len(&a))
		}
		for i := range s.N {
			a.X, a.DY = x[i*s.H*s.W*s.C:], dy[i*s.OH*s.OW*s.O:]
			for task := range k.Tasks(&a) {
				k.Run(&a, task, scratch)
			}
		}
		if k.Reduce != nil {
			for task := range k.Reduce.Tasks(&a) {
				k.Reduce.Merge(&a, task)
			}
		}
		for i, v := range a.DWeight {
			if d := v - want.DWeight[i]; d > 1e-3 || d < -1e-3 {
				t.Fatalf("%s: by parts: element %d is %v, want %v", k.Name, i, v, want.DWeight[i])
			}
		}
	}
}

// checkGradInputConv holds the convolution that stands for a gradient to the
// gradient's own reference.
func checkGradInputConv(t *testing.T, s kernel.ConvShape, dy, w []float32) {
	g, ok := kernel.GradInputConv(&s)
	if !ok {
		return
	}
	n := s.N * s.H * s.W * s.C
	want := kernel.ConvGradInput{ConvShape: s, DY: dy, Weight: w, DX: make([]float32, n)}
	ref.ConvGradInput(&want)
	turned := make([]float32, len(w))
	kernel.GradInputWeight(&s, w, turned)
	got := kernel.Conv{ConvShape: g, X: dy, Weight: turned, Bias: make([]float32, g.O), Y: make([]float32, n)}
	ref.Conv(&got)
	for _, k := range kernel.ConvKernels() {
		if !k.Available() || !k.Accepts(&g) || k.PackTurned == nil {
			continue
		}
		plain, packed := testkit.NewGuarded(k.PackedLen(&g)), testkit.NewGuarded(k.PackedLen(&g))
		k.Pack(&g, turned, plain.Data)
		if !k.PackTurned(&s, w, packed.Data) {
			continue
		}
		if !slices.Equal(packed.Data, plain.Data) || packed.Check() != nil {
			t.Errorf("%s: weights packed turned round differ, %v", k.Name, packed.Check())
		}
	}
	for i, v := range got.Y {
		if d := v - want.DX[i]; d > 1e-4 || d < -1e-4 {
			t.Fatalf("as a convolution: element %d is %v, want %v", i, v, want.DX[i])
		}
	}
}

var gradActs = []kernel.Act{{}, {Kind: ref.ReLU}, relu6, {Kind: ref.Clip, A: -0.5, B: 0.75}, {Kind: ref.LeakyReLU, A: 0.1}, {Kind: ref.Swish}, {Kind: ref.Sigmoid},
	{Kind: ref.HSwish, A: 1. / 6}, {Kind: ref.HSigmoid, A: 1. / 6}, {Kind: ref.HardSigmoid, A: 0.2, B: 0.5}, {Kind: ref.Tanh}, {Kind: ref.GELU}}

func TestActivationGrad(t *testing.T) {
	for _, act := range gradActs {
		for _, n := range []int{0, 1, 7, 127, 40000} {
			x := testkit.Noise(n, 1)
			for i := range x {
				x[i] *= float32(int(1) << (i % 5))
			}
			for i, v := range []float32{0, 6, 3, -3, -0.5, 0.75} { // the kinks
				if i < n-1 {
					x[i] = v
				}
			}
			a := kernel.ActivationGrad{Len: n, Act: act, X: x, DY: testkit.Noise(n, 2), DX: make([]float32, n)}
			testkit.CheckKernels(t, kernel.ActivationGradKernels(), a, ref.ActivationGrad[float64])
			a.DX = a.DY
			testkit.CheckKernels(t, kernel.ActivationGradKernels(), a, ref.ActivationGrad[float64])
		}
	}
}

// TestSlopeRange goes through all magnitudes, the kinks and what is no number.
func TestSlopeRange(t *testing.T) {
	var x []float32
	for _, v := range []float32{0, 0.25, 0.5, 0.75, 2.5, 3, 6, 20, 86, 88, 89, 104, 110, 1e10, 1e30, math.MaxFloat32, 1e-10, math.SmallestNonzeroFloat32, float32(math.Inf(1))} {
		for _, v := range []float32{v, math.Nextafter32(v, -1), math.Nextafter32(v, math.MaxFloat32)} {
			x = append(x, v, -v)
		}
	}
	nan := len(x)
	x = append(x, float32(math.NaN()))
	for _, act := range gradActs {
		a := kernel.ActivationGrad{Len: len(x), Act: act, X: x, DY: testkit.Noise(len(x), 1), DX: make([]float32, len(x))}
		for _, k := range kernel.ActivationGradKernels() {
			if !k.Available() || !k.Accepts(&a) {
				continue
			}
			clear(a.DX)
			for task := range k.Tasks(&a) {
				k.Run(&a, task, nil)
			}
			for i, got := range a.DX {
				want := float64(a.DY[i]) * ref.ActSlope(act, float64(x[i]))
				if i == nan && k.Impl == "go" {
					continue // the portable code chooses by the bits
				}
				if act.Kind == ref.HardSigmoid && math.Abs(math.Abs(float64(x[i]))-2.5) < 1e-6 {
					continue // on which side 0.2*x lies is rounding's to say
				}
				if d := math.Abs(float64(got) - want); !(d <= 1e-6) && !(want != want && got != got) {
					t.Errorf("%s kind %d: slope at %v times %v is %v, want %v", k.Name, act.Kind, x[i], a.DY[i], got, want)
				}
			}
		}
	}
}

func TestChannelReductions(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {2, 7}, {49, 13}, {500, 127}, {6000, 16}, {70000, 3}, {3, 1280}, {1000, 65}} {
		x := testkit.Noise(s[0]*s[1], 1)
		for i := range x {
			x[i] = x[i]*0.01 + float32(i%s[1]%5) // far from zero: the variance must not cancel
		}
		testkit.CheckKernels(t, kernel.ChannelStatsKernels(), kernel.ChannelStats{Rows: s[0], C: s[1], X: x, Y: make([]float32, 2*s[1])}, ref.ChannelStats[float64])
		testkit.CheckKernels(t, kernel.ChannelSumKernels(), kernel.ChannelSum{Rows: s[0], C: s[1], X: x, Y: make([]float32, s[1])}, ref.ChannelSum[float64])
	}
}

func TestBatchNormTrain(t *testing.T) {
	for i, s := range [][2]int{{2, 1}, {49, 13}, {500, 127}, {3000, 24}, {3, 300}} {
		for j, act := range gradActs {
			if (i+j)%2 == 1 || i < 2 {
				checkNorm(t, s[0], s[1], act, uint64(i))
			}
		}
	}
}

// checkNorm holds a batch norm and its gradients to the references.
func checkNorm(t *testing.T, rows, c int, act kernel.Act, seed uint64) {
	t.Helper()
	x, dy, stats := testkit.Noise(rows*c, seed), testkit.Noise(rows*c, seed+1), make([]float32, 2*c)
	gamma, beta := testkit.Noise(c, seed+2), testkit.Noise(c, seed+3)
	for j := range x {
		x[j] *= 3
	}
	for j := range gamma {
		gamma[j] += 1.5
	}
	ref.ChannelStats(&kernel.ChannelStats{Rows: rows, C: c, X: x, Y: stats})
	awayFromKinks(x, gamma, beta, stats, act)
	testkit.CheckKernels(t, kernel.BatchNormTrainKernels(), kernel.BatchNormTrain{Rows: rows, C: c, Epsilon: 1e-3, Act: act,
		X: x, Gamma: gamma, Beta: beta, Stats: stats, Y: make([]float32, rows*c)}, ref.BatchNormTrain[float64])
	sums := kernel.BatchNormGradSums{Rows: rows, C: c, Epsilon: 1e-3, Act: act, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Y: make([]float32, 2*c)}
	testkit.CheckKernels(t, kernel.BatchNormGradSumsKernels(), sums, ref.BatchNormGradSums[float64])
	ref.BatchNormGradSums(&sums)
	for _, frozen := range []bool{false, true} {
		a := kernel.BatchNormGradInput{Rows: rows, C: c, Epsilon: 1e-3, Act: act, Frozen: frozen, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Sums: sums.Y, DX: make([]float32, rows*c)}
		testkit.CheckKernels(t, kernel.BatchNormGradInputKernels(), a, ref.BatchNormGradInput[float64])
		a.DX = a.DY
		testkit.CheckKernels(t, kernel.BatchNormGradInputKernels(), a, ref.BatchNormGradInput[float64])
	}
}

// awayFromKinks moves inputs whose normalised value lies so close to a kink of
// the activation that rounding decides the side.
func awayFromKinks(x, gamma, beta, stats []float32, act kernel.Act) {
	kinks := map[kernel.ActKind][]float64{ref.ReLU: {0}, ref.ReLU6: {0, 6}, ref.Clip: {float64(act.A), float64(act.B)}, ref.LeakyReLU: {0},
		ref.HSwish: {-3, 3}, ref.HSigmoid: {-3, 3}, ref.HardSigmoid: {-2.5, 2.5}}[act.Kind]
	c := len(gamma)
	for i := range x {
		for _, k := range kinks {
			j := i % c
			z := (float64(x[i])-float64(stats[j]))/math.Sqrt(float64(stats[c+j])+1e-3)*float64(gamma[j]) + float64(beta[j])
			if math.Abs(z-k) < 1e-4 {
				x[i] += 0.01
			}
		}
	}
}

func TestReductions(t *testing.T) {
	elems := func(s [4]int) int { return s[0] * s[1] * s[2] * s[3] }
	for _, s := range [][2][4]int{
		{{2, 5, 7, 13}, {2, 1, 1, 13}}, {{3, 9, 11, 130}, {3, 1, 1, 130}}, {{2, 5, 7, 13}, {1, 1, 1, 13}}, {{2, 5, 7, 13}, {1, 1, 1, 1}},
		{{2, 5, 7, 13}, {2, 5, 7, 1}}, {{2, 5, 7, 13}, {1, 5, 1, 13}}, {{1, 1, 1, 1}, {1, 1, 1, 1}}, {{2, 3, 4, 5}, {2, 3, 4, 5}},
	} {
		x := testkit.Noise(elems(s[0]), 1)
		a := kernel.SumTo{Shape: s[0], To: s[1], X: x, Y: make([]float32, elems(s[1]))}
		testkit.CheckKernels(t, kernel.SumToKernels(), a, ref.SumTo[float64])
		a.Product = testkit.Noise(len(x), 2)
		testkit.CheckKernels(t, kernel.SumToKernels(), a, ref.SumTo[float64])
		testkit.CheckKernels(t, kernel.ExpandKernels(), kernel.Expand{Shape: s[0], From: s[1], Factor: 0.3, X: testkit.Noise(elems(s[1]), 3), Y: make([]float32, len(x))}, ref.Expand[float64])
	}
	for _, n := range []int{1, 7, 127, 40000} {
		for fn := ref.ReduceSum; fn <= ref.ReduceSumSquares; fn++ {
			testkit.CheckKernels(t, kernel.ReduceKernels(), kernel.Reduce{Len: n, Fn: fn, X: testkit.Noise(n, 1), Y: make([]float32, 1)}, ref.Reduce[float64])
		}
	}
	testkit.CheckKernels(t, kernel.ClipFactorKernels(), kernel.ClipFactor{Max: 0.5, Xs: [][]float32{{1}, {0.3}}, Y: make([]float32, 1)}, ref.ClipFactor[float64])
}

func TestSpatialGradients(t *testing.T) {
	for i, a := range []kernel.PoolGrad{
		{N: 1, H: 7, W: 7, C: 13, OH: 1, OW: 1, KH: 7, KW: 7, StrideH: 1, StrideW: 1},
		{N: 2, H: 13, W: 15, C: 67, OH: 7, OW: 8, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 9, W: 8, C: 3, OH: 9, OW: 8, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 2, PadLeft: 2},
		{N: 1, H: 1, W: 1, C: 3, OH: 2, OW: 2, KH: 2, KW: 2, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 1, PadLeft: 1},
	} {
		a.DilationH, a.DilationW = max(a.DilationH, 1), max(a.DilationW, 1)
		a.X, a.DY = testkit.Noise(a.N*a.H*a.W*a.C, uint64(i)), testkit.Noise(a.N*a.OH*a.OW*a.C, 7)
		for j := range a.X {
			a.X[j] = float32(int(a.X[j] * 4)) // ties
		}
		a.DX = make([]float32, len(a.X))
		for _, a.Max = range []bool{false, true} {
			for _, a.CountPad = range []bool{false, true} {
				testkit.CheckKernels(t, kernel.PoolGradKernels(), a, ref.PoolGrad[float64])
			}
		}
	}
	for _, s := range [][4]int{{7, 7, 14, 14}, {13, 15, 7, 5}, {1, 1, 4, 3}, {5, 4, 1, 1}} {
		for rule := ref.HalfPixel; rule <= ref.Asymmetric; rule++ {
			for _, nearest := range []bool{false, true} {
				testkit.CheckKernels(t, kernel.ResizeGradKernels(), kernel.ResizeGrad{N: 2, H: s[0], W: s[1], C: 5, OH: s[2], OW: s[3], Rule: rule, Nearest: nearest,
					DY: testkit.Noise(2*s[2]*s[3]*5, 1), DX: make([]float32, 2*s[0]*s[1]*5)}, ref.ResizeGrad[float64])
			}
		}
	}
	for _, a := range []kernel.Slice{
		{Rank: 4, From: [6]int{2, 5, 6, 7}, Start: [6]int{0, 1, 2, 0}, Shape: [6]int{2, 3, 3, 7}}, {Rank: 2, From: [6]int{2, 70}, Start: [6]int{1, 0}, Shape: [6]int{1, 70}},
		{Rank: 1, From: [6]int{9}, Start: [6]int{3}, Shape: [6]int{4}}, {Rank: 4, From: [6]int{2, 50, 60, 7}, Start: [6]int{0, 0, 0, 3}, Shape: [6]int{2, 50, 60, 4}},
	} {
		from, n := 1, 1
		for d := range a.Rank {
			from, n = from*a.From[d], n*a.Shape[d]
		}
		a.X, a.Y = testkit.Noise(from, 1), make([]float32, n)
		testkit.CheckKernels(t, kernel.SliceKernels(), a, ref.Slice[float64])
	}
}

func TestLossKernels(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {3, 7}, {32, 1000}} {
		n, k := s[0], s[1]
		x, target, weight := testkit.Noise(n*k, 1), make([]float32, n*k), testkit.Noise(n, 3)
		for i := range x {
			x[i] *= 9
		}
		for i := range n {
			target[i*k+i%k] = 0.7
			target[i*k+(i+1)%k] += 0.3
		}
		testkit.CheckKernels(t, kernel.SoftmaxCrossEntropyKernels(), kernel.SoftmaxCrossEntropy{N: n, K: k, X: x, Target: target, Weight: weight, Y: make([]float32, n)}, ref.SoftmaxCrossEntropy[float64])
		testkit.CheckKernels(t, kernel.SoftmaxCrossEntropyGradKernels(), kernel.SoftmaxCrossEntropyGrad{N: n, K: k, X: x, Target: target, Weight: weight, DY: testkit.Noise(n, 4), DX: make([]float32, n*k)}, ref.SoftmaxCrossEntropyGrad[float64])
		testkit.CheckKernels(t, kernel.SoftmaxGradKernels(), kernel.SoftmaxGrad{Rows: n, Cols: k, Y: target, DY: x, DX: make([]float32, n*k)}, ref.SoftmaxGrad[float64])
	}
}

func TestUpdateKernels(t *testing.T) {
	for fn := range ref.NumUpdates {
		for _, decay := range []float64{0, 0.01} {
			for _, n := range []int{1, 7, 20000} {
				a := kernel.Update{Len: n, Fn: fn, A: 0.9, B: 0.99, Decay: decay, Rate: 0.5, Epsilon: 1e-2, S: testkit.Noise(n, 1), P: testkit.Noise(n, 2), Q: testkit.Noise(n, 3), R: testkit.Noise(n, 4),
					U: []float32{0.1}, V: []float32{3}, Y: make([]float32, n)}
				for i := range a.Q {
					a.Q[i] += 1.5 // a mean square, or a decayed parameter
				}
				testkit.CheckKernels(t, kernel.UpdateKernels(), a, ref.Update[float64])
				a.Y = a.S
				testkit.CheckKernels(t, kernel.UpdateKernels(), a, ref.Update[float64])
			}
		}
	}
}

// TestRandom holds the masks to their rate, and to being a function of the
// seed, the step, the stream and the place alone.
func TestRandom(t *testing.T) {
	const n = 100000
	draw := func(seed0, seed1, step float32, stream uint32) []float32 {
		a := kernel.Random{Len: n, Rate: 0.2, Stream: stream, Seed: []float32{seed0, seed1}, Step: []float32{step}, Y: make([]float32, n)}
		testkit.CheckKernels(t, kernel.RandomKernels(), a, ref.Random[float64])
		ref.Random(&a)
		return a.Y
	}
	first := draw(1, 2, 3, 4)
	zeros := 0
	for _, v := range first {
		if v == 0 {
			zeros++
		} else if v != 1.25 {
			t.Fatalf("a kept element is %v", v)
		}
	}
	if zeros < n/5-500 || zeros > n/5+500 { // four deviations
		t.Errorf("%d of %d dropped", zeros, n)
	}
	for i, other := range [][]float32{draw(2, 2, 3, 4), draw(1, 3, 3, 4), draw(1, 2, 4, 4), draw(1, 2, 3, 5)} {
		both := 0
		for j, v := range other {
			if v == 0 && first[j] == 0 {
				both++
			}
		}
		if both < n/25-350 || both > n/25+350 {
			t.Errorf("mask %d: %d of %d dropped in both", i, both, n)
		}
	}
}
