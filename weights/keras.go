package weights

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mobilenet-go/mobilenet/internal/format/hdf5"
	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Metadata of sets read from Keras files.
const (
	// KerasVersion is the version of Keras that wrote the file.
	KerasVersion = "keras.version"
	// KerasConfig is the model's configuration, JSON as Keras writes it.
	KerasConfig = "keras.model_config"
)

const maxKerasConfig = 16 << 20 // bytes

// readHDF5 reads a file of Keras, or the plain datasets of any other. Tensors
// come in the order of the model's layers, which is the order Keras loads by.
func (s *Set) readHDF5(r io.ReaderAt, size int64, o *Options) ([]*tensor.Tensor, error) {
	f, err := hdf5.Read(r, size, &hdf5.Limits{
		MaxDataBytes: o.Limits.MaxTensorBytes, MaxObjects: 4096 + 4*min(o.Limits.MaxTensors, 1<<24), MaxRank: o.Limits.MaxRank, MaxRatio: o.Limits.MaxRatio,
		MaxDepth: o.Limits.MaxDepth,
	})
	if err != nil {
		return nil, err
	}
	k := kerasReader{set: s, max: o.Limits.MaxTensors}
	root := f.Root
	k.note(KerasConfig, root.Attrs["model_config"])
	if g := root.Group("model_weights"); g != nil {
		root = g
	}
	for _, g := range []*hdf5.Group{f.Root, root} {
		k.note(KerasVersion, g.Attrs["keras_version"])
		k.note("keras.backend", g.Attrs["backend"])
	}
	switch layers, ok := stringList(root, "layer_names"); {
	case ok:
		err = k.layers(root, layers)
	case isKeras3(root):
		var model *kerasModel
		if model, err = parseKerasModel(s.Metadata[KerasConfig]); err == nil {
			err = k.keras3(root, "", model)
		}
	default:
		k.out, err = f.Tensors()
		if err == nil && len(k.out) > k.max {
			err = fmt.Errorf("hdf5: %d tensors, over the limit of %d", len(k.out), k.max)
		}
	}
	return k.out, err
}

type kerasReader struct {
	set *Set
	max int
	out []*tensor.Tensor
}

// note keeps a text attribute as metadata, unless it is there already.
func (k *kerasReader) note(key string, a *hdf5.Attr) {
	if a == nil || len(a.Strings) != 1 || len(a.Strings[0]) > maxKerasConfig || k.set.Metadata[key] != "" {
		return
	}
	if k.set.Metadata == nil {
		k.set.Metadata = map[string]string{}
	}
	k.set.Metadata[key] = a.Strings[0]
}

// stringList reads an attribute that is a list of strings. Keras cuts lists
// over 64 KB into attributes name0, name1 and so on.
func stringList(g *hdf5.Group, name string) ([]string, bool) {
	list := func(a *hdf5.Attr) []string {
		if a.Strings == nil {
			return []string{} // an empty list is written as floats
		}
		return a.Strings
	}
	if a := g.Attrs[name]; a != nil {
		return list(a), true
	}
	var out []string
	found := false
	for i := 0; ; i++ {
		a := g.Attrs[name+strconv.Itoa(i)]
		if a == nil {
			return out, found
		}
		found = true
		out = append(out, list(a)...)
	}
}

