package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// vectorRungs are the instruction sets present that have kernels.
func vectorRungs() (out []string) {
	for _, rung := range cpu.Present() {
		for _, k := range kernel.ConvKernels() {
			if k.Impl == rung && cpu.Rung(rung) > cpu.Rung("go") {
				out = append(out, rung)
				break
			}
		}
	}
	return out
}

// TestVectorSelected: every layer of a real network has a kernel of the
// machine's own, at the limit given.
func TestVectorSelected(t *testing.T) {
	if len(vectorRungs()) == 0 {
		t.Skip("no vector kernels on this machine")
	}
	for _, rung := range vectorRungs() {
		for _, s := range v2Layers(224) {
			if k := kernel.SelectConv(&s, rung); k.Impl != rung {
				t.Errorf("%s at %s is left to %s", shapeName(&s), rung, k.Name)
			}
		}
	}
}

// TestToggle: the environment's limit picks the rung of a program that gives
// none itself.
func TestToggle(t *testing.T) {
	for _, rung := range append([]string{"ref", "go"}, vectorRungs()...) {
		t.Setenv(cpu.KernelsEnv, rung)
		want := rung
		if limit, _ := cpu.Limit(); limit != rung {
			want = limit // a purego build
		}
		for _, s := range []kernel.ConvShape{same(1, 7, 7, 32, 16, 1, 1, 1), same(1, 7, 7, 32, 32, 3, 1, 32), same(1, 7, 7, 3, 16, 3, 2, 1)} {
			if k := kernel.SelectConv(&s, ""); k.Impl != want {
				t.Errorf("%s=%s: %s is left to %s", cpu.KernelsEnv, rung, shapeName(&s), k.Name)
			}
		}
		act := kernel.Activation{Len: 64}
		if k := kernel.SelectActivation(&act, ""); k.Impl != want {
			t.Errorf("%s=%s: activations are left to %s", cpu.KernelsEnv, rung, k.Name)
		}
	}
}

// TestAhead: memory to be fetched ahead changes no result, wherever it ends.
func TestAhead(t *testing.T) {
	for _, s := range []kernel.ConvShape{same(1, 14, 14, 40, 100, 1, 1, 1), same(1, 9, 9, 3, 16, 3, 2, 1), same(1, 7, 7, 512, 64, 1, 1, 1), same(1, 15, 15, 40, 40, 3, 1, 40)} {
		for _, k := range kernel.ConvKernels() {
			if !k.Available() || !k.Accepts(&s) {
				continue
			}
			l := newLayer(s, &k, 1)
			l.run()
			want := append([]float32(nil), l.a.Y...)
			for _, n := range []int{1, 17, 5000} {
				l.a.Ahead, l.a.AheadToo = testkit.Noise(n, 1), testkit.Noise(n/2, 2)
				l.run()
				for i, v := range l.a.Y {
					if v != want[i] {
						t.Fatalf("%s: fetching %d elements changes output %d", k.Name, n, i)
					}
				}
			}
		}
	}
}

// TestScaleNearThresholds runs squeeze-and-excite scales where the inputs are
// scaled and where the weights are, for one picture and for several: the
// choice may not depend on the batch.
func TestScaleNearThresholds(t *testing.T) {
	for i, s := range []kernel.ConvShape{
		same(3, 7, 7, 96, 40, 1, 1, 1), same(2, 14, 14, 64, 24, 1, 1, 1), same(2, 17, 17, 40, 72, 1, 1, 1),
		same(2, 20, 20, 24, 512, 1, 1, 1), same(2, 1, 1, 64, 200, 1, 1, 1),
	} {
		if testing.Short() && macs(&s) > 5e6 {
			continue
		}
		s.HasScale, s.HasResidual, s.Act = true, i%2 == 0, kernel.Act{Kind: ref.HSwish, A: 1. / 6}
		t.Run(shapeName(&s), func(t *testing.T) { testkit.CheckConv(t, s, uint64(i)) })
	}
}

