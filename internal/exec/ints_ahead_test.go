package exec

import "testing"

// TestPlanIntAhead: what convolutions fetch comes after them, within the
// window, no byte twice, and no more than they have time for.
func TestPlanIntAhead(t *testing.T) {
	sizes := []int{100, 5000, 70000, 300, 200000, 1 << 20, 9000, 1 << 19}
	work := []int{0, 3000, 100000, 50000, 1 << 20, 100000, 1 << 20, 1 << 20}
	var convs []intConv
	start := []int{0}
	for i, n := range sizes {
		convs = append(convs, intConv{make([]byte, n), work[i]})
		start = append(start, start[i]+n)
	}
	end, pieces := 0, 0
	for i, piece := range planIntAhead(convs) {
		if len(piece) == 0 {
			continue
		}
		pieces++
		at := -1
		for j := range convs {
			for k := range convs[j].packed {
				if &convs[j].packed[k] == &piece[0] {
					at = start[j] + k
				}
			}
		}
		switch {
		case at < start[i+1] || at < end:
			t.Errorf("convolution %d fetches from %d, which was done by %d", i, at, max(start[i+1], end))
		case at+len(piece) > start[i+1]+intAheadWindow:
			t.Errorf("convolution %d fetches up to %d, beyond its window", i, at+len(piece))
		case len(piece) > work[i]:
			t.Errorf("convolution %d fetches %d bytes in the time of %d", i, len(piece), work[i])
		}
		end = at + len(piece)
	}
	if pieces < 4 {
		t.Errorf("%d pieces only", pieces)
	}
}
