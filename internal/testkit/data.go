package testkit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Data is the folder of real checkpoints, photos and golden outputs:
// $MOBILENET_TESTDATA, or shared/data beside the repository. The test is
// skipped where there is none.
func Data(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		_, here, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "models")); err != nil {
		t.Skipf("needs the real checkpoints and photos: set MOBILENET_TESTDATA (%v)", err)
	}
	return dir
}

// TopK is the accuracy of a golden run.
type TopK struct{ Top1, Top5 float64 }

// Accuracy reads golden/accuracy.json.
func Accuracy(t testing.TB) map[string]TopK {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(Data(t), "golden", "accuracy.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]TopK)
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
