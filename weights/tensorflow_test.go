package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func TestTensorFlowCheckpoint(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewTFWriter(2)
	w.Add("MobilenetV1/Conv2d_0/weights", 1, []int{2}, 0, binary.LittleEndian.AppendUint64(nil, 0x3f80000000000000))
	w.Add("global_step", 9, nil, 1, make([]byte, 8))
	index := w.Index()
	for name, b := range map[string][]byte{"model.ckpt-1.index": index, "model.ckpt-1.data-00000-of-00002": w.Shards[0], "model.ckpt-1.data-00001-of-00002": w.Shards[1]} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "model.ckpt-1.index")
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := values(t, s.Get("MobilenetV1/Conv2d_0/weights")); s.Len() != 2 || s.Source.Format != TFCheckpoint || v[1] != 1 {
		t.Errorf("%q, %v, %v", s.Names(), s.Source.Format, v)
	}
	if _, err := Open(path, &Options{Limits: Limits{MaxTensorBytes: 9}}); err == nil || !strings.Contains(err.Error(), "limit is 9") {
		t.Error(err)
	}
	// Nothing is opened for bytes that have no folder.
	var u *UnsupportedFormatError
	if _, err := Read(path, bytes.NewReader(index), int64(len(index)), nil); !errors.As(err, &u) || u.Format != TFCheckpoint {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "model.ckpt-1.data-00001-of-00002")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	other := filepath.Join(dir, "renamed")
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, nil); err == nil || !strings.Contains(err.Error(), "ends in .index") {
		t.Error(err)
	}
}
