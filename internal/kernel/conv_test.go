package kernel_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestConv holds every convolution kernel to the float64 reference on odd
// shapes and on the layers of real networks at a small resolution.
func TestConv(t *testing.T) {
	shapes := append(oddShapes(), v2Layers(64)...)
	hswish := kernel.Act{Kind: ref.HSwish, A: 1. / 6}
	for _, s := range []kernel.ConvShape{
		same(1, 14, 14, 120, 120, 5, 1, 120), same(1, 14, 14, 240, 240, 5, 2, 240), // V3
		same(1, 1, 1, 72, 24, 1, 1, 1), same(2, 7, 7, 240, 40, 1, 1, 1), // its squeeze and excite
		same(1, 14, 14, 32, 96, 3, 2, 1), // EdgeTPU's fused block
	} {
		s.Act, s.HasScale = hswish, s.O == 40
		shapes = append(shapes, s)
	}
	for i, s := range shapes {
		if testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(shapeName(&s), func(t *testing.T) { testkit.CheckConv(t, s, uint64(i)) })
	}
}

// TestConvBatch holds batches of real layers to the bits of single pictures.
func TestConvBatch(t *testing.T) {
	for i, s := range v2Layers(32) {
		if i%4 != 0 && i < 48 {
			continue
		}
		s.N = 5
		t.Run(shapeName(&s), func(t *testing.T) { testkit.CheckConv(t, s, uint64(i)) })
	}
}

// TestConvSelected checks that real layers do not fall to a general kernel.
func TestConvSelected(t *testing.T) {
	want := map[string]int{"convF32T2x4Go": 1, "pwconvF32T2x4Go": 35, "dwconvF32K3S1T4Go": 13, "dwconvF32K3S2T2Go": 4}
	got := map[string]int{}
	for _, s := range v2Layers(224) {
		got[kernel.SelectConv(&s, "go").Name]++
		if k := kernel.SelectConv(&s, "ref"); k.Impl != "ref" {
			t.Errorf("%s: reference is %s", shapeName(&s), k.Name)
		}
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %d layers, want %d", name, got[name], n)
		}
	}
	blocked := same(1, 4, 4, 16, 16, 1, 1, 1)
	blocked.XPixel, blocked.XBlock = 16, 256
	blocked.YBlock = 256
	if k := kernel.SelectConv(&blocked, ""); k.Impl == "go" {
		t.Errorf("%s takes a channel-blocked layout", k.Name)
	}
}

// TestTasksFollowShape holds the division of work to the shape: enough pieces
// for several cores on the layers that matter, few enough to be worth it.
func TestTasksFollowShape(t *testing.T) {
	for _, s := range v2Layers(224) {
		n := kernel.SelectConv(&s, "go").Tasks(&s)
		if work := macs(&s); work > 4e6 && n < 16 || n > 1000 {
			t.Errorf("%s: %d tasks for %.1f M multiply-adds", shapeName(&s), n, work/1e6)
		}
	}
}

func FuzzConv(f *testing.F) {
	f.Add([]byte{1, 7, 7, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, uint64(1))
	f.Add([]byte{2, 5, 9, 12, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 12, 7, 3}, uint64(2))
	f.Add([]byte{1, 5, 9, 12, 12, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 12, 2, 0}, uint64(3))
	f.Add([]byte{1, 5, 9, 12, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 3, 5, 1}, uint64(4))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) < 18 {
			return
		}
		at := func(i, most int) int { return int(b[i])%most + 1 }
		s := kernel.ConvShape{N: at(0, 3), H: at(1, 20), W: at(2, 20), C: at(3, 40), O: at(4, 40),
			KH: at(5, 6), KW: at(6, 6), StrideH: at(7, 3), StrideW: at(8, 3), DilationH: at(9, 3), DilationW: at(10, 3),
			PadTop: at(11, 4) - 1, PadLeft: at(12, 4) - 1, Groups: max(int(b[15])%40, 1),
			Act: kernel.Act{Kind: kernel.ActKind(b[16]) % ref.NumActs, A: 0.25, B: 0.75}, HasScale: b[17]&1 != 0, HasResidual: b[17]&2 != 0}
		if b[17]&4 != 0 {
			s.KW, s.StrideW = s.KH, s.StrideH
		}
		if b[17]&8 != 0 {
			s.O, s.Groups = s.C, s.C
		}
		bottom, right := at(13, 4)-1, at(14, 4)-1
		if s.C%s.Groups != 0 || s.O%s.Groups != 0 ||
			s.H+s.PadTop+bottom <= (s.KH-1)*s.DilationH || s.W+s.PadLeft+right <= (s.KW-1)*s.DilationW {
			return
		}
		s = window(s, bottom, right)
		s.XPixel, s.YPixel = s.XPixel+int(b[17]>>4&3), s.YPixel+int(b[17]>>6)
		testkit.CheckConv(t, s, seed)
	})
}

// TestConvNaN: a NaN in the picture reaches the result through every
// activation, or trouble upstream would look like a confident answer.
func TestConvNaN(t *testing.T) {
	for _, s := range []kernel.ConvShape{same(1, 4, 5, 8, 12, 1, 1, 1), same(1, 4, 5, 8, 8, 3, 1, 8), same(1, 1, 1, 8, 12, 1, 1, 1)} {
		for kind := range ref.NumActs {
			s.Act = kernel.Act{Kind: kind, A: 0.5, B: 1}
			for _, s.HasResidual = range []bool{false, true} {
				for _, k := range kernel.ConvKernels() {
					if !k.Available() || !k.Accepts(&s) {
						continue
					}
					l := newLayer(s, &k, 1)
					for i := range 8 {
						l.a.X[i] = float32(math.NaN())
					}
					l.run()
					for o, v := range l.a.Y[:s.O] {
						if v == v {
							t.Fatalf("%s: activation %d makes %v of NaN in channel %d", k.Name, kind, v, o)
						}
					}
				}
			}
		}
	}
}
