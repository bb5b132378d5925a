package engine

import (
	"fmt"
	"io"
	"math"
	"os"

	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Recorded are scores from a NumPy file: .npy with one row for each picture,
// or .npz with such an array and, if the rows are of chosen pictures only, an
// array of whole numbers that says for each row the class its picture shows.
type Recorded struct {
	Golden
	Classes []int // nil where the file does not say
}

// OpenRecorded reads recorded scores. ok is false, without an error, for a
// file that is no NumPy file.
func OpenRecorded(path string) (r *Recorded, ok bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	var arrays []*tensor.Tensor
	switch weights.Sniff(f, st.Size()) {
	case weights.NPY:
		var a *tensor.Tensor
		a, err = npy.Read(f, st.Size(), nil)
		arrays = []*tensor.Tensor{a}
	case weights.NPZ:
		arrays, err = npy.ReadArchive(io.ReaderAt(f), st.Size(), nil)
	default:
		return nil, false, nil
	}
	if err == nil {
		r, err = recorded(arrays)
	}
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", path, err)
	}
	return r, true, nil
}

func recorded(arrays []*tensor.Tensor) (*Recorded, error) {
	r := &Recorded{}
	for _, a := range arrays {
		switch {
		case len(a.Shape) == 2 && r.Scores == nil:
			if !a.DType.Float() {
				return nil, fmt.Errorf("array %q is %v: quantized scores cannot be compared with a float network's", a.Name, a.DType)
			}
			v, err := a.Float32s()
			if err != nil {
				return nil, err
			}
			n, k := a.Shape[0], a.Shape[1]
			if n == 0 || k == 0 {
				return nil, fmt.Errorf("array %q %v is empty", a.Name, a.Shape)
			}
			for i := range n {
				r.Scores = append(r.Scores, v[i*k:(i+1)*k])
			}
		case len(a.Shape) == 1 && !a.DType.Float() && r.Classes == nil:
			v, err := a.Int64s()
			if err != nil {
				return nil, err
			}
			for _, c := range v {
				r.Classes = append(r.Classes, int(c))
			}
		default:
			return nil, fmt.Errorf("array %q %v %v is neither scores [n,classes] nor one class a row", a.Name, a.DType, a.Shape)
		}
	}
	if r.Scores == nil {
		return nil, fmt.Errorf("no array of scores [n,classes]")
	}
	if r.Classes != nil && len(r.Classes) != len(r.Scores) {
		return nil, fmt.Errorf("%d classes for %d rows of scores", len(r.Classes), len(r.Scores))
	}
	r.Probabilities = true
	for _, row := range r.Scores {
		sum := 0.0
		for _, v := range row {
			sum += float64(v)
			if v < 0 {
				r.Probabilities = false
			}
		}
		if math.Abs(sum-1) > 1e-3 {
			r.Probabilities = false
		}
	}
	return r, nil
}

// SamplePictures are generated pictures of several shapes, for comparing
// networks where nobody has photos at hand.
func SamplePictures(n int) []*transform.Image {
	out := make([]*transform.Image, n)
	for i := range out {
		h, w := 240+32*(i%5), 320-24*(i%4)
		pix := goldenPicture(h, w)
		for k := range pix {
			pix[k] += byte(k * i / 301)
		}
		out[i] = &transform.Image{W: w, H: h, Pix: pix}
	}
	return out
}