// TestVectorLayers runs layers of full size, whose tasks are as in a network.
func TestVectorLayers(t *testing.T) {
	if testing.Short() {
		t.Skip("full size")
	}
	for i, s := range []kernel.ConvShape{
		same(1, 14, 14, 512, 512, 1, 1, 1), same(1, 7, 7, 1024, 64, 1, 1, 1), same(1, 56, 56, 24, 144, 1, 1, 1),
		same(1, 28, 28, 64, 128, 3, 1, 1), same(1, 28, 28, 32, 96, 3, 2, 1), same(1, 14, 14, 672, 672, 5, 2, 672),
	} {
		s.Act = relu6
		t.Run(shapeName(&s), func(t *testing.T) { testkit.CheckConv(t, s, uint64(i)) })
	}
}

// TestVectorTraining: what takes the time of a training step has kernels of the
// machine's own.
func TestVectorTraining(t *testing.T) {
	for _, rung := range vectorRungs() {
		dense, depthwise := same(2, 14, 14, 96, 64, 1, 1, 1), same(2, 14, 14, 96, 96, 3, 2, 96)
		act, elems := kernel.Act{Kind: ref.HSwish, A: 1. / 6}, 96*14*14
		for _, got := range []struct{ name, impl string }{
			selected(kernel.ConvGradWeightKernels(), kernel.ConvGradWeight{ConvShape: dense}, rung),
			selected(kernel.ConvGradWeightKernels(), kernel.ConvGradWeight{ConvShape: depthwise}, rung),
			selected(kernel.ConvGradInputKernels(), kernel.ConvGradInput{ConvShape: depthwise}, rung),
			selected(kernel.ChannelStatsKernels(), kernel.ChannelStats{Rows: 196, C: 96}, rung),
			selected(kernel.BatchNormTrainKernels(), kernel.BatchNormTrain{Rows: 196, C: 96, Act: act}, rung),
			selected(kernel.BatchNormGradSumsKernels(), kernel.BatchNormGradSums{Rows: 196, C: 96, Act: act}, rung),
			selected(kernel.BatchNormGradInputKernels(), kernel.BatchNormGradInput{Rows: 196, C: 96, Act: act}, rung),
			selected(kernel.BatchNormTrainKernels(), kernel.BatchNormTrain{Rows: 196, C: 96, Act: kernel.Act{Kind: ref.Swish}}, rung),
			selected(kernel.BatchNormGradSumsKernels(), kernel.BatchNormGradSums{Rows: 196, C: 96, Act: kernel.Act{Kind: ref.Swish}}, rung),
			selected(kernel.BatchNormGradInputKernels(), kernel.BatchNormGradInput{Rows: 196, C: 96, Act: kernel.Act{Kind: ref.Swish}}, rung),
			selected(kernel.ActivationGradKernels(), kernel.ActivationGrad{Len: elems, Act: kernel.Act{Kind: ref.Sigmoid}}, rung),
			selected(kernel.ActivationGradKernels(), kernel.ActivationGrad{Len: elems, Act: kernel.Act{Kind: ref.HSigmoid, A: 1. / 6}}, rung),
			selected(kernel.SumToKernels(), kernel.SumTo{Shape: [4]int{2, 14, 14, 96}, To: [4]int{2, 1, 1, 96}}, rung),
			selected(kernel.UpdateKernels(), kernel.Update{Len: elems, Fn: ref.UpdateVelocity}, rung),
			selected(kernel.UpdateKernels(), kernel.Update{Len: elems, Fn: ref.UpdateMean}, rung),
			selected(kernel.UpdateKernels(), kernel.Update{Len: elems, Fn: ref.UpdateRMSMomentum}, rung),
			selected(kernel.UpdateKernels(), kernel.Update{Len: elems, Fn: ref.UpdateAdam}, rung),
		} {
			if got.impl != rung {
				t.Errorf("at %s: %s is chosen", rung, got.name)
			}
		}
	}
}

func selected[A any](table []kernel.Kernel[A], a A, rung string) struct{ name, impl string } {
	k := kernel.Select(table, &a, rung)
	return struct{ name, impl string }{k.Name, k.Impl}
}
