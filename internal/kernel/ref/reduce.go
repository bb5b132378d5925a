package ref

import "math"

// ChannelSumArgs sums each channel of Rows rows of C. Partial is the memory of
// a kernel that leaves partial sums.
type ChannelSumArgs[T Float] struct {
	Rows, C int
	X, Y    []T
	Partial []T
}

// ChannelSum adds up in float64.
func ChannelSum[T Float](a *ChannelSumArgs[T]) {
	for c := range a.C {
		var sum float64
		for r := range a.Rows {
			sum += float64(a.X[r*a.C+c])
		}
		a.Y[c] = T(sum)
	}
}

// SumToArgs sums X, of four extents, over the axes where To has 1. Where
// Product is given it is as long as X, and the products are summed.
type SumToArgs[T Float] struct {
	Shape, To     [4]int
	X, Product, Y []T
}

// SumTo adds up each element of the result in float64.
func SumTo[T Float](a *SumToArgs[T]) {
	sums := make([]float64, a.To[0]*a.To[1]*a.To[2]*a.To[3])
	for i := range a.Shape[0] * a.Shape[1] * a.Shape[2] * a.Shape[3] {
		v := float64(a.X[i])
		if a.Product != nil {
			v *= float64(a.Product[i])
		}
		sums[broadcastIndex(i, a.Shape, a.To)] += v
	}
	for i, v := range sums {
		a.Y[i] = T(v)
	}
}

// broadcastIndex is the element of a value of shape from that is element i of
// its broadcast to shape s.
func broadcastIndex(i int, s, from [4]int) (at int) {
	step := 1
	for d := 3; d >= 0; d-- {
		at += min(i%s[d], from[d]-1) * step
		i, step = i/s[d], step*from[d]
	}
	return at
}

// ExpandArgs broadcasts X, of shape From, to Shape and multiplies by Factor. Y
// may be X where the shapes are the same.
type ExpandArgs[T Float] struct {
	Shape, From [4]int
	Factor      float64
	X, Y        []T
}

// Expand places every element.
func Expand[T Float](a *ExpandArgs[T]) {
	for i := range a.Shape[0] * a.Shape[1] * a.Shape[2] * a.Shape[3] {
		a.Y[i] = a.X[broadcastIndex(i, a.Shape, a.From)] * T(a.Factor)
	}
}

// ReduceKind is what Reduce computes, in the order of the graph's own list.
type ReduceKind uint8

// The reductions to one number.
const (
	ReduceSum ReduceKind = iota
	ReduceMean
	ReduceSumSquares
)

// ReduceArgs makes one number of Len. Partial is the memory of a kernel that
// leaves partial sums.
type ReduceArgs[T Float] struct {
	Len     int
	Fn      ReduceKind
	X, Y    []T
	Partial []T
}

// Reduce adds up in float64.
func Reduce[T Float](a *ReduceArgs[T]) {
	var sum float64
	for _, v := range a.X[:a.Len] {
		if a.Fn == ReduceSumSquares {
			sum += float64(v) * float64(v)
		} else {
			sum += float64(v)
		}
	}
	if a.Fn == ReduceMean {
		sum /= float64(a.Len)
	}
	a.Y[0] = T(sum)
}

// ClipFactorArgs is the factor that clips gradients, whose sums of squares are
// Xs, to the global norm Max.
type ClipFactorArgs[T Float] struct {
	Max float64
	Xs  [][]T
	Y   []T
}

// ClipFactor is min(1, Max/(norm+1e-6)).
func ClipFactor[T Float](a *ClipFactorArgs[T]) {
	var sum float64
	for _, x := range a.Xs {
		sum += float64(x[0])
	}
	a.Y[0] = T(min(1, a.Max/(math.Sqrt(sum)+1e-6)))
}
