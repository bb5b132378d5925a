package torchpt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var fuzzOptions = Options{MaxPickleBytes: 1 << 20, MaxOpcodes: 1 << 16, MaxStack: 1 << 14, MaxTensorBytes: 1 << 20}

func consume(t *testing.T, b []byte) {
	f, err := readBytes(b, &fuzzOptions)
	if err == nil {
		var sd *StateDict
		if sd, err = f.StateDict(""); err == nil {
			for _, n := range sd.Tensors {
				x, err := f.Load(n.Name, n.Tensor)
				if err != nil {
					continue
				}
				if err := x.Check(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err == nil {
		_, err = loadAll(f)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Fatalf("error of several lines: %v", err)
	}
}

// FuzzRead feeds whole files of both formats.
func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.p*t*")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, c := range malicious() {
		f.Add(legacyOf(c[0], "]", nil))
	}
	f.Fuzz(consume)
}

// FuzzPickle feeds the pickle of an archive that has one storage.
func FuzzPickle(f *testing.F) {
	for _, c := range malicious() {
		f.Add([]byte(c[0]))
	}
	for _, c := range broken() {
		f.Add([]byte(c))
	}
	for _, name := range []string{"checkpoint_legacy.pth", "views_legacy.pth"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[len(legacyHead):])
	}
	pickles, _ := filepath.Glob("testdata/*.pkl")
	for _, p := range pickles {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	storages := map[string][]byte{"0": make([]byte, 16)}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		consume(t, zipOf(string(pickle), storages))
	})
}
