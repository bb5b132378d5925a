package eval

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Sample is a picture file and its true class.
type Sample struct {
	Path  string
	Class int
	// Err says what is wrong with the data set's row for the picture.
	Err error
}

// ReadSamples lists a data set for a network of so many classes, whose labels
// may be unknown. The path is that of a CSV file with rows of path,class, the
// paths relative to the file, after a header or none; of a folder that holds such a file as labels.csv;
// or of a folder with a folder of pictures for each class, named by the
// class's number, by its label, or, where there are as many as classes, in the
// order of their names.
//
// A row that makes no sense is a Sample with an Err.
func ReadSamples(path string, classes int, labels []string) ([]Sample, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	known := make(map[string]int, len(labels))
	for i, l := range labels {
		if _, twice := known[l]; !twice {
			known[l] = i
		}
	}
	var out []Sample
	if st.IsDir() {
		list := filepath.Join(path, "labels.csv")
		if _, err := os.Stat(list); errors.Is(err, fs.ErrNotExist) {
			out, err = readFolders(path, classes, known)
			if err != nil {
				return nil, err
			}
			return out, nil
		}
		path = list
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err = readCSV(f, filepath.Dir(path), classes, known)
	if err == nil && len(out) == 0 {
		err = errors.New("no rows: write one path,class for each picture")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func readCSV(r io.Reader, dir string, classes int, known map[string]int) ([]Sample, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	c.TrimLeadingSpace = true
	pathCol, classCol := 0, 1
	var out []Sample
	for first := true; ; first = false {
		row, err := c.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if first {
			row[0] = strings.TrimPrefix(row[0], "\ufeff")
			if p, k := column(row, pathNames), column(row, classNames); p >= 0 && k >= 0 {
				pathCol, classCol = p, k
				continue
			}
			if isHeader(row, known) {
				continue
			}
		}
		line, _ := c.FieldPos(0)
		if len(row) <= max(pathCol, classCol) {
			out = append(out, Sample{Path: fmt.Sprintf("line %d", line), Err: fmt.Errorf("%d columns, not path,class", len(row))})
			continue
		}
		s := Sample{Path: row[pathCol]}
		if !filepath.IsAbs(s.Path) {
			s.Path = filepath.Join(dir, filepath.FromSlash(s.Path))
		}
		s.Class, err = class(row[classCol], classes, known)
		if err != nil {
			s.Err = fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, s)
	}
}

// Names of the columns, most telling first.
var (
	pathNames  = []string{"path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "picture"}
	classNames = []string{"class", "class_id", "class_index", "label", "label_id", "target"}
)

// column finds the column with the first of the names that the row has.
func column(row, names []string) int {
	for _, n := range names {
		if i := slices.IndexFunc(row, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), n) }); i >= 0 {
			return i
		}
	}
	return -1
}

// isHeader tells a first row of other names from one of a picture, whose file
// has an extension and which may have a mistake in its class.
func isHeader(row []string, known map[string]int) bool {
	if len(row) < 2 || filepath.Ext(row[0]) != "" {
		return false
	}
	_, err := strconv.ParseFloat(row[1], 64)
	_, label := known[row[1]]
	return errors.Is(err, strconv.ErrSyntax) && !label
}

// class reads a class's number or label.
func class(text string, classes int, known map[string]int) (int, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n >= classes {
			return 0, fmt.Errorf("class %d: the network has the classes 0 to %d", n, classes-1)
		}
		return n, nil
	}
	if n, ok := known[text]; ok {
		return n, nil
	}
	if len(text) > 80 {
		text = text[:80] + "..."
	}
	return 0, fmt.Errorf("class %q is neither a number nor one of the labels", text)
}

func readFolders(path string, classes int, known map[string]int) ([]Sample, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s: neither a labels.csv nor folders of pictures in it", path)
	}
	numbers := make([]int, len(folders))
	for i, name := range folders {
		n, err := class(name, classes, known)
		if err != nil {
			// One that fits no class: then none is taken by its name.
			if len(folders) != classes {
				return nil, fmt.Errorf("%s: folder %w; with %d folders for %d classes their order says nothing: write a labels.csv", path, err, len(folders), classes)
			}
			for i := range numbers {
				numbers[i] = i
			}
			break
		}
		numbers[i] = n
	}
	var out []Sample
	for i, name := range folders {
		dir := filepath.Join(path, name)
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if !f.IsDir() && !strings.HasPrefix(f.Name(), ".") {
				out = append(out, Sample{Path: filepath.Join(dir, f.Name()), Class: numbers[i]})
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no files in its folders", path)
	}
	return out, nil
}
