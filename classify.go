package mobilenet

import (
	"context"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/internal/post"
	"github.com/mobilenet-go/mobilenet/transform"
)

// Prediction is a class and how sure the network is of it.
type Prediction struct {
	Class int     `json:"class"` // from 0; TensorFlow's background class is not counted
	Label string  `json:"label"` // the class number where no label is known
	Score float32 `json:"score"` // probability, 0 to 1
}

// Timing tells where the time of a picture went.
type Timing struct {
	Decode, Preprocess, Infer time.Duration
}

// Classify reads a picture (JPEG, PNG, GIF, WebP, BMP or TIFF) and returns the
// classes it most likely shows, best first. Equal scores rank by the lower
// class.
func (c *Classifier) Classify(ctx context.Context, picture io.Reader) ([]Prediction, error) {
	r := c.one(ctx, picture, false)
	return r.Predictions, r.Err
}

// ClassifyImage is Classify for a decoded picture.
func (c *Classifier) ClassifyImage(ctx context.Context, picture image.Image) ([]Prediction, error) {
	m, err := imageio.FromImage(picture)
	if err != nil {
		return nil, err
	}
	r := Result{Coverage: 1}
	c.score(ctx, c.fromImage(m), &r, false)
	return r.Predictions, r.Err
}

// ClassifyBatch is ClassifyImage for several pictures at once, on all
// processors. The answers do not depend on which pictures go together.
func (c *Classifier) ClassifyBatch(ctx context.Context, pictures []image.Image) ([][]Prediction, error) {
	out := make([][]Prediction, len(pictures))
	workers := min(c.workers(), len(pictures))
	results := parallel(ctx, workers, slices.Values(pictures), func(p image.Image, solo bool) Result {
		m, err := imageio.FromImage(p)
		if err != nil {
			return Result{Err: err}
		}
		r := Result{Coverage: 1}
		c.score(ctx, c.fromImage(m), &r, solo)
		return r
	})
	i := 0
	for r := range results {
		if r.Err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, r.Err)
		}
		out[i] = r.Predictions
		i++
	}
	if err := ctx.Err(); err != nil && i < len(pictures) {
		return nil, err
	}
	return out, nil
}

// one reads and scores a picture's file.
func (c *Classifier) one(ctx context.Context, picture io.Reader, solo bool) Result {
	var r Result
	start := time.Now()
	data, err := imageio.ReadFile(picture, c.limits())
	r.Timing.Decode = time.Since(start)
	if err != nil {
		r.Err = err
		return r
	}
	c.score(ctx, c.fromFile(data, &r.Coverage), &r, solo)
	return r
}

func (c *Classifier) limits() imageio.Limits { return engine.Limits(c.opt.Limits).Picture() }

// decoding is the options of decoding, but for the orientation.
func (c *Classifier) decoding() imageio.Options {
	o := imageio.Options{Limits: c.limits()}
	switch c.opt.Decode {
	case DecodeStrict:
		o.Mode = imageio.Strict
	case DecodeTolerant:
		o.Mode = imageio.Tolerant
	}
	return o
}

// input writes a picture into the network's input and tells the time it took.
type input func(p *transform.Pipeline, in []float32, t *Timing) error

// fromImage is the input of a decoded picture.
func (c *Classifier) fromImage(m *imageio.Image) input {
	return func(p *transform.Pipeline, in []float32, t *Timing) error {
		apply := p.Apply
		if c.opt.CropInput {
			apply = p.ApplyCropped
		}
		start := time.Now()
		err := apply(m, in)
		t.Preprocess += time.Since(start)
		return err
	}
}

// fromFile is the input of a picture's file. It notes how much of the picture
// the file held.
func (c *Classifier) fromFile(data []byte, coverage *float64) input {
	return func(p *transform.Pipeline, in []float32, t *Timing) error {
		start := time.Now()
		if c.opt.CropInput {
			opt := c.decoding()
			opt.IgnoreOrientation = p.Recipe().IgnoreOrientation
			m, info, err := imageio.DecodeBytes(data, &opt)
			*coverage = info.Coverage
			t.Decode += time.Since(start)
			if err != nil {
				return err
			}
			return c.fromImage(m)(p, in, t)
		}
		info, err := p.ApplyFile(data, c.decoding(), c.opt.Decode == DecodeDraft, in)
		*coverage = info.Coverage
		t.Decode += time.Since(start) - info.Resizing
		t.Preprocess += info.Resizing
		return err
	}
}

// score runs the network and fills in the scores and predictions.
func (c *Classifier) score(ctx context.Context, in input, r *Result, solo bool) {
	shape := engine.Shape{Batch: 1, H: c.m.Info.H, W: c.m.Info.W, Solo: solo}
	r.Err = c.run(ctx, in, shape, &r.Timing, func(out [][]float32) error {
		r.Scores = slices.Clone(out[0])
		return engine.Finite(c.m.Info.Path, r.Scores)
	})
	if r.Err != nil {
		r.Scores = nil
		return
	}
	r.Predictions = c.predict(r.Scores)
}

// run prepares a picture, runs a program and hands over its outputs.
func (c *Classifier) run(ctx context.Context, in input, shape engine.Shape, t *Timing, read func([][]float32) error) error {
	p, _ := c.pipelines.Get().(*transform.Pipeline)
	if p == nil {
		var err error
		if p, err = transform.NewPipeline(c.m.Info.Recipe); err != nil {
			return err
		}
	}
	defer c.pipelines.Put(p)
	var begin time.Time
	return c.m.Run(ctx, shape, func(dst []float32) error {
		err := in(p, dst, t)
		begin = time.Now()
		return err
	}, func(out [][]float32) error {
		t.Infer = time.Since(begin)
		return read(out)
	})
}

// predict ranks raw scores.
func (c *Classifier) predict(scores []float32) []Prediction {
	i := &c.m.Info
	if !i.Probabilities {
		scores = slices.Clone(scores)
		post.Softmax(scores)
	}
	if i.Background {
		scores = scores[1:]
	}
	k := c.opt.Top
	if k < 0 {
		k = len(scores)
	}
	top := post.TopK(scores, k)
	out := make([]Prediction, 0, len(top))
	for _, s := range top {
		if s.Score < c.opt.Threshold {
			break
		}
		p := Prediction{Class: s.Class, Score: s.Score, Label: strconv.Itoa(s.Class)}
		if s.Class < len(i.Labels) {
			p.Label = i.Labels[s.Class]
		}
		out = append(out, p)
	}
	return out
}
