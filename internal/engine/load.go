package engine

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/importer"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Open reads a model of any supported format from a file.
func Open(path string, opt *Options) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return read(path, filepath.Dir(path), f, st.Size(), opt)
}

// Read is Open for a file that is open already. The name is for messages.
func Read(name string, r io.ReaderAt, size int64, opt *Options) (*Model, error) {
	return read(name, "", r, size, opt)
}

// read opens a model. The folder, if there is one, may hold further files of
// the model.
func read(name, dir string, r io.ReaderAt, size int64, opt *Options) (*Model, error) {
	if opt == nil {
		opt = &Options{}
	}
	if opt.Threads < 0 || opt.Threads > maxThreads() {
		return nil, fmt.Errorf("%d threads: use 0 for all processors, or 1 to %d", opt.Threads, maxThreads())
	}
	if opt.Kernels != "" && cpu.Rung(opt.Kernels) < 0 {
		return nil, fmt.Errorf("unknown kernels %q: use one of %s", opt.Kernels, strings.Join(cpu.Rungs(), ", "))
	}
	if err := exec.Precision(opt.Precision).CheckPrecision(); err != nil {
		return nil, err
	}
	begin := time.Now()
	open, err := load(name, dir, r, size, opt)
	loaded := time.Since(begin)
	if err != nil {
		return nil, err
	}
	m, err := open()
	if err != nil {
		return nil, err
	}
	m.run.spend(Start{Load: loaded, Bind: time.Since(begin) - loaded})
	return m, nil
}

// load reads a file's bytes and returns what makes a model of them.
func load(name, dir string, r io.ReaderAt, size int64, opt *Options) (func() (*Model, error), error) {
	format := weights.Sniff(r, size)
	switch format {
	case weights.TFLite, weights.ONNX:
		data, err := loadImported(name, format, r, size, opt)
		return func() (*Model, error) { return readImported(name, format, data, opt) }, err
	}
	set, err := weights.Read(name, r, size, &weights.Options{Limits: opt.Limits.weights(), Dir: dir})
	if err != nil {
		return nil, withFormats(err)
	}
	return func() (*Model, error) {
		if isOwn(set) {
			return readOwn(set, opt)
		}
		return FromSet(set, opt)
	}, nil
}

// maxImported bounds a TFLite or ONNX file, which is read whole.
const maxImported = 1 << 30

func loadImported(name string, format weights.Format, r io.ReaderAt, size int64, opt *Options) ([]byte, error) {
	if opt.Net != nil || opt.Dialect != "" {
		return nil, fmt.Errorf("%s: a %v file carries its own network: leave out --model and --dialect", name, format)
	}
	return readWhole(name, r, size, opt)
}

