package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// In bf16 the results of convolutions and of their gradients that only fused
// steps read are stored as bfloat16: a step moves more memory than it computes.
// A band is widened when it comes into the cache and rounded when it leaves it;
// its members work on float32s.

// findStored gives those values. All their readers must be members of fusions
// that take them as rows.
func findStored(g *graph.Graph, live []bool, f *fusions) map[graph.ID]bool {
	out := make(map[graph.ID]bool)
	for _, fusion := range f.of {
		for _, id := range []graph.ID{fusion.conv, fusion.dx} {
			if id != graph.None {
				out[id] = true
			}
		}
	}
	for i := range g.Nodes {
		if !live[i] {
			continue
		}
		id := graph.ID(i)
		for k, in := range g.Nodes[i].In {
			if out[in] && !f.reads(id, in, k) {
				delete(out, in)
			}
		}
	}
	for _, o := range g.Outputs {
		delete(out, o.ID)
	}
	return out
}

// reads reports that a node reads its k-th input, in, by the rows of a fusion.
func (fs *fusions) reads(id, in graph.ID, k int) bool {
	f := fs.of[id]
	switch {
	case f == nil:
		return false
	case id == f.stats, id == f.sums && k == 1:
		return true // the fusion has just made it
	case id == f.norm, id == f.again:
		return k == 0
	case id == f.normGrad:
		return k <= 1
	case id == f.sums:
		return k == 0
	}
	return false
}

// size is the float32s that a value takes.
func (p *trainPlan) size(g *graph.Graph, id graph.ID) int {
	n := g.Node(id).Type.Shape.Len()
	if p.stored[id] {
		return (n + 1) / 2
	}
	return n
}

// rows is a value that fused steps read and write by rows, in float32 or
// stored as bfloat16.
type rows struct {
	x    []float32
	half bool
}

// load gives n elements from at on: where they lie, or widened to buf.
func (r *rows) load(at, n int, buf []float32) []float32 {
	if !r.half {
		return r.x[at:]
	}
	kernel.LoadBF16(kernel.Halves(r.x)[at:at+n], buf[:n])
	return buf
}

// span is the memory of the elements from lo to hi, for fetching it ahead.
func (r *rows) span(lo, hi int) []float32 {
	if r.half {
		return r.x[lo/2 : hi/2]
	}
	return r.x[lo:hi]
}

// place is where n elements from at on are to be written: buf, from which
// store takes them, or right where they belong.
func (r *rows) place(at, n int, buf []float32) []float32 {
	if !r.half {
		return r.x[at : at+n]
	}
	return buf[:n]
}

func (r *rows) store(at, n int, buf []float32) {
	if r.half {
		kernel.StoreBF16(buf[:n], kernel.Halves(r.x)[at:])
	}
}
