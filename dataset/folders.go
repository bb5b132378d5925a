package dataset

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
)

// isPicture goes by the ending. HEIF and AVIF count, so that their decoder's refusal is seen.
func isPicture(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif":
		return true
	}
	return false
}

// splitOf names the part of a data set that a folder or a CSV value stands for; empty for none.
func splitOf(name string) string {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "train", "training":
		return "train"
	case "val", "valid", "validation", "dev":
		return "val"
	case "test", "testing":
		return "test"
	}
	return ""
}

// below is the part of a sorted list of names that lies under a folder.
func below(names []string, dir string) []string {
	if dir == "" {
		return names
	}
	lo := sort.SearchStrings(names, dir+"/")
	hi := sort.SearchStrings(names, dir+"0") // '0' follows '/'
	return names[lo:hi]
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// children are the folders and files directly in a folder, by their own names.
func (s *source) children(dir string) (dirs, files []string) {
	cut := 0
	if dir != "" {
		cut = len(dir) + 1
	}
	for _, d := range below(s.dirs, dir) {
		if base := d[cut:]; !strings.Contains(base, "/") {
			dirs = append(dirs, base)
		}
	}
	for _, f := range below(s.files, dir) {
		if base := f[cut:]; !strings.Contains(base, "/") {
			files = append(files, base)
		}
	}
	return dirs, files
}

// row is a picture whose class is known by its text only.
type row struct {
	name, class, split string
	where              string // of the list, for messages; empty for folders
}

// arrange finds out how the files are laid out and lists them.
func arrange(s *source, o Options) (*Dataset, error) {
	root := ""
	dirs, files := s.children(root)
	// An archive or a download often has everything in one folder.
	for len(dirs) == 1 && splitOf(dirs[0]) == "" && !slices.ContainsFunc(files, isPicture) && !slices.ContainsFunc(files, isList) {
		next := join(root, dirs[0])
		nd, nf := s.children(next)
		if len(nd) == 0 && !slices.ContainsFunc(nf, isList) {
			break
		}
		root, dirs, files = next, nd, nf
	}
	hasTrain := slices.ContainsFunc(dirs, func(d string) bool { return splitOf(d) == "train" })
	var lists []string
	for _, f := range files {
		switch {
		case strings.EqualFold(f, "labels.csv"):
			return arrangeCSV(s, []string{join(root, f)}, root, o)
		case isList(f):
			lists = append(lists, f)
		}
	}
	if i := slices.IndexFunc(lists, func(f string) bool { return splitOf(stem(f)) == "train" }); i >= 0 && !hasTrain {
		var parts []string
		for _, f := range lists {
			if splitOf(stem(f)) != "" {
				parts = append(parts, join(root, f))
			}
		}
		return arrangeCSV(s, parts, root, o)
	}
	if hasTrain {
		return s.splitFolders(root, dirs, files, o)
	}
	if len(lists) == 1 && (len(dirs) < 2 || slices.ContainsFunc(files, isPicture)) {
		return arrangeCSV(s, []string{join(root, lists[0])}, root, o)
	}
	d := &Dataset{Layout: "class folders", Problems: s.problems}
	rows, names := s.classFolders(d, root, "train")
	for _, f := range files {
		if isPicture(f) {
			d.Problems = append(d.Problems, Problem{"unlabelled-file", join(root, f), "a picture outside the class folders"})
		}
	}
	return d, s.finish(d, root, rows, names, o)
}

func isList(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".csv" || ext == ".tsv"
}

func stem(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// classFolders lists dir/class/**/picture.
func (s *source) classFolders(d *Dataset, dir, split string) (rows []row, classes []string) {
	dirs, _ := s.children(dir)
	for _, class := range dirs {
		classes = append(classes, class)
		for _, f := range below(s.files, join(dir, class)) {
			if isPicture(f) {
				rows = append(rows, row{name: f, class: class, split: split})
			} else if !strings.HasSuffix(f, "_boxes.txt") { // ImageNet's boxes are known
				d.Problems = append(d.Problems, Problem{"not-a-picture", f, "no picture by its name"})
			}
		}
	}
	return rows, classes
}

// splitFolders lists DIR/train/class and its siblings, with ImageNet's ways of giving the classes of a
// flat folder.
func (s *source) splitFolders(root string, dirs, files []string, o Options) (*Dataset, error) {
	d := &Dataset{Layout: "split folders", Problems: s.problems}
	var rows []row
	var classes []string
	seen := map[string]string{}
	for _, dir := range dirs {
		split := splitOf(dir)
		if split == "" {
			continue
		}
		if seen[split] != "" {
			return nil, fmt.Errorf("the folders %s and %s both say %s", seen[split], dir, split)
		}
		seen[split] = dir
		at := join(root, dir)
		sub, in := s.children(at)
		flat := slices.ContainsFunc(in, isPicture) || len(sub) == 1 && sub[0] == "images"
		list := s.annotations(root, dir, files, in)
		switch {
		case list != "" && (flat || strings.HasPrefix(list, at+"/")):
			got, err := s.readAnnotations(list, at, split)
			if err != nil {
				d.Problems = append(d.Problems, Problem{"unreadable", list, err.Error()})
			}
			rows = append(rows, got...)
			continue
		case flat && split == "test":
			d.Problems = append(d.Problems, Problem{"unlabelled-file", at, "pictures without classes: not used"})
			continue
		case flat:
			d.Problems = append(d.Problems, Problem{"unlabelled", at, fmt.Sprintf("pictures without classes: want folders of classes, or a %s_annotations.txt of file and class", dir)})
			continue
		}
		r, c := s.classFolders(d, at, split)
		rows, classes = append(rows, r...), append(classes, c...)
	}
	return d, s.finish(d, root, rows, classes, o)
}

// annotations finds the list of the classes of a split folder's files.
func (s *source) annotations(root, dir string, files, in []string) string {
	for _, f := range in {
		if low := strings.ToLower(f); strings.Contains(low, "annotations.txt") || low == "labels.txt" || low == "labels.csv" {
			return join(join(root, dir), f)
		}
	}
	for _, f := range files {
		switch low, d := strings.ToLower(f), strings.ToLower(dir); low {
		case d + ".txt", d + "_annotations.txt", d + "_list.txt", d + "_labels.txt", d + ".csv", d + ".tsv", d + "_labels.csv":
			return join(root, f)
		}
	}
	return ""
}

// finish gives the classes their numbers and the rows their places.
func (s *source) finish(d *Dataset, root string, rows []row, classes []string, o Options) error {
	for _, r := range rows {
		if r.where == "" {
			classes = append(classes, r.class)
		}
	}
	slices.Sort(classes)
	classes = slices.Compact(classes)
	if err := s.nameClasses(d, root, rows, classes, o); err != nil {
		return err
	}
	index := make(map[string]int, len(d.Classes))
	for i, c := range d.Classes {
		index[c] = i
	}
	for _, r := range rows {
		c, ok := index[r.class]
		if !ok {
			if c, ok = number(r.class, len(d.Classes)); !ok || r.where == "" {
				d.Problems = append(d.Problems, Problem{"bad-row", r.where, fmt.Sprintf("class %.80q of %s is neither one of the %d classes nor the number of one", r.class, r.name, len(d.Classes))})
				continue
			}
		}
		it := Item{Name: r.name, Class: c, from: s}
		switch r.split {
		case "val":
			d.Val = append(d.Val, it)
		case "test":
			d.Test = append(d.Test, it)
		default:
			d.Train = append(d.Train, it)
		}
	}
	for _, items := range [][]Item{d.Train, d.Val, d.Test} {
		slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	}
	d.deriveVal(o)
	return nil
}
