package exec

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestBatchByPicture compares batches run picture by picture with the same run
// all together, with and without pictures that do not go round.
func TestBatchByPicture(t *testing.T) {
	const batch = 7
	for name, g := range chainNets(t) {
		in := g.Node(g.Inputs[0]).Type.Shape
		all, err := g.Resize(batch, in[1], in[2])
		if err != nil {
			t.Fatal(err)
		}
		x := noise(batch * in[1] * in[2] * in[3])
		want := run(t, all, Options{together: true}, NewPool(1), x)
		p, err := Compile(all, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p.single == nil {
			t.Errorf("%s: no program of one picture", name)
		}
		for _, threads := range []int{1, 2, 3, 7, 8} {
			pool := NewPool(threads)
			s, err := p.NewSession(pool)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.batch != nil; got != (threads <= batch) {
				t.Errorf("%s, %d threads: picture by picture %v", name, threads, got)
			}
			got := run(t, all, Options{}, pool, x)
			pool.Close()
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%s, %d threads: output %d is not the same picture by picture", name, threads, i)
				}
			}
		}
	}
}

// TestBatchSession checks what else a run promises: no allocations, the times
// of its steps, and an end when cancelled.
func TestBatchSession(t *testing.T) {
	g, err := pass.Fold(network(t, 5, 33))
	if err != nil {
		t.Fatal(err)
	}
	packs := &Packs{}
	p, err := Compile(g, Options{Packs: packs, together: true})
	if err != nil {
		t.Fatal(err)
	}
	before := packs.Bytes()
	if p, err = Compile(g, Options{Packs: packs}); err != nil {
		t.Fatal(err)
	}
	if packs.Bytes() != before {
		t.Errorf("%d bytes of weights packed, %d without the program of one picture", packs.Bytes(), before)
	}
	for _, threads := range []int{1, 2} {
		pool := NewPool(threads)
		defer pool.Close()
		s, err := p.NewSession(pool)
		if err != nil {
			t.Fatal(err)
		}
		if s.batch == nil {
			t.Fatal("not picture by picture")
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.Run(ctx)
		if n := testing.AllocsPerRun(20, func() { s.Run(ctx) }); n != 0 {
			t.Errorf("%d threads: %v allocations a run", threads, n)
		}
		s.Times = make([]time.Duration, len(p.Steps()))
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if i := slices.Index(s.Times, 0); i >= 0 {
			t.Errorf("%d threads: step %q took no time", threads, p.Steps()[i].Node)
		}
		cancel()
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

// TestBatchAcrossPictures checks that what mixes pictures is not taken apart.
func TestBatchAcrossPictures(t *testing.T) {
	for name, mix := range map[string]func(b *graph.Builder, x graph.ID) graph.ID{
		"concat": func(b *graph.Builder, x graph.ID) graph.ID { return b.Op("y", graph.Concat{Axis: 0}, x, x) },
		"transpose": func(b *graph.Builder, x graph.ID) graph.ID {
			return b.Op("y", graph.Transpose{Perm: []int{1, 0, 2, 3}}, x)
		},
	} {
		var b graph.Builder
		// As many pictures as rows: the shapes alone do not tell.
		y := mix(&b, b.Input("x", 2, 2, 2, 3))
		b.Output("y", y)
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p.single != nil {
			t.Errorf("%s: taken apart", name)
		}
	}
}
