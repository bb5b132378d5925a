package ref

import (
	"cmp"
	"math"
	"slices"
)

// DetectArgs turns the raw outputs of a detector into boxes, as TFLite's
// operator TFLite_Detection_PostProcess does. Boxes are offsets from anchors,
// both as y, x, height and width of the centre form:
//
//	y = box.y/ScaleY*anchor.h + anchor.y,  h = exp(box.h/ScaleH)*anchor.h
//
// A row of Y is ymin, xmin, ymax, xmax, class, score; rows without a box are
// zeros. Equal scores rank by lower index.
type DetectArgs[T Float] struct {
	N, Anchors int
	// Scores of an anchor are Labels numbers, the last Classes of them of
	// classes: what comes before is the background.
	Labels, Classes int
	// Rows are those of a picture's result. Most is the boxes that are kept,
	// PerAnchor the classes that a kept anchor gives a row each.
	Rows, Most, PerAnchor int
	// Regular suppresses within each class, up to PerClass boxes; else once
	// for all classes, by the best score of each anchor.
	Regular  bool
	PerClass int
	// Overlap is the greatest quotient of intersection and union of two boxes
	// that are both kept, Least the least score of a box.
	Overlap, Least                 T
	ScaleY, ScaleX, ScaleH, ScaleW T
	Boxes, Scores, Prior, Y        []T
	Work                           *DetectWork[T]
}

// DetectWork is the memory that a detection works in.
type DetectWork[T Float] struct {
	corners []T // ymin, xmin, ymax, xmax of each anchor
	scores  []T // one for each anchor
	order   []int32
	found   []detected[T]
}

type detected[T Float] struct {
	anchor, class int32
	score         T
}

// NewDetectWork makes the memory for arguments.
func NewDetectWork[T Float](a *DetectArgs[T]) *DetectWork[T] {
	w := &DetectWork[T]{corners: make([]T, 4*a.Anchors), scores: make([]T, a.Anchors), order: make([]int32, a.Anchors)}
	if a.Regular {
		w.found = make([]detected[T], 0, a.Most+min(a.PerClass, a.Anchors))
	}
	return w
}

// Detect computes it by its definition.
func Detect[T Float](a *DetectArgs[T]) {
	for n := range a.N {
		a.decode(a.Boxes[n*a.Anchors*4:])
		scores := a.Scores[n*a.Anchors*a.Labels:][:a.Anchors*a.Labels]
		y := a.Y[n*a.Rows*6:][:a.Rows*6]
		clear(y)
		if a.Regular {
			a.regular(scores, y)
		} else {
			a.fast(scores, y)
		}
	}
}

// decode works out the corners of all boxes.
func (a *DetectArgs[T]) decode(boxes []T) {
	for i := range a.Anchors {
		b, p, c := boxes[4*i:][:4], a.Prior[4*i:][:4], a.Work.corners[4*i:][:4]
		// The conversions keep products from being fused with sums.
		y, x := T(b[0]/a.ScaleY*p[2])+p[0], T(b[1]/a.ScaleX*p[3])+p[1]
		h := T(0.5 * T(math.Exp(float64(b[2]/a.ScaleH))) * p[2])
		w := T(0.5 * T(math.Exp(float64(b[3]/a.ScaleW))) * p[3])
		c[0], c[1], c[2], c[3] = y-h, x-w, y+h, x+w
	}
}

// keep puts the anchors whose boxes survive to the front of order, best first,
// by the scores in Work, and gives their number, at most most.
func (a *DetectArgs[T]) keep(most int) int {
	w := a.Work
	order := w.order[:0]
	for i, s := range w.scores {
		if s >= a.Least {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(i, j int32) int { return cmp.Compare(w.scores[j], w.scores[i]) })
	kept := 0
	for i, anchor := range order {
		if anchor < 0 {
			continue
		}
		if kept == most {
			break
		}
		order[kept] = anchor
		kept++
		for j := i + 1; j < len(order); j++ {
			if order[j] >= 0 && a.overlap(anchor, order[j]) > a.Overlap {
				order[j] = -1
			}
		}
	}
	return kept
}

// overlap is the intersection of two boxes over their union, 0 for a box
// without an area.
func (a *DetectArgs[T]) overlap(i, j int32) T {
	p, q := a.Work.corners[4*i:][:4], a.Work.corners[4*j:][:4]
	area, other := (p[2]-p[0])*(p[3]-p[1]), (q[2]-q[0])*(q[3]-q[1])
	if area <= 0 || other <= 0 {
		return 0
	}
	both := max(min(p[2], q[2])-max(p[0], q[0]), 0) * max(min(p[3], q[3])-max(p[1], q[1]), 0)
	return both / (area + other - both)
}

// row writes one result.
func (a *DetectArgs[T]) row(y []T, r int, d detected[T]) {
	copy(y[6*r:], a.Work.corners[4*d.anchor:][:4])
	y[6*r+4], y[6*r+5] = T(d.class), d.score
}

func (a *DetectArgs[T]) fast(scores, y []T) {
	for i := range a.Anchors {
		a.Work.scores[i] = slices.Max(a.classes(scores, int32(i)))
	}
	kept := a.keep(a.Most)
	for i, anchor := range a.Work.order[:kept] {
		list := a.classes(scores, anchor)
		last := detected[T]{anchor: anchor, class: -1}
		for k := range a.PerAnchor {
			last = a.next(list, last, k)
			a.row(y, i*a.PerAnchor+k, last)
		}
	}
}

func (a *DetectArgs[T]) classes(scores []T, anchor int32) []T {
	return scores[(int(anchor)+1)*a.Labels-a.Classes:][:a.Classes]
}

// next is the best class of an anchor after those that came before, the k-th.
func (a *DetectArgs[T]) next(list []T, last detected[T], k int) detected[T] {
	best := detected[T]{anchor: last.anchor, class: -1}
	for c, s := range list {
		if k > 0 && (s > last.score || s == last.score && int32(c) <= last.class) {
			continue
		}
		if best.class < 0 || s > best.score {
			best.class, best.score = int32(c), s
		}
	}
	best.class = max(best.class, 0)
	return best
}

func (a *DetectArgs[T]) regular(scores, y []T) {
	w := a.Work
	found := w.found[:0]
	for c := range a.Classes {
		for i := range a.Anchors {
			w.scores[i] = a.classes(scores, int32(i))[c]
		}
		kept := a.keep(min(a.PerClass, a.Anchors))
		for _, anchor := range w.order[:kept] {
			found = append(found, detected[T]{anchor, int32(c), w.scores[anchor]})
		}
		slices.SortStableFunc(found, func(p, q detected[T]) int { return cmp.Compare(q.score, p.score) })
		found = found[:min(len(found), a.Most)]
	}
	for r, d := range found {
		a.row(y, r, d)
	}
}
