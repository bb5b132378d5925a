package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/weights"
)

// TestInterruptedLogits ends an evaluation before its end: the file of an
// earlier one stays, and nothing else is left.
func TestInterruptedLogits(t *testing.T) {
	dir := t.TempDir()
	list, logits := filepath.Join(dir, "labels.csv"), filepath.Join(dir, "out.npy")
	picture, err := filepath.Abs("../../testdata/pictures/rings.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{list: picture + ",0\n", logits: "older"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	args := []string{"eval", "classify", "--weights", tiny, "--data", list, "--logits", logits}
	if code := run(ctx, args, strings.NewReader(""), &out, &errs); code != 1 || errs.String() != "mobilenet: interrupted\n" {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
	if text, err := os.ReadFile(logits); err != nil || string(text) != "older" {
		t.Errorf("the older file holds %q, %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
	if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if text, err := os.ReadFile(logits); err != nil || !strings.HasPrefix(string(text), "\x93NUMPY") {
		t.Errorf("the new file holds %q, %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestNotANumberAsJSON runs weights so large that the scores overflow, once
// all to infinity and once to infinities of both signs: every verb still prints
// whole lines of JSON.
func TestNotANumberAsJSON(t *testing.T) {
	dir := t.TempDir()
	pictures := []string{"../../testdata/pictures/rings.jpg", "../../testdata/pictures/disc.png"}
	for name, bits := range map[string]string{"infinity": "\xff\xff\x7f\x7f\xff\xff\x7f\x7f", "both signs": "\xff\xff\x7f\x7f\xff\xff\x7f\xff"} {
		set, err := weights.Open(tiny, nil)
		if err != nil {
			t.Fatal(err)
		}
		changed, err := weights.NewSet()
		if err != nil {
			t.Fatal(err)
		}
		changed.Metadata = set.Metadata
		overflows := false
		for _, x := range set.Tensors() {
			y := *x
			y.Data = bytes.Clone(x.Data)
			if strings.HasPrefix(x.Name, "classifier.") && strings.HasSuffix(x.Name, "weight") {
				y.Data = bytes.Repeat([]byte(bits), len(x.Data)/8)
				overflows = true
			}
			if err := changed.Add(&y); err != nil {
				t.Fatal(err)
			}
		}
		if !overflows {
			t.Fatal("no weights were changed")
		}
		file := filepath.Join(dir, name+".safetensors")
		if err := changed.Save(file); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			lines int
			args  []string
		}{
			{2, append([]string{"classify", "--json", "--weights", file}, pictures...)},
			{2, append([]string{"classify", "--json", "--features", "logits", "--weights", file}, pictures...)},
			{1, []string{"verify", "--json", file}},
			{1, []string{"compare", "--json", file, tiny}},
		} {
			var out, errs bytes.Buffer
			if code := run(context.Background(), c.args, strings.NewReader(""), &out, &errs); code != 1 {
				t.Errorf("%s: %v: exit code %d", name, c.args, code)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != c.lines {
				t.Errorf("%s: %v: %d lines, want %d: %s", name, c.args, len(lines), c.lines, errs.String())
			}
			for _, l := range lines {
				if !json.Valid([]byte(l)) {
					t.Errorf("%s: %v: %q is no JSON", name, c.args, l)
				}
			}
		}
	}
}
