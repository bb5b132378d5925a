package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

func padRow[T ref.Element](a *ref.PadArgs[T]) int { return (a.W + a.Left + a.Right) * a.C }
func padTasks[T ref.Element](a *ref.PadArgs[T]) int {
	return ceilDiv(a.N*(a.H+a.Top+a.Bottom), rowsPerTask(padRow(a)))
}

func runPad[T ref.Element](a *ref.PadArgs[T], task int, _ []float32) {
	oh, width := a.H+a.Top+a.Bottom, padRow(a)
	lo, hi := chunk(task, rowsPerTask(width), a.N*oh)
	for row := lo; row < hi; row++ {
		y := a.Y[row*width:][:width]
		n, h := row/oh, row%oh-a.Top
		if h < 0 || h >= a.H {
			fill(y, T(a.Value))
			continue
		}
		fill(y[:a.Left*a.C], T(a.Value))
		copy(y[a.Left*a.C:], a.X[(n*a.H+h)*a.W*a.C:][:a.W*a.C])
		fill(y[(a.Left+a.W)*a.C:], T(a.Value))
	}
}

func fill[T ref.Element](y []T, v T) {
	for i := range y {
		y[i] = v
	}
}

func concatWidth[T ref.Element](a *ref.ConcatArgs[T]) (n int) {
	for _, v := range a.Inner {
		n += v
	}
	return n
}

func concatTasks[T ref.Element](a *ref.ConcatArgs[T]) int {
	return ceilDiv(a.Outer, rowsPerTask(concatWidth(a)))
}

func runConcat[T ref.Element](a *ref.ConcatArgs[T], task int, _ []float32) {
	width := concatWidth(a)
	lo, hi := chunk(task, rowsPerTask(width), a.Outer)
	at := 0
	for i, n := range a.Inner {
		for o := lo; o < hi; o++ {
			copy(a.Y[o*width+at:][:n], a.Xs[i][o*n:])
		}
		at += n
	}
}

// transposePlan is the permutation as strides of the source by the axes of the
// result, with the innermost run apart.
type transposePlan struct {
	rows, inner, step int
	size, stride      [6]int
	outer             int // axes outside of the inner one
}

func planTranspose[T ref.Element](a *ref.TransposeArgs[T]) (p transposePlan) {
	var source [6]int
	total := 1
	for d := a.Rank - 1; d >= 0; d-- {
		source[d] = total
		total *= a.Shape[d]
	}
	p.inner, p.step = 1, 1
	for d := range a.Rank {
		p.size[d], p.stride[d] = a.Shape[a.Perm[d]], source[a.Perm[d]]
	}
	if a.Rank > 0 {
		p.outer = a.Rank - 1
		p.inner, p.step = p.size[p.outer], p.stride[p.outer]
	}
	// Trailing axes that stay together are one run.
	for p.step == 1 && p.outer > 0 && p.stride[p.outer-1] == p.inner {
		p.outer--
		p.inner *= p.size[p.outer]
	}
	p.rows = total / max(p.inner, 1)
	return p
}

func transposeTasks[T ref.Element](a *ref.TransposeArgs[T]) int {
	p := planTranspose(a)
	return ceilDiv(p.rows, rowsPerTask(p.inner))
}

func runTranspose[T ref.Element](a *ref.TransposeArgs[T], task int, _ []float32) {
	p := planTranspose(a)
	lo, hi := chunk(task, rowsPerTask(p.inner), p.rows)
	for row := lo; row < hi; row++ {
		from, rest := 0, row
		for d := p.outer - 1; d >= 0; d-- {
			from += rest % p.size[d] * p.stride[d]
			rest /= p.size[d]
		}
		y := a.Y[row*p.inner:][:p.inner]
		if p.step == 1 {
			copy(y, a.X[from:])
			continue
		}
		for i := range y {
			y[i] = a.X[from]
			from += p.step
		}
	}
}
