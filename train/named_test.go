package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// TestNamedWeights: a run begins with weights in memory as with the file that
// holds them, and resumes with nothing else.
func TestNamedWeights(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 12, 2))
	base := t.TempDir()
	first := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: filepath.Join(base, "first")})
	data, err := os.ReadFile(first.Weights)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string][]byte{"ours": data}
	file := mustRun(t, &Config{Data: d, From: first.Weights, Recipe: quick(2), Dir: filepath.Join(base, "file")})
	c := &Config{Data: d, From: "ours", Named: named, Recipe: quick(2), Dir: filepath.Join(base, "named")}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.Progress = func(p Progress) {
		if p.Step == 3 {
			cancel()
		}
	}
	if _, err := Run(ctx, c); !errors.Is(err, ErrStopped) {
		t.Fatalf("stopped: %v", err)
	}
	again := Config{Data: d, Dir: c.Dir, Resume: true}
	if _, err := Run(context.Background(), &again); err == nil || !strings.Contains(err.Error(), "ours") {
		t.Errorf("resumed without its weights: %v", err)
	}
	again.Named = map[string][]byte{"ours": append(slices.Clone(data), 0)}
	if _, err := Run(context.Background(), &again); err == nil || !strings.Contains(err.Error(), "not the file that the run began with") {
		t.Errorf("resumed with others: %v", err)
	}
	again.Named = named
	r := mustRun(t, &again)
	if r.Last.Loss != file.Last.Loss {
		t.Errorf("named weights end with a loss of %v, the same file's with %v", r.Last.Loss, file.Last.Loss)
	}
}

// TestClassIDs: where the data has names for people, the file keeps both.
func TestClassIDs(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	d.Labels = []string{"a red disc", "a green square", "blue stripes"}
	r := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: filepath.Join(t.TempDir(), "run")})
	m, err := engine.Open(r.Weights, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !slices.Equal(m.Info.Labels, d.Labels) || !slices.Equal(m.Info.ClassIDs, []string{"disc", "square", "stripes"}) {
		t.Errorf("labels %v, ids %v", m.Info.Labels, m.Info.ClassIDs)
	}
}
