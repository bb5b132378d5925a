package arch

import "slices"

// The networks' tables. Sources: the V1, V2, V3 and MnasNet papers with the
// corrections that all published code makes; MobileNetEdgeTPU from TF-slim,
// EdgeTPUV2 from timm.

func v1Table() Table {
	ds := func(r, s, c int) Row { return Row{Kind: Separable, Repeat: r, Kernel: 3, Stride: s, Out: c} }
	join := func(r Row) Row { r.Join = true; return r }
	return Table{
		Name: "mobilenet_v1", Family: V1, StemOut: 32, Act: ReLU6,
		Rows: []Row{
			ds(1, 1, 64),
			ds(1, 2, 128), join(ds(1, 1, 128)),
			ds(1, 2, 256), join(ds(1, 1, 256)),
			ds(1, 2, 512), join(ds(5, 1, 512)),
			ds(1, 2, 1024), join(ds(1, 1, 1024)),
		},
	}
}

func v2Table() Table {
	ir := func(t float64, c, n, s int) Row {
		return Row{Kind: Inverted, Repeat: n, Kernel: 3, Stride: s, Expand: t, Out: c}
	}
	return Table{
		Name: "mobilenet_v2", Family: V2, StemOut: 32, Act: ReLU6,
		Rows:     []Row{ir(1, 16, 1, 1), ir(6, 24, 2, 2), ir(6, 32, 3, 2), ir(6, 64, 4, 2), ir(6, 96, 3, 1), ir(6, 160, 3, 2), ir(6, 320, 1, 1)},
		HeadConv: 1280,
	}
}

// v3Row is a row of the V3 tables: the expansion is given as the factor that
// TF-slim applies and as the number that the paper prints.
func v3Row(n, k int, factor float64, exp, out int, se bool, act Act, s int) Row {
	r := Row{Kind: Inverted, Repeat: n, Kernel: k, Stride: s, Expand: factor, ExpandTo: exp, Out: out, Act: act}
	if se {
		r.SE = 0.25
	}
	return r
}

func v3LargeTable() Table {
	t := Table{
		Name: "mobilenet_v3_large", Family: V3, StemOut: 16, Act: HSwish,
		Rows: []Row{
			v3Row(1, 3, 1, 16, 16, false, ReLU, 1),
			v3Row(1, 3, 4, 64, 24, false, ReLU, 2),
			v3Row(1, 3, 3, 72, 24, false, ReLU, 1),
			v3Row(1, 5, 3, 72, 40, true, ReLU, 2),
			v3Row(2, 5, 3, 120, 40, true, ReLU, 1),
			v3Row(1, 3, 6, 240, 80, false, "", 2),
			v3Row(1, 3, 2.5, 200, 80, false, "", 1),
			v3Row(2, 3, 2.3, 184, 80, false, "", 1),
			v3Row(1, 3, 6, 480, 112, true, "", 1),
			v3Row(1, 3, 6, 672, 112, true, "", 1),
			v3Row(1, 5, 6, 672, 160, true, "", 2),
			v3Row(2, 5, 6, 960, 160, true, "", 1),
		},
		HeadConv: 960, HeadFC: 1280,
	}
	return joinEqualOut(t)
}

func v3SmallTable() Table {
	t := Table{
		Name: "mobilenet_v3_small", Family: V3, StemOut: 16, Act: HSwish,
		Rows: []Row{
			v3Row(1, 3, 1, 16, 16, true, ReLU, 2),
			v3Row(1, 3, 72.0/16, 72, 24, false, ReLU, 2),
			v3Row(1, 3, 88.0/24, 88, 24, false, ReLU, 1),
			v3Row(1, 5, 4, 96, 40, true, "", 2),
			v3Row(2, 5, 6, 240, 40, true, "", 1),
			v3Row(1, 5, 3, 120, 48, true, "", 1),
			v3Row(1, 5, 3, 144, 48, true, "", 1),
			v3Row(1, 5, 6, 288, 96, true, "", 2),
			v3Row(2, 5, 6, 576, 96, true, "", 1),
		},
		HeadConv: 576, HeadFC: 1024,
	}
	return joinEqualOut(t)
}

// joinEqualOut puts consecutive rows of equal width into one of timm's stages.
func joinEqualOut(t Table) Table {
	for i := 1; i < len(t.Rows); i++ {
		t.Rows[i].Join = t.Rows[i].Out == t.Rows[i-1].Out && t.Rows[i].Stride == 1
	}
	return t
}

func edgeTPUTable() Table {
	er := func(r, s int, e float64, c int) Row {
		return Row{Kind: Fused, Repeat: r, Kernel: 3, Stride: s, Expand: e, Out: c}
	}
	ir := func(r, k, s int, e float64, c int) Row {
		return Row{Kind: Inverted, Repeat: r, Kernel: k, Stride: s, Expand: e, Out: c}
	}
	noskip := func(r Row) Row { r.NoSkip = true; return r }
	join := func(r Row) Row { r.Join = true; return r }
	return Table{
		Name: "mobilenet_edgetpu", Family: EdgeTPU, StemOut: 32, Act: ReLU,
		Rows: []Row{
			er(1, 1, 1, 16),
			er(1, 2, 8, 32), join(er(3, 1, 4, 32)),
			er(1, 2, 8, 48), join(er(3, 1, 4, 48)),
			ir(1, 3, 2, 8, 96), join(ir(3, 3, 1, 4, 96)),
			noskip(ir(1, 3, 1, 8, 96)), join(ir(3, 3, 1, 4, 96)),
			ir(1, 5, 2, 8, 160), join(ir(3, 5, 1, 4, 160)),
			ir(1, 3, 1, 8, 192),
		},
		HeadConv: 1280,
	}
}

