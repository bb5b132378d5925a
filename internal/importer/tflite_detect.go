package importer

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// detectionOp is the custom operator that ends TFLite's detectors.
const detectionOp = "TFLite_Detection_PostProcess"

// detectionOutput is the name of the one output that stands for the four of
// the file: boxes, classes, scores, and how many there are.
const detectionOutput = "detections"

// isDetection tells the operator.
func isDetection(o *tflite.Operator) bool {
	return o.Code.Builtin == tflite.Custom && o.Code.Custom == detectionOp
}

// detection imports the operator. All its results are the one value of boxes.
func (s *tfliteSource) detection(b *build, vals map[int]val, o *tflite.Operator) error {
	op, err := detectionOptions(o.CustomOptions)
	if err != nil {
		return err
	}
	if len(o.Inputs) != 3 || len(o.Outputs) != 4 {
		return fmt.Errorf("%d inputs and %d outputs, want 3 and 4", len(o.Inputs), len(o.Outputs))
	}
	ids := make([]graph.ID, 3)
	batch := true
	for i, t := range o.Inputs {
		if t < 0 {
			return fmt.Errorf("input %d is missing", i)
		}
		v, err := s.val(vals, t)
		if err != nil {
			return err
		}
		if i == 2 {
			if ids[2], err = s.anchors(b, t, v); err != nil {
				return err
			}
			break
		}
		if v.isConst() || len(v.shape) != 3 {
			return fmt.Errorf("%w: input %d of shape %v", ErrUnsupported, i, tensor.Shape(v.dims()))
		}
		name := fmt.Sprintf("%s.input%d", detectionOutput, i)
		if v, err = b.reorder(name, v, identity(3)); err != nil {
			return err
		}
		if v, err = b.real(name, v); err != nil {
			return err
		}
		ids[i], batch = v.id, batch && v.batch
	}
	if !batch {
		if err := b.loseBatch(); err != nil {
			return err
		}
	}
	id, err := b.add(detectionOutput, op, ids...)
	if err != nil {
		return err
	}
	for _, t := range o.Outputs {
		if _, dup := vals[t]; dup {
			return fmt.Errorf("the tensor is computed twice")
		}
		vals[t] = b.stored(id, identity(3), batch)
	}
	return nil
}

// anchors is the constant of anchors as real numbers.
func (s *tfliteSource) anchors(b *build, t int, v val) (graph.ID, error) {
	if !v.isConst() {
		return graph.None, fmt.Errorf("%w: anchors that are no constant", ErrUnsupported)
	}
	c := v.c
	if !c.DType.Float() {
		if _, err := quantOf(&s.g.Tensors[t]); err != nil {
			return graph.None, err
		}
		var err error
		if c, err = dequantized(&s.g.Tensors[t], c); err != nil {
			return graph.None, err
		}
	}
	return b.constant(detectionOutput+".anchors", c, "anchors", nil)
}

// detectionOptions reads the operator's options. Those that files leave out
// have the operator's own defaults.
func detectionOptions(data []byte) (op graph.DetectionPostProcess, err error) {
	v, err := tflite.FlexNumbers(data)
	if err != nil {
		return op, err
	}
	whole := func(name string, def int) int {
		f, ok := v[name]
		if !ok {
			f = float64(def)
		}
		if f != math.Trunc(f) || math.Abs(f) > 1<<30 {
			if err == nil {
				err = fmt.Errorf("option %s is %v, not a whole number", name, f)
			}
			return 0
		}
		return int(f)
	}
	op = graph.DetectionPostProcess{
		Classes: whole("num_classes", 0), Max: whole("max_detections", 0), PerAnchor: whole("max_classes_per_detection", 1),
		PerClass: whole("detections_per_class", 100), Regular: v["use_regular_nms"] != 0,
		Overlap: float32(v["nms_iou_threshold"]), Score: float32(v["nms_score_threshold"]),
		ScaleY: float32(v["y_scale"]), ScaleX: float32(v["x_scale"]), ScaleH: float32(v["h_scale"]), ScaleW: float32(v["w_scale"]),
	}
	if err != nil {
		return op, err
	}
	if err := op.Check(); err != nil {
		return op, fmt.Errorf("options: %w", err)
	}
	return op, nil
}
