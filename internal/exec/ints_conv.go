package exec

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// qpackKey tells packed constants of integer convolutions apart. Weights may
// be shared by layers whose scales differ.
type qpackKey struct {
	weight, bias  *graph.Array
	kernel        string
	xzero, yzero  uint8
	rounding      graph.Rounding
	narrow        bool
	xscale, scale float32
}

// qpack is the constants of an integer convolution, packed for a kernel. The
// reference reads them as they come.
type qpack struct {
	args   kernel.QConv // Weight, WZero, Bias, Mult and Shift only
	packed []byte
}

// qconv fills in the constants of a convolution, packed once a model.
func (p *Packs) qconv(g *graph.Graph, id graph.ID, s *kernel.QConvShape, k *kernel.QConvKernel) (*qpack, error) {
	n := &g.Nodes[id]
	op := n.Op.(graph.QConv2D)
	w := &g.Nodes[n.In[1]]
	if !leaf(w.Op) || w.Value == nil {
		return nil, fmt.Errorf("node %q (%s): the weight is computed by node %q, only constants can be packed", n.Name, op.Kind(), w.Name)
	}
	key := qpackKey{weight: w.Value, kernel: k.Name, xzero: s.XZero, yzero: s.YZero, rounding: op.Rounding, narrow: op.Narrow, xscale: g.Nodes[n.In[0]].Type.Quant.Scales[0], scale: op.Scale}
	if op.Bias {
		b := &g.Nodes[n.In[2]]
		if !leaf(b.Op) || b.Value == nil {
			return nil, fmt.Errorf("node %q (%s): the bias is computed by node %q, only constants can be packed", n.Name, op.Kind(), b.Name)
		}
		key.bias = b.Value
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if done, ok := p.qpacks[key]; ok {
		return done, nil
	}
	q := &qpack{args: kernel.QConv{QConvShape: *s, Weight: int8s(w.Type.DType, w.Value.Bytes), Bias: make([]int32, s.O), Mult: make([]int32, s.O), Shift: make([]int32, s.O)}}
	if op.Bias {
		for i := range q.args.Bias {
			q.args.Bias[i] = int32(binary.LittleEndian.Uint32(key.bias.Bytes[4*i:]))
		}
	}
	if s.HasWZero {
		q.args.WZero = make([]int32, s.O)
	}
	for o := range s.O {
		i := min(o, len(w.Type.Quant.Scales)-1)
		if ws := w.Type.Quant.Scales[i]; s.Float {
			q.args.Mult[o] = ref.FloatMultiplier(key.xscale * ws / op.Scale)
		} else {
			q.args.Mult[o], q.args.Shift[o] = ref.ConvMultiplier(key.xscale, ws, op.Scale, op.Narrow)
		}
		if s.HasWZero {
			q.args.WZero[o] = weightZero(w.Type.DType, w.Type.Quant.Zeros[i])
		}
	}
	if size := k.PackedLen(s); size > 0 {
		q.packed = kernel.Bytes(aligned((size + 3) / 4))[:size]
		k.Pack(&q.args, q.packed)
		q.args = kernel.QConv{} // what was packed is not needed any more
	}
	if p.qpacks == nil {
		p.qpacks = make(map[qpackKey]*qpack)
	}
	p.qpacks[key] = q
	return q, nil
}

// int8s gives weights as kernels take them: uint8s less 128.
func int8s(t tensor.DType, b []byte) []int8 {
	if t == tensor.U8 {
		b = slices.Clone(b)
		for i := range b {
			b[i] ^= 0x80
		}
	}
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(&b[0])), len(b))
}

// bind hands the constants to a convolution's arguments.
func (q *qpack) bind(a *kernel.QConv) {
	a.Packed = q.packed
	a.Weight, a.WZero, a.Bias, a.Mult, a.Shift = q.args.Weight, q.args.WZero, q.args.Bias, q.args.Mult, q.args.Shift
}

// qconvTask is a convolution of bytes with its kernel.
type qconvTask struct {
	args  kernel.QConv
	k     *kernel.QConvKernel
	tasks int
}

func newQConvTask(a *kernel.QConv, k *kernel.QConvKernel) *qconvTask {
	return &qconvTask{args: *a, k: k, tasks: k.Tasks(&a.QConvShape)}
}

func (t *qconvTask) Tasks() int                      { return t.tasks }
func (t *qconvTask) Scratch() int                    { return t.k.ScratchLen(&t.args.QConvShape) }
func (t *qconvTask) Run(task int, scratch []float32) { t.k.Run(&t.args, task, scratch) }
func (t *qconvTask) name() string                    { return t.k.Name }
