package pass

import "github.com/mobilenet-go/mobilenet/internal/graph"

// rounding is the input that switches fake quantization on.
func (t *training) rounding() graph.ID {
	if t.out.Rounding == graph.None && t.err == nil {
		t.out.Rounding = t.keep(t.g.AddInput(fresh(t.g, "rounding"), graph.F32(1)))
		t.out.Averaging = t.keep(t.g.AddInput(fresh(t.g, "averaging"), graph.F32(1)))
	}
	return t.out.Rounding
}

// fakeQuant rounds by ranges that follow the batch's: the step's own range is
// in the average already. Of values that share a scale but are not computed
// yet the average before the step counts; those all contain 0.
func (t *training) fakeQuant(n *graph.Node, x graph.ID) graph.ID {
	on := t.rounding()
	var all []graph.ID
	for i, r := range rangeNodes(t.src, n.In[1]) {
		if _, measured := t.src.Node(r).Op.(graph.Variable); measured && i == 0 && t.err == nil {
			v, name := t.out.To[r], t.src.Node(r).Name
			if _, first := t.g.Node(v).Op.(graph.Variable); first {
				batch := t.op(name+".batch", graph.MinMax{}, x)
				next := t.op(name+".next", graph.Update{Fn: graph.UpdateBlend}, v, batch, t.out.Averaging)
				t.op(name+".assign", graph.Assign{}, v, next)
				t.out.To[r] = next
			}
		}
		all = append(all, t.out.To[r])
	}
	if t.err != nil {
		return graph.None
	}
	by := all[0]
	if len(all) > 1 {
		joined := t.op(n.Name+".ranges", graph.Concat{}, all...)
		by = t.op(n.Name+".range", graph.MinMax{}, joined)
	}
	return t.op(n.Name, graph.FakeQuant{}, x, by, on)
}
