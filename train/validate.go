package train

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/post"
)

// inference runs a folded graph on batches.
type inference struct {
	session *exec.Session
	batch   int
	width   int // of an output's row
	size    int // of an input
}

// newInference folds and compiles a graph whose first output is a row a picture.
func newInference(g *graph.Graph, batch, side int, pool *exec.Pool, kernels string) (*inference, error) {
	sized, err := g.Resize(batch, side, side)
	if err != nil {
		return nil, err
	}
	sized.Outputs = sized.Outputs[:1]
	folded, err := pass.Fold(sized)
	if err != nil {
		return nil, err
	}
	prog, err := exec.Compile(folded, exec.Options{Impl: kernels})
	if err != nil {
		return nil, err
	}
	s, err := prog.NewSession(pool)
	if err != nil {
		return nil, err
	}
	return &inference{s, batch, folded.Node(folded.Outputs[0].ID).Type.Shape.Len() / batch, 3 * side * side}, nil
}

// run gives the outputs' rows of n pictures, valid until the next call.
func (f *inference) run(ctx context.Context, x []float32, n int) ([]float32, error) {
	in := f.session.Input(0)
	copy(in, x[:n*f.size])
	clear(in[n*f.size:])
	if err := f.session.Run(ctx); err != nil {
		return nil, err
	}
	return f.session.Output(0)[:n*f.width], nil
}

// scores are what a validation finds.
type scores struct {
	n, top1, top5 int
	loss          float64
	confusion     [][]int
	wrong         []WrongPicture
}

func (s *scores) into(e *Epoch) {
	n := float64(max(s.n, 1))
	e.ValLoss, e.ValTop1, e.ValTop5 = s.loss/n, float64(s.top1)/n, float64(s.top5)/n
}

// add scores a picture by its logits, which become probabilities.
func (s *scores) add(logits []float32, class int, name string) {
	s.n++
	top := post.TopK(logits, 5)
	for i, t := range top {
		if t.Class == class {
			s.top5++
			if i == 0 {
				s.top1++
			}
		}
	}
	post.Softmax(logits)
	s.loss -= math.Log(max(float64(logits[class]), 1e-30))
	if s.confusion == nil {
		return
	}
	said := top[0].Class
	s.confusion[class][said]++
	if said != class {
		s.wrong = append(s.wrong, WrongPicture{Name: name, Class: class, Said: said, Score: float64(logits[said]), ClassScore: float64(logits[class])})
	}
}

// validate measures a network's graph on pictures. With detail it also counts
// which class is taken for which, and lists what was wrong.
func validate(ctx context.Context, f *inference, l *dataset.Loader, items []dataset.Item, classes int, detail bool, progress func(done int)) (*scores, error) {
	s := &scores{}
	if detail {
		s.confusion = make([][]int, classes)
		for i := range s.confusion {
			s.confusion[i] = make([]int, classes)
		}
	}
	// Where an earlier pass was stopped, this one begins anew.
	if err := l.Seek(0, 0); err != nil {
		return nil, err
	}
	done := 0
	for {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		rows, err := f.run(ctx, b.X, b.N)
		if err != nil {
			return nil, err
		}
		for i := range b.N {
			if b.Weights[i] == 0 {
				continue // it could not be read
			}
			s.add(rows[i*classes:(i+1)*classes], b.Labels[i], items[b.Items[i]].Name)
		}
		if done += b.N; progress != nil {
			progress(done)
		}
	}
}
