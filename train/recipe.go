package train

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/transform"
)

// OptimizerKind names a rule that turns gradients into steps.
type OptimizerKind string

const (
	// SGD is stochastic gradient descent with momentum:
	// v = momentum*v + g; w -= rate*v (PyTorch's form; with Nesterov
	// w -= rate*(g + momentum*v)).
	SGD OptimizerKind = "sgd"
	// RMSprop is TensorFlow's form, which the papers mean, with epsilon inside
	// the root: ms = rho*ms + (1-rho)*g*g; v = momentum*v + rate*g/sqrt(ms+epsilon);
	// w -= v. ms begins at 1.
	RMSprop OptimizerKind = "rmsprop"
	// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter).
	AdamW OptimizerKind = "adamw"
)

// Optimizer is a rule with its constants. Zeros mean the rule's usual ones.
type Optimizer struct {
	Kind     OptimizerKind `json:"kind"`
	Momentum float64       `json:"momentum,omitempty"` // SGD and RMSprop
	Nesterov bool          `json:"nesterov,omitempty"` // SGD
	Rho      float64       `json:"rho,omitempty"`      // RMSprop, 0.9
	Beta1    float64       `json:"beta1,omitempty"`    // AdamW, 0.9
	Beta2    float64       `json:"beta2,omitempty"`    // AdamW, 0.999
	Epsilon  float64       `json:"epsilon,omitempty"`  // RMSprop 1e-3, AdamW 1e-8
}

// Resolved fills in what a zero stands for.
func (o Optimizer) Resolved() Optimizer {
	set := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	switch o.Kind {
	case "":
		o.Kind = SGD
		set(&o.Momentum, 0.9)
	case RMSprop:
		set(&o.Rho, 0.9)
		set(&o.Epsilon, 1e-3)
	case AdamW:
		set(&o.Beta1, 0.9)
		set(&o.Beta2, 0.999)
		set(&o.Epsilon, 1e-8)
	}
	return o
}

// Recipe is everything about a training that does not come from the data or
// the network: a value that can be printed, stored and run again.
type Recipe struct {
	Name string `json:"name,omitempty"`
	// Source says where a published recipe was read, and Notes what of it
	// cannot be had here or was not published.
	Source string `json:"source,omitempty"`
	Notes  string `json:"notes,omitempty"`

	Epochs float64 `json:"epochs"`
	Batch  int     `json:"batch"`
	// Rate is the learning rate for RateBatch pictures a step; another batch
	// scales it in proportion. RateBatch 0 means Batch: no scaling.
	Rate      float64   `json:"rate"`
	RateBatch int       `json:"rate_batch,omitempty"`
	Schedule  Schedule  `json:"schedule"`
	Optimizer Optimizer `json:"optimizer"`

	WeightDecay float64 `json:"weight_decay,omitempty"`
	// Decay lists what weight decay includes beyond dense and pointwise
	// weights: "depthwise", "norm", "bias".
	Decay []string `json:"decay,omitempty"`

	LabelSmoothing float64 `json:"label_smoothing,omitempty"`
	// Dropout is the fraction dropped before the classifier, nil for the
	// network's own; DropPath the chance of leaving out the last residual
	// block, earlier ones in proportion to their depth.
	Dropout  *float64 `json:"dropout,omitempty"`
	DropPath float64  `json:"drop_path,omitempty"`
	// EMA is the part of the old average kept at each step, 0 for none.
	EMA float64 `json:"ema,omitempty"`
	// BNMomentum is the part of the old statistics kept, 0 for the network's.
	BNMomentum float64 `json:"bn_momentum,omitempty"`
	// Clip bounds the norm of the whole gradient, 0 for no bound.
	Clip float64 `json:"clip,omitempty"`
	// Augment is what is done to training pictures and batches, mixup and
	// cutmix included.
	Augment transform.Augment `json:"augment"`
	// Resolution is the side of training pictures, 0 for the network's.
	Resolution int `json:"resolution,omitempty"`
}

// zero reports the recipe that leaves the choice to the plan.
func (r *Recipe) zero() bool { return reflect.ValueOf(*r).IsZero() }

