package train

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func exampleReport() *Report {
	recipe, _ := Named("finetune")
	var thumb bytes.Buffer
	_ = jpeg.Encode(&thumb, image.NewGray(image.Rect(0, 0, 16, 16)), nil)
	r := &Report{
		Title: "flowers", Model: "v3_small", Recipe: recipe, Command: "mobilenet train flowers", Made: time.Unix(0, 0).UTC(),
		Classes: []string{"daisy", "<rose>", "tulip"}, Pictures: map[string]int{"train": 9, "val": 6},
		Confusion: [][]int{{2, 0, 0}, {1, 1, 0}, {0, 2, 0}},
		Wrong:     []WrongPicture{{Name: "tulip/a&b.jpg", Class: 2, Said: 1, Score: 0.9, ClassScore: 0.05, JPEG: thumb.Bytes()}},
		Notes:     []string{"1 picture could not be read"},
	}
	for i := range 12 {
		e := float64(i + 1)
		r.Epochs = append(r.Epochs, Epoch{Epoch: e, Stage: "train", Step: int64(i), Loss: 2 / e, Top1: 1 - 1/e, ValLoss: 2.2 / e, ValTop1: 1 - 1.1/(e+1), ValTop5: 1, Rate: 0.1 / e, Best: i == 11})
	}
	return r
}

// TestReport checks the page's figures, that it needs nothing from elsewhere,
// and that names cannot become markup.
func TestReport(t *testing.T) {
	page, err := exampleReport().HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, want := range []string{
		"91.5 %",       // the best epoch's top-1: 1 - 1.1/13
		"&lt;rose&gt;", // a class name is text
		"tulip/a&amp;b.jpg",
		"data:image/jpeg;base64,",
		"<svg",
		"&lt;rose&gt; (2)", // tulips were taken for roses twice
		"mobilenet train flowers",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, bad := range []string{"<rose>", "src=\"http", "href=\"http", "url(", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report contains %q", bad)
		}
	}
	if dir := os.Getenv("MOBILENET_KEEP"); dir != "" {
		_ = os.WriteFile(filepath.Join(dir, "report.html"), page, 0o644)
	}
}

func TestPerClass(t *testing.T) {
	rows := exampleReport().perClass()
	if rows[0].Name != "tulip" || rows[0].Recall != 0 || rows[0].Taken != "<rose>" || rows[0].Times != 2 {
		t.Errorf("the worst class: %+v", rows[0])
	}
	if rows[2].Name != "daisy" || rows[2].Recall != 1 || rows[2].Precision != 2./3 {
		t.Errorf("the best class: %+v", rows[2])
	}
}

// TestLogIsCut resumes at a step before the last records: they go, half a
// line goes, what is before stays.
func TestLogIsCut(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := l.Epoch(&Epoch{Epoch: float64(i), Stage: "train", Step: int64(10 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	csv, log := filepath.Join(dir, ResultsFile), filepath.Join(dir, LogFile)
	before, err := os.ReadFile(csv)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(csv, append(before, "4,train,4"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if l, err = openLog(dir, 15, 15); err != nil {
		t.Fatal(err)
	}
	if err := l.Epoch(&Epoch{Epoch: 9, Stage: "train", Step: 20}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(csv)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(after)), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[2], "1,train,10,") || !strings.HasPrefix(lines[3], "9,train,20,") {
		t.Errorf("results.csv after resuming at 15:\n%s", after)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 3 {
		t.Errorf("log.jsonl has %d lines, want 3:\n%s", n, text)
	}
}

// TestStepsAreKept: of the epoch that a checkpoint lies in, the log keeps the
// steps up to it.
func TestStepsAreKept(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(dir, -1, 0)
	if err != nil {
		t.Fatal(err)
	}
	type step struct {
		Step int64 `json:"step"`
	}
	for i := range int64(9) {
		if err := l.Event("step", step{i + 1}); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			if err := l.Event("epoch", step{4}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = openLog(dir, 4, 7); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, LogFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 8 || !strings.HasSuffix(string(text), "\"step\":7}\n") {
		t.Errorf("%d lines, want 7 steps and an epoch:\n%s", n, text)
	}
}
