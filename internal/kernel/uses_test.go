package kernel

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// TestUses holds what is reported to the rung: nothing above it is named, and
// where a rung has assembly the products and depthwise filters are by it.
func TestUses(t *testing.T) {
	for _, rung := range cpu.Present() {
		uses := Uses(rung)
		seen := make(map[string]bool)
		own := 0
		for _, u := range uses {
			if seen[u.For] || u.Kernel == "" {
				t.Errorf("%s: %+v", rung, u)
			}
			seen[u.For] = true
			if cpu.Rung(u.Impl) > cpu.Rung(rung) {
				t.Errorf("%s: %s is done by %s of %s", rung, u.For, u.Kernel, u.Impl)
			}
			if u.Impl == rung {
				own++
			}
		}
		convs := 0
		for _, k := range ConvKernels() {
			if k.Impl == rung {
				convs++
			}
		}
		if convs > 0 && own < 8 {
			t.Errorf("%s: only %d of %d kinds of work are done by its own kernels", rung, own, len(uses))
		}
	}
}
