package ref

import "math"

// ChannelStatsArgs gives the mean and the biased variance of each channel of
// Rows rows of C: Y is [2,C]. Partial is the memory of a kernel that leaves
// partial sums.
type ChannelStatsArgs[T Float] struct {
	Rows, C int
	X, Y    []T
	Partial []T
}

// ChannelStats takes the mean first, then the mean of the squared distances.
func ChannelStats[T Float](a *ChannelStatsArgs[T]) {
	for c := range a.C {
		var sum, squares float64
		for r := range a.Rows {
			sum += float64(a.X[r*a.C+c])
		}
		mean := sum / float64(a.Rows)
		for r := range a.Rows {
			d := float64(a.X[r*a.C+c]) - mean
			squares += d * d
		}
		a.Y[c], a.Y[a.C+c] = T(mean), T(squares/float64(a.Rows))
	}
}

// BatchNormTrainArgs normalises each channel of Rows rows of C by the
// statistics Stats [2,C]: act((x-mean)/sqrt(var+eps)*gamma + beta). Y may be X.
type BatchNormTrainArgs[T Float] struct {
	Rows, C                  int
	Epsilon                  float64
	Act                      Act
	X, Gamma, Beta, Stats, Y []T
}

// BatchNormTrain computes the formula.
func BatchNormTrain[T Float](a *BatchNormTrainArgs[T]) {
	for i := range a.Rows * a.C {
		_, z := normalised(i%a.C, a.C, a.Epsilon, a.X[i], a.Gamma, a.Beta, a.Stats)
		a.Y[i] = ApplyAct(a.Act, z)
	}
}

// normalised is the normalised input of a channel, and that with its scale
// and offset.
func normalised[T Float](c, channels int, epsilon float64, x T, gamma, beta, stats []T) (xhat, z T) {
	xhat = (x - stats[c]) * inverse(stats[channels+c], epsilon)
	return xhat, T(xhat*gamma[c]) + beta[c]
}

func inverse[T Float](variance T, epsilon float64) T {
	return T(1 / math.Sqrt(float64(variance)+epsilon))
}

// BatchNormGradSumsArgs gives the gradients of beta and gamma, Y [2,C]: the
// sums of g and of g*xhat, with g = dy * act'(xhat*gamma + beta). Partial is
// the memory of a kernel that leaves partial sums.
type BatchNormGradSumsArgs[T Float] struct {
	Rows, C                      int
	Epsilon                      float64
	Act                          Act
	X, DY, Gamma, Beta, Stats, Y []T
	Partial                      []T
}

// BatchNormGradSums adds up in float64.
func BatchNormGradSums[T Float](a *BatchNormGradSumsArgs[T]) {
	for c := range a.C {
		var sum, product float64
		for i := c; i < a.Rows*a.C; i += a.C {
			xhat, z := normalised(c, a.C, a.Epsilon, a.X[i], a.Gamma, a.Beta, a.Stats)
			g := a.DY[i] * ActSlope(a.Act, z)
			sum += float64(g)
			product += float64(g) * float64(xhat)
		}
		a.Y[c], a.Y[a.C+c] = T(sum), T(product)
	}
}

// BatchNormGradInputArgs is the gradient of a batch norm's input:
//
//	dx = gamma/sqrt(var+eps) * (g - sums0/Rows - xhat*sums1/Rows)
//
// where Frozen leaves out the sums. Of, if not zero, stands for Rows in the
// formula: the rows are a part of those the sums were taken over. DX may be DY.
type BatchNormGradInputArgs[T Float] struct {
	Rows, C, Of                         int
	Epsilon                             float64
	Act                                 Act
	Frozen                              bool
	X, DY, Gamma, Beta, Stats, Sums, DX []T
}

// BatchNormGradInput computes the formula.
func BatchNormGradInput[T Float](a *BatchNormGradInputArgs[T]) {
	all := a.Rows
	if a.Of > 0 {
		all = a.Of
	}
	for i := range a.Rows * a.C {
		c := i % a.C
		xhat, z := normalised(c, a.C, a.Epsilon, a.X[i], a.Gamma, a.Beta, a.Stats)
		g := a.DY[i] * ActSlope(a.Act, z)
		if !a.Frozen {
			g -= (a.Sums[c] + xhat*a.Sums[a.C+c]) / T(all)
		}
		a.DX[i] = a.Gamma[c] * inverse(a.Stats[a.C+c], a.Epsilon) * g
	}
}
