package mobilenet_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mobilenet-go/mobilenet"

// rooms says for every package of the module which others of the module it
// may import, tests aside. A package that is not listed fails the test, so
// that a new room is placed deliberately. Docs: docs/architecture.md.
var rooms = map[string]string{
	"tensor":                      "",
	"internal/cpu":                "",
	"internal/kernel/ref":         "",
	"internal/kernel":             "internal/cpu internal/kernel/ref",
	"internal/graph":              "tensor",
	"internal/pass":               "tensor internal/graph",
	"internal/exec":               "tensor internal/graph internal/cpu internal/kernel internal/kernel/ref",
	"internal/format/zipfile":     "",
	"internal/format/safetensors": "tensor internal/format/zipfile",
	"internal/format/torchpt":     "tensor internal/format/zipfile",
	"internal/format/npy":         "tensor internal/format/zipfile",
	"internal/format/tflite":      "tensor internal/format/zipfile",
	"internal/format/onnx":        "tensor internal/format/zipfile",
	"internal/format/hdf5":        "tensor",
	"internal/format/tfckpt":      "tensor",
	"internal/format/tfevents":    "",
	"weights":                     "tensor internal/format/*",
	"internal/suggest":            "",
	"arch":                        "tensor internal/graph internal/suggest",
	"internal/importer":           "tensor internal/graph internal/format/*",
	"export":                      "tensor internal/graph internal/pass internal/format/tflite",
	"internal/engine":             "tensor arch weights transform internal/*",
	"internal/jpeg":               "internal/cpu",
	"internal/imageio":            "internal/jpeg",
	"internal/post":               "",
	"internal/hub":                "arch transform",
	"internal/testkit":            "tensor arch internal/*",
	"transform":                   "internal/imageio internal/suggest",
	"dataset":                     "transform internal/imageio internal/suggest internal/format/zipfile",
	"eval":                        "internal/post",
	"train":                       "dataset transform weights arch tensor eval internal/*",
	"quant":                       "transform eval internal/*",
	".":                           "tensor arch weights transform internal/*",
	"builtin":                     ".",
	"cmd/mobilenet":               ". builtin tensor arch weights transform dataset train quant eval export internal/*",
}

// never holds imports that no rule above may allow: the directions that would
// turn the house upside down.
var never = []struct{ from, to string }{
	{"internal/*", "."},
	{"internal/*", "cmd/*"},
	{"internal/*", "eval"},
	{"internal/format/*", "arch"},
	{"arch", "internal/format/*"},
	{"eval", "internal/exec"},
	// Nothing but the command's pull touches the network.
	{"internal/engine", "internal/hub"},
	{".", "internal/hub"},
	{"train", "internal/hub"},
	{"train", "internal/testkit"},
	{"quant", "internal/hub"},
	{"quant", "internal/testkit"},
	// What tests share stays out of what is shipped.
	{"internal/engine", "internal/testkit"},
	{".", "internal/testkit"},
	{"cmd/mobilenet", "internal/testkit"},
}

func TestDependencyDirection(t *testing.T) {
	seen := make(map[string]bool)
	for dir, files := range packages(t) {
		allowed, ok := rooms[dir]
		if !ok {
			t.Errorf("package %s has no place in the house: add it to rooms and to docs/architecture.md", dir)
			continue
		}
		seen[dir] = true
		for _, imp := range files {
			if !matches(allowed, imp) {
				t.Errorf("package %s must not import %s", dir, imp)
			}
			for _, n := range never {
				if matches(n.from, dir) && matches(n.to, imp) {
					t.Errorf("package %s must never import %s", dir, imp)
				}
			}
		}
	}
	for dir := range rooms {
		if !seen[dir] {
			t.Errorf("rooms lists %s, which does not exist", dir)
		}
	}
}

// TestNoCgo keeps the promise of a static binary.
func TestNoCgo(t *testing.T) {
	walk(t, func(dir string, imports []string) {
		if slices.Contains(imports, "C") {
			t.Errorf("package %s uses cgo", dir)
		}
	})
}

// packages maps each directory with Go files to the module's packages that
// its non-test files import.
func packages(t *testing.T) map[string][]string {
	out := make(map[string]map[string]bool)
	walk(t, func(dir string, imports []string) {
		if out[dir] == nil {
			out[dir] = make(map[string]bool)
		}
		for _, imp := range imports {
			if imp == module {
				out[dir]["."] = true
			} else if rest, ok := strings.CutPrefix(imp, module+"/"); ok {
				out[dir][rest] = true
			}
		}
	})
	lists := make(map[string][]string)
	for dir, set := range out {
		lists[dir] = slices.Sorted(maps.Keys(set))
	}
	return lists
}

func walk(t *testing.T, visit func(dir string, imports []string)) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if f.Name.Name == "main" && filepath.ToSlash(filepath.Dir(name)) != "cmd/mobilenet" {
			return nil // generators and examples
		}
		var imports []string
		for _, imp := range f.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		visit(filepath.ToSlash(filepath.Dir(name)), imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// matches reports whether one of the space-separated patterns covers dir. A
// pattern that ends in "/*" covers everything below.
func matches(patterns, dir string) bool {
	for _, p := range strings.Fields(patterns) {
		if prefix, ok := strings.CutSuffix(p, "/*"); ok {
			if strings.HasPrefix(dir, prefix+"/") {
				return true
			}
		} else if path.Clean(p) == dir {
			return true
		}
	}
	return false
}
