package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/post"
	"github.com/mobilenet-go/mobilenet/transform"
)

// teacher mixes another network's softened scores into the targets.
type teacher struct {
	net         *inference
	weight      float64
	temperature float64
	classes     int
	skip        int // rows before the classes
	probability bool
	scale, move [3]float32 // from the student's input to its own
	swap        bool
	x           []float32
	row         []float32
}

func newTeacher(conf *Config, p *Plan, student transform.Recipe, pool *exec.Pool) (*teacher, error) {
	m, err := conf.open(p.Teacher)
	if err != nil {
		return nil, fmt.Errorf("train: Teacher: %w", err)
	}
	defer m.Close()
	t := &teacher{weight: p.TeacherWeight, temperature: p.TeacherTemperature, classes: len(p.Classes), probability: m.Info.Probabilities}
	if got := m.Info.Classes(); got != t.classes {
		return nil, fmt.Errorf("train: Teacher: %s has %d classes, the data %d: a teacher must know the same", p.Teacher, got, t.classes)
	}
	if l := m.Info.Labels; len(l) > 0 && !slices.Equal(l, p.labels()) && !slices.Equal(l, p.Classes) {
		return nil, fmt.Errorf("train: Teacher: the classes of %s are not the data's or stand in another order", p.Teacher)
	}
	if m.Info.Background {
		t.skip = 1
	}
	g, err := m.GraphAt(1, p.Resolution, p.Resolution)
	if err != nil {
		return nil, fmt.Errorf("train: Teacher: %w", err)
	}
	if t.net, err = newInference(g, p.Recipe.Batch, p.Resolution, pool, conf.Kernels); err != nil {
		return nil, fmt.Errorf("train: Teacher: %w", err)
	}
	// Both see the same bytes v: student a*v+b, teacher c*v+d.
	a, b := affine(student)
	c, d := affine(m.Info.Recipe)
	t.swap = student.BGR != m.Info.Recipe.BGR
	for k := range 3 {
		from := k // the colour of the student's channel
		if student.BGR {
			from = 2 - k
		}
		t.scale[k] = float32(c[from] / a[from])
		t.move[k] = float32(d[from] - c[from]*b[from]/a[from])
	}
	t.x, t.row = make([]float32, p.Recipe.Batch*t.net.size), make([]float32, t.classes)
	return t, nil
}

// affine is a recipe's scaling of red, green and blue bytes.
func affine(r transform.Recipe) (scale, move [3]float64) {
	r = r.Resolved()
	for c := range 3 {
		k, o := 1.0, 0.0
		mean, std := float64(r.Mean[c]), float64(r.Std[c])
		switch r.Range {
		case transform.RangeImageNet:
			k = 1.0 / 255
			mean, std = [3]float64{0.485, 0.456, 0.406}[c], [3]float64{0.229, 0.224, 0.225}[c]
		case transform.RangeUnit:
			k = 1.0 / 255
		case transform.RangeSigned:
			k, o = 1/127.5, -1
		}
		if std == 0 {
			std = 1
		}
		scale[c], move[c] = k/std, (o-mean)/std
	}
	return scale, move
}

// mix changes the targets of a batch.
func (t *teacher) mix(ctx context.Context, b *dataset.Batch) error {
	n := b.N * t.net.size
	for i := 0; i < n; i += 3 {
		for k := range 3 {
			to := k
			if t.swap {
				to = 2 - k
			}
			t.x[i+to] = b.X[i+k]*t.scale[k] + t.move[k]
		}
	}
	rows, err := t.net.run(ctx, t.x, b.N)
	if err != nil {
		return err
	}
	for i := range b.N {
		copy(t.row, rows[i*t.net.width+t.skip:])
		for c, v := range t.row {
			if t.probability {
				v = float32(math.Log(max(float64(v), 1e-12)))
			}
			t.row[c] = v / float32(t.temperature)
		}
		post.Softmax(t.row)
		target := b.Targets[i*t.classes : (i+1)*t.classes]
		for c, v := range t.row {
			target[c] += float32(t.weight) * (v - target[c])
		}
	}
	return nil
}
