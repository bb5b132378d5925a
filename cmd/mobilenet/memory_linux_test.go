package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// maxClassify is the most resident memory, in bytes, that classifying a photo
// with MobileNet V2 may take, the program and its runtime included.
const maxClassify = 60 << 20

// TestClassifyMemory runs the command as a process of its own, with weights of
// V2's size, and looks at the peak of its memory.
func TestClassifyMemory(t *testing.T) {
	net, err := arch.New("mobilenet_v2", arch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Generate(net, nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "v2.safetensors")
	err = m.Save(context.Background(), file, engine.SaveOptions{})
	m.Close()
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, file, filepath.Join("..", "..", "testdata", "pictures", "rings.jpg"))
}

// TestClassifyMemoryRealFiles is TestClassifyMemory on a published file in
// ONNX and converted, with a photo.
func TestClassifyMemoryRealFiles(t *testing.T) {
	dir := realData(t)
	photo := filepath.Join(dir, "images", "imagenet-samples", "n01440764_tench.JPEG")
	file := filepath.Join(dir, "models", "cls", "derived_mobilenet_v2_1.0_224_float_nchw.onnx")
	checkMemory(t, file, photo)
	own := filepath.Join(t.TempDir(), "v2.safetensors")
	command(t, new(converted), "convert", "--json", file, "-o", own)
	checkMemory(t, own, photo)
}

func checkMemory(t *testing.T, weights, picture string) {
	t.Helper()
	code, stdout, stderr, resident := process(t, []string{"classify", "--json", "--weights", weights, picture})
	var got classified
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || len(got.Predictions) != 5 {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	t.Logf("%s: %d MB resident, %+v", filepath.Base(weights), resident>>20, got.Timing)
	if resident > maxClassify {
		t.Errorf("%s: %d MB resident, the bound is %d", filepath.Base(weights), resident>>20, maxClassify>>20)
	}
}
