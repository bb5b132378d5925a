package hdf5

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// TestMutations changes the test files at random, metadata more than data: no
// panic, no long run, no memory beyond what a small file may take.
func TestMutations(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	const bound = 200 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	accepted, refused := 0, 0
	for _, name := range testFiles {
		orig := unpack(t, name)
		for range rounds {
			b := append([]byte(nil), orig...)
			for range 1 + rng.IntN(8) {
				i := rng.IntN(len(b))
				for b[i] == 0 && rng.IntN(8) > 0 { // what is there is what is read
					i = rng.IntN(len(b))
				}
				switch rng.IntN(4) {
				case 0:
					b[i] = byte(rng.Uint32())
				case 1:
					b[i] ^= 1 << rng.IntN(8)
				case 2:
					b[i] = 0xff
				case 3:
					copy(b[i:], orig[rng.IntN(len(orig)-8):][:8])
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := everything(b, nil)
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("%s: a changed file takes %v", name, d)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > bound {
				t.Errorf("%s: a changed file takes %d MB", name, n>>20)
			}
			if err != nil {
				refused++
			} else {
				accepted++
			}
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("the changes are all harmless or all fatal: they test nothing")
	}
}
