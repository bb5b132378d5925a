package train

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecipesAreValidAndPrintable(t *testing.T) {
	for _, name := range RecipeNames() {
		r, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
		back, err := ParseRecipe([]byte(r.String()))
		if err != nil {
			t.Errorf("%s: printed and read: %v\n%s", name, err, r)
			continue
		}
		r.Augment = r.Augment.Resolved()
		back.Augment = back.Augment.Resolved()
		if d := cmp.Diff(r, back); d != "" {
			t.Errorf("%s: printed and read, it differs (-want +got):\n%s", name, d)
		}
		if r.Source == "" && r.Notes == "" {
			t.Errorf("%s says neither where it comes from nor what it is for", name)
		}
	}
}

// TestPublishedNumbers compares with the published texts, written down here
// once more.
func TestPublishedNumbers(t *testing.T) {
	for _, c := range []struct {
		name                     string
		rate, decay, every, gain float64
		batch                    int
	}{
		{"v1_slim", 0.045, 4e-5, 2.5, 0.94, 64},
		{"v2_paper", 0.045, 4e-5, 1, 0.98, 96},
		{"v3_paper", 0.1, 1e-5, 3, 0.99, 4096},
		{"mnasnet_paper", 0.256, 1e-5, 2.4, 0.97, 4096},
		{"torchvision_v3", 0.064, 1e-5, 2, 0.973, 1024},
	} {
		r, err := Named(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rate != c.rate || r.WeightDecay != c.decay || r.Schedule.Every != c.every || r.Schedule.Rate != c.gain || r.Batch != c.batch {
			t.Errorf("%s: %v", c.name, r)
		}
	}
}

func TestScheduleFactors(t *testing.T) {
	for _, c := range []struct {
		schedule      string
		epoch, epochs float64
		want          float64
	}{
		{"constant", 3, 10, 1},
		{"step every=2.4 rate=0.97", 0, 100, 1},
		{"step every=2.4 rate=0.97", 2.39, 100, 1},
		{"step every=2.4 rate=0.97", 2.41, 100, 0.97},
		{"step every=2.4 rate=0.97", 24.1, 100, 0.737424127},
		{"exponential every=2 rate=0.5", 1, 100, math.Sqrt2 / 2},
		{"cosine", 0, 10, 1},
		{"cosine", 5, 10, 0.5},
		{"cosine", 10, 10, 0},
		// torch.optim.lr_scheduler.CosineAnnealingLR(T_max=10, eta_min=0.1) at 3.
		{"cosine final=0.1", 3, 10, 0.8145033635316129},
		{"cosine warmup=5", 0, 25, 0},
		{"cosine warmup=5", 2.5, 25, 0.5},
		{"cosine warmup=5 from=0.25", 2, 25, 0.55},
		{"cosine warmup=5", 5, 25, 1},
		{"cosine warmup=5", 15, 25, 0.5},
		{"linear final=0.2", 5, 10, 0.6},
		{"step every=1 rate=0.5 warmup=2", 1, 10, 0.125},
	} {
		s, err := ParseSchedule(c.schedule)
		if err != nil {
			t.Errorf("%q: %v", c.schedule, err)
			continue
		}
		if got := s.Factor(c.epoch, c.epochs); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%q at %v of %v: %v, want %v", c.schedule, c.epoch, c.epochs, got, c.want)
		}
		if back, err := ParseSchedule(s.String()); err != nil || back != s {
			t.Errorf("%q reads back as %v (%v)", s, back, err)
		}
	}
}

func TestStepRateScalesWithTheBatch(t *testing.T) {
	r := Recipe{Rate: 0.1, RateBatch: 64, Epochs: 10, Batch: 64}
	if got := r.StepRate(0, 32); got != 0.05 {
		t.Errorf("half the batch: %v, want 0.05", got)
	}
	r.RateBatch = 0
	if got := r.StepRate(0, 32); got != 0.1 {
		t.Errorf("without scaling: %v, want 0.1", got)
	}
}

func TestBadRecipes(t *testing.T) {
	good := `{"epochs":1,"batch":8,"rate":0.1,"schedule":"constant","optimizer":{"kind":"sgd"},"augment":"none"}`
	if _, err := ParseRecipe([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{`"batch":8`, `"batch":0`, "batch"},
		{`"epochs":1`, `"epochs":-1`, "epochs"},
		{`"rate":0.1`, `"rate":0`, "rate"},
		{`"sgd"`, `"adam"`, "sgd, rmsprop or adamw"},
		{`"constant"`, `"zigzag"`, "zigzag"},
		{`"constant"`, `"step rate=0.5"`, "every"},
		{`"constant"`, `"cosine warm=1"`, "warm=1"},
		{`"none"`, `"nnoe"`, "did you mean"},
		{`"batch"`, `"batches"`, "batches"},
		{`"kind":"sgd"`, `"kind":"sgd","momentum":1`, "momentum"},
	} {
		_, err := ParseRecipe([]byte(strings.Replace(good, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want a word of %q", c.to, c.from, err, c.want)
		}
	}
	if _, err := Named("v3_papper"); err == nil || !strings.Contains(err.Error(), `did you mean "v3_paper"`) {
		t.Errorf("a mistyped recipe: %v", err)
	}
}
