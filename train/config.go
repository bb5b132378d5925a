// Package train trains networks of the family on labelled pictures: from
// nothing, or from the weights of another task.
//
// Run does it: it makes a plan of the data, the network and the time, trains,
// and leaves in a folder the weights, the record and a report. A run that was
// interrupted at any moment is continued to the same bits.
package train

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/transform"
)

// Config says what to train on what. Data is needed; everything else has a
// default.
type Config struct {
	// Data is the labelled pictures. Run does not close it.
	Data *dataset.Dataset
	// Model is a network's name ("v3_small", the default, or any that arch.New
	// knows) or a line that describes one (arch.ParseSpec). The number of
	// classes is the data's.
	Model string
	// From is a file with weights to start from, in any format that can be
	// opened: its network is taken, with a new classifier for the data's
	// classes. The classifier is kept where it has the same classes.
	From string
	// Named are weights in memory that From and Teacher may name in place of a
	// file. A run that began with such weights is resumed with them.
	Named map[string][]byte
	// Recipe is how to train; the zero value leaves the choice to the plan.
	Recipe Recipe
	// Dir is the run's folder. It is made, and must not hold another run.
	Dir string
	// Resume continues the run in Dir by its stored plan; Data must be the same
	// data, Precision its own or empty, and of the other fields only Named,
	// Threads, Kernels, CacheBytes, Progress and Command count.
	Resume bool
	// Seed of everything random. The same seed gives the same bits.
	Seed uint64
	// Threads bounds the processors used; 0 means all. It does not change the result.
	Threads int
	// Kernels limits the arithmetic to a rung, as "ref" or "go".
	Kernels string
	// Precision is the arithmetic of a step's products: "fp32" (the default) or
	// "bf16", with weights and everything else in float32. Where the machine has
	// no fast bf16 a new run is planned in fp32, and a run begun in bf16 is not
	// resumed.
	Precision string

	// Quantize, if not nil, trains from weights (From) with everything rounded as
	// integers will be, and ends with the network of integers, Int8File. Batch
	// norms are folded before.
	Quantize *Quantization

	// Epochs replaces the recipe's number; it may be a fraction.
	Epochs float64
	// Time makes the plan choose as many epochs as fit, measured on this machine.
	// Only one of Epochs and Time may be given.
	Time time.Duration
	// Batch and Resolution replace the recipe's and the plan's; Resolution is
	// the side of the pictures that the network sees.
	Batch, Resolution int
	// Rate replaces the recipe's learning rate.
	Rate float64
	// Augment replaces the recipe's change of training pictures.
	Augment *transform.Augment
	// Freeze lists names of variables that stay as they are: "stem" means all
	// of the stem, "blocks.*.dw" every depthwise layer, "backbone" everything
	// but the classifier. The batch norms of frozen layers keep their statistics.
	Freeze []string
	// LayerDecay, below 1, multiplies the learning rate once for every block
	// between a layer and the classifier. 0: 1.
	LayerDecay float64
	// Accumulate is the number of batches whose gradients make one step. 0: 1.
	Accumulate int

	// Teacher is a file with weights of a network for the same classes whose
	// scores, softened by TeacherTemperature (0: 2), make up TeacherWeight
	// (0: 0.5) of the targets.
	Teacher                           string
	TeacherWeight, TeacherTemperature float64

	// Balanced draws every class equally often. ClassWeights weighs the losses
	// of pictures by class; they are scaled to a mean of 1 over the data.
	Balanced     bool
	ClassWeights []float64

	// NoHead leaves out the first stage of a training from weights: the
	// classifier alone on features of the other layers.
	NoHead bool
	// Patience ends a training that did not improve for so many epochs. 0: never.
	Patience int
	// CheckpointEvery is the time between checkpoints inside of epochs. 0: a minute.
	CheckpointEvery time.Duration
	// CacheBytes bounds the decoded pictures kept in memory. 0: 512 MiB.
	CacheBytes int64

	// Progress is called after every step and stage, on the goroutine of Run.
	Progress func(Progress)
	// Command is recorded in the report.
	Command string
}

// Progress tells how far a training is.
type Progress struct {
	// Stage is "plan", "features", "head", "train", "val" or "save".
	Stage string
	// Step of Steps are optimizer steps, in other stages pictures.
	Step, Steps int64
	// Epoch of Epochs.
	Epoch, Epochs float64
	// Loss and Top1 are means over the epoch so far.
	Loss, Top1 float64
	Rate       float64
	// ImagesPerSecond is the speed lately; Left the time to the end of the training.
	ImagesPerSecond float64
	Left            time.Duration
	// Done is set, with the whole record, after an epoch was validated.
	Done *Epoch
	// Note is a line worth telling.
	Note string
}

// Result is what a training ended with.
type Result struct {
	Dir     string   `json:"run"`
	Best    Epoch    `json:"best"`
	Last    Epoch    `json:"last"`
	Epochs  []Epoch  `json:"-"`
	Steps   int64    `json:"steps"`
	Seconds float64  `json:"seconds"`
	Notes   []string `json:"notes,omitempty"`
	// Weights is the path of the best weights.
	Weights string `json:"weights"`
	// Int8 is the network of integers, of a training with Quantize.
	Int8 *Int8 `json:"int8,omitempty"`
}

