package exec

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestSplit: a fused step's time is told apart into convolutions and norms, and
// is about the time the step took.
func TestSplit(t *testing.T) {
	g := trainable(t, logitsOnly(t, 4, 64), pass.TrainingOptions{NoDropout: true}, pass.Optimizer{Kind: pass.SGD, Momentum: 0.9})
	p, err := CompileTrain(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil, state)
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Steps()
	s.Times = make([]time.Duration, len(steps))
	for range 3 {
		for i, x := range feed(g, 0) {
			copy(s.Input(i), x)
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	fused := 0
	for i, st := range steps {
		convs, norms := s.Split(i)
		if !strings.HasPrefix(st.Op, "fused") {
			if convs+norms != 0 {
				t.Errorf("%s %s: %v and %v", st.Node, st.Op, convs, norms)
			}
			continue
		}
		fused++
		if convs <= 0 || convs+norms > s.Times[i] || st.Conv == "" {
			t.Errorf("%s %s: %v and %v of %v, %q", st.Node, st.Op, convs, norms, s.Times[i], st.Conv)
		}
	}
	if fused == 0 {
		t.Skip("nothing is fused on this machine")
	}
}
