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

// aheadLeast is the elements of weights that stay in the last-level cache from
// run to run: fetching them ahead was measured to cost a little and to gain
// nothing.
const aheadLeast = 3 << 20

// planAhead gives for each convolution the packed weights it fetches, as late
// as possible: the pieces follow each other in memory as in time.
func planAhead(wishes []packWish, packs []pack) [][]float32 {
	out := make([][]float32, len(packs))
	if len(packs) == 0 || len(packs[0].slab) < aheadLeast {
		return nil
	}
	slab := packs[0].slab
	for i := 1; i < len(packs); i++ {
		if unsafe.SliceData(packs[i].slab) != unsafe.SliceData(slab) || packs[i].off < packs[i-1].off {
			// Shared with a program of another order.
			return nil
		}
	}
	end := packs[len(packs)-1].off + len(packs[len(packs)-1].data)
	for i := len(packs) - 1; i >= 0; i-- {
		own := packs[i].off + len(packs[i].data)
		if end <= own {
			end = min(end, own)
			continue
		}
		s := &wishes[i].shape
		most := 0
		if pixels := s.N * s.OH * s.OW; pixels >= 14 && s.Groups == 1 && !wishes[i].chain {
			most = pixels * s.O * s.KH * s.KW * s.C / aheadWork
		}
		from := max(own, end-most)
		out[i] = slab[from:end]
		end = from
	}
	return out
}
