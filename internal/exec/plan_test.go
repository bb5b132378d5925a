package exec

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"pgregory.net/rapid"
)

// TestPlanKeepsLiveValuesApart replays the plan: no step may write over a
// value that a later step, or the caller, still reads, unless it is a declared
// alias of the operand it overwrites.
func TestPlanKeepsLiveValuesApart(t *testing.T) {
	folded, err := pass.Fold(network(t, 2, 33))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*graph.Graph{network(t, 1, 33), folded} {
		p, err := NewPlan(g, maxElems)
		if err != nil {
			t.Fatal(err)
		}
		last := lastUse(g)
		for i := range g.Nodes {
			if leaf(g.Nodes[i].Op) {
				continue
			}
			a := p.Slots[i]
			if a.Off%align != 0 || a.Off+a.Len > p.Len {
				t.Fatalf("node %q at %d+%d of %d", g.Nodes[i].Name, a.Off, a.Len, p.Len)
			}
			for j := range i {
				if leaf(g.Nodes[j].Op) || last[j] < i {
					continue
				}
				b := p.Slots[j]
				overlap := a.Off < b.Off+b.Len && b.Off < a.Off+a.Len
				view := a.alias != graph.None && (last[j] == i || shares(p, graph.ID(i), graph.ID(j)))
				if overlap && !view {
					t.Errorf("%q overwrites %q, which step %d reads", g.Nodes[i].Name, g.Nodes[j].Name, last[j])
				}
			}
		}
		if p.Len >= p.Naive {
			t.Errorf("arena of %d, no less than the sum %d", p.Len, p.Naive)
		}
	}
}

// shares reports whether two nodes are views of the same memory.
func shares(p *Plan, a, b graph.ID) bool {
	root := func(id graph.ID) graph.ID {
		if r := p.Slots[id].alias; r != graph.None {
			return r
		}
		return id
	}
	return root(a) == root(b)
}

// TestPlaceIsTight checks random lifetimes: nothing alive together overlaps,
// and the arena is at least the largest sum alive at one step.
func TestPlaceIsTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lives := make([]life, rapid.IntRange(1, 40).Draw(t, "n"))
		for i := range lives {
			born := rapid.IntRange(0, 30).Draw(t, "born")
			lives[i] = life{id: graph.ID(i), len: rapid.IntRange(1, 100).Draw(t, "len"), born: born, dies: born + rapid.IntRange(0, 10).Draw(t, "life")}
		}
		total := place(lives)
		bound := 0
		for step := range 45 {
			sum := 0
			for _, l := range lives {
				if l.born <= step && step <= l.dies {
					sum += l.len
				}
			}
			bound = max(bound, sum)
		}
		if total < bound {
			t.Fatalf("arena of %d for %d alive at once", total, bound)
		}
		for i, a := range lives {
			if a.off < 0 || a.off+a.len > total {
				t.Fatalf("value %d outside the arena", i)
			}
			for _, b := range lives[:i] {
				if a.born <= b.dies && b.born <= a.dies && a.off < b.off+b.len && b.off < a.off+a.len {
					t.Fatalf("%+v and %+v overlap", a, b)
				}
			}
		}
	})
}

func TestPlanRefusesHugeGraphs(t *testing.T) {
	if _, err := NewPlan(network(t, 1, 33), 1000); err == nil {
		t.Error("no limit")
	}
}