func readImported(name string, format weights.Format, data []byte, opt *Options) (*Model, error) {
	im, err := imported(format, data, opt.Limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	source := transform.SourceONNX
	if format == weights.TFLite {
		source = transform.SourceTFLite
	}
	if im.Bytes != nil {
		source = transform.SourceQuantized
	}
	if im.C != 3 {
		return nil, fmt.Errorf("%s: input %q has %d channels, pictures have 3", name, im.Input, im.C)
	}
	if !im.Vector {
		return nil, fmt.Errorf("%s: output %q is no vector of class scores", name, im.Outputs[0])
	}
	info := Info{
		Name: baseName(name), H: im.H, W: im.W, Rows: im.Classes, Background: im.Classes == 1001, Probabilities: im.Softmax,
		Recipe: transform.Default(source, im.Classes, max(im.H, im.W)), RecipeGuessed: true,
		Path: name, Format: format.String(), Source: im.Producer,
	}
	info.Recipe.Width, info.Recipe.Height = im.W, im.H
	if format == weights.TFLite {
		info.Labels = attachedLabels(data, im.Classes, opt.Limits)
		if said := string(im.Metadata[tflite.RecipeKey]); said != "" && opt.Preprocess == "" {
			if _, err := transform.Parse(said, max(im.H, im.W)); err != nil {
				return nil, fmt.Errorf("%s: preprocessing: %w", name, err)
			}
			own := *opt
			own.Preprocess, own.declared = said, true
			opt = &own
		}
	}
	if err := info.defaults(opt, im.AnySize); err != nil {
		return nil, err
	}
	return newModel(info, opt, im.Build).check(opt)
}

func readWhole(name string, r io.ReaderAt, size int64, opt *Options) ([]byte, error) {
	limit := opt.Limits.FileBytes
	if limit <= 0 {
		limit = maxImported
	}
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes are over the limit of %d", name, size, limit)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

func imported(format weights.Format, data []byte, lim Limits) (*importer.Imported, error) {
	if format == weights.TFLite {
		f, err := tflite.Parse(data, lim.tflite())
		if err != nil {
			return nil, err
		}
		return importer.FromTFLite(f)
	}
	f, err := onnx.Parse(data, lim.onnx())
	if err != nil {
		return nil, err
	}
	f.Own()
	return importer.FromONNX(f)
}

// attachedLabels finds a label list among the files packed into a TFLite
// file: one text file with a line for each of its scores.
func attachedLabels(data []byte, rows int, lim Limits) []string {
	files, err := tflite.AssociatedFiles(data, lim.tflite())
	if err != nil {
		return nil // the pack is an extra; the network is read without it
	}
	for _, text := range files {
		lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
		if len(lines) == rows && utf8.Valid(text) {
			if rows == 1001 {
				lines = lines[1:]
			}
			return lines
		}
	}
	return nil
}

// FromSet makes a model of a checkpoint's tensors. The network is the one of
// the options, or found by the tensors' names and shapes.
func FromSet(set *weights.Set, opt *Options) (*Model, error) {
	if opt == nil {
		opt = &Options{}
	}
	net, scheme, notes := opt.Net, "", []string(nil)
	if net == nil {
		if opt.Names != nil {
			return nil, fmt.Errorf("%s: a name map needs the network it names: give --model", set.Source.Path)
		}
		found, err := Detect(set, opt.Dialect)
		if err != nil {
			return nil, err
		}
		net, scheme, notes = found.Net, found.Scheme, found.Notes
		if found.Names != nil {
			byOrder := *opt
			byOrder.Names = found.Names
			opt = &byOrder
		}
	} else if names := kerasNames(set, net, opt); names != nil {
		byOrder := *opt
		byOrder.Names = names
		opt = &byOrder
	}
	if opt.Names != nil {
		scheme = "canonical"
	} else if scheme == "" {
		scheme = schemeFor(net, set)
	}
	if opt.Net != nil {
		var err error
		if net, err = withBackground(set, net, scheme, opt.Names); err != nil {
			return nil, err
		}
	}
	m, err := bind(set, net, scheme, opt)
	if err != nil {
		return nil, err
	}
	m.Info.Notes = append(m.Info.Notes, notes...)
	return m, nil
}

// withBackground gives a network of 1000 classes the 1001 rows that its
// checkpoint has: the first is TensorFlow's background class, which is kept in
// the scores and is no class.
func withBackground(set *weights.Set, net *arch.Net, scheme string, names weights.NameMap) (*arch.Net, error) {
	if net.Options.Classes != 1000 {
		return net, nil
	}
	want, err := wanted(net, scheme)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", set.Source.Path, err)
	}
	for _, w := range want {
		if w.Name != "classifier.bias" {
			continue
		}
		source := w.Source
		if p, ok := names[w.Name]; ok {
			source = p.Name
		}
		if t := set.Get(source); t == nil || t.Len() != 1001 {
			return net, nil
		}
		o := net.Options
		o.Classes = 1001
		return arch.Custom(net.Table, o)
	}
	return net, nil
}

// bind fills a network from a set under a naming scheme.
func bind(set *weights.Set, net *arch.Net, scheme string, opt *Options) (*Model, error) {
	want, err := wanted(net, scheme)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", set.Source.Path, err)
	}
	values, report, err := weights.Bind(want, set, opt.Names, &weights.BindOptions{Ignore: func(name string) bool { return strings.HasPrefix(name, goldenPrefix) }})
	if err != nil {
		return nil, err
	}
	res := net.Options.Resolution
	g, err := net.Graph(1, res, res)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", set.Source.Path, err)
	}
	var params int64
	for _, id := range g.Variables() {
		n := g.Node(id)
		t := values[n.Name]
		// The file's bytes stay in memory once, as the network's weights.
		data, err := t.ViewFloat32s()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", set.Source.Path, err)
		}
		if err := finite(data); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", set.Source.Path, n.Name, err)
		}
		n.Value = &graph.Array{Shape: n.Type.Shape, Data: data}
		params += int64(len(data))
	}
	info := Info{
		Name: net.Name, Dialect: net.Dialect.Name, Spec: net.Spec(), H: res, W: res,
		Rows: net.Options.Classes, Background: net.Options.Classes == 1001,
		Path: set.Source.Path, Format: set.Source.Format.String(), Params: params,
		Recipe: defaultRecipe(net), RecipeGuessed: true,
	}
	info.kerasInfo(set)
	if err := info.defaults(opt, true); err != nil {
		return nil, err
	}
	m := newModel(info, opt, g.Resize)
	m.net, m.Report = net, report
	return m.check(opt)
}

