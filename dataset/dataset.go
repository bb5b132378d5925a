// Package dataset finds labelled pictures (class folders, split folders, CSV files, ImageNet's layout,
// any of them in a zip file), feeds them to training in batches, and says what is wrong with them.
//
// Open lists a data set, NewLoader makes batches of it, Check is the data doctor.
package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Limits bound what reading one picture may take; see imageio. The zero value is the default.
type Limits = imageio.Limits

// Item is one labelled picture.
type Item struct {
	// Name is the slash-separated path inside the data set, or the path as a CSV file has it.
	Name string
	// Class is an index into Dataset.Classes.
	Class int
	from  opener
}

type opener interface {
	open(name string) (io.ReadCloser, error)
}

type openFunc func() (io.ReadCloser, error)

func (f openFunc) open(string) (io.ReadCloser, error) { return f() }

// NewItem makes an item of a source of one's own. open may be called at the same time by several
// goroutines.
func NewItem(name string, class int, open func() (io.ReadCloser, error)) Item {
	return Item{Name: name, Class: class, from: openFunc(open)}
}

// Open opens the picture's file.
func (it Item) Open() (io.ReadCloser, error) {
	if it.from == nil {
		return nil, fmt.Errorf("%s: the item has no source", it.Name)
	}
	return it.from.open(it.Name)
}

// Dataset is a list of labelled pictures in up to three parts.
type Dataset struct {
	// Root is the path that was opened; empty for a file system.
	Root string
	// Layout is "class folders", "split folders" or "csv", with " in zip" for a zip file.
	Layout string
	// Classes are the names, ascending unless a list gives their order. Labels are names for people
	// where the data set has them (ImageNet's words.txt), otherwise nil.
	Classes, Labels []string
	// Train, Val and Test are sorted by name.
	Train, Val, Test []Item
	// DerivedVal says that the source has no validation part and Val was split off Train.
	DerivedVal bool
	// Problems are what was met while listing and does not show in the items.
	Problems []Problem

	close func() error
}

// Problem is something wrong with a data set's files, met while listing them.
type Problem struct {
	Kind    string // as the data doctor names it: "unreadable", "not-a-picture", "bad-row", ...
	Path    string
	Message string
}

// Options of Open. The zero value is the default.
type Options struct {
	// Classes gives the classes in their order. Default: the list in the data set (classes.txt or
	// classes.json), or the names of folders and labels ascending.
	Classes []string
	// ValFraction is the share of each class that becomes Val where the source has no validation part.
	// 0: 0.2; negative: none.
	ValFraction float64
	// SplitSeed changes which pictures that are.
	SplitSeed uint64
	// MaxFiles bounds the files listed. 0: 4 million.
	MaxFiles int
}

func (o *Options) withDefaults() Options {
	var v Options
	if o != nil {
		v = *o
	}
	if v.ValFraction == 0 {
		v.ValFraction = 0.2
	}
	if v.MaxFiles <= 0 {
		v.MaxFiles = 4 << 20
	}
	return v
}

// Open lists the data set at path: a folder, a .zip or a .csv file. It fails for what cannot be trained
// on: no pictures, a single class, a class without pictures, folders or lists that cannot be read.
func Open(path string, o *Options) (*Dataset, error) {
	d, err := Scan(path, o)
	if err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// OpenFS is Open for a file system.
func OpenFS(fsys fs.FS, o *Options) (*Dataset, error) {
	d, err := ScanFS(fsys, o)
	if err != nil {
		return nil, err
	}
	return d, d.Validate()
}

// Close releases the data set's file, if it is one. The items cannot be opened any more.
func (d *Dataset) Close() error {
	if d.close == nil {
		return nil
	}
	f := d.close
	d.close = nil
	return f()
}

// Validate reports the first reason why the data set cannot be trained on.
func (d *Dataset) Validate() error {
	at := func(format string, a ...any) error {
		if d.Root == "" {
			return fmt.Errorf("dataset: "+format, a...)
		}
		return fmt.Errorf("%s: %s", d.Root, fmt.Sprintf(format, a...))
	}
	for _, p := range d.Problems {
		if fatal(p.Kind) {
			return at("%s: %s", p.Path, p.Message)
		}
	}
	if len(d.Train)+len(d.Val)+len(d.Test) == 0 {
		return at("no pictures: want DIR/class/*.jpg, DIR/train/class/*.jpg with DIR/val, or a labels.csv of path,class")
	}
	if len(d.Classes) == 1 {
		return at("only one class, %q: training needs two or more", d.Classes[0])
	}
	n := d.Counts(d.Train)
	for c, name := range d.Classes {
		if n[c] == 0 {
			return at("class %q has no pictures to train on: remove it or add some", name)
		}
	}
	return nil
}

// fatal tells the problems that make a data set unusable from those that are only worth saying.
func fatal(kind string) bool {
	return kind == "unreadable" || kind == "unlabelled" || kind == "bad-row"
}

// Counts is the number of items of each class.
func (d *Dataset) Counts(items []Item) []int {
	n := make([]int, len(d.Classes))
	for _, it := range items {
		if it.Class >= 0 && it.Class < len(n) {
			n[it.Class]++
		}
	}
	return n
}

// deriveVal moves a share of each class from Train to Val: those whose names have the lowest hashes.
// A file that is added later moves at most one other picture of its class.
func (d *Dataset) deriveVal(o Options) {
	if o.ValFraction < 0 || len(d.Val) > 0 || len(d.Train) == 0 {
		return
	}
	d.DerivedVal = true
	type ranked struct {
		hash uint64
		at   int
	}
	byClass := make([][]ranked, len(d.Classes))
	for i, it := range d.Train {
		byClass[it.Class] = append(byClass[it.Class], ranked{hashName(o.SplitSeed, it.Name), i})
	}
	val := make([]bool, len(d.Train))
	for _, r := range byClass {
		slices.SortFunc(r, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
		n := int(min(o.ValFraction, 1)*float64(len(r)) + 0.5)
		if len(r) > 1 {
			n = max(n, 1)
		}
		for _, x := range r[:max(0, min(n, len(r)-1))] {
			val[x.at] = true
		}
	}
	var train []Item
	for i, it := range d.Train {
		if val[i] {
			d.Val = append(d.Val, it)
		} else {
			train = append(train, it)
		}
	}
	d.Train = train
}

// hashName is FNV-1a with a finish that lets every bit reach every other.
func hashName(seed uint64, name string) uint64 {
	h := 14695981039346656037 ^ mix(seed)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
