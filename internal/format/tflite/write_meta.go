package tflite

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Meta is what the metadata of the TensorFlow Lite task libraries say of a
// classifier of pictures.
type Meta struct {
	Name, Description string
	// Mean and Std are subtracted from and divide a pixel of 0 to 255, one or
	// one a channel.
	Mean, Std []float32
	// Labels names the associated file with a label for each score.
	Labels string
}

// MetaKey is the name under which a model carries its Meta.
const MetaKey = "TFLITE_METADATA"

// RecipeKey is the name under which our own files carry their preprocessing as
// text, which the numbers of a Meta say only in part.
const RecipeKey = "mobilenet.preprocess"

// Marshal gives the bytes of the metadata. The numbers are those of the
// metadata schema, which is apart from the model's.
func (m *Meta) Marshal() []byte {
	const (
		normalization = 1 // among the options of a processing unit
		axisLabels    = 2 // among the types of a file
	)
	w := &writer{Builder: flatbuffers.NewBuilder(256)}
	var input, output []offset
	if len(m.Mean) > 0 {
		mean, std := w.floats(m.Mean), w.floats(m.Std)
		w.StartObject(2)
		w.ref(0, mean)
		w.ref(1, std)
		options := w.EndObject()
		w.StartObject(2)
		w.i8(0, normalization)
		w.ref(1, options)
		units := w.list([]offset{w.EndObject()})
		w.StartObject(7)
		w.ref(4, units)
		input = append(input, w.EndObject())
	}
	if m.Labels != "" {
		name := w.text(m.Labels)
		w.StartObject(5)
		w.ref(0, name)
		w.i8(2, axisLabels)
		files := w.list([]offset{w.EndObject()})
		w.StartObject(7)
		w.ref(6, files)
		output = append(output, w.EndObject())
	}
	in, out := w.list(input), w.list(output)
	w.StartObject(8)
	w.ref(2, in)
	w.ref(3, out)
	subgraphs := w.list([]offset{w.EndObject()})
	name, description := w.text(m.Name), w.text(m.Description)
	w.StartObject(8)
	w.ref(0, name)
	w.ref(1, description)
	w.ref(3, subgraphs)
	w.FinishWithFileIdentifier(w.EndObject(), []byte("M001"))
	return w.FinishedBytes()
}

// WithFiles appends files to the bytes of a model, as AssociatedFiles finds
// them.
func WithFiles(model []byte, files map[string][]byte) ([]byte, error) {
	if len(files) == 0 {
		return model, nil
	}
	b := bytes.NewBuffer(slices.Clip(model))
	z := zip.NewWriter(b)
	z.SetOffset(int64(len(model)))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// Stored as they are, which readers that map the file need.
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