// finite refuses weights that would make every answer meaningless.
func finite(data []float32) error {
	if allFinite(data) {
		return nil
	}
	for i, v := range data {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("element %d is %v: the checkpoint is damaged or its training diverged", i, v)
		}
	}
	return nil
}

// allFinite is finite's quick look: no exponent of all ones.
func allFinite(data []float32) bool {
	const inf = 0x7f800000
	for ; len(data) >= 4; data = data[4:] {
		a, b := math.Float32bits(data[0])&inf, math.Float32bits(data[1])&inf
		c, d := math.Float32bits(data[2])&inf, math.Float32bits(data[3])&inf
		if max(a, b, c, d) == inf {
			return false
		}
	}
	for _, v := range data {
		if math.Float32bits(v)&inf == inf {
			return false
		}
	}
	return true
}

// Finite refuses scores that are no numbers: weights whose elements are all
// finite can still make them, if they are damaged.
func Finite(path string, scores []float32) error {
	for i, v := range scores {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s: the network's score %d is %v: its weights are damaged", path, i, v)
		}
	}
	return nil
}

// check compiles nothing yet but makes sure that the model can be built at its
// size within its memory and that its recipe makes pictures of that size. It
// returns the model, or closes it and says what is wrong.
func (m *Model) check(opt *Options) (*Model, error) {
	err := func() error {
		g, err := m.run.build(1, m.Info.H, m.Info.W)
		if err != nil {
			return err
		}
		if len(g.Outputs) == 0 {
			return fmt.Errorf("the network has no output")
		}
		if m.Info.Params == 0 {
			for _, id := range g.Variables() {
				m.Info.Params += int64(g.Node(id).Type.Shape.Len())
			}
		}
		if r := m.Info.Recipe; r.Width != m.Info.W || r.Height != m.Info.H {
			return fmt.Errorf("the preprocessing makes pictures of %d x %d, the network takes %d x %d: change crop in --preprocess", r.Height, r.Width, m.Info.H, m.Info.W)
		}
		if !opt.declared && (opt.Preprocess != "" || opt.Net != nil) {
			return nil
		}
		_, err = exec.NewPlan(g, opt.Limits.elements())
		return err
	}()
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", m.Info.Path, err)
	}
	return m, nil
}

// wanted lists the tensors a network needs, by their names in a scheme.
func wanted(net *arch.Net, scheme string) ([]weights.Wanted, error) {
	names, err := net.Tensors(scheme)
	if err != nil {
		return nil, err
	}
	out := make([]weights.Wanted, len(names))
	for i, n := range names {
		out[i] = weights.Wanted{
			Name: n.Canonical, Source: n.Published, Shape: n.Shape, Layout: layout(n.Layout),
			DropBackground: strings.HasPrefix(n.Canonical, "classifier.") && net.Options.Classes == 1000,
		}
	}
	return out, nil
}

func layout(l arch.Layout) weights.Layout {
	switch l {
	case arch.HWIO:
		return weights.HWIO
	case arch.DepthwiseHWIO:
		return weights.DepthwiseHWIO
	case arch.DenseIO:
		return weights.DenseIO
	}
	return weights.AsIs
}

// defaultRecipe is the preprocessing a dialect's checkpoints were measured
// with, as far as one rule can say.
func defaultRecipe(net *arch.Net) transform.Recipe {
	source := transform.SourceTorch
	switch net.Dialect.Name {
	case "keras", "slim", "slim_finegrain":
		source = transform.SourceKeras
		if net.Table.Family == arch.V3 && net.Dialect.Name == "keras" {
			if r, err := transform.Named("keras-v3", net.Options.Resolution); err == nil {
				return r
			}
		}
	}
	return transform.Default(source, net.Options.Classes, net.Options.Resolution)
}

func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// array wraps a tensor of a file as a graph's array.
func array(t *tensor.Tensor) (*graph.Array, error) {
	data, err := t.ViewFloat32s()
	if err != nil {
		return nil, err
	}
	return &graph.Array{Shape: t.Shape, Data: data}, nil
}