// layers reads the files of Keras 1 and 2: each layer is a group that lists
// its weights.
func (k *kerasReader) layers(root *hdf5.Group, layers []string) error {
	for _, layer := range layers {
		g := root.Group(layer)
		if g == nil {
			return fmt.Errorf("keras: layer %q has no group", layer)
		}
		names, ok := stringList(g, "weight_names")
		if !ok {
			return fmt.Errorf("keras: layer %q does not list its weights", layer)
		}
		nested := false
		for _, n := range names {
			nested = nested || folder(n) != folder(names[0])
		}
		for _, n := range names {
			d := g.Dataset(n)
			if d == nil {
				return fmt.Errorf("keras: layer %q has no weight %q", layer, n)
			}
			name, _, _ := strings.Cut(n, ":")
			// The layer's own name is what Keras loads by; the scope in front
			// of its weights may have got a suffix. Weights of different
			// scopes belong to a model used as a layer.
			if !nested {
				name = layer + "/" + name[strings.LastIndexByte(name, '/')+1:]
			}
			if err := k.add(d, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func folder(name string) string { return name[:max(0, strings.LastIndexByte(name, '/'))] }

func (k *kerasReader) add(d *hdf5.Dataset, name string) error {
	if len(k.out) >= k.max {
		return fmt.Errorf("keras: more tensors than the limit of %d", k.max)
	}
	t, err := d.Tensor()
	if err != nil {
		return err
	}
	t.Name = name
	k.out = append(k.out, t)
	return nil
}

// Keras 3 numbers the weights of a layer and names layers by their class.
const (
	layersGroup    = "layers"
	oldLayersGroup = "_layer_checkpoint_dependencies" // Keras 2.12 to 2.15
)

func isKeras3(root *hdf5.Group) bool {
	return root.Group(layersGroup) != nil || root.Group(oldLayersGroup) != nil
}

// kerasVariables names the numbered weights of the classes that have any here.
var kerasVariables = map[string][]string{
	"conv2d":              {"kernel", "bias"},
	"depthwise_conv2d":    {"depthwise_kernel", "bias"},
	"separable_conv2d":    {"depthwise_kernel", "pointwise_kernel", "bias"},
	"dense":               {"kernel", "bias"},
	"batch_normalization": {"gamma", "beta", "moving_mean", "moving_variance"},
}

// keras3 reads a group of numbered layers. With the model's configuration the
// layers get the names they have in it; without, those of the file.
func (k *kerasReader) keras3(root *hdf5.Group, prefix string, model *kerasModel) error {
	list := root.Group(layersGroup)
	if list == nil {
		if list = root.Group(oldLayersGroup); list == nil {
			return nil
		}
	}
	type layer struct {
		group  *hdf5.Group
		class  string
		number int
		name   string
		order  int
		inner  *kerasModel
	}
	var layers []layer
	for i, g := range list.Groups {
		name := g.Path[strings.LastIndexByte(g.Path, '/')+1:]
		l := layer{group: g, class: name, name: name, order: i}
		if j := strings.LastIndexByte(name, '_'); j > 0 {
			if n, err := strconv.ParseUint(name[j+1:], 10, 31); err == nil {
				l.class, l.number = name[:j], int(n)
			}
		}
		layers = append(layers, l)
	}
	if model != nil {
		type place struct {
			order int
			layer *kerasLayer
		}
		places, count := map[string]place{}, map[string]int{}
		for i := range model.Layers {
			class := snakeCase(model.Layers[i].Class)
			places[class+"_"+strconv.Itoa(count[class])] = place{i, &model.Layers[i]}
			count[class]++
		}
		for i := range layers {
			l := &layers[i]
			p, ok := places[l.class+"_"+strconv.Itoa(l.number)]
			if !ok {
				return fmt.Errorf("keras: the model's configuration has no layer for %s", l.group.Path)
			}
			l.order, l.inner = p.order, p.layer.model()
			if p.layer.Name() != "" {
				l.name = p.layer.Name()
			}
		}
		slices.SortStableFunc(layers, func(a, b layer) int { return cmp.Compare(a.order, b.order) })
	} else {
		slices.SortStableFunc(layers, func(a, b layer) int {
			return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.number, b.number))
		})
	}
	for _, l := range layers {
		if isKeras3(l.group) {
			if err := k.keras3(l.group, prefix+l.name+"/", l.inner); err != nil {
				return err
			}
			continue
		}
		vars := l.group.Group("vars")
		if vars == nil {
			continue
		}
		variables := kerasVariables[l.class]
		for i := range len(vars.Datasets) {
			d := vars.Dataset(strconv.Itoa(i))
			if d == nil {
				return fmt.Errorf("keras: %s has no weight %d", vars.Path, i)
			}
			leaf := "vars/" + strconv.Itoa(i)
			if i < len(variables) {
				leaf = variables[i]
			}
			if err := k.add(d, prefix+l.name+"/"+leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// snakeCase is a class's name as Keras 3 names groups: DepthwiseConv2D is
// depthwise_conv2d, ReLU is re_lu.
func snakeCase(class string) string {
	var b strings.Builder
	rs := []rune(class)
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// kerasModel is what the order and the names of a model's layers need of its
// configuration.
type kerasModel struct {
	Layers []kerasLayer
}

type kerasLayer struct {
	Class  string          `json:"class_name"`
	Config json.RawMessage `json:"config"`
}

// Name is the layer's name.
func (l *kerasLayer) Name() string {
	var c struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(l.Config, &c)
	return c.Name
}

// model is the configuration of a model used as a layer.
func (l *kerasLayer) model() *kerasModel {
	var m struct {
		Layers []kerasLayer `json:"layers"`
	}
	if json.Unmarshal(l.Config, &m) != nil || m.Layers == nil {
		return nil
	}
	return &kerasModel{m.Layers}
}

// parseKerasModel reads a configuration; an empty text gives nil.
func parseKerasModel(text string) (*kerasModel, error) {
	if text == "" {
		return nil, nil
	}
	var top kerasLayer
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		return nil, fmt.Errorf("keras: the model's configuration: %w", err)
	}
	return top.model(), nil
}

// readKerasZip reads a .keras archive: the weights are an HDF5 file inside.
func (s *Set) readKerasZip(r io.ReaderAt, size int64, o *Options) ([]*tensor.Tensor, error) {
	a, err := zipfile.Open(r, size, &zipfile.Limits{
		MaxEntryBytes: o.Limits.MaxTensorBytes, MaxTotalBytes: o.Limits.MaxTensorBytes, MaxRatio: o.Limits.MaxRatio, SkipChecksum: o.SkipChecksum,
	})
	if err != nil {
		return nil, err
	}
	s.Metadata = map[string]string{}
	text := func(name string) (string, error) {
		f := a.Lookup(name)
		if f == nil || f.UncompressedSize64 > maxKerasConfig {
			return "", nil
		}
		b, err := a.Read(f)
		return string(b), err
	}
	config, err := text("config.json")
	if err != nil {
		return nil, err
	}
	s.Metadata[KerasConfig] = config
	about, err := text("metadata.json")
	if err != nil {
		return nil, err
	}
	var meta struct {
		Version string `json:"keras_version"`
	}
	if json.Unmarshal([]byte(about), &meta) == nil && meta.Version != "" {
		s.Metadata[KerasVersion] = meta.Version
	}
	f := a.Lookup(kerasWeights)
	if f == nil {
		return nil, errors.New("keras: the archive has no " + kerasWeights)
	}
	b, err := a.Read(f)
	if err != nil {
		return nil, err
	}
	return s.readHDF5(bytes.NewReader(b), int64(len(b)), o)
}

// kerasWeights is the weights' entry of a .keras archive.
const kerasWeights = "model.weights.h5"
