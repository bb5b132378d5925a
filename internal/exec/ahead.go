package exec

import "unsafe"

// Weights are read once a run, and those of a whole network do not stay in the
// processor's caches: the late layers, whose weights are large and whose
// pictures are small, wait for memory, while the early ones leave it idle. So
// each convolution is given a piece of the weights that come after its own, to
// fetch while it computes.

// aheadWork is the multiply-adds of a convolution for each element fetched:
// four cache lines in the time of four steps of the largest product tile.
const aheadWork = 28

// aheadWindow is how far ahead of a convolution's own weights it fetches, in
// elements. Lines fetched much earlier than needed were measured to be gone by
// then, whatever the size of the last-level cache; a window of a MiB is good
// for large and small networks, half and twice as much no better.
const aheadWindow = 256 << 10

// planAhead gives for each convolution the packed weights it fetches: what
// comes next in memory, as in time, and where the weights are large the later
// parts of its own.
func planAhead(wishes []packWish, packs []pack) [][]float32 {
	out := make([][]float32, len(packs))
	if len(packs) == 0 {
		return nil
	}
	slab := packs[0].slab
	for i := 1; i < len(packs); i++ {
		if unsafe.SliceData(packs[i].slab) != unsafe.SliceData(slab) || packs[i].off < packs[i-1].off {
			// Shared with a program of another order.
			return nil
		}
	}
	fetched := 0
	for i := range packs {
		own, end := packs[i].off, packs[i].off+len(packs[i].data)
		s := &wishes[i].shape
		most := 0
		if pixels := s.N * s.OH * s.OW; pixels >= 14 && s.Groups == 1 && !wishes[i].chain {
			most = pixels * s.O * s.KH * s.KW * s.C / aheadWork
		}
		from := max(fetched, own)
		to := min(from+most, end+aheadWindow, len(slab))
		if from < to {
			out[i] = slab[from:to]
		}
		fetched = max(fetched, to, end)
	}
	return out
}
