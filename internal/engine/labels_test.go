package engine

import (
	"slices"
	"strings"
	"testing"
)

func TestParseLabels(t *testing.T) {
	want := []string{"ant", "bee, worker", "cat"}
	for name, c := range map[string]struct {
		text string
		csv  bool
	}{
		"lines":           {"ant\nbee, worker\ncat\n", false},
		"no last newline": {"ant\nbee, worker\ncat", false},
		"windows":         {"\ufeffant\r\nbee, worker\r\ncat\r\n", false},
		"list":            {` ["ant", "bee, worker", "cat"]`, false},
		"object":          {`{"1": "bee, worker", "0": "ant", "2": "cat"}`, false},
		"keras":           {`{"0": ["n0", "ant"], "1": ["n1", "bee, worker"], "2": ["n2", "cat"]}`, false},
		"csv":             {"label\nant\n\"bee, worker\"\ncat\n", true},
		"csv in disorder": {"name,class\ncat,2\nant,0\n\"bee, worker\",1\n", true},
	} {
		got, err := parseLabels([]byte(c.text), c.csv)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// A blank line in the middle is a class without a name, not to be lost.
	if got, err := parseLabels([]byte("ant\n\ncat\n"), false); err != nil || len(got) != 3 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestParseLabelsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "no labels",
		" \n\n":                    "no labels",
		"a\x00b":                   "not text",
		"\xff\xfe":                 "not text",
		`["a", 1]`:                 "JSON list",
		`["a"`:                     "JSON list",
		`{"0": 1}`:                 "neither a label nor [id, label]",
		`{"0": "a", "2": "b"}`:     "the numbers 0 to 1, each once",
		`{"0": "a", "00": "b"}`:    "each once",
		`{"0": "a"} and`:           "JSON object",
		"csv:a,b\n1,2\n":           "no column label or name",
		"csv:label\n\"":            "",
		"csv:label,class\na,5\n":   "the numbers 0 to 0",
		"csv:label,class\na,0,1\n": "",
	} {
		text, isCSV := strings.CutPrefix(text, "csv:")
		got, err := parseLabels([]byte(text), isCSV)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzParseLabels(f *testing.F) {
	f.Add([]byte("ant\nbee\n"), false)
	f.Add([]byte(`["ant","bee"]`), false)
	f.Add([]byte(`{"0":["n","ant"],"1":"bee"}`), false)
	f.Add([]byte("label,class\nant,1\nbee,0\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, isCSV bool) {
		labels, err := parseLabels(b, isCSV)
		if err == nil && len(labels) > len(b)+1 {
			t.Errorf("%d labels of %d bytes", len(labels), len(b))
		}
	})
}
