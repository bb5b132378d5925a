package graph

import (
	"fmt"
	"math"
)

// DetectionPostProcess turns the raw outputs of a detector into boxes, as
// TFLite's operator of that name does. Inputs: boxes [N,A,4] as offsets from
// anchors, scores [N,A,C] of which the last Classes are classes, anchors [A,4]
// of y, x, height and width. The result is [N,Rows,6], best first: ymin, xmin,
// ymax, xmax, class, score. Rows of score 0 hold nothing.
type DetectionPostProcess struct {
	Classes int
	// Max is the boxes that are kept. PerAnchor is how many classes a kept box
	// may have rows for. With Regular the boxes are chosen for each class
	// apart, PerClass at most, else once by the best score of each anchor.
	Max, PerAnchor, PerClass int
	Regular                  bool
	// Overlap is the greatest intersection over union of two kept boxes, Score
	// the least score.
	Overlap, Score                 float32
	ScaleY, ScaleX, ScaleH, ScaleW float32
}

func (DetectionPostProcess) Kind() string { return "detection_post_process" }

// Rows is the rows of a picture's result.
func (d DetectionPostProcess) Rows() int { return d.Max * d.PerAnchor }

// maxBoxes bounds the numbers of boxes.
const maxBoxes = 1 << 16

// Check reports senseless attributes.
func (d DetectionPostProcess) Check() error {
	for _, n := range []struct {
		name string
		v    int
	}{{"max_detections", d.Max}, {"max_classes_per_detection", d.PerAnchor}, {"detections_per_class", d.PerClass}, {"num_classes", d.Classes}, {"rows", d.Rows()}} {
		if n.v < 1 || n.v > maxBoxes {
			return fmt.Errorf("%s is %d, want 1 to %d", n.name, n.v, maxBoxes)
		}
	}
	for _, s := range []float32{d.ScaleY, d.ScaleX, d.ScaleH, d.ScaleW} {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			return fmt.Errorf("a scale of boxes is %v", s)
		}
	}
	if !(d.Overlap > 0 && d.Overlap <= 1) {
		return fmt.Errorf("an intersection over union of %v, want more than 0 and at most 1", d.Overlap)
	}
	if math.IsNaN(float64(d.Score)) {
		return fmt.Errorf("a least score of %v", d.Score)
	}
	if d.PerAnchor > d.Classes {
		return fmt.Errorf("max_classes_per_detection is %d of %d classes", d.PerAnchor, d.Classes)
	}
	return nil
}

func (d DetectionPostProcess) Infer(in []Type) (Type, error) {
	if err := arity(in, 3); err != nil {
		return Type{}, err
	}
	if err := d.Check(); err != nil {
		return Type{}, err
	}
	b, s, a := in[0].Shape, in[1].Shape, in[2].Shape
	if len(b) != 3 || len(s) != 3 || len(a) != 2 || b[2] != 4 || a[1] != 4 || b[0] != s[0] || b[1] != s[1] || b[1] != a[0] || a[0] < 1 || a[0] > 1<<24 {
		return Type{}, fmt.Errorf("boxes %v, scores %v and anchors %v do not fit", b, s, a)
	}
	if s[2] < d.Classes {
		return Type{}, fmt.Errorf("scores %v for %d classes", s, d.Classes)
	}
	return F32(b[0], d.Rows(), 6), nil
}

// Cost counts the decoding of the boxes and one look at each score.
func (d DetectionPostProcess) Cost(in []Type, _ Type) Cost {
	return Cost{Elementwise: 4*elems(in[0]) + elems(in[1])}
}
