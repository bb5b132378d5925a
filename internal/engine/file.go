package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Our own file is a safetensors file. Its metadata says what the weights mean:
//
//	format                    "mobilenet"
//	mobilenet.version         "1"
//	mobilenet.name            the network's name
//	mobilenet.spec            the network as a spec line, or
//	mobilenet.graph           the structure of an imported graph as JSON
//	mobilenet.input           "224x224", height first
//	mobilenet.rows            number of scores
//	mobilenet.background      "true" if row 0 is no class
//	mobilenet.probabilities   "true" if the network ends in a softmax
//	mobilenet.preprocess      the recipe as text
//	mobilenet.labels          JSON list of the classes' names
//	mobilenet.class_ids       JSON list of their names in the data set
//	mobilenet.metrics         JSON object of figures
//	mobilenet.license, mobilenet.source, mobilenet.source_format,
//	mobilenet.source_sha256
//
// The tensors are the network's variables under their canonical names, some of
// them perhaps in half precision, and
// golden.input [H,W,3] in bytes with golden.output, the scores that the
// network gave for it when the file was written.
const (
	formatKey     = "format"
	formatValue   = "mobilenet"
	keyPrefix     = "mobilenet."
	goldenPrefix  = "golden."
	goldenInput   = goldenPrefix + "input"
	goldenOutput  = goldenPrefix + "output"
	formatVersion = "1"
)

func isOwn(set *weights.Set) bool { return set.Metadata[formatKey] == formatValue }

// readOwn makes a model of a file that Save wrote.
func readOwn(set *weights.Set, opt *Options) (*Model, error) {
	path := set.Source.Path
	meta := func(key string) string { return set.Metadata[keyPrefix+key] }
	if v := meta("version"); v != formatVersion {
		return nil, fmt.Errorf("%s: written as version %q of the format, this program reads %q", path, v, formatVersion)
	}
	if opt.Net != nil || opt.Names != nil || opt.Dialect != "" {
		return nil, fmt.Errorf("%s: the file carries its own network: leave out --model, --dialect and --names", path)
	}
	var m *Model
	var err error
	own := *opt
	said := meta("preprocess")
	if said != "" {
		if _, err := transform.Parse(said, 0); err != nil {
			return nil, fmt.Errorf("%s: preprocessing: %w", path, err)
		}
		own.Preprocess, own.declared = first(opt.Preprocess, said), opt.Preprocess == ""
	}
	if text := meta("labels"); text != "" && own.Labels == nil {
		if err := json.Unmarshal([]byte(text), &own.Labels); err != nil {
			return nil, fmt.Errorf("%s: labels: %w", path, err)
		}
	}
	if spec := meta("spec"); spec != "" {
		net, err := arch.ParseSpec(spec)
		if err != nil {
			return nil, fmt.Errorf("%s: network: %w", path, err)
		}
		m, err = bind(set, net, "canonical", &own)
		if err != nil {
			return nil, err
		}
	} else if m, err = readGraph(set, &own); err != nil {
		return nil, err
	}
	i := &m.Info
	if name := meta("name"); name != "" {
		i.Name = name
	}
	i.Probabilities = meta("probabilities") == "true"
	i.RecipeGuessed = said == "" && opt.Preprocess == ""
	i.License, i.Source = meta("license"), meta("source")
	if text := meta("class_ids"); text != "" {
		if err := json.Unmarshal([]byte(text), &i.ClassIDs); err != nil {
			return nil, fmt.Errorf("%s: class ids: %w", path, err)
		}
		if len(i.ClassIDs) != i.Classes() {
			return nil, fmt.Errorf("%s: %d class ids for %d classes", path, len(i.ClassIDs), i.Classes())
		}
	}
	if text := meta("metrics"); text != "" {
		if err := json.Unmarshal([]byte(text), &i.Metrics); err != nil {
			return nil, fmt.Errorf("%s: metrics: %w", path, err)
		}
	}
	// At another size than the file's its golden values say nothing.
	resized := opt.Preprocess != "" && meta("input") != fmt.Sprintf("%dx%d", i.H, i.W)
	if in, out := set.Get(goldenInput), set.Get(goldenOutput); in != nil && out != nil && !resized {
		if in.DType != tensor.U8 || !in.Shape.Equal(tensor.Shape{i.H, i.W, 3}) || out.DType != tensor.F32 || out.Len() != i.Rows {
			return nil, fmt.Errorf("%s: golden input %v %v and output %v %v do not fit the network", path, in.DType, in.Shape, out.DType, out.Shape)
		}
		i.goldenInput, i.goldenOut = in.Data, out.Data
	}
	return m, nil
}

