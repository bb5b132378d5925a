package engine

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLabels bounds a file of labels.
const maxLabels = 16 << 20

// OpenLabels reads the classes' names from a file: text with one a line, a
// JSON list, a JSON object from class number to name (or to [id, name], as
// Keras publishes ImageNet's), or a .csv file with a column label or name and,
// if its rows are out of order, a column class.
func OpenLabels(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLabels+1))
	if err != nil {
		return nil, err
	}
	labels, err := parseLabels(b, strings.EqualFold(filepath.Ext(path), ".csv"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return labels, nil
}

func parseLabels(b []byte, isCSV bool) ([]string, error) {
	if len(b) > maxLabels {
		return nil, fmt.Errorf("over %d bytes: this is no file of labels", maxLabels)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return nil, fmt.Errorf("not text: write one label a line in UTF-8")
	}
	text := strings.TrimSpace(string(b))
	switch {
	case text == "":
		return nil, fmt.Errorf("no labels: write one a line")
	case isCSV:
		return csvLabels(text)
	case text[0] == '[':
		var list []string
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return nil, fmt.Errorf("as a JSON list of labels: %w", err)
		}
		return list, nil
	case text[0] == '{':
		return objectLabels([]byte(text))
	}
	return strings.Split(strings.ReplaceAll(strings.TrimRight(string(b), "\r\n"), "\r\n", "\n"), "\n"), nil
}

func objectLabels(text []byte) ([]string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("as a JSON object of labels: %w", err)
	}
	return numbered(len(object), func(yield func(class, label string) error) error {
		for class, raw := range object {
			var label string
			var pair [2]string
			if json.Unmarshal(raw, &label) != nil {
				if json.Unmarshal(raw, &pair) != nil {
					return fmt.Errorf("class %q: the value is neither a label nor [id, label]", class)
				}
				label = pair[1]
			}
			if err := yield(class, label); err != nil {
				return err
			}
		}
		return nil
	})
}

func csvLabels(text string) ([]string, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	label := max(slices.Index(rows[0], "label"), slices.Index(rows[0], "name"))
	if label < 0 {
		return nil, fmt.Errorf("the first row names no column label or name")
	}
	class := slices.Index(rows[0], "class")
	rows = rows[1:]
	return numbered(len(rows), func(yield func(class, label string) error) error {
		for i, r := range rows {
			n := strconv.Itoa(i)
			if class >= 0 {
				n = r[class]
			}
			if err := yield(n, r[label]); err != nil {
				return err
			}
		}
		return nil
	})
}

// numbered puts n labels that come with their classes' numbers in order.
func numbered(n int, each func(yield func(class, label string) error) error) ([]string, error) {
	out := make([]string, n)
	seen := make([]bool, n)
	err := each(func(class, label string) error {
		i, err := strconv.Atoi(class)
		if err != nil || i < 0 || i >= n || seen[i] {
			return fmt.Errorf("class %q: %d labels have the numbers 0 to %d, each once", class, n, n-1)
		}
		out[i], seen[i] = label, true
		return nil
	})
	return out, err
}
