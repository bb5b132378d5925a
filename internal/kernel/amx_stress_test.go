//go:build amd64 && linux

package kernel_test

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestAMXStress computes products by tiles while the garbage collector runs,
// threads get the signals of preemption by the thousand, and a profiler samples
// at its highest rate: every result must have the bits of the first. Tiles are
// not part of what Go keeps for a goroutine, so a routine that lost control
// between configuring and releasing them, or left them configured, would show.
//
// It runs for two seconds; MOBILENET_STRESS=60s makes it a minute. Without AMX
// it needs emulated tiles (.ci/amx).
func TestAMXStress(t *testing.T) {
	if !cpu.AMX() {
		t.Skip("no AMX on this machine: .ci/amx runs this test on emulated tiles")
	}
	length := 2 * time.Second
	if text := os.Getenv("MOBILENET_STRESS"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("MOBILENET_STRESS=%q: want a duration as 60s", text)
		}
		length = d
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.SetCPUProfileRate(2000)
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Logf("without a profiler: %v", err)
	} else {
		defer pprof.StopCPUProfile()
	}
	var stop atomic.Bool
	var collections, signals, results, wrong atomic.Int64
	var helpers, workers sync.WaitGroup
	helpers.Go(func() {
		for !stop.Load() {
			runtime.GC()
			collections.Add(1)
			time.Sleep(time.Millisecond)
		}
	})
	helpers.Go(func() { // The signal of preemption, to every thread there is.
		for !stop.Load() {
			threads, err := os.ReadDir("/proc/self/task")
			if err != nil {
				return
			}
			for _, e := range threads {
				id := 0
				for _, c := range e.Name() {
					id = 10*id + int(c-'0')
				}
				if syscall.Tgkill(syscall.Getpid(), id, syscall.SIGURG) == nil {
					signals.Add(1)
				}
			}
			time.Sleep(200 * time.Microsecond)
		}
	})
	helpers.Go(func() { // Garbage, with pointers in it.
		var keep [64]*[512]*int
		for i := 0; !stop.Load(); i++ {
			keep[i%len(keep)] = &[512]*int{new(i)}
			if i%1000 == 0 {
				runtime.Gosched()
			}
		}
	})
	for w := range 3 {
		workers.Go(func() {
			jobs := stressJobs(uint64(w))
			for i := 0; !stop.Load(); i++ {
				j := &jobs[i%len(jobs)]
				j.run()
				results.Add(1)
				if !bytes.Equal(j.first, j.y) {
					wrong.Add(1)
				}
			}
		})
	}
	time.Sleep(length)
	stop.Store(true)
	workers.Wait()
	helpers.Wait()
	t.Logf("%d results, %d wrong; %d collections and %d signals in %v", results.Load(), wrong.Load(), collections.Load(), signals.Load(), length)
	if wrong.Load() != 0 {
		t.Errorf("%d of %d results differ from the first of their kind", wrong.Load(), results.Load())
	}
	if results.Load() == 0 || collections.Load() == 0 || signals.Load() == 0 {
		t.Error("nothing was put under stress")
	}
}

// stressJob is a product and the bits it gave before the stress.
type stressJob struct {
	compute  func()
	y, first []byte
}

func newStressJob(y []byte, compute func()) stressJob {
	j := stressJob{compute: compute, y: y}
	j.run()
	j.first = bytes.Clone(y)
	return j
}

func (j *stressJob) run() {
	clear(j.y)
	j.compute()
}

// stressJobs are products in every form that tiles take: whole blocks and
// rests of rows, split numbers, a dense kernel; and of bytes.
func stressJobs(seed uint64) (jobs []stressJob) {
	for i, s := range []kernel.ConvShape{
		same(1, 14, 14, 96, 64, 1, 1, 1), same(1, 7, 7, 160, 40, 1, 1, 1), same(1, 9, 9, 32, 48, 3, 1, 1),
	} {
		s.Act = kernel.Act{Kind: ref.ReLU6}
		for _, form := range bf16Forms(s) {
			s := testkit.BF16Layout(form, 0)
			for _, k := range kernel.BF16ConvKernels() {
				if k.Impl != "amx" || !k.Available() || !k.Accepts(&s) {
					continue
				}
				a, scratch := testkit.NewBF16Conv(s, seed+uint64(i)), make([]float32, k.ScratchLen(&s))
				packed := make([]float32, k.PackedLen(&s))
				k.Pack(&s, a.Weight, packed)
				a.Weight = packed
				jobs = append(jobs, newStressJob(kernel.Bytes(a.Y), func() {
					for task := range k.Tasks(&s) {
						k.Run(a, task, scratch)
					}
				}))
				break
			}
		}
		b := byteShape(s, seed+uint64(i))
		for _, k := range kernel.QConvKernels() {
			if k.Impl == "amx" && k.Available() && k.Accepts(&b) {
				l := newByteLayer(b, &k)
				jobs = append(jobs, newStressJob(l.a.Y, l.run))
			}
		}
	}
	return jobs
}
