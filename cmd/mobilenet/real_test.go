package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realData is the folder of published checkpoints and photos, which is no
// part of the repository.
func realData(t *testing.T) string {
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "models", "cls")); err != nil {
		t.Skip("no test data: set MOBILENET_TESTDATA to a folder with models/ and images/")
	}
	return dir
}

// command runs the program in this process and decodes its only line.
func command(t *testing.T, into any, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out.String())
	}
}

func TestClassifyRealPicture(t *testing.T) {
	dir := realData(t)
	var got classified
	command(t, &got, "classify", "--json", "--weights", filepath.Join(dir, "models", "cls", "derived_mobilenet_v2_1.0_224_float_nchw.onnx"),
		filepath.Join(dir, "images", "coral", "parrot.jpg"))
	// 88 is macaw; the file's 1001 rows begin with a background.
	if len(got.Predictions) != 5 || got.Predictions[0].Class != 88 || got.Predictions[0].Label != "macaw" || got.Predictions[0].Score < 0.9 {
		t.Errorf("got %+v", got.Predictions)
	}
	if got.Recipe != "resize=256,crop=224,filter=bilinear,range=-1..1" {
		t.Errorf("recipe %q", got.Recipe)
	}
}

// TestEvalRealPhotos compares with what TensorFlow Lite's own runs of the file
// gave on the same 500 photos: 0.574 and 0.81, to two photos.
func TestEvalRealPhotos(t *testing.T) {
	if testing.Short() {
		t.Skip("500 photos in a short run")
	}
	dir := realData(t)
	var got accuracy
	command(t, &got, "eval", "classify", "--json", "--weights", filepath.Join(dir, "models", "cls", "mobilenet_v1_0.25_224_float.tflite"),
		"--data", filepath.Join(dir, "images", "imagenet-samples"))
	if got.N != 500 || got.Errors != 0 || got.Top1 < 0.570 || got.Top1 > 0.578 || got.Top5 < 0.806 || got.Top5 > 0.814 {
		t.Errorf("got %+v", got)
	}
}

// TestInspectRealFiles describes every published file, the quantized ones too.
func TestInspectRealFiles(t *testing.T) {
	dir := realData(t)
	files, err := filepath.Glob(filepath.Join(dir, "models", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		switch filepath.Ext(f) {
		case ".tflite", ".onnx", ".tar":
		default:
			continue
		}
		n++
		var got struct {
			Runs      bool
			Problem   string
			Tensors   []json.RawMessage
			Operators []json.RawMessage
			Inputs    []json.RawMessage
		}
		command(t, &got, "inspect", "--json", f)
		if got.Runs == (got.Problem != "") || len(got.Tensors) == 0 {
			t.Errorf("%s: %+v", f, got)
		}
		if filepath.Ext(f) != ".tar" && (len(got.Operators) == 0 || len(got.Inputs) == 0) {
			t.Errorf("%s: no operators or inputs", f)
		}
		if classifier := filepath.Base(filepath.Dir(f)) == "cls"; classifier != got.Runs && filepath.Ext(f) != ".tar" {
			t.Errorf("%s: runs %v, problem %q", f, got.Runs, got.Problem)
		}
	}
	if n < 10 {
		t.Errorf("%d files", n)
	}
}
