package train

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// features are vectors of pictures, as the layers before the classifier make
// them, with what is wanted of each.
type features struct {
	width   int
	x       []float32
	labels  []int
	weights []float32
}

func (f *features) rows() int { return len(f.labels) }

// collect appends the features of an epoch of a loader.
func (f *features) collect(ctx context.Context, net *inference, l *dataset.Loader, progress func(n int)) error {
	f.width = net.width
	for {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := net.run(ctx, b.X, b.N)
		if err != nil {
			return err
		}
		for i := range b.N {
			if b.Weights[i] == 0 {
				continue
			}
			f.x = append(f.x, rows[i*f.width:(i+1)*f.width]...)
			f.labels, f.weights = append(f.labels, b.Labels[i]), append(f.weights, b.Weights[i])
		}
		progress(b.N)
	}
}

// center moves every feature to mean 0 and scales all of them alike, to a mean
// square of 1, so that one learning rate suits all networks. Features keep
// their proportions: the ones that hardly move are mostly noise. It says what
// it took off and the scale.
func (f *features) center() (mean []float64, scale float64) {
	mean = make([]float64, f.width)
	n := float64(f.rows())
	for i, v := range f.x {
		mean[i%f.width] += float64(v) / n
	}
	square := 0.0
	for i, v := range f.x {
		d := float64(v) - mean[i%f.width]
		square += d * d
	}
	scale = math.Sqrt(square/float64(len(f.x))) + 1e-12
	for i := range f.x {
		f.x[i] = float32((float64(f.x[i]) - mean[i%f.width]) / scale)
	}
	return mean, scale
}

// The first stage's own settings. There may be more features than pictures, so
// that the decay is what keeps the classifier from learning them by heart.
const (
	headBatch  = 64
	headSteps  = 600
	headRate   = 0.001
	headDecay  = 10
	headSmooth = 0.1
)

// headPictures bounds the pictures of the first stage, whose features are kept
// in memory.
const headPictures = 50_000

// thin takes n of the items, or all, from everywhere in the list.
func thin(items []dataset.Item, n int) []dataset.Item {
	if len(items) <= n {
		return items
	}
	out := make([]dataset.Item, n)
	for i := range out {
		out[i] = items[i*len(items)/n]
	}
	return out
}

// trainHead trains a classifier alone, a small graph of its own, and gives its
// weight [classes, width] and bias.
func trainHead(ctx context.Context, f *features, classes int, seed uint64, pool *exec.Pool, kernels string, progress func(step, steps int, loss, top1 float64)) (weight, bias []float32, err error) {
	mean, scale := f.center()
	batch := min(headBatch, f.rows())
	h := &network{}
	var b graph.Builder
	x := b.Input("features", batch, 1, 1, f.width)
	x = b.Conv("classifier", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: classes, Bias: true})
	logits := b.Op("logits", graph.Reshape{Shape: []int{0, -1}}, x)
	g, err := b.Graph()
	if err != nil {
		return nil, nil, err
	}
	initialize(g, seed)
	loss, err := pass.CrossEntropy(g, logits)
	if err != nil {
		return nil, nil, err
	}
	h.base = g
	vars := pass.Trained(g, nil)
	grads, err := pass.Grad(g, loss.Mean, vars)
	if err != nil {
		return nil, nil, err
	}
	lr, err := g.AddInput("rate", graph.F32(1))
	if err != nil {
		return nil, nil, err
	}
	t, err := g.AddInput("steps", graph.F32(1))
	if err != nil {
		return nil, nil, err
	}
	o := pass.Optimizer{Kind: pass.AdamW, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Decay: headDecay, NoDecay: pass.Decayed{}.Excluded(g)}
	if err := o.Step(g, vars, grads, lr, t); err != nil {
		return nil, nil, err
	}
	if err := g.SetOutput("loss", loss.Mean); err != nil {
		return nil, nil, err
	}
	if err := g.SetOutput("logits", logits); err != nil {
		return nil, nil, err
	}
	prog, err := exec.CompileTrain(g, exec.Options{Impl: kernels})
	if err != nil {
		return nil, nil, err
	}
	state, err := exec.NewState(g)
	if err != nil {
		return nil, nil, err
	}
	s, err := prog.NewSession(pool, state)
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x68656164))
	order := rng.Perm(f.rows())
	at, sum, hits, seen := 0, 0.0, 0, 0
	for step := range headSteps {
		if at+batch > len(order) {
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			at, sum, hits, seen = 0, 0, 0, 0
		}
		in, target, weights := s.Input(0), s.Input(1), s.Input(2)
		for i, row := range order[at : at+batch] {
			copy(in[i*f.width:], f.x[row*f.width:(row+1)*f.width])
			for c := range classes {
				target[i*classes+c] = float32(headSmooth) / float32(classes)
			}
			target[i*classes+f.labels[row]] += 1 - headSmooth
			weights[i] = f.weights[row]
		}
		s.Input(3)[0] = float32(headRate * (0.5 + 0.5*math.Cos(math.Pi*float64(step)/headSteps)))
		s.Input(4)[0] = float32(step + 1)
		if err := s.Run(ctx); err != nil {
			return nil, nil, err
		}
		sum, seen = sum+float64(s.Output(0)[0]), seen+1
		for i, row := range order[at : at+batch] {
			if largest(s.Output(1)[i*classes:(i+1)*classes]) == f.labels[row] {
				hits++
			}
		}
		at += batch
		progress(step+1, headSteps, sum/float64(seen), float64(hits)/float64(seen*batch))
	}
	// Undo the scaling: w*(x-m)/s + b = (w/s)*x + (b - sum w*m/s).
	weight, bias = state.Variable("classifier.weight"), state.Variable("classifier.bias")
	for c := range classes {
		shift := 0.0
		for j := range f.width {
			w := float64(weight[c*f.width+j]) / scale
			weight[c*f.width+j] = float32(w)
			shift += w * mean[j]
		}
		bias[c] -= float32(shift)
	}
	return weight, bias, nil
}

// top1 counts the rows whose largest score is where the target is largest.
func top1(logits, targets []float32, classes int) (hits int) {
	for i := 0; i+classes <= len(logits) && i+classes <= len(targets); i += classes {
		if largest(logits[i:i+classes]) == largest(targets[i:i+classes]) {
			hits++
		}
	}
	return hits
}

func largest(v []float32) int {
	at := 0
	for i, x := range v {
		if x > v[at] {
			at = i
		}
	}
	return at
}
