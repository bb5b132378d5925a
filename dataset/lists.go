package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// maxClasses bounds the classes, and so the numbers that stand for them.
const maxClasses = 1 << 17

// number reads a class's number below n.
func number(s string, n int) (int, bool) {
	v, err := strconv.Atoi(s)
	return v, err == nil && v >= 0 && v < n
}

// Names of the columns, most telling first.
var (
	pathColumns  = []string{"path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "picture"}
	classColumns = []string{"class", "class_name", "class_id", "class_index", "label", "label_id", "target", "category"}
	splitColumns = []string{"split", "subset", "set", "part", "fold"}
)

func column(row, names []string) int {
	for _, n := range names {
		if i := slices.IndexFunc(row, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), n) }); i >= 0 {
			return i
		}
	}
	return -1
}

// parseCSV reads rows of path, class and perhaps split, after a header or none. Rows that make no sense
// are reported.
func parseCSV(b []byte, where string, comma rune, report func(Problem)) ([]row, error) {
	c := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	c.FieldsPerRecord, c.ReuseRecord, c.TrimLeadingSpace, c.Comma = -1, true, true, comma
	pathCol, classCol, splitCol := 0, 1, -1
	var out []row
	for first := true; ; first = false {
		rec, err := c.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if first {
			p, k := column(rec, pathColumns), column(rec, classColumns)
			if p >= 0 && k >= 0 && p != k {
				pathCol, classCol, splitCol = p, k, column(rec, splitColumns)
				continue
			}
			if len(rec) >= 2 && path.Ext(rec[0]) == "" {
				return nil, fmt.Errorf("the header %.80q has no columns that are called path and class", strings.Join(rec, ","))
			}
		}
		line, _ := c.FieldPos(0)
		at := fmt.Sprintf("%s:%d", where, line)
		if len(rec) <= max(pathCol, classCol) {
			report(Problem{"bad-row", at, fmt.Sprintf("%d columns, want path,class", len(rec))})
			continue
		}
		r := row{name: strings.Clone(strings.TrimSpace(rec[pathCol])), class: strings.Clone(strings.TrimSpace(rec[classCol])), where: at}
		if splitCol >= 0 && splitCol < len(rec) && strings.TrimSpace(rec[splitCol]) != "" {
			if r.split = splitOf(rec[splitCol]); r.split == "" {
				report(Problem{"bad-row", at, fmt.Sprintf("split %.80q is not train, val or test", rec[splitCol])})
				continue
			}
		}
		if r.name == "" || r.class == "" {
			report(Problem{"bad-row", at, "an empty path or class"})
			continue
		}
		out = append(out, r)
	}
}

// arrangeCSV lists what CSV files say, the paths relative to each file.
func arrangeCSV(s *source, lists []string, root string, o Options) (*Dataset, error) {
	d := &Dataset{Layout: "csv", Problems: s.problems}
	var rows []row
	for _, list := range lists {
		b, err := s.read(list)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list, err)
		}
		comma := ','
		if strings.EqualFold(path.Ext(list), ".tsv") {
			comma = '\t'
		}
		got, err := parseCSV(b, list, comma, func(p Problem) { d.Problems = append(d.Problems, p) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list, err)
		}
		for _, r := range got {
			if r.split == "" && len(lists) > 1 {
				r.split = splitOf(stem(path.Base(list)))
			}
			if r.name, err = s.locate(path.Dir(list), r.name); err != nil {
				d.Problems = append(d.Problems, Problem{"bad-row", r.where, err.Error()})
				continue
			}
			rows = append(rows, r)
		}
		if len(rows) > o.MaxFiles {
			return nil, fmt.Errorf("%s: more than %d rows", list, o.MaxFiles)
		}
	}
	// Numbers only: they are the classes' places in the list of names, or names of their own.
	var names []string
	most, numbers := -1, len(rows) > 0
	for _, r := range rows {
		n, ok := number(r.class, maxClasses)
		numbers = numbers && ok
		most = max(most, n)
		names = append(names, r.class)
	}
	if numbers {
		names = names[:0]
		given := o.Classes
		if given == nil {
			given, _ = s.classList(root)
		}
		if given == nil {
			for i := range most + 1 {
				o.Classes = append(o.Classes, strconv.Itoa(i))
			}
		}
		for i := range rows { // 007 is 7
			n, _ := number(rows[i].class, maxClasses)
			rows[i].class = strconv.Itoa(n)
		}
	}
	return d, s.finish(d, root, rows, names, o)
}

// locate turns a path of a list into a name that open takes.
func (s *source) locate(dir, name string) (string, error) {
	slash := strings.ReplaceAll(name, "\\", "/")
	if s.anywhere {
		if filepath.IsAbs(filepath.FromSlash(name)) {
			return name, nil
		}
		return path.Join(dir, filepath.ToSlash(name)), nil
	}
	full := path.Join(dir, slash)
	if path.IsAbs(slash) || !fs.ValidPath(full) {
		return "", fmt.Errorf("path %.80q leaves the data set: refused", name)
	}
	return full, nil
}

