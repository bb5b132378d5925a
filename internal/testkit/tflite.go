package testkit

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TFLiteEnv names the shared library of TensorFlow Lite's C interface
// (libtensorflowlite_c.so) that tests compare with. It is called by a Python
// script, because the module has no cgo.
const TFLiteEnv = "MOBILENET_TFLITE"

//go:embed tflite_run.py
var tfliteScript string

// TFLiteRun is one run of a model.
type TFLiteRun struct {
	Model  []byte
	Inputs [][]byte
	// Outputs is what the library answered, nil if it refused the model.
	Outputs [][]byte
}

// HasTFLite reports that the library is named.
func HasTFLite() bool { return os.Getenv(TFLiteEnv) != "" }

// TFLite skips the test where the library is not named.
func TFLite(t testing.TB) {
	t.Helper()
	if !HasTFLite() {
		t.Skipf("set %s to the path of libtensorflowlite_c.so (2.9) to compare with the real library", TFLiteEnv)
	}
}

// RunTFLite fills in the outputs of all runs.
func RunTFLite(t testing.TB, threads int, runs []TFLiteRun) {
	t.Helper()
	TFLite(t)
	dir := t.TempDir()
	script, in, out := filepath.Join(dir, "run.py"), filepath.Join(dir, "in"), filepath.Join(dir, "out")
	le := binary.LittleEndian
	text := func(b, s []byte) []byte { return append(le.AppendUint32(b, uint32(len(s))), s...) }
	b := le.AppendUint32(nil, uint32(len(runs)))
	for _, r := range runs {
		b = le.AppendUint32(text(b, r.Model), uint32(len(r.Inputs)))
		for _, x := range r.Inputs {
			b = text(b, x)
		}
	}
	for name, data := range map[string][]byte{script: []byte(tfliteScript), in: b} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said, err := exec.Command("python3", script, os.Getenv(TFLiteEnv), in, out, strconv.Itoa(threads)).CombinedOutput()
	if err != nil {
		t.Fatalf("TensorFlow Lite: %v\n%s", err, said)
	}
	if len(said) > 0 {
		t.Logf("TensorFlow Lite: %.2000s", said)
	}
	if b, err = os.ReadFile(out); err != nil {
		t.Fatal(err)
	}
	number := func() int {
		n := le.Uint32(b)
		b = b[4:]
		return int(n)
	}
	for i := range runs {
		n := number()
		if n == 1<<32-1 {
			continue
		}
		runs[i].Outputs = make([][]byte, n)
		for k := range runs[i].Outputs {
			size := number()
			runs[i].Outputs[k], b = b[:size:size], b[size:]
		}
	}
}
