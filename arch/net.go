package arch

import (
	"fmt"
	"strings"
)

// Net is a network whose every number of channels is known. It is made by
// [New], [Custom] or [ParseSpec] and not changed afterwards.
type Net struct {
	Name    string
	Table   Table   // what it was made from, with defaults filled in
	Options Options // with defaults filled in
	Dialect Dialect
	Rules   Rules // of the dialect for the table's family, with the table's own constants

	StemOut  int
	Blocks   []Block
	HeadConv int // 0 for none
	HeadFC   int // 0 for none
	Features int // channels of the vector that the classifier reads
}

// Block is one block with its resolved sizes.
type Block struct {
	Kind         Kind
	In, Mid, Out int // channels before, inside and after; Mid == In means no expansion layer
	Kernel       int
	Stride       int
	Dilation     int
	Groups       int // of a Fused expansion
	SE           int // channels of the squeeze-and-excite bottleneck; 0 for none
	Act          Act
	Gate         Act
	ProjectAct   Act // after the projection: Linear, but see Dialect.UnexpandedAct
	Residual     bool

	Row, Index int // the table's row and the place in its repeats, from 0
	Stage      int // timm's stage and the place in it, from 0
	StageIndex int
	Reach      int // how many input pixels one step of the output covers in the undilated network
}

// Custom makes a network from a table of your own. An error names the row,
// counted from 1, or the option at fault.
func Custom(t Table, opt Options) (*Net, error) {
	t, err := t.normal()
	if err != nil {
		return nil, err
	}
	if opt.Dialect == "" {
		opt.Dialect = map[Family]string{V1: "keras", V2: "torchvision", V3: "torchvision"}[t.Family]
		if opt.Dialect == "" {
			opt.Dialect = "timm"
		}
	}
	n := &Net{Name: t.Name, Table: t}
	if n.Dialect, err = DialectByName(opt.Dialect); err != nil {
		return nil, err
	}
	if n.Rules, err = n.Dialect.Rules(t.Family); err != nil {
		return nil, err
	}
	if n.Options, err = opt.normal(n.Dialect, n.Rules); err != nil {
		return nil, err
	}
	if t.Padding != "" {
		n.Rules.Padding = t.Padding
	}
	if t.Epsilon != 0 {
		n.Rules.Epsilon = t.Epsilon
	}
	if t.Momentum != 0 {
		n.Rules.Momentum = t.Momentum
	}
	return n, n.resolve()
}

// normal checks the options and fills in the defaults.
func (o Options) normal(d Dialect, r Rules) (Options, error) {
	if o.Width == 0 {
		o.Width = 1
	}
	if o.Resolution == 0 {
		o.Resolution = 224
	}
	if o.Classes == 0 {
		o.Classes = defaultClasses
	}
	if o.OutputStride == 0 {
		o.OutputStride = 32
	}
	if o.Dropout == nil {
		o.Dropout = &r.Dropout
	}
	o.Dialect = d.Name
	drop := *o.Dropout + 0 // no negative zero
	o.Dropout = &drop
	switch {
	case !(o.Width > 0 && o.Width <= maxWidth):
		return o, fmt.Errorf("width %g is outside 0 to %d", o.Width, maxWidth)
	case o.Resolution < 1 || o.Resolution > maxSide:
		return o, fmt.Errorf("resolution %d is outside 1 to %d", o.Resolution, maxSide)
	case o.Classes < 1 || o.Classes > maxClasses:
		return o, fmt.Errorf("%d classes are outside 1 to %d", o.Classes, maxClasses)
	case o.OutputStride != 8 && o.OutputStride != 16 && o.OutputStride != 32:
		return o, fmt.Errorf("output stride %d is not 8, 16 or 32", o.OutputStride)
	case !(drop >= 0 && drop < 1):
		return o, fmt.Errorf("dropout %g is outside [0,1)", drop)
	}
	if o.Act != "" {
		var err error
		if o.Act, err = o.Act.canonical(); err != nil {
			return o, err
		}
	}
	return o, nil
}