// readGraph makes a model of a file that holds an imported graph.
func readGraph(set *weights.Set, opt *Options) (*Model, error) {
	path := set.Source.Path
	text := set.Metadata[keyPrefix+"graph"]
	if text == "" {
		return nil, fmt.Errorf("%s: the metadata holds neither a spec nor a graph", path)
	}
	var params int64
	used := make(map[string]bool)
	g, err := graph.Unmarshal([]byte(text), func(name string, shape tensor.Shape) (*graph.Array, error) {
		t := set.Get(name)
		if t == nil || !t.Shape.Equal(shape) {
			return nil, fmt.Errorf("tensor %q %v is missing or of another shape", name, shape)
		}
		used[name] = true
		params += int64(t.Len())
		return array(t)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range set.Names() {
		if !used[name] && name != goldenInput && name != goldenOutput {
			return nil, fmt.Errorf("%s: tensor %q belongs to no node of the graph", path, name)
		}
	}
	if len(g.Inputs) != 1 || len(g.Outputs) == 0 {
		return nil, fmt.Errorf("%s: the graph has %d inputs and %d outputs: one picture in, scores out", path, len(g.Inputs), len(g.Outputs))
	}
	in, out := g.Node(g.Inputs[0]).Type.Shape, g.Node(g.Outputs[0].ID).Type.Shape
	if len(in) != 4 || in[3] != 3 || len(out) != 2 {
		return nil, fmt.Errorf("%s: the graph maps %v to %v, not pictures to scores", path, in, out)
	}
	info := Info{
		H: in[1], W: in[2], Rows: out[1], Background: set.Metadata[keyPrefix+"background"] == "true",
		Path: path, Format: set.Source.Format.String(), Params: params,
	}
	if info.Name = set.Metadata[keyPrefix+"name"]; info.Name == "" {
		info.Name = baseName(path)
	}
	if err := info.defaults(opt, false); err != nil {
		return nil, err
	}
	return newModel(info, opt, g.Resize).check(opt)
}

// SaveOptions adds to what a saved model carries.
type SaveOptions struct {
	License, Source string
	Metrics         map[string]float64
	// ClassIDs replace the model's.
	ClassIDs []string
	// Store is the type that filters and matrices are stored as: tensor.F16 or
	// tensor.BF16 halve the file; the zero value stores float32. Biases and batch
	// norms, which are few and sensitive, stay float32.
	Store tensor.DType
	// NoGolden leaves the golden input and output out.
	NoGolden bool
}

// Save writes the model as one safetensors file that carries its meaning.
func (m *Model) Save(ctx context.Context, path string, opt SaveOptions) error {
	set, err := m.Set(ctx, opt)
	if err != nil {
		return err
	}
	return set.Save(path)
}

// Set is the content of the file that Save writes.
func (m *Model) Set(ctx context.Context, opt SaveOptions) (*weights.Set, error) {
	if opt.Store == tensor.Invalid {
		opt.Store = tensor.F32
	}
	if opt.Store != tensor.F32 {
		rounded, err := m.rounded(opt.Store)
		if err != nil {
			return nil, err
		}
		defer rounded.Close()
		m = rounded
	}
	i := &m.Info
	g, err := m.Graph()
	if err != nil {
		return nil, err
	}
	meta := map[string]string{
		"version": formatVersion, "name": i.Name, "rows": strconv.Itoa(i.Rows),
		"input":      fmt.Sprintf("%dx%d", i.H, i.W),
		"preprocess": i.Recipe.String(), "source_format": i.Format,
		"license": first(opt.License, i.License), "source": first(opt.Source, i.Source), "source_sha256": i.SHA256,
	}
	for key, on := range map[string]bool{"background": i.Background, "probabilities": i.Probabilities} {
		if on {
			meta[key] = "true"
		}
	}
	if m.net != nil {
		meta["spec"], meta["dialect"] = i.Spec, i.Dialect
	} else if err := marshalInto(meta, "graph", g); err != nil {
		return nil, err
	}
	if len(i.Labels) > 0 {
		if err := marshalInto(meta, "labels", i.Labels); err != nil {
			return nil, err
		}
	}
	ids := opt.ClassIDs
	if ids == nil {
		ids = i.ClassIDs
	}
	if len(ids) > 0 {
		if len(ids) != i.Classes() {
			return nil, fmt.Errorf("%s: %d class ids for %d classes", i.Path, len(ids), i.Classes())
		}
		if err := marshalInto(meta, "class_ids", ids); err != nil {
			return nil, err
		}
	}
	metrics := maps.Clone(i.Metrics)
	if metrics == nil {
		metrics = make(map[string]float64)
	}
	maps.Copy(metrics, opt.Metrics)
	if len(metrics) > 0 {
		if err := marshalInto(meta, "metrics", metrics); err != nil {
			return nil, err
		}
	}
	set, err := weights.NewSet()
	if err != nil {
		return nil, err
	}
	set.Metadata = map[string]string{formatKey: formatValue}
	for k, v := range meta {
		if v != "" {
			set.Metadata[keyPrefix+k] = v
		}
	}
	for id := range g.Nodes {
		n := &g.Nodes[id]
		if n.Value == nil {
			continue
		}
		stored := tensor.F32
		if halved(n.Value.Shape) {
			stored = opt.Store
		}
		t, err := tensor.FromFloat32As(n.Name, stored, n.Value.Shape, n.Value.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.Path, err)
		}
		if err := set.Add(t); err != nil {
			return nil, err
		}
	}
	if opt.NoGolden {
		return set, nil
	}
	return set, m.addGolden(ctx, set)
}

func marshalInto(meta map[string]string, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	meta[key] = string(b)
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// goldenPicture is a picture that exercises a network without being anyone's:
// two crossed waves a channel and a pinch of noise.
func goldenPicture(h, w int) []byte {
	pix := make([]byte, 0, 3*h*w)
	seed := uint32(1)
	for y := range h {
		for x := range w {
			for c := range 3 {
				seed = seed*1664525 + 1013904223
				v := 127.5 + 60*math.Sin(float64(x*(c+1))/17) + 50*math.Cos(float64(y*(3-c))/23) + float64(seed>>28)
				pix = append(pix, byte(min(max(v, 0), 255)))
			}
		}
	}
	return pix
}

func (m *Model) addGolden(ctx context.Context, set *weights.Set) error {
	pix := goldenPicture(m.Info.H, m.Info.W)
	scores, err := m.runBytes(ctx, pix)
	if err != nil {
		return err
	}
	in, err := tensor.New(goldenInput, tensor.U8, tensor.Shape{m.Info.H, m.Info.W, 3}, pix)
	if err != nil {
		return err
	}
	if err := set.Add(in); err != nil {
		return err
	}
	return set.Add(tensor.FromFloat32(goldenOutput, tensor.Shape{len(scores)}, scores))
}

// GoldenScores are the model's scores of the picture that Save stores with it:
// what another form of the same model must give too.
func (m *Model) GoldenScores(ctx context.Context) ([]float32, error) {
	return m.runBytes(ctx, goldenPicture(m.Info.H, m.Info.W))
}

// runBytes runs the model on a picture that has the input's size.
func (m *Model) runBytes(ctx context.Context, pix []byte) ([]float32, error) {
	p, err := transform.NewPipeline(m.Info.Recipe)
	if err != nil {
		return nil, err
	}
	var scores []float32
	err = m.Run(ctx, Shape{Batch: 1, H: m.Info.H, W: m.Info.W}, func(in []float32) error {
		return p.ApplyCropped(&transform.Image{W: m.Info.W, H: m.Info.H, Pix: pix}, in)
	}, func(out [][]float32) error {
		scores = slices.Clone(out[0])
		return Finite(m.Info.Path, scores)
	})
	return scores, err
}

// ErrNoGolden is returned by CheckGolden for a model without golden values.
var ErrNoGolden = fmt.Errorf("the file carries no golden input and output")

// CheckGolden runs the golden input and returns the relative L2 distance of
// the scores from the golden output.
func (m *Model) CheckGolden(ctx context.Context) (float64, error) {
	if m.Info.goldenInput == nil {
		return 0, ErrNoGolden
	}
	got, err := m.runBytes(ctx, m.Info.goldenInput)
	if err != nil {
		return 0, err
	}
	want := &tensor.Tensor{Name: goldenOutput, DType: tensor.F32, Shape: tensor.Shape{len(got)}, Data: m.Info.goldenOut}
	values, err := want.Float32s()
	if err != nil {
		return 0, err
	}
	return Distance(got, values), nil
}

// Distance is the relative L2 distance of scores from those they should be.
func Distance(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	d, n := 0.0, 0.0
	for i, w := range want {
		d += (float64(got[i]) - float64(w)) * (float64(got[i]) - float64(w))
		n += float64(w) * float64(w)
	}
	return math.Sqrt(d / max(n, math.SmallestNonzeroFloat64))
}
