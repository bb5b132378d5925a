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
	// Open opens the picture; nil for a file of that path.
	Open func() (io.ReadCloser, error)
	// Err says what is wrong with the data set's row for the picture.
	Err error
}

// Classes are the classes that a network knows.
type Classes struct {
	N int // how many
	// Labels are their names for people, IDs their names in a data set, as
	// n02123045. Either may be nil.
	Labels, IDs []string
	// Data names the classes of the data in the order of its numbers, where they
	// are others than the network's. Pictures of classes that the network does
	// not know are left out then.
	Data []string

	known map[string]int
}

// ErrUnknown is the error of Find for a class of Data that the network does not
// know.
var ErrUnknown = errors.New("the network does not know this class")

// Find gives the network's number of a class that is named by its number in the
// data, its label or its id.
func (c *Classes) Find(text string) (int, error) {
	if c.known == nil {
		c.known = make(map[string]int, len(c.Labels)+len(c.IDs))
		for _, list := range [][]string{c.IDs, c.Labels} {
			for i, l := range list {
				if _, twice := c.known[l]; !twice {
					c.known[l] = i
				}
			}
		}
	}
	shown := text
	if n, err := strconv.Atoi(text); err == nil {
		switch {
		case c.Data == nil && n >= 0 && n < c.N:
			return n, nil
		case c.Data == nil:
			return 0, fmt.Errorf("class %d: the network has the classes 0 to %d", n, c.N-1)
		case n < 0 || n >= len(c.Data):
			return 0, fmt.Errorf("class %d: the data's classes are 0 to %d", n, len(c.Data)-1)
		}
		text = c.Data[n]
	}
	if n, ok := c.known[text]; ok {
		return n, nil
	}
	if c.Data != nil && slices.Contains(c.Data, text) {
		return 0, ErrUnknown
	}
	if len(shown) > 80 {
		shown = shown[:80] + "..."
	}
	return 0, fmt.Errorf("class %q is neither a number nor one of the labels", shown)
}

// ReadSamples lists a data set for a network of those classes. The path is that of a CSV file with rows of path,class, the
// paths relative to the file, after a header or none; of a folder that holds such a file as labels.csv;
// or of a folder with a folder of pictures for each class, named by the
// class's number, by its label, or, where there are as many as classes, in the
// order of their names.
//
// A row that makes no sense is a Sample with an Err. There may be no samples at
// all where classes.Data says that none is of a class the network knows.
func ReadSamples(path string, classes *Classes) ([]Sample, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var out []Sample
	if st.IsDir() {
		list := filepath.Join(path, "labels.csv")
		if _, err := os.Stat(list); errors.Is(err, fs.ErrNotExist) {
			out, err = readFolders(path, classes)
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
	out, err = readCSV(f, filepath.Dir(path), classes)
	if err == nil && len(out) == 0 && classes.Data == nil {
		err = errors.New("no rows: write one path,class for each picture")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func readCSV(r io.Reader, dir string, classes *Classes) ([]Sample, error) {
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
			if isHeader(row, classes) {
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
		s.Class, err = classes.Find(row[classCol])
		if errors.Is(err, ErrUnknown) {
			continue
		}
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
func isHeader(row []string, classes *Classes) bool {
	if len(row) < 2 || filepath.Ext(row[0]) != "" {
		return false
	}
	_, err := strconv.ParseFloat(row[1], 64)
	_, unknown := classes.Find(row[1])
	return errors.Is(err, strconv.ErrSyntax) && unknown != nil && !errors.Is(unknown, ErrUnknown)
}

func readFolders(path string, classes *Classes) ([]Sample, error) {
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
		n, err := classes.Find(name)
		if errors.Is(err, ErrUnknown) {
			numbers[i] = -1
			continue
		}
		if err != nil {
			// One that fits no class: then none is taken by its name.
			if len(folders) != classes.N || classes.Data != nil {
				return nil, fmt.Errorf("%s: folder %w; with %d folders for %d classes their order says nothing: write a labels.csv", path, err, len(folders), classes.N)
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
		if numbers[i] < 0 {
			continue
		}
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
	if len(out) == 0 && classes.Data == nil {
		return nil, fmt.Errorf("%s: no files in its folders", path)
	}
	return out, nil
}
