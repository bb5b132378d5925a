package engine

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/weights"
)

// Detected is a network that a checkpoint's names and shapes fit exactly.
type Detected struct {
	Net    *arch.Net
	Scheme string
	Names  weights.NameMap // of a file whose layers were matched by their order
	Notes  []string
}

// detectWidths are the multipliers of published checkpoints.
var detectWidths = [...]float64{1, 0.75, 0.5, 0.35, 0.25, 1.4, 1.3, 1.25, 1.5, 2, 0.1}

// detectDialects lists the dialects whose checkpoints come as named tensors,
// with the scheme of their names. Where two dialects share names and shapes
// the first is taken and a note says so.
var detectDialects = [...]struct{ dialect, scheme string }{
	{"torchvision", "torchvision"},
	{"timm", "timm"},
	{"timm_tf", "timm"},
	{"slim", "hf"},
	{"keras", "keras"},
	{"keras", "keras_h5"},
	{"slim", "slim"},
	{"slim_finegrain", "slim"},
}

// Detect finds the published network whose tensors a set holds, among those
// of a dialect if one is given.
func Detect(set *weights.Set, dialect string) (*Detected, error) {
	if dialect != "" {
		if _, err := arch.DialectByName(dialect); err != nil {
			return nil, err
		}
	}
	var found []*Detected
	closest := nearNet{problems: 1 << 30}
	for _, d := range detectDialects {
		if dialect != "" && d.dialect != dialect {
			continue
		}
		for _, name := range arch.Names() {
			plain, err := arch.New(name, arch.Options{Dialect: d.dialect})
			if err != nil {
				continue
			}
			want, err := wanted(plain, d.scheme)
			if err != nil {
				continue
			}
			missing := 0
			for _, w := range want {
				if !has(set, w.Source) {
					missing++
				}
			}
			if missing > 0 {
				if missing < min(closest.problems, farMissing, len(want)) {
					closest = nearNet{net: plain, missing: missing, wanted: len(want), problems: missing}
				}
				continue
			}
			net, other := fitWidth(set, name, d.dialect, d.scheme)
			if net != nil {
				found = append(found, &Detected{Net: net, Scheme: d.scheme})
			} else if other.net != nil && other.problems < closest.problems {
				closest = other
			}
		}
	}
	if len(found) == 0 && isKeras(set) {
		if d, err := detectOrder(set, dialect); d != nil || err != nil {
			return d, err
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: the tensors' names and shapes fit no published network%s", set.Source.Path, closest.hint())
	}
	best := found[0]
	if isKeras(set) {
		if err := kerasAgrees(set, best.Net); err != nil {
			return nil, err
		}
	}
	// TensorFlow's weights in timm differ in padding, which no tensor shows.
	if strings.HasPrefix(filepath.Base(set.Source.Path), "tf_") {
		for _, f := range found {
			if f.Net.Dialect.Name == "timm_tf" {
				best = f
			}
		}
	}
	for _, f := range found {
		if f != best && f.Net.Dialect.Name != best.Net.Dialect.Name {
			best.Notes = append(best.Notes, fmt.Sprintf("the tensors fit dialect %s as well as %s: give --dialect if the weights are the former's", f.Net.Dialect.Name, best.Net.Dialect.Name))
		}
	}
	return best, nil
}

// has looks a published name up the way Bind does.
func has(set *weights.Set, name string) bool {
	return set.Get(name) != nil || set.Get(name+"/ExponentialMovingAverage") != nil
}

// fitWidth finds the multiplier with which every tensor has its shape. If there
// is none, it tells the multiplier with which the fewest differ.
func fitWidth(set *weights.Set, name, dialect, scheme string) (*arch.Net, nearNet) {
	closest := nearNet{problems: 1 << 30}
	for _, width := range detectWidths {
		net, err := arch.New(name, arch.Options{Dialect: dialect, Width: width, Classes: classes(set, name, dialect, scheme), Resolution: kerasResolution(set)})
		if err != nil {
			continue
		}
		want, err := wanted(net, scheme)
		if err != nil {
			continue
		}
		_, rep, err := weights.Bind(want, set, nil, &weights.BindOptions{Ignore: func(n string) bool { return strings.HasPrefix(n, goldenPrefix) }})
		if err == nil {
			return net, nearNet{}
		}
		if n := len(rep.Missing) + len(rep.Mismatched) + len(rep.Unused); n < closest.problems {
			closest = nearNet{net: net, wanted: len(want), problems: n, missing: len(rep.Missing)}
			for _, m := range rep.Mismatched {
				closest.mismatched = append(closest.mismatched, m.Source)
			}
			for _, u := range rep.Unused {
				closest.surplus = append(closest.surplus, u.Source)
			}
		}
	}
	return nil, closest
}

// classes reads the number of classes off the classifier's bias.
func classes(set *weights.Set, name, dialect, scheme string) int {
	net, err := arch.New(name, arch.Options{Dialect: dialect})
	if err != nil {
		return 0
	}
	want, err := wanted(net, scheme)
	if err != nil {
		return 0
	}
	for _, w := range want {
		if w.Name != "classifier.bias" {
			continue
		}
		if t := set.Get(w.Source); t != nil {
			return t.Len()
		}
	}
	return 0
}

// schemeFor chooses, for a network given by the caller, the scheme whose
// names the set has most of: its own dialect's before others.
func schemeFor(net *arch.Net, set *weights.Set) string {
	best, most := net.Dialect.Name, -1
	for _, scheme := range append([]string{net.Dialect.Name}, arch.Schemes()...) {
		want, err := wanted(net, scheme)
		if err != nil {
			continue
		}
		n := 0
		for _, w := range want {
			if has(set, w.Source) {
				n++
			}
		}
		if n > most {
			best, most = scheme, n
		}
	}
	return best
}
