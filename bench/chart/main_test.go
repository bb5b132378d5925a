package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-analyze/charts"
)

const sample = `{"schema":"mobilenet.side-by-side/1","date":"2026-01-02","machine":{"cpu":"a processor","cores":4},"results":[
{"network":"v1","engine":"mobilenet","precision":"fp32","threads":1,"batch":1,"min_ms":4.5},
{"network":"v1","engine":"onnxruntime","precision":"fp32","threads":1,"batch":1,"min_ms":9},
{"network":"v2","engine":"mobilenet","precision":"fp32","threads":1,"batch":1,"min_ms":3},
{"network":"v2","engine":"mobilenet","precision":"fp32","threads":2,"batch":1,"min_ms":2},
{"network":"v2","engine":"mobilenet","precision":"fp32","threads":1,"batch":8,"min_ms":20}]}`

// TestDraw draws results into a file for each number of threads and format.
func TestDraw(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := draw(file); err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(file, ".json")
	svg, err := os.ReadFile(base + "-1t.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mobilenet (Go) fp32", "ONNX Runtime", "V1", "V2", "4.5", "9.0", "1 thread", "a processor, 4 cores, 2026-01-02"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the chart lacks %q", want)
		}
	}
	if bytes.Contains(svg, []byte("20.0")) {
		t.Error("batch 8 is drawn among batch 1")
	}
	for _, name := range []string{"-1t.png", "-2t.png"} {
		f, err := os.Open(base + name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(f)
		f.Close()
		if err != nil || m.Bounds().Dx() != 1080 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(file, []byte(`{"schema":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := draw(file); err == nil || !strings.Contains(err.Error(), `schema "x"`) {
		t.Errorf("another schema gives %v", err)
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		most, top float64
		steps     int
	}{{24, 30, 6}, {9.7, 12, 6}, {4.5, 5, 5}, {0.9, 1, 5}, {100, 120, 6}} {
		tab := &table{values: [][]float64{{1e-3, charts.GetNullValue()}, {c.most}}}
		if top, steps := tab.axis(); top < c.top-1e-9 || top > c.top+1e-9 || steps != c.steps {
			t.Errorf("%v: %v in %d steps, want %v in %d", c.most, top, steps, c.top, c.steps)
		}
	}
}