// StepRate is the learning rate at a time in epochs, for a batch.
func (r *Recipe) StepRate(epoch float64, batch int) float64 {
	rate := r.Rate * r.Schedule.Factor(epoch, r.Epochs)
	if r.RateBatch > 0 {
		rate *= float64(batch) / float64(r.RateBatch)
	}
	return rate
}

// Decays reports whether weight decay includes a kind of variable.
func (r *Recipe) Decays(kind string) bool { return slices.Contains(r.Decay, kind) }

// Validate reports a recipe that cannot be run, naming the field.
func (r *Recipe) Validate() error {
	fail := func(field string, v any, want string) error {
		return fmt.Errorf("recipe %s: %s is %v, want %s", r.title(), field, v, want)
	}
	o := r.Optimizer.Resolved()
	switch {
	case r.Batch < 1 || r.Batch > 1<<16:
		return fail("batch", r.Batch, "1 to 65536 pictures")
	case !(r.Epochs > 0) || r.Epochs > 1e6:
		return fail("epochs", r.Epochs, "a number above 0")
	case !(r.Rate > 0) || math.IsInf(r.Rate, 0):
		return fail("rate", r.Rate, "a number above 0")
	case r.RateBatch < 0:
		return fail("rate_batch", r.RateBatch, "a number of pictures")
	case !slices.Contains([]OptimizerKind{SGD, RMSprop, AdamW}, o.Kind):
		return fail("optimizer", o.Kind, "sgd, rmsprop or adamw")
	case o.Nesterov && o.Kind != SGD:
		return fail("nesterov", true, "it with sgd only")
	case !(r.WeightDecay >= 0):
		return fail("weight_decay", r.WeightDecay, "a number from 0")
	case !(r.Clip >= 0):
		return fail("clip", r.Clip, "a number from 0")
	case r.Resolution < 0 || r.Resolution > 1<<14:
		return fail("resolution", r.Resolution, "a side in pixels")
	}
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"label_smoothing", r.LabelSmoothing}, {"drop_path", r.DropPath}, {"ema", r.EMA}, {"bn_momentum", r.BNMomentum},
		{"momentum", o.Momentum}, {"rho", o.Rho}, {"beta1", o.Beta1}, {"beta2", o.Beta2},
	} {
		if !(f.v >= 0 && f.v < 1) {
			return fail(f.name, f.v, "from 0 to below 1")
		}
	}
	if r.Dropout != nil && !(*r.Dropout >= 0 && *r.Dropout < 1) {
		return fail("dropout", *r.Dropout, "from 0 to below 1")
	}
	for _, d := range r.Decay {
		if !slices.Contains(decayKinds, d) {
			return fail("decay", d, strings.Join(decayKinds, ", "))
		}
	}
	if err := r.Schedule.Validate(); err != nil {
		return fmt.Errorf("recipe %s: %w", r.title(), err)
	}
	if err := r.Augment.Validate(); err != nil {
		return fmt.Errorf("recipe %s: %w", r.title(), err)
	}
	return nil
}

// The kinds of variables that weight decay leaves out unless asked.
var decayKinds = []string{"depthwise", "norm", "bias"}

func (r *Recipe) title() string {
	if r.Name == "" {
		return "(unnamed)"
	}
	return r.Name
}

// String is the recipe as indented JSON: what ParseRecipe reads.
func (r Recipe) String() string {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// ParseRecipe reads a recipe in JSON. Unknown fields are errors.
func ParseRecipe(b []byte) (Recipe, error) {
	var r Recipe
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("recipe: %w", err)
	}
	return r, r.Validate()
}

// Named gives a recipe of the list by its name.
func Named(name string) (Recipe, error) {
	for _, r := range recipes() {
		if r.Name == name {
			return r, nil
		}
	}
	return Recipe{}, fmt.Errorf("unknown recipe %q%s: the recipes are %s", name, suggest.DidYouMean(name, RecipeNames()), strings.Join(RecipeNames(), ", "))
}

// RecipeNames lists the recipes, ours first, then the published ones.
func RecipeNames() []string {
	var out []string
	for _, r := range recipes() {
		out = append(out, r.Name)
	}
	return out
}
