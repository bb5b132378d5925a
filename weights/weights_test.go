package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

const torchData = "../internal/format/torchpt/testdata"

func TestOpenTorch(t *testing.T) {
	for _, kind := range []string{"zip", "legacy"} {
		path := filepath.Join(torchData, "checkpoint_"+kind+".pth")
		s, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		src := s.Source
		if src.StateDict != "state_dict" || src.Stripped != "module." || len(src.Others) != 1 || !strings.HasSuffix(src.Format.String(), kind) {
			t.Errorf("%s: source %+v", kind, src)
		}
		if s.Len() != 8 || s.Names()[0] != "features.0.weight" || s.Metadata["checkpoint.arch"] != "tiny" {
			t.Errorf("%s: %v, %v", kind, s.Names(), s.Metadata)
		}
		if s, err = Open(path, &Options{StateDict: "model_ema"}); err != nil || s.Source.StateDict != "model_ema" || s.Len() != 9 {
			t.Errorf("%s: model_ema: %v", kind, err)
		}
		if _, err = Open(path, &Options{StateDict: "nothing"}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestOpenNPZ(t *testing.T) {
	s, err := Open("../internal/format/npy/testdata/deflated.npz", nil)
	if err != nil || s.Source.Format != NPZ || s.Get("fortran") == nil {
		t.Error(s, err)
	}
}

func TestSaveAndOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := NewSet(tensor.FromFloat32("b", tensor.Shape{2}, []float32{1, 2}), tensor.FromFloat32("a", tensor.Shape{}, []float32{3}))
	if err != nil {
		t.Fatal(err)
	}
	s.Metadata = map[string]string{"arch": "mobilenet_v2"}
	if _, err := s.SHA256(); err == nil {
		t.Error("a set made in memory has a checksum")
	}
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Open(path, nil)
	if err != nil || got.Source.Format != Safetensors || got.Len() != 2 || got.Metadata["arch"] != "mobilenet_v2" {
		t.Fatal(got, err)
	}
	sum, err := got.SHA256()
	if err != nil || len(sum) != 64 {
		t.Error(sum, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	// A failed save leaves the old file and nothing else.
	bad, _ := NewSet(&tensor.Tensor{Name: "__metadata__", DType: tensor.U8, Shape: tensor.Shape{0}})
	if err := bad.Save(path); err == nil {
		t.Error("a reserved name was saved")
	}
	if again, err := Open(path, nil); err != nil || again.Len() != 2 {
		t.Error(again, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := s.Save(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("saved into a folder that is not there")
	}
	if err := os.WriteFile(path, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Set{Source: Source{Path: path, Size: 1}}).SHA256(); err == nil {
		t.Error("a file that has changed was summed")
	}
}

// TestSum: a set read from memory knows its checksum when asked to.
func TestSum(t *testing.T) {
	const path = torchData + "/checkpoint_zip.pth"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(b)
	for _, opt := range []*Options{{Sum: true}, nil} {
		s, err := Read("no such file", bytes.NewReader(b), int64(len(b)), opt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.SHA256()
		if (opt != nil) != (err == nil) || (err == nil && got != hex.EncodeToString(want[:])) {
			t.Errorf("%q, %v", got, err)
		}
	}
	s, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.SHA256(); err != nil || got != hex.EncodeToString(want[:]) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSetNames(t *testing.T) {
	a := tensor.FromFloat32("a", tensor.Shape{}, []float32{1})
	if _, err := NewSet(a, a); err == nil {
		t.Error("a name was taken twice")
	}
	if _, err := NewSet(&tensor.Tensor{Name: "x", DType: tensor.F32, Shape: tensor.Shape{2}}); err == nil {
		t.Error("a tensor without its bytes was taken")
	}
	if new(Set).Get("a") != nil {
		t.Error("an empty set has a tensor")
	}
}

func TestSniff(t *testing.T) {
	table := append(make([]byte, 100), binary.LittleEndian.AppendUint64(nil, 0xdb4775248b80fb57)...)
	user := append(make([]byte, 1024), "\x89HDF\r\n\x1a\n"...)
	for want, files := range map[Format][]string{
		Unknown:      {"", "x", "{}", "GIF89a...........", "\x08\x00\x12", "\x08\x08\x99"},
		Safetensors:  {"\x02\x00\x00\x00\x00\x00\x00\x00{}"},
		TFLite:       {"\x1c\x00\x00\x00TFL3\x00\x00"},
		ONNX:         {"\x08\x07\x12\x07pytorch", "\x08\x03\x3a\x00"},
		HDF5:         {"\x89HDF\r\n\x1a\n", string(user)},
		TFCheckpoint: {string(table)},
		NPY:          {"\x93NUMPY\x01\x00"},
		Zip:          {"PK\x05\x06" + strings.Repeat("\x00", 18)},
	} {
		for _, f := range files {
			if got := Sniff(strings.NewReader(f), int64(len(f))); got != want {
				t.Errorf("%.20q: %v, want %v", f, got, want)
			}
			if want == Safetensors {
				continue
			}
			_, err := Read("name", strings.NewReader(f), int64(len(f)), nil)
			var u *UnsupportedFormatError
			if want == HDF5 {
				if err == nil || err.Error() != "name: hdf5: offset "+strconv.Itoa(len(f))+": superblock is cut off" {
					t.Errorf("%.20q: %v", f, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), "name: ") || (f != "" && (!errors.As(err, &u) || u.Format != want)) {
				t.Errorf("%.20q: %v", f, err)
			}
		}
	}
}

// TestDamaged: a file that is cut off is called so, with its name, in one line.
func TestDamaged(t *testing.T) {
	whole, err := os.ReadFile(torchData + "/checkpoint_zip.pth")
	if err != nil {
		t.Fatal(err)
	}
	table := strings.Index(string(whole), "PK\x01\x02") + 60 // amid the archive's directory
	for _, c := range []struct{ file, text string }{
		{string(whole[:len(whole)-1]), "name: zip archive that is truncated or damaged (zip: not a valid zip file)"},
		{string(whole[:len(whole)-100]), "name: zip archive that is truncated or damaged (zip: not a valid zip file)"},
		{string(whole[:len(whole)/2]), "name: zip archive that is truncated or damaged (zip: not a valid zip file)"},
		{string(whole[:table]) + string(whole[len(whole)-22:]), "name: zip archive that is truncated or damaged (zip: not a valid zip file)"},
		{"PK\x03\x04", "name: zip archive that is truncated or damaged (zip: not a valid zip file)"},
		{"\x00\x00\x00\x00\x00\x00\x00\x40{}", "name: safetensors: header of 4611686018427387904 bytes in a file of 10"},
		{"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"dtype\":", "name: safetensors: header of 64 bytes in a file of 22: truncated"},
		{"\x40\x00\x00\x00\x00\x00\x00\x00{a", "known format"},
		{"function{}", "known format"},
	} {
		_, err := Read("name", strings.NewReader(c.file), int64(len(c.file)), nil)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q of %d bytes: %v, want %q", c.file, len(c.file), err, c.text)
		}
	}
}

func TestReadLimits(t *testing.T) {
	for name, l := range map[string]Limits{"file": {MaxFileBytes: 100}, "bytes": {MaxTensorBytes: 10}, "tensors": {MaxTensors: 2}, "rank": {MaxRank: 1}} {
		for _, file := range []string{
			torchData + "/checkpoint_zip.pth", torchData + "/checkpoint_legacy.pth",
			"../internal/format/safetensors/testdata/golden.safetensors", "../internal/format/npy/testdata/deflated.npz",
		} {
			if _, err := Open(file, &Options{Limits: l}); err == nil {
				t.Errorf("%s: the limit of %s was not kept", file, name)
			}
		}
	}
	if _, err := Open(t.TempDir(), nil); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestMaliciousPickle: the message names the file, the function and the offset.
func TestMaliciousPickle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evil.pth")
	marker := filepath.Join(t.TempDir(), "pwned")
	pickle := "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02cos\nsystem\n(S'touch " + marker + "'\ntR."
	if err := os.WriteFile(path, []byte(pickle), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, nil)
	want := path + ": torch: object: pickle at offset 27 names os.system, which is not on the allow-list: refused, nothing was run"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the pickle was run")
	}
}

func FuzzRead(f *testing.F) {
	for _, pattern := range []string{torchData + "/*.p*t*", "../internal/format/safetensors/testdata/*.safetensors", "../internal/format/npy/testdata/*.npz"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Read("fuzz", bytes.NewReader(b), int64(len(b)), &Options{Limits: Limits{MaxTensorBytes: 1 << 22}})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of several lines: %v", err)
			}
			return
		}
		var buf bytes.Buffer
		if err := s.Write(&buf); err != nil {
			return // a name that JSON cannot hold
		}
		again, err := Read("again", bytes.NewReader(buf.Bytes()), int64(buf.Len()), &Options{Limits: Limits{MaxTensorBytes: 1 << 30}})
		if err != nil || again.Len() != s.Len() {
			t.Fatalf("saving and reading: %v", err)
		}
		for _, x := range s.Tensors() {
			if y := again.Get(x.Name); y == nil || !y.Shape.Equal(x.Shape) || !bytes.Equal(y.Data, x.Data) {
				t.Fatalf("tensor %q changed", x.Name)
			}
		}
	})
}

// TestFalseSize: a size that the content does not bear out takes no memory.
func TestFalseSize(t *testing.T) {
	for _, head := range []string{"\x00\x00\x00\x05\x00\x00\x00\x00{", "\x93NUMPY\x02\x00\xff\xff\xff\x7f", "PK\x03\x04"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read("x", strings.NewReader(head), 1<<30, nil)
		runtime.ReadMemStats(&after)
		if err == nil || after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Errorf("%q: %d bytes allocated, %v", head, after.TotalAlloc-before.TotalAlloc, err)
		}
	}
}