// ErrStopped is wrapped by the error of a training that its context stopped:
// everything is saved and Resume continues it.
var ErrStopped = errors.New("training stopped")

// ConfigError reports a field of a Config that cannot be meant.
type ConfigError struct{ Field, Problem string }

func (e *ConfigError) Error() string { return "train: " + e.Field + " " + e.Problem }

// Validate reports the first field that cannot be meant.
func (c *Config) Validate() error {
	fail := func(field string, v any, want string) error {
		return &ConfigError{field, fmt.Sprintf("is %v, want %s", v, want)}
	}
	switch {
	case c.Data == nil:
		return errors.New("train: Data is missing: open a data set with dataset.Open")
	case c.Dir == "":
		return errors.New("train: Dir is missing: name a folder for the run")
	case c.Model != "" && c.From != "":
		return errors.New("train: Model and From are given: weights bring their own network")
	case c.Quantize != nil && c.From == "" && !c.Resume:
		return errors.New("train: Quantize needs weights to go on from: train without it first, then give them as From")
	case c.Quantize != nil && c.Precision == string(exec.BF16):
		return errors.New("train: Quantize and Precision bf16 are given: weights that are rounded to integers would be rounded twice")
	case c.Epochs != 0 && c.Time != 0:
		return errors.New("train: Epochs and Time are given: one follows from the other")
	case !(c.Epochs >= 0) || c.Epochs > 1e6:
		return fail("Epochs", c.Epochs, "a number above 0")
	case c.Time < 0:
		return fail("Time", c.Time, "a duration above 0")
	case c.Threads < 0:
		return fail("Threads", c.Threads, "a number from 0")
	case c.Precision != "" && !slices.Contains(exec.TrainPrecisions(), c.Precision):
		return fail("Precision", fmt.Sprintf("%q", c.Precision), strings.Join(exec.TrainPrecisions(), " or "))
	case c.Batch < 0 || c.Batch == 1:
		return fail("Batch", c.Batch, "2 or more pictures, because batch norm does not work on one")
	case c.Resolution < 0 || c.Resolution > 1<<12 || c.Resolution > 0 && c.Resolution < 8:
		return fail("Resolution", c.Resolution, "a side of 8 to 4096 pixels")
	case !(c.Rate >= 0) || math.IsInf(c.Rate, 0):
		return fail("Rate", c.Rate, "a number above 0")
	case !(c.LayerDecay >= 0 && c.LayerDecay <= 1):
		return fail("LayerDecay", c.LayerDecay, "a factor above 0 up to 1")
	case c.Accumulate < 0 || c.Accumulate > 1<<12:
		return fail("Accumulate", c.Accumulate, "1 to 4096 batches")
	case !(c.TeacherWeight >= 0 && c.TeacherWeight <= 1):
		return fail("TeacherWeight", c.TeacherWeight, "a part from 0 to 1")
	case !(c.TeacherTemperature >= 0) || c.TeacherTemperature > 1e3:
		return fail("TeacherTemperature", c.TeacherTemperature, "a number above 0")
	case c.Teacher == "" && (c.TeacherWeight != 0 || c.TeacherTemperature != 0):
		return errors.New("train: TeacherWeight or TeacherTemperature is given without Teacher")
	case c.ClassWeights != nil && len(c.ClassWeights) != len(c.Data.Classes):
		return fail("ClassWeights", fmt.Sprintf("a list of %d", len(c.ClassWeights)), fmt.Sprintf("%d, one a class", len(c.Data.Classes)))
	case c.Patience < 0:
		return fail("Patience", c.Patience, "a number of epochs")
	case len(c.Data.Classes) == 1001:
		// 1001 rows are TensorFlow's classes with a background in every file.
		return errors.New("train: 1001 classes would be read as 1000 and a background: add or remove a class")
	}
	if c.Quantize != nil {
		if err := c.Quantize.check(); err != nil {
			return err
		}
	}
	if c.Augment != nil {
		if err := c.Augment.Validate(); err != nil {
			return fmt.Errorf("train: Augment: %w", err)
		}
	}
	counted := c.ClassWeights == nil
	for i, w := range c.ClassWeights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fail(fmt.Sprintf("ClassWeights[%d]", i), w, "a number from 0")
		}
		counted = counted || w > 0
	}
	if !counted {
		return fail("ClassWeights", "0 for every class", "one above 0")
	}
	for _, p := range c.Freeze {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			return fail("Freeze", fmt.Sprintf("%q", p), "a name or a pattern with *")
		}
	}
	if !c.Recipe.zero() {
		if err := c.Recipe.Validate(); err != nil {
			return fmt.Errorf("train: %w", err)
		}
	}
	if err := c.Data.Validate(); err != nil {
		return err
	}
	if len(c.Data.Val) == 0 {
		return errors.New("train: no validation pictures, and no class has a picture to spare: add pictures, or a folder val of them")
	}
	return nil
}
