package torchpt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Named is a tensor and its dotted path in the object tree.
type Named struct {
	Name   string
	Tensor *Tensor
}

// Tensors lists every tensor below the root, in the file's order, under its
// dotted path, as "state_dict.features.0.0.weight".
func (f *File) Tensors() ([]Named, error) {
	return f.flatten(f.Root)
}

const maxVisits = 1 << 20

type walker struct {
	opt    *Options
	out    []Named
	visits int
	bytes  int // of the names made
}

// flatten fails on trees too deep or too large, and so on cycles.
func (f *File) flatten(root Value) ([]Named, error) {
	w := &walker{opt: &f.opt}
	if err := w.walk("", root, 0); err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	return w.out, nil
}

func (w *walker) walk(path string, v Value, depth int) error {
	if depth > w.opt.MaxDepth {
		return fmt.Errorf("object tree is nested deeper than %d, or contains itself", w.opt.MaxDepth)
	}
	if w.visits++; w.visits > maxVisits {
		return fmt.Errorf("object tree of more than %d values", maxVisits)
	}
	child := func(name string, v Value) error {
		switch v.(type) {
		case *Tensor, *Dict, *List, Tuple:
		default:
			return nil
		}
		if path != "" {
			name = path + "." + name
		}
		if w.bytes += len(name); int64(w.bytes) > w.opt.MaxPickleBytes {
			return errors.New("names in the object tree take too much memory")
		}
		return w.walk(name, v, depth+1)
	}
	var items []Value
	switch v := v.(type) {
	case *Tensor:
		if len(w.out) >= w.opt.MaxTensors {
			return fmt.Errorf("more than %d tensors", w.opt.MaxTensors)
		}
		w.out = append(w.out, Named{path, v})
	case *Dict:
		for i, k := range v.Keys {
			if name, ok := text(k); ok {
				if err := child(name, v.Values[i]); err != nil {
					return err
				}
			}
		}
	case *List:
		items = v.Items
	case Tuple:
		items = v
	}
	for i, item := range items {
		if err := child(strconv.Itoa(i), item); err != nil {
			return err
		}
	}
	return nil
}

// StateDict is the dictionary of weights found in a checkpoint.
type StateDict struct {
	Key      string   // where it was: "state_dict", or "" for the file's root
	Stripped string   // prefix that all names had, as "module."
	Others   []string // other places that hold a state dictionary too
	Tensors  []Named
	Metadata map[string]string // numbers and texts beside it: epoch, arch, best_acc1
}

// stateDictKeys are where training scripts put the weights, in the order of
// preference when a file has several.
func stateDictKeys() []string {
	return []string{"state_dict", "model", "model_state_dict", "model_ema", "state_dict_ema", "ema", "net", "params"}
}

// StateDict finds the weights. With an empty key it looks under the usual
// names, then at the root itself; a key, which may be dotted, asks for one
// place. A prefix that all names share, as data parallel training and
// compilation add, is stripped.
func (f *File) StateDict(key string) (*StateDict, error) {
	sd := &StateDict{}
	root, _ := f.Root.(*Dict)
	if root == nil {
		return nil, fmt.Errorf("torch: the file holds a %s, not a dictionary of weights", kind(f.Root))
	}
	var picked *Dict
	if key != "" {
		if picked = descend(root, key); picked == nil {
			return nil, fmt.Errorf("torch: no dictionary under %q; the file has %s", key, keyList(root))
		}
		sd.Key = key
	} else if picked = f.find(root, "", sd, 0); picked == nil {
		return nil, fmt.Errorf("torch: no dictionary of weights found; the file has %s", keyList(root))
	}
	var err error
	if sd.Tensors, err = f.flatten(picked); err != nil {
		return nil, err
	}
	if len(sd.Tensors) == 0 {
		return nil, fmt.Errorf("torch: dictionary %q holds no tensors", sd.Key)
	}
	if err := sd.strip(); err != nil {
		return nil, err
	}
	sd.Metadata = f.metadata(root, picked)
	return sd, nil
}

