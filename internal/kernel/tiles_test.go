package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// fusedActs are the activations that the vector routines apply themselves.
var fusedActs = []kernel.Act{{}, {Kind: ref.ReLU}, relu6, {Kind: ref.Clip, A: -0.5, B: 0.75},
	{Kind: ref.HSwish, A: 1. / 6}, {Kind: ref.HSigmoid, A: 1. / 6}}

// tileShapes reach every tile of the product routines: any number of rows up to
// more than two of the largest, panels of every width, runs with every rest.
func tileShapes() (shapes []kernel.ConvShape) {
	for rows := 1; rows <= 31; rows++ {
		for i, o := range []int{8, 16, 24, 32, 64, 75} {
			s := same(1, 1, rows, 1+(rows+i)%9, o, 1, 1, 1)
			s.Act, s.HasResidual = fusedActs[(rows+i)%len(fusedActs)], rows%2 == 0
			shapes = append(shapes, s)
		}
	}
	return shapes
}

// tailShapes reach every tile of the depthwise routines: outputs beyond the
// row, columns beyond either edge, channels beyond the last block.
func tailShapes() (shapes []kernel.ConvShape) {
	for _, k := range []int{3, 5} {
		for _, stride := range []int{1, 2} {
			for c := 1; c <= 19; c++ {
				s := same(1, 3, 1+(5*c+k)%18, c, c, k, stride, c)
				s.Act, s.HasResidual = fusedActs[(c+stride)%len(fusedActs)], c%2 == 0
				shapes = append(shapes, s)
			}
		}
	}
	return shapes
}

// TestEveryTile holds every tile of the vector routines to the reference.
func TestEveryTile(t *testing.T) {
	for i, s := range append(tileShapes(), tailShapes()...) {
		testkit.CheckConv(t, s, uint64(i))
	}
}
