// Package quant turns a network of float32s into one of 8-bit integers without
// training, with a bound on the accuracy lost.
//
// Quantize runs pictures through the network to learn the ranges of its values,
// tries several ways to choose them, keeps layers in float where the bound
// asks for it, and refuses to give a network that has collapsed.
package quant

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/eval"
)

// Picture is a picture to calibrate with.
type Picture struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Options says how to quantize. Only Pictures is needed; the rest of the zero
// value is the published default.
type Options struct {
	// Pictures are like those that the network will see, without labels. Every
	// fourth is held out, to choose and to judge by.
	Pictures []Picture
	// MaxPictures bounds how many of them are used, evenly spread; 0 means 256.
	MaxPictures int
	// Validation is labelled pictures to measure accuracy on. Without, the
	// integer network is judged by how it agrees with the float network on the
	// pictures that were held out.
	Validation []eval.Sample
	// MaxDrop is the top-1 accuracy that may be lost, as a fraction; 0 means
	// 0.01. It needs Validation.
	MaxDrop float64
	// MaxFloat bounds the part of the multiply-adds that may stay in float; 0
	// means 0.1, below 0 none.
	MaxFloat float64
	// Method is how ranges are chosen: minmax, percentile or mse; empty tries
	// all and takes the best.
	Method string
	// PerTensor takes one scale for all weights of a layer, for hardware that
	// knows no other. It keeps no layer in float.
	PerTensor bool
	// NoEqualize and NoCorrect leave cross-layer equalization and the
	// correction of biases out.
	NoEqualize, NoCorrect bool
	// NoSpeed leaves the measurement of speed out.
	NoSpeed bool
	// Progress, if set, is called now and then, from one goroutine at a time.
	Progress func(Progress)
}

// Methods are the ways of choosing ranges.
func Methods() []string { return []string{MinMax, Percentile, MSE} }

// The ways of choosing the range of a value: all that was seen; all but the
// outermost hundred-thousandth on either side; and the range whose integers have
// the least mean squared error.
const (
	MinMax     = "minmax"
	Percentile = "percentile"
	MSE        = "mse"
)

func (o *Options) check() error {
	if o.Method != "" && o.Method != MinMax && o.Method != Percentile && o.Method != MSE {
		return fmt.Errorf("method %q: use one of %s", o.Method, strings.Join(Methods(), ", "))
	}
	switch {
	case len(o.Pictures) == 0:
		return errors.New("no pictures to calibrate with")
	case !(o.MaxDrop >= 0 && o.MaxDrop <= 1):
		return fmt.Errorf("a drop of at most %v: give a fraction of 1", o.MaxDrop)
	case !(o.MaxFloat <= 1):
		return fmt.Errorf("at most %v of the multiply-adds in float: give a fraction of 1", o.MaxFloat)
	case o.MaxPictures < 0:
		return fmt.Errorf("%d pictures: give a number above 0", o.MaxPictures)
	}
	return nil
}

// Defaults of Options.
const (
	defaultPictures = 256
	defaultDrop     = 0.01
	defaultFloat    = 0.1
)

func (o *Options) maxDrop() float64 {
	if o.MaxDrop == 0 {
		return defaultDrop
	}
	return o.MaxDrop
}

func (o *Options) maxFloat() float64 {
	switch {
	case o.PerTensor || o.MaxFloat < 0:
		return 0
	case o.MaxFloat == 0:
		return defaultFloat
	}
	return o.MaxFloat
}

// Progress tells how far a stage is.
type Progress struct {
	Stage       string // "reading", "calibrating", "choosing", "ranking", "validating", "measuring"
	Done, Total int
	// Rate is steps a second, Left the time the stage still takes at that rate.
	Rate float64
	Left time.Duration
}

// Collapsed is the error of a network whose integers lose more than is allowed.
type Collapsed struct {
	// Worst are the layers that do the most harm, the worst first.
	Worst []Harm
	why   string
}

// Harm is what quantizing a layer does to the scores: Gain is by how many
// decibels they are better if this layer alone stays in float.
type Harm struct {
	Name  string
	Gain  float64
	share float64 // of the multiply-adds
}

func (e *Collapsed) Error() string {
	var names []string
	for _, l := range e.Worst {
		names = append(names, fmt.Sprintf("%s (%+.1f dB in float)", l.Name, l.Gain))
	}
	return e.why + ": the layers that do the most harm are " + strings.Join(names, ", ") + "; nothing was written"
}
