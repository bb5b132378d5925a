package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRead opens anything at all as a model: no input may panic, and every
// refusal is one line that names the file.
func FuzzRead(f *testing.F) {
	m := tiny(f, nil)
	set, err := m.Set(context.Background(), SaveOptions{NoGolden: true})
	if err != nil {
		f.Fatal(err)
	}
	seed := func() {
		var b bytes.Buffer
		if err := set.Write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	seed()
	g, err := m.Graph()
	if err != nil {
		f.Fatal(err)
	}
	structure, err := json.Marshal(g)
	if err != nil {
		f.Fatal(err)
	}
	delete(set.Metadata, "mobilenet.spec")
	set.Metadata["mobilenet.graph"] = string(structure)
	seed()
	delete(set.Metadata, "format")
	seed()
	// Small files of the other formats, as their own packages' tests make them.
	for _, pattern := range []string{"../format/*/testdata/*", "../importer/testdata/*", "../../weights/testdata/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && len(data) < 16<<10 {
				f.Add(data)
			}
		}
	}
	limits := Limits{FileBytes: 1 << 20, TensorBytes: 1 << 22}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read("file", bytes.NewReader(data), int64(len(data)), &Options{Limits: limits, Threads: 1})
		if err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "file: ") || strings.ContainsAny(msg, "\n\r") {
				t.Errorf("not one line that names the file: %q", msg)
			}
			return
		}
		m.Close()
	})
}