// readAnnotations reads lines of file and class, parted by tabs, commas or blanks, as ImageNet's and
// Tiny-ImageNet's lists have them. The files are in dir, or in its folder images.
func (s *source) readAnnotations(list, dir, split string) ([]row, error) {
	b, err := s.read(list)
	if err != nil {
		return nil, err
	}
	got, err := parseAnnotations(b, list)
	for i := range got {
		got[i].split = split
		name, err := s.locate(dir, got[i].name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", got[i].where, err)
		}
		if in := path.Join(dir, "images", path.Base(name)); !contains(s.files, name) && contains(s.files, in) {
			name = in
		}
		got[i].name = name
	}
	return got, err
}

func contains(sorted []string, name string) bool {
	_, ok := slices.BinarySearch(sorted, name)
	return ok
}

func parseAnnotations(b []byte, where string) (out []row, err error) {
	sc := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" {
			continue
		}
		var f []string
		switch {
		case strings.Contains(text, "\t"):
			f = strings.Split(text, "\t")
		case strings.Contains(text, ","):
			f = strings.Split(text, ",")
		default:
			f = strings.Fields(text)
		}
		if len(f) < 2 || strings.TrimSpace(f[0]) == "" || strings.TrimSpace(f[1]) == "" {
			return nil, fmt.Errorf("line %d: %.80q is not a file and its class", line, text)
		}
		if line == 1 && column(f, pathColumns) == 0 {
			continue
		}
		out = append(out, row{name: strings.TrimSpace(f[0]), class: strings.TrimSpace(f[1]), where: fmt.Sprintf("%s:%d", where, line)})
	}
	return out, sc.Err()
}

// classList reads the data set's own list of classes, if it has one.
func (s *source) classList(root string) ([]string, string) {
	for _, name := range []string{"classes.txt", "classes.json", "class_names.txt", "class_names.json"} {
		if at := join(root, name); contains(s.files, at) {
			if b, err := s.read(at); err == nil {
				if list, err := parseClasses(b); err == nil {
					return list, at
				}
			}
		}
	}
	return nil, ""
}

// nameClasses settles the classes and their order.
func (s *source) nameClasses(d *Dataset, root string, rows []row, found []string, o Options) error {
	d.Classes = found
	given, from := o.Classes, ""
	if given == nil {
		given, from = s.classList(root)
	}
	if given != nil {
		known := make(map[string]bool, len(given))
		for _, c := range given {
			if known[c] {
				return fmt.Errorf("class %q is listed twice", c)
			}
			known[c] = true
		}
		stranger := slices.IndexFunc(found, func(c string) bool { return !known[c] })
		switch {
		case stranger < 0:
			d.Classes = given
		case from == "":
			return fmt.Errorf("class %q is not in the list of classes%s", found[stranger], suggest.DidYouMean(found[stranger], given))
		default:
			d.Problems = append(d.Problems, Problem{"class-list", from, fmt.Sprintf("not used: class %q is not in it", found[stranger])})
		}
	}
	if len(d.Classes) > maxClasses {
		return fmt.Errorf("%d classes, the limit is %d", len(d.Classes), maxClasses)
	}
	words := join(root, "words.txt")
	if !contains(s.files, words) {
		return nil
	}
	b, err := s.read(words)
	if err != nil {
		d.Problems = append(d.Problems, Problem{"class-list", words, err.Error()})
		return nil
	}
	meaning := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if id, text, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			meaning[id] = text
		}
	}
	labels := make([]string, len(d.Classes))
	hits := 0
	for i, c := range d.Classes {
		if labels[i] = meaning[c]; labels[i] == "" {
			labels[i] = c
		} else {
			hits++
		}
	}
	if hits > 0 {
		d.Labels = labels
	}
	return nil
}

// ReadClasses reads class names in their order from a text file, one a line, or a JSON file: an array of
// names, or an object from number to name (or to an array that begins with it, as ImageNet's class
// index), or from name to number.
func ReadClasses(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, plain(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<20))
	if err == nil {
		var list []string
		if list, err = parseClasses(b); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, plain(err))
}

func parseClasses(b []byte) ([]string, error) {
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\ufeff")))
	var out []string
	switch {
	case len(b) == 0:
		return nil, errors.New("no classes")
	case b[0] == '[':
		if err := json.Unmarshal(b, &out); err != nil {
			return nil, fmt.Errorf("not a list of names: %w", err)
		}
	case b[0] == '{':
		var m map[string]json.RawMessage
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("not an object of names: %w", err)
		}
		out = make([]string, len(m))
		for k, raw := range m {
			var name string
			var list []string
			var n int
			switch {
			case json.Unmarshal(raw, &name) == nil:
			case json.Unmarshal(raw, &list) == nil && len(list) > 0:
				name = list[0]
			case json.Unmarshal(raw, &n) == nil:
				name, k = k, strconv.Itoa(n)
			default:
				return nil, fmt.Errorf("the value of %.80q is neither a name nor a number", k)
			}
			i, ok := number(k, len(out))
			if !ok || out[i] != "" {
				return nil, fmt.Errorf("the numbers of the classes are not 0 to %d, each once", len(out)-1)
			}
			out[i] = name
		}
	default:
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	if slices.Contains(out, "") {
		return nil, errors.New("an empty name")
	}
	return out, nil
}
