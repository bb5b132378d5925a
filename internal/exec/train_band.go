package exec

import (
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// bandBytes bounds what a band keeps in the second-level cache.
const bandBytes = 640 << 10

// bandTasks is the tasks of a fused step at most.
const bandTasks = 32

// bandPixels is the least pixels of a band of a pointwise convolution.
const bandPixels = 96

// In bfloat16 products take half the time, so that the sums of a weight, and
// what is done once a band, count for more.
const (
	narrowBandBytes  = 960 << 10
	narrowBandPixels = 192
)

// bands divides a convolution by rows: of each picture or, where pictures do
// not matter, of all.
type bands struct {
	s       kernel.ConvShape // as divided
	rows    int              // of a band: of outputs or, backwards, of inputs
	total   int              // rows of a picture
	picture int              // bands of a picture
	tasks   int
}

// newBands divides by the rows of the outputs, or of the inputs.
func newBands(s kernel.ConvShape, inputs bool, most int) bands {
	if s.KH*s.KW == 1 && s.StrideH*s.StrideW == 1 && s.PadTop|s.PadLeft == 0 && s.OH == s.H && s.OW == s.W {
		s.H, s.OH, s.N = s.N*s.H, s.N*s.OH, 1
	}
	b := bands{s: s, total: s.OH}
	if inputs {
		b.total = s.H
	}
	space, pixels := bandBytes, bandPixels
	if s.BF16 != (kernel.BF16{}) {
		space, pixels = narrowBandBytes, narrowBandPixels
	}
	// A row of outputs, and of inputs where a band begins and ends.
	in, out := s.W*s.C, s.OW*s.O
	for b.rows = 1; b.rows < b.total; b.rows++ {
		n := b.rows + 1
		size := n*out + ((n-1)*s.StrideH+s.KH)*in
		if inputs {
			size = 2*n*in + ((n+s.KH-1)/s.StrideH+1)*out
		}
		if 4*size > space && (s.KH > 1 || b.rows*s.W >= pixels) {
			break
		}
	}
	b.picture = (b.total + b.rows - 1) / b.rows
	b.tasks = max(1, min(b.picture*s.N, most))
	if b.tasks > 1 {
		b.tasks &^= 1 // shared out evenly between two
	}
	// Even bands, and of pointwise convolutions as many as tasks can share.
	if s.N == 1 {
		b.picture = (b.picture + b.tasks - 1) / b.tasks * b.tasks
	}
	b.rows = (b.total + b.picture - 1) / b.picture
	b.picture = (b.total + b.rows - 1) / b.rows
	b.tasks = min(b.tasks, b.picture*s.N)
	return b
}

// of is the range of bands of a task.
func (b *bands) of(task int) (lo, hi int) {
	n := b.picture * b.s.N
	return n * task / b.tasks, n * (task + 1) / b.tasks
}

// band is a picture and its rows.
func (b *bands) band(i int) (picture int, rows rowRange) {
	lo := i % b.picture * b.rows
	return i / b.picture, rowRange{lo, min(lo+b.rows, b.total)}
}

// inputRows is the rows of inputs that some rows of outputs are made of. Outputs
// of nothing but padding have a row too, which they do not read: kernels want
// inputs.
func inputRows(s *kernel.ConvShape, out rowRange) rowRange {
	lo := min(max(0, out.lo*s.StrideH-s.PadTop), s.H-1)
	return rowRange{lo, max(lo+1, min(s.H, (out.hi-1)*s.StrideH-s.PadTop+(s.KH-1)*s.DilationH+1))}
}

// outputRows is the rows of outputs that some rows of inputs go into.
func outputRows(s *kernel.ConvShape, in rowRange) rowRange {
	lo := max(0, in.lo+s.PadTop-(s.KH-1)*s.DilationH+s.StrideH-1) / s.StrideH
	hi := min(s.OH, (in.hi-1+s.PadTop)/s.StrideH+1)
	return rowRange{min(lo, hi), hi}
}

// cut is a shape cut down to some rows of one picture.
func cut(s kernel.ConvShape, in, out rowRange) kernel.ConvShape {
	s.N, s.H, s.OH = 1, in.hi-in.lo, out.hi-out.lo
	s.PadTop += in.lo - out.lo*s.StrideH
	return s
}

// aheadWeights is the largest weight, in elements, of a convolution that fetches
// ahead. Where there are more, there is so much to compute for every value that
// fetching it takes little of the time.
const aheadWeights = 1 << 18

// worthAhead reports a convolution that fetches what its task's next band uses:
// memory then works while the processor computes. What is written counts too, as
// storing scattered lines takes as long as reading them.
func worthAhead(s *kernel.ConvShape) bool {
	return s.O*(s.C/s.Groups)*s.KH*s.KW <= aheadWeights
}

// need is the scratch of a kernel, its partial sums included.
func need[A any](k *kernel.Kernel[A], a *A) int {
	n := k.ScratchLen(a)
	if k.Reduce != nil {
		n += (k.Reduce.Len(a) + align - 1) / align * align
	}
	return n
}

// runAll does the whole of a kernel's work on one thread.
func runAll[A any](k *kernel.Kernel[A], a *A, scratch []float32) {
	if k.Reduce != nil {
		n := k.Reduce.Len(a)
		*k.Reduce.At(a) = scratch[:n]
		scratch = scratch[(n+align-1)/align*align:]
	}
	for task := range k.Tasks(a) {
		k.Run(a, task, scratch)
	}
	if k.Reduce != nil {
		for task := range k.Reduce.Tasks(a) {
			k.Reduce.Merge(a, task)
		}
	}
}

// moments are the mean and the squared distances of channels, put together
// from parts.
type moments struct {
	rows int
	sums []float64 // means, then squared distances
}

func newMoments(n, c int) []moments {
	out := make([]moments, n)
	for i := range out {
		out[i].sums = make([]float64, 2*c)
	}
	return out
}

func (m *moments) clear() {
	m.rows = 0
	clear(m.sums)
}

// add joins the statistics [2,C] of some more rows.
func (m *moments) add(stats []float32, rows int) {
	share, both := m.shares(rows)
	n := float64(rows)
	c := len(m.sums) / 2
	mean, squares := m.sums[:c], m.sums[c:][:c]
	more, variance := stats[:c], stats[c:][:c]
	for i := range mean {
		d := float64(more[i]) - mean[i]
		mean[i] += d * share
		squares[i] += float64(variance[i])*n + d*d*both
	}
}

// join adds another's rows.
func (m *moments) join(o *moments) {
	share, both := m.shares(o.rows)
	c := len(m.sums) / 2
	for i, p := range o.sums[:c] {
		d := p - m.sums[i]
		m.sums[i] += d * share
		m.sums[c+i] += o.sums[c+i] + d*d*both
	}
}

// shares is the weight of that many new rows, and that of a distance between
// the means; the rows count from then on.
func (m *moments) shares(rows int) (share, both float64) {
	if rows == 0 {
		return 0, 0
	}
	share = float64(rows) / float64(m.rows+rows)
	both = float64(m.rows) * share
	m.rows += rows
	return share, both
}

// joined puts together the statistics of all tasks, in their order.
func joined(parts []moments, y []float32) {
	first := &parts[0]
	c := len(first.sums) / 2
	for i := 1; i < len(parts); i++ {
		first.join(&parts[i])
	}
	for i := range c {
		y[i], y[c+i] = float32(first.sums[i]), float32(first.sums[c+i]/float64(first.rows))
	}
}