func edgeTPUV2Table(name string, stem, stemKernel, head, group int, c [7]int) Table {
	er := func(s int, e float64, c, group int) Row {
		return Row{Kind: Fused, Repeat: 1, Kernel: 3, Stride: s, Expand: e, Out: c, GroupSize: group, Join: s == 1 && e != 1}
	}
	ir := func(r, s int, e float64, c int) Row {
		return Row{Kind: Inverted, Repeat: r, Kernel: 3, Stride: s, Expand: e, Out: c, Join: r > 1}
	}
	return Table{
		Name: name, Family: EdgeTPU, StemOut: stem, StemKernel: stemKernel, Act: ReLU,
		Rows: []Row{
			er(1, 1, c[0], 0),
			er(2, 8, c[1], 0), er(1, 4, c[1], group),
			er(2, 8, c[2], 0), er(1, 4, c[2], group), er(1, 4, c[2], 0), er(1, 4, c[2], group),
			er(2, 8, c[3], 0), ir(3, 1, 4, c[3]),
			ir(1, 1, 8, c[4]), ir(3, 1, 4, c[4]),
			ir(1, 2, 8, c[5]), ir(3, 1, 4, c[5]),
			ir(1, 1, 8, c[6]),
		},
		HeadConv: head,
	}
}

func mnasTable(name string, stem int, rows ...Row) Table {
	return Table{Name: name, Family: MnasNet, StemOut: stem, Act: ReLU, Gate: Sigmoid, SEOfInput: true, Rows: rows, HeadConv: 1280}
}

func mnasRow(n, k, s int, e float64, c int, se float64) Row {
	return Row{Kind: Inverted, Repeat: n, Kernel: k, Stride: s, Expand: e, Out: c, SE: se}
}

func mnasA1Table() Table {
	t := mnasTable("mnasnet_a1", 32,
		mnasRow(1, 3, 1, 1, 16, 0), mnasRow(2, 3, 2, 6, 24, 0), mnasRow(3, 5, 2, 3, 40, 0.25), mnasRow(4, 3, 2, 6, 80, 0),
		mnasRow(2, 3, 1, 6, 112, 0.25), mnasRow(3, 5, 2, 6, 160, 0.25), mnasRow(1, 3, 1, 6, 320, 0))
	t.Rows[0].NoSkip = true
	return t
}

func mnasB1Table() Table {
	t := mnasTable("mnasnet_b1", 32,
		mnasRow(1, 3, 1, 1, 16, 0), mnasRow(3, 3, 2, 3, 24, 0), mnasRow(3, 5, 2, 3, 40, 0), mnasRow(3, 5, 2, 6, 80, 0),
		mnasRow(2, 3, 1, 6, 96, 0), mnasRow(4, 5, 2, 6, 192, 0), mnasRow(1, 3, 1, 6, 320, 0))
	t.Rows[0].NoSkip, t.Rows[6].NoSkip = true, true
	return t
}

func mnasSmallTable() Table {
	return mnasTable("mnasnet_small", 8,
		mnasRow(1, 3, 1, 1, 8, 0), mnasRow(1, 3, 2, 3, 16, 0), mnasRow(2, 3, 2, 6, 16, 0), mnasRow(4, 5, 2, 6, 32, 0.25),
		mnasRow(3, 3, 1, 6, 32, 0.25), mnasRow(3, 5, 2, 6, 88, 0.25), mnasRow(1, 3, 1, 6, 144, 0))
}

// FullConvolutions is the table with every separable block replaced by one
// full convolution: the V1 paper's comparison network (its Table 4).
func (t Table) FullConvolutions() Table {
	t.Rows = slices.Clone(t.Rows)
	for i := range t.Rows {
		if t.Rows[i].Kind == Separable {
			t.Rows[i].Kind = Conv
		}
	}
	return t
}

// Shallow is the table without its rows that repeat a block of equal width
// more than twice: for V1 the five layers of 14x14x512 (the V1 paper's Table 5).
func (t Table) Shallow() Table {
	t.Rows = slices.DeleteFunc(slices.Clone(t.Rows), func(r Row) bool { return r.Repeat > 2 && r.Stride == 1 })
	return t
}

// Minimalistic is the table with 3x3 kernels, without squeeze-and-excite and
// with ReLU everywhere.
func (t Table) Minimalistic() Table {
	t.Rows = slices.Clone(t.Rows)
	for i := range t.Rows {
		t.Rows[i].Kernel, t.Rows[i].SE, t.Rows[i].Act = 3, 0, ReLU
	}
	t.Act, t.StemAct, t.HeadAct = ReLU, "", ""
	return t
}

// ReducedTail is the table with half the channels from the last block with a
// stride up to the head's convolution, the V3 detection backbone. That block
// keeps its expansion, which detection taps; later ones follow their factors.
func (t Table) ReducedTail() Table {
	t.Rows = slices.Clone(t.Rows)
	last := -1
	for i, r := range t.Rows {
		if r.Stride > 1 {
			last = i
		}
	}
	for i := max(last, 0); i < len(t.Rows); i++ {
		t.Rows[i].Out = (t.Rows[i].Out + 1) / 2
		if i > last {
			t.Rows[i].ExpandTo = (t.Rows[i].ExpandTo + 1) / 2
		}
	}
	t.HeadConv = (t.HeadConv + 1) / 2
	return t
}

// named is the table under another name.
func (t Table) named(name string) Table { t.Name = name; return t }