func descend(d *Dict, key string) *Dict {
	if v, ok := d.Get(key); ok {
		out, _ := v.(*Dict)
		return out
	}
	for part := range strings.SplitSeq(key, ".") {
		v, _ := d.Get(part)
		next, ok := v.(*Dict)
		if !ok {
			return nil
		}
		d = next
	}
	return d
}

// find looks for a state dictionary two levels deep.
func (f *File) find(d *Dict, path string, sd *StateDict, depth int) *Dict {
	var best *Dict
	bestPath := ""
	if depth < 2 {
		for _, k := range stateDictKeys() {
			v, _ := d.Get(k)
			sub, ok := v.(*Dict)
			if !ok {
				continue
			}
			at := strings.TrimPrefix(path+"."+k, ".")
			inner := &StateDict{}
			found := f.find(sub, at, inner, depth+1)
			switch {
			case found == nil:
			case best == nil:
				best, bestPath = found, inner.Key
				sd.Others = append(sd.Others, inner.Others...)
			default:
				sd.Others = append(sd.Others, inner.Key)
			}
		}
	}
	if best != nil {
		sd.Key = bestPath
		return best
	}
	if only := onlyFlat(d); only != "" {
		v, _ := d.Get(only)
		sd.Key = strings.TrimPrefix(path+"."+only, ".")
		return v.(*Dict)
	}
	if named, err := f.flatten(d); err == nil && len(named) > 0 {
		sd.Key = path
		return d
	}
	return nil
}

// onlyFlat is the key of the one dictionary in d that holds tensors directly,
// when d itself holds none: weights under a name of the author's own.
func onlyFlat(d *Dict) string {
	key := ""
	for i, v := range d.Values {
		name, isText := d.Keys[i].(string)
		if _, ok := v.(*Tensor); ok {
			return ""
		}
		sub, ok := v.(*Dict)
		if !ok || !slices.ContainsFunc(sub.Values, func(v Value) bool { _, ok := v.(*Tensor); return ok }) {
			continue
		}
		if key != "" || !isText {
			return ""
		}
		key = name
	}
	return key
}

func keyList(d *Dict) string {
	var names []string
	for _, k := range d.Keys {
		if len(names) == 8 {
			names = append(names, "...")
			break
		}
		if s, ok := text(k); ok {
			names = append(names, printable(s))
		}
	}
	if len(names) == 0 {
		return "no keys"
	}
	return "the keys " + strings.Join(names, ", ")
}

// strip removes wrappers' prefixes while all names have them. n_averaged is
// the counter that averaging wrappers keep beside the prefixed weights.
func (sd *StateDict) strip() error {
	for again := true; again; {
		again = false
		for _, prefix := range []string{"module.", "_orig_mod."} {
			with := func(n Named) bool { return strings.HasPrefix(n.Name, prefix) }
			bare := func(n Named) bool { return !with(n) && n.Name != "n_averaged" }
			if slices.ContainsFunc(sd.Tensors, bare) || !slices.ContainsFunc(sd.Tensors, with) {
				continue
			}
			for i := range sd.Tensors {
				sd.Tensors[i].Name = strings.TrimPrefix(sd.Tensors[i].Name, prefix)
			}
			sd.Stripped += prefix
			again = true
		}
	}
	seen := make(map[string]bool, len(sd.Tensors))
	for _, n := range sd.Tensors {
		if seen[n.Name] {
			return fmt.Errorf("torch: two tensors are named %q", n.Name)
		}
		seen[n.Name] = true
	}
	return nil
}

// metadata collects the scalars beside the weights, tensors of one element
// included.
func (f *File) metadata(root, picked *Dict) map[string]string {
	const maxEntries = 256
	out := map[string]string{}
	for i, k := range root.Keys {
		name, ok := k.(string)
		if !ok || len(name) > 128 || len(out) >= maxEntries {
			continue
		}
		v := root.Values[i]
		if t, ok := v.(*Tensor); ok && root != picked && t.Shape.Len() == 1 {
			if loaded, err := f.Load(name, t); err == nil {
				if n, err := loaded.Float64s(); err == nil {
					v = n[0]
				}
			}
		}
		if s, ok := text(v); ok {
			out[name] = s
		}
	}
	return out
}
