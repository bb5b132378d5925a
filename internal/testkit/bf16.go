package testkit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// BF16Layout gives the shape the distances of pixels that values stored as
// bfloat16 have, extra times 32 channels more than needed.
func BF16Layout(s kernel.ConvShape, extra int) kernel.ConvShape {
	if s.BF16.X {
		s.XPixel = kernel.BF16Pixel(s.C) + 16*extra
	}
	if s.BF16.Y {
		s.YPixel = kernel.BF16Pixel(s.O) + 16*extra
	}
	return s
}

// NewBF16Conv is NewConv for a shape with bfloat16 in it.
func NewBF16Conv(s kernel.ConvShape, seed uint64) *kernel.Conv {
	plain := s
	plain.XPixel, plain.YPixel = s.C, s.O
	a := NewConv(plain, seed)
	a.ConvShape = s
	a.X = stored(a.X, s.C, s.XPixel, s.BF16.X)
	if s.HasResidual {
		a.Residual = stored(a.Residual, s.O, s.YPixel, s.BF16.Y)
	}
	a.Y = make([]float32, s.N*s.OH*s.OW*s.YPixel)
	return a
}

// stored lays pixels out, as bfloat16 where half is set.
func stored(x []float32, channels, pixel int, half bool) []float32 {
	out := make([]float32, len(x)/channels*pixel)
	for i, v := range x {
		if half {
			kernel.Halves(out)[i/channels*pixel*2+i%channels] = kernel.RoundBF16(v)
		} else {
			out[i/channels*pixel+i%channels] = v
		}
	}
	return out
}

// channels is the values of pixels without what lies between them.
func channels(x []float32, n, pixel int, half bool) []float32 {
	out := make([]float32, len(x)/pixel*n)
	for i := range out {
		if half {
			out[i] = kernel.WidenBF16(kernel.Halves(x)[i/n*pixel*2+i%n])
		} else {
			out[i] = x[i/n*pixel+i%n]
		}
	}
	return out
}

// CheckBF16Conv is CheckConv for a shape with bfloat16 in it: every available
// kernel against the reference that rounds where they do.
func CheckBF16Conv(t *testing.T, s kernel.ConvShape, seed uint64) (kernels int) {
	t.Helper()
	plain := NewBF16Conv(s, seed)
	table := kernel.BF16ConvKernels()
	reference := table[len(table)-1]
	want, magnitude := bf16Reference(plain, &reference)
	for _, k := range table[:len(table)-1] {
		if !k.Available() || !k.Accepts(&s) {
			continue
		}
		kernels++
		if err := checkBF16Conv(&k, plain, want, magnitude); err != nil {
			t.Errorf("%s: %+v: %v", k.Name, s, err)
		}
	}
	return kernels
}

// bf16Reference is the reference's result and the sum of the magnitudes of
// what is added up.
func bf16Reference(plain *kernel.Conv, reference *kernel.ConvKernel) (want, magnitude []float32) {
	a := *plain
	reference.Run(&a, 0, nil)
	want = channels(a.Y, a.O, a.YPixel, a.BF16.Y)
	abs := func(x []float32, pixel, n int, half bool) []float64 {
		out := float64s(channels(x, n, pixel, half))
		for i := range out {
			out[i] = math.Abs(out[i])
		}
		return out
	}
	m := ref.ConvArgs[float64]{ConvShape: a.ConvShape}
	m.XPixel, m.YPixel, m.Act = a.C, a.O, kernel.Act{}
	m.X = abs(a.X, a.XPixel, a.C, a.BF16.X)
	m.Weight, m.Bias = abs(a.Weight, 1, 1, false), abs(a.Bias, 1, 1, false)
	if a.HasScale {
		m.Scale = abs(a.Scale, 1, 1, false)
	}
	if a.HasResidual {
		m.Residual = abs(a.Residual, a.YPixel, a.O, a.BF16.Y)
	}
	m.Y = make([]float64, len(want))
	ref.Conv(&m)
	for _, v := range m.Y {
		magnitude = append(magnitude, float32(v))
	}
	return want, magnitude
}

func checkBF16Conv(k *kernel.ConvKernel, plain *kernel.Conv, want, magnitude []float32) error {
	a := *plain
	s := &a.ConvShape
	packed := NewGuarded(k.PackedLen(s))
	k.Pack(s, a.Weight, packed.Data)
	a.Weight = packed.Data
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
	got := channels(a.Y, s.O, s.YPixel, s.BF16.Y)
	for i, w := range want {
		bound := 2*k.MaxError*float64(magnitude[i]) + 4e-7*(1+math.Abs(float64(w)))
		if s.BF16.Y {
			bound += math.Abs(float64(w)) / 128
		}
		if !near(float64(got[i]), float64(w), bound) {
			return fmt.Errorf("pixel %d channel %d is %v, want %v within %v", i/s.O, i%s.O, got[i], w, bound)
		}
	}
	if err := checkPadding(&a); err != nil {
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
		if !slices.Equal(channels(over.Y, s.O, s.YPixel, s.BF16.Y), got) {
			return fmt.Errorf("over its residual it gives other numbers")
		}
	}
	for n := range s.N {
		one := a
		one.N = 1
		if n > 0 && s.N == 1 {
			break
		}
		one.X = a.X[n*s.H*s.W*s.XPixel:][:s.H*s.W*s.XPixel]
		from := n * s.OH * s.OW * s.YPixel
		one.Y = NewGuarded(s.OH * s.OW * s.YPixel).Data
		if s.HasResidual {
			one.Residual = a.Residual[from:][:len(one.Y)]
		}
		if s.HasScale {
			one.Scale = a.Scale[n*s.C:][:s.C]
		}
		own := NewGuarded(k.ScratchLen(&one.ConvShape))
		for task := range k.Tasks(&one.ConvShape) {
			k.Run(&one, task, own.Data)
		}
		if err := own.Check(); err != nil {
			return fmt.Errorf("scratch of one picture: %v", err)
		}
		if !sameBits(first[from:][:len(one.Y)], one.Y) {
			return fmt.Errorf("picture %d alone has other bits", n)
		}
	}
	return nil
}

// checkPadding holds the channels beyond the last to be finite, and what lies
// between pixels beyond them to be left alone.
func checkPadding(a *kernel.Conv) error {
	for p := range a.N * a.OH * a.OW {
		pixel := a.Y[p*a.YPixel:][:a.YPixel]
		end := a.O
		if a.BF16.Y {
			end = kernel.BF16Pixel(a.O)
			for c, v := range kernel.Halves(pixel)[a.O : 2*end] {
				if f := float64(kernel.WidenBF16(v)); math.IsNaN(f) || math.IsInf(f, 0) {
					return fmt.Errorf("pixel %d: padding %d is %v", p, c, f)
				}
			}
		}
		for i, v := range pixel[end:] {
			if math.Float32bits(v) != canary {
				return fmt.Errorf("pixel %d: wrote element %d of %d", p, end+i, end)
			}
		}
	}
	return nil
}