// normal checks what does not depend on the width and fills in the defaults.
func (t Table) normal() (Table, error) {
	if t.Name == "" {
		t.Name = "custom"
	}
	if len(t.Name) > 64 || strings.Trim(t.Name, nameLetters) != "" {
		return t, fmt.Errorf("network name %q: use up to 64 letters, digits, '_', '.' and '-'", clip(t.Name, 64))
	}
	if t.Family == "" {
		t.Family = V2
	}
	fill := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	fill(&t.StemKernel, 3)
	fill(&t.StemStride, 2)
	if t.Act == "" {
		t.Act = ReLU6
	}
	if err := window("stem", t.StemKernel, t.StemStride, 1); err != nil {
		return t, err
	}
	if t.HeadConv < 0 || t.HeadFC < 0 || t.HeadConv > maxChannels || t.HeadFC > maxChannels {
		return t, fmt.Errorf("head of %d and %d channels: outside 0 to %d", t.HeadConv, t.HeadFC, maxChannels)
	}
	switch t.Padding {
	case "", Symmetric, Same, SameCorner:
	default:
		return t, fmt.Errorf("unknown padding %q: use symmetric, same or same_corner", clip(string(t.Padding), 40))
	}
	if !(t.Epsilon >= 0 && t.Epsilon <= 1) || !(t.Momentum >= 0 && t.Momentum <= 1) {
		return t, fmt.Errorf("batch norm with epsilon %g and momentum %g: both must be in 0 to 1", t.Epsilon, t.Momentum)
	}
	var err error
	for _, a := range []*Act{&t.Act, &t.StemAct, &t.HeadAct, &t.Gate} {
		if *a != "" {
			if *a, err = a.canonical(); err != nil {
				return t, err
			}
		}
	}
	if len(t.Rows) == 0 {
		return t, fmt.Errorf("network %q has no rows", t.Name)
	}
	blocks := 0
	rows := make([]Row, len(t.Rows))
	for i, r := range t.Rows {
		if rows[i], err = r.normal(); err != nil {
			return t, fmt.Errorf("row %d: %w", i+1, err)
		}
		if blocks += rows[i].Repeat; blocks > maxBlocks {
			return t, fmt.Errorf("row %d: more than %d blocks", i+1, maxBlocks)
		}
	}
	rows[0].Join = false
	t.Rows = rows
	return t, nil
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

func (r Row) normal() (Row, error) {
	for _, f := range []struct {
		v   *int
		def int
	}{{&r.Repeat, 1}, {&r.Kernel, 3}, {&r.Stride, 1}, {&r.Dilation, 1}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if r.Expand == 0 && r.ExpandTo == 0 {
		r.Expand = 1
	}
	if err := window("block", r.Kernel, r.Stride, r.Dilation); err != nil {
		return r, err
	}
	switch r.Kind {
	case Conv, Separable, Inverted, Fused:
	default:
		return r, fmt.Errorf("unknown kind %q: use cn, ds, ir or er", clip(string(r.Kind), 20))
	}
	expands := r.Kind == Inverted || r.Kind == Fused
	switch {
	case r.Repeat < 1 || r.Repeat > maxRepeat:
		return r, fmt.Errorf("%d repeats are outside 1 to %d", r.Repeat, maxRepeat)
	case r.Out < 1 || r.Out > maxChannels:
		return r, fmt.Errorf("%d output channels are outside 1 to %d", r.Out, maxChannels)
	case r.Expand != 0 && !(r.Expand >= 1.0/maxFactor && r.Expand <= maxFactor):
		return r, fmt.Errorf("expansion factor %g is outside 1/%d to %d", r.Expand, maxFactor, maxFactor)
	case r.ExpandTo < 0 || r.ExpandTo > maxChannels:
		return r, fmt.Errorf("expansion to %d channels is outside 1 to %d", r.ExpandTo, maxChannels)
	case !expands && (r.ExpandTo != 0 || r.Expand != 1):
		return r, fmt.Errorf("a %s block has no expansion", r.Kind)
	case !(r.SE >= 0 && r.SE <= maxFactor):
		return r, fmt.Errorf("squeeze-and-excite ratio %g is outside 0 to %d", r.SE, maxFactor)
	case r.SE > 0 && r.Kind == Conv:
		return r, fmt.Errorf("a cn block has no squeeze-and-excite")
	case r.GroupSize < 0 || r.GroupSize > maxChannels || r.GroupSize > 0 && r.Kind != Fused:
		return r, fmt.Errorf("group size %d: only er blocks have groups, of 1 to %d channels", r.GroupSize, maxChannels)
	case r.NoSkip && !expands:
		return r, fmt.Errorf("a %s block has no residual to leave out", r.Kind)
	}
	if r.Act != "" {
		var err error
		if r.Act, err = r.Act.canonical(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// window checks a convolution's geometry. Kernels are odd, so that a
// convolution without stride keeps the size of its input.
func window(what string, k, s, d int) error {
	switch {
	case k < 1 || k > maxKernel || k%2 == 0:
		return fmt.Errorf("%s kernel %d is not an odd number from 1 to %d", what, k, maxKernel)
	case s != 1 && s != 2:
		return fmt.Errorf("%s stride %d is not 1 or 2", what, s)
	case d < 1 || d > maxDilation:
		return fmt.Errorf("%s dilation %d is outside 1 to %d", what, d, maxDilation)
	}
	return nil
}

// act gives the activation that a layer ends up with.
func (n *Net) act(choices ...Act) Act {
	for _, a := range choices {
		if a != "" {
			if a != Linear && n.Options.Act != "" {
				return n.Options.Act
			}
			return a
		}
	}
	return Linear
}

// resolve fills in the sizes.
func (n *Net) resolve() error {
	t, w := &n.Table, n.Options.Width
	var err error
	if n.StemOut, err = n.Rules.scale("stem", n.Rules.Stem, t.StemOut, w, nil); err != nil {
		return err
	}
	in, stage, stageIndex := n.StemOut, -1, 0
	stride, reach, rate := t.StemStride, t.StemStride, 1
	for ri, row := range t.Rows {
		if !row.Join {
			stage, stageIndex = stage+1, 0
		}
		for rep := range row.Repeat {
			b, err := n.block(row, in)
			if err != nil {
				return fmt.Errorf("row %d: %w", ri+1, err)
			}
			if rep > 0 {
				b.Stride = 1
			}
			b.Row, b.Index, b.Stage, b.StageIndex = ri, rep, stage, stageIndex
			stageIndex++
			reach *= b.Stride
			if reach > maxSide {
				return fmt.Errorf("row %d: strides multiply to more than %d", ri+1, maxSide)
			}
			b.Reach = reach
			own := rate
			if b.Stride > 1 {
				if stride*b.Stride > n.Options.OutputStride && n.Options.OutputStride < 32 {
					rate *= b.Stride
					b.Stride = 1
					if n.Dialect.Dilating == DilateAt {
						own = rate
					}
				} else {
					stride *= b.Stride
				}
			}
			if b.Kernel > 1 {
				b.Dilation *= own
			}
			b.Residual = (row.Kind == Inverted || row.Kind == Fused) && !row.NoSkip && rowStride(row, rep) == 1 && b.In == b.Out
			n.Blocks = append(n.Blocks, b)
			in = b.Out
		}
	}
	n.Features = in
	if t.HeadConv > 0 {
		last := t.Rows[len(t.Rows)-1].Out
		ratio := func() float64 { return float64(in) * float64(t.HeadConv) / float64(last) }
		if n.HeadConv, err = n.Rules.scale("head", n.Rules.HeadConv, t.HeadConv, w, ratio); err != nil {
			return err
		}
		n.Features = n.HeadConv
	}
	if t.HeadFC > 0 {
		if n.HeadFC, err = n.Rules.scale("head", n.Rules.HeadFC, t.HeadFC, w, nil); err != nil {
			return err
		}
		n.Features = n.HeadFC
	}
	return nil
}

func rowStride(r Row, rep int) int {
	if rep > 0 {
		return 1
	}
	return r.Stride
}

// block resolves one block of a row for an input of in channels.
func (n *Net) block(row Row, in int) (Block, error) {
	b := Block{
		Kind: row.Kind, In: in, Mid: in, Kernel: row.Kernel, Stride: row.Stride, Dilation: row.Dilation, Groups: 1,
		Act: n.act(row.Act, n.Table.Act), ProjectAct: Linear,
	}
	var err error
	if b.Out, err = channels("output", float64(row.Out)*n.Options.Width, n.Rules.Width.apply); err != nil {
		return b, err
	}
	if row.Kind == Inverted || row.Kind == Fused {
		if b.Mid, err = n.Rules.expand("expansion", row, in, n.Options.Width); err != nil {
			return b, err
		}
	}
	if row.Kind == Fused && b.Mid == in {
		b.Kernel = 1
		b.ProjectAct = n.act(n.Dialect.UnexpandedAct, row.Act, n.Table.Act)
	}
	if row.GroupSize > 0 && b.Mid != in {
		b.Groups = b.Mid / row.GroupSize
		if b.Mid%row.GroupSize != 0 || in%b.Groups != 0 {
			return b, fmt.Errorf("expansion from %d to %d channels does not divide into groups of %d", in, b.Mid, row.GroupSize)
		}
	}
	if row.SE > 0 {
		if b.SE, err = n.Rules.squeeze("squeeze-and-excite", &n.Table, row.SE, in, b.Mid); err != nil {
			return b, err
		}
		b.Gate = n.Table.Gate
		if b.Gate == "" {
			b.Gate = n.Dialect.HSigmoid
		}
	}
	return b, nil
}
