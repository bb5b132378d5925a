package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Severity says whether a finding spoils training.
type Severity string

// The severities. Only errors make `mobilenet data check` fail.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one thing that the data doctor noticed. docs/training-data.md explains every kind.
type Finding struct {
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"`
	Others   []string `json:"others,omitempty"` // further pictures that the finding is about
	Split    string   `json:"split,omitempty"`
	Class    string   `json:"class,omitempty"`
	Message  string   `json:"message"`
	Fixes    []Fix    `json:"fixes,omitempty"`
}

// Fix is a suggestion; nothing is changed by the doctor.
type Fix struct {
	Action string `json:"action"` // "remove", "rename", "convert", "decide" or "add"
	Path   string `json:"path"`
	To     string `json:"to,omitempty"`
	Reason string `json:"reason"`
}

// ClassCount is the number of pictures of a class in each part.
type ClassCount struct {
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	Train int    `json:"train"`
	Val   int    `json:"val"`
	Test  int    `json:"test"`
}

// Schema is the version of the report's JSON: fields may be added to it, none changes its meaning.
const Schema = "mobilenet-data-check/1"

// Report is the data doctor's answer.
type Report struct {
	Schema   string         `json:"schema"`
	Root     string         `json:"root"`
	Layout   string         `json:"layout"`
	Pictures int            `json:"pictures"`
	Readable int            `json:"readable"`
	Bytes    int64          `json:"bytes"`
	Seconds  float64        `json:"seconds"`
	Formats  map[string]int `json:"formats"`
	// Sides are the least, median and greatest shorter side in pixels, of those that can be read.
	Sides    [3]int         `json:"shorter_sides"`
	Classes  []ClassCount   `json:"classes"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Notes    int            `json:"notes"`
	Kinds    map[string]int `json:"kinds"`
	Findings []Finding      `json:"findings"`
}

// CheckOptions of Check. The zero value is the default.
type CheckOptions struct {
	// MinSide is the shorter side below which a picture is tiny. 0: 32.
	MinSide int
	// MaxPixels is the size above which it is huge. 0: 40 million.
	MaxPixels int64
	// MaxAspect is the ratio of the sides above which its shape is odd. 0: 4.
	MaxAspect float64
	// MinPerClass is the number of training pictures below which a class has few. 0: 20.
	MinPerClass int
	// MaxImbalance is the ratio of the largest to the smallest class above which it is said. 0: 10.
	MaxImbalance float64
	// NearDistance is the number of the 128 bits of the perceptual hash that may differ between near
	// duplicates, at most 7. 0: 7; negative: they are not searched for.
	NearDistance int
	// Workers read pictures at the same time. 0: GOMAXPROCS.
	Workers int
	Limits  Limits
	// Progress is called after every picture, by one goroutine at a time.
	Progress func(done, total int)
}

// maxNear is the largest distance that the search of near duplicates is complete for.
const maxNear = 7

func (o *CheckOptions) withDefaults() CheckOptions {
	var v CheckOptions
	if o != nil {
		v = *o
	}
	if v.MinSide == 0 {
		v.MinSide = 32
	}
	if v.MaxPixels == 0 {
		v.MaxPixels = 40_000_000
	}
	if v.MaxAspect == 0 {
		v.MaxAspect = 4
	}
	if v.MinPerClass == 0 {
		v.MinPerClass = 20
	}
	if v.MaxImbalance == 0 {
		v.MaxImbalance = 10
	}
	if v.NearDistance == 0 || v.NearDistance > maxNear {
		v.NearDistance = maxNear
	}
	if v.Workers <= 0 {
		v.Workers = runtime.GOMAXPROCS(0)
	}
	return v
}

// examined is what is known of one picture.
type examined struct {
	item          Item
	split         string
	bytes         int64
	sum           [32]byte
	info          imageio.Info
	format, color string // as the file begins
	width, height int    // upright
	look          look
	err           error
	coverage      float64 // of a damaged JPEG file, as far as it could be read
	unreadable    bool    // err is the file system's
}

// Check reads every picture of a data set and reports what is wrong. The error is the context's only:
// bad data is in the report. Scan makes a Dataset of what Open refuses.
func Check(ctx context.Context, d *Dataset, o *CheckOptions) (*Report, error) {
	opt := o.withDefaults()
	start := time.Now()
	var all []examined
	for _, part := range []struct {
		split string
		items []Item
	}{{"train", d.Train}, {"val", d.Val}, {"test", d.Test}} {
		split := part.split
		if d.DerivedVal && split == "val" {
			split = "train" // the split is ours, not the data's
		}
		for _, it := range part.items {
			all = append(all, examined{item: it, split: split})
		}
	}
	slices.SortStableFunc(all, func(a, b examined) int { return strings.Compare(a.item.Name, b.item.Name) })
	if err := examineAll(ctx, all, opt); err != nil {
		return nil, err
	}
	r := &Report{Schema: Schema, Root: d.Root, Layout: d.Layout, Pictures: len(all), Formats: map[string]int{}, Kinds: map[string]int{}}
	c := &checker{d: d, o: opt, r: r, all: all}
	c.listing()
	c.classes()
	c.pictures()
	c.same()
	if opt.NearDistance >= 0 {
		c.near()
	}
	rank := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if n := rank[a.Severity] - rank[b.Severity]; n != 0 {
			return n
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	for _, f := range r.Findings {
		r.Kinds[f.Kind]++
		switch f.Severity {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		default:
			r.Notes++
		}
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// examineAll reads all pictures on several goroutines.
func examineAll(ctx context.Context, all []examined, o CheckOptions) error {
	var next atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	done := 0
	for range min(o.Workers, max(1, len(all))) {
		wg.Go(func() {
			var e examiner
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				e.examine(&all[i], o)
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(all))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// examiner reads pictures with buffers of its own.
type examiner struct {
	file  []byte
	image imageio.Image
	rs    imageio.Resizer
}

// lookSide is the shorter side down to which pictures are decoded: enough for the hashes. Every byte of
// the file is decoded all the same.
const lookSide = 64

func (e *examiner) examine(x *examined, o CheckOptions) {
	f, err := x.item.Open()
	if err != nil {
		x.err, x.unreadable = plain(err), true
		return
	}
	e.file, err = readInto(e.file[:0], f, o.Limits)
	if ce := f.Close(); err == nil {
		err = ce
	}
	x.bytes = int64(len(e.file))
	if err != nil {
		x.err, x.unreadable = plain(err), true
		return
	}
	x.sum = sha256.Sum256(e.file)
	x.format, x.color = imageio.Format(e.file), imageio.Color(e.file)
	m, info, err := imageio.DecodeBytes(e.file, &imageio.Options{Limits: o.Limits, AtLeast: lookSide, Into: &e.image})
	x.info, x.coverage = info, info.Coverage
	x.width, x.height = info.Width, info.Height
	if info.Orientation >= 5 {
		x.width, x.height = info.Height, info.Width
	}
	if err != nil {
		x.err = err
		x.coverage = 0
		if errors.Is(err, imageio.ErrMalformed) && info.Format == "jpeg" {
			if _, part, e := imageio.DecodeBytes(e.file, &imageio.Options{Limits: o.Limits, AtLeast: lookSide, Mode: imageio.Tolerant}); e == nil {
				x.coverage = part.Coverage
			}
		}
		return
	}
	if cap(m.Pix) > cap(e.image.Pix) && len(m.Pix) <= maxKept {
		e.image = *m
	}
	x.look, x.err = lookAt(m, &e.rs)
}

// checker turns what is known into findings.
type checker struct {
	d   *Dataset
	o   CheckOptions
	r   *Report
	all []examined
}

func (c *checker) add(f Finding) { c.r.Findings = append(c.r.Findings, f) }

// file is the place of a picture for a person or a script.
func (c *checker) file(name string) string {
	switch {
	case c.d.Root == "" || filepath.IsAbs(filepath.FromSlash(name)):
		return name
	case c.d.close != nil || strings.HasSuffix(c.d.Layout, " in zip"):
		return c.d.Root + ":" + name
	case strings.HasSuffix(strings.ToLower(c.d.Root), ".csv"), strings.HasSuffix(strings.ToLower(c.d.Root), ".tsv"):
		return filepath.Join(filepath.Dir(c.d.Root), filepath.FromSlash(name))
	}
	return filepath.Join(c.d.Root, filepath.FromSlash(name))
}

// about begins a finding on a picture.
func (c *checker) about(x *examined, kind string, s Severity, format string, a ...any) Finding {
	return Finding{Kind: kind, Severity: s, Path: x.item.Name, Split: x.split, Class: c.d.Classes[x.item.Class], Message: fmt.Sprintf(format, a...)}
}

func (c *checker) fix(action, name, to, reason string) Fix {
	if to != "" {
		to = c.file(to)
	}
	return Fix{Action: action, Path: c.file(name), To: to, Reason: reason}
}

// listing reports what was met while the files were listed.
func (c *checker) listing() {
	for _, p := range c.d.Problems {
		s := Note
		if fatal(p.Kind) {
			s = Error
		} else if p.Kind == "unlabelled-file" || p.Kind == "link" || p.Kind == "class-list" {
			s = Warning
		}
		c.add(Finding{Kind: p.Kind, Severity: s, Path: p.Path, Message: p.Message})
	}
}

// classes reports on the numbers of pictures.
func (c *checker) classes() {
	d := c.d
	train, val, test := d.Counts(d.Train), d.Counts(d.Val), d.Counts(d.Test)
	if d.DerivedVal {
		for i := range val {
			train[i], val[i] = train[i]+val[i], 0
		}
	}
	if len(c.all) == 0 {
		c.add(Finding{Kind: "no-pictures", Severity: Error, Message: "no pictures: want DIR/class/*.jpg, DIR/train/class/*.jpg with DIR/val, or a labels.csv of path,class"})
	} else if len(d.Classes) == 1 {
		c.add(Finding{Kind: "one-class", Severity: Error, Class: d.Classes[0], Message: "only one class: training needs two or more"})
	}
	least, most := -1, -1
	for i, name := range d.Classes {
		n := ClassCount{Name: name, Train: train[i], Val: val[i], Test: test[i]}
		if d.Labels != nil {
			n.Label = d.Labels[i]
		}
		c.r.Classes = append(c.r.Classes, n)
		switch {
		case train[i] == 0 && len(c.all) > 0:
			c.add(Finding{Kind: "empty-class", Severity: Error, Class: name, Message: "no pictures to train on",
				Fixes: []Fix{{Action: "add", Path: name, Reason: "the class has no training pictures: add some or remove it"}}})
			continue
		case train[i] > 0 && train[i] < c.o.MinPerClass:
			c.add(Finding{Kind: "few-pictures", Severity: Warning, Class: name, Message: fmt.Sprintf("%d training pictures; %d or more are better", train[i], c.o.MinPerClass),
				Fixes: []Fix{{Action: "add", Path: name, Reason: "few training pictures"}}})
		}
		if len(d.Val) > 0 && !d.DerivedVal && val[i] == 0 {
			c.add(Finding{Kind: "unvalidated-class", Severity: Warning, Class: name, Message: "no validation pictures"})
		}
		if least < 0 || train[i] < train[least] {
			least = i
		}
		if most < 0 || train[i] > train[most] {
			most = i
		}
	}
	if least >= 0 && float64(train[most]) > c.o.MaxImbalance*float64(train[least]) {
		c.add(Finding{Kind: "imbalance", Severity: Warning, Class: d.Classes[most],
			Message: fmt.Sprintf("%d training pictures, while %q has %d: train with balanced sampling or class weights", train[most], d.Classes[least], train[least])})
	}
}

// endings are the usual ones of each format; the first is suggested.
var endings = map[string][]string{
	"jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"}, "png": {".png"}, "gif": {".gif"}, "webp": {".webp"}, "bmp": {".bmp"}, "tiff": {".tif", ".tiff"},
}

// pictures reports on each picture by itself.
func (c *checker) pictures() {
	var sides []int
	for i := range c.all {
		x := &c.all[i]
		c.r.Bytes += x.bytes
		if x.format != "" {
			c.r.Formats[x.format]++
		}
		if x.err != nil {
			c.broken(x)
			continue
		}
		c.r.Readable++
		c.readable(x)
		sides = append(sides, min(x.width, x.height))
	}
	if n := len(sides); n > 0 {
		slices.Sort(sides)
		c.r.Sides = [3]int{sides[0], sides[n/2], sides[n-1]}
	}
}

// broken reports a picture that cannot be used.
func (c *checker) broken(x *examined) {
	kind, message := "corrupt", x.err.Error()
	action := "remove"
	switch {
	case x.unreadable:
		kind, action = "unreadable", "decide"
	case errors.Is(x.err, imageio.ErrLimit):
		kind, action = "too-large", "convert"
	case errors.Is(x.err, imageio.ErrUnsupported) && x.format != "":
		kind, action = "unsupported", "convert"
	case x.coverage > 0 && x.coverage < 1:
		kind = "truncated"
		message = fmt.Sprintf("%d %% of the picture is there: %s", int(100*x.coverage), message)
	}
	f := c.about(x, kind, Error, "%s", message)
	f.Fixes = []Fix{c.fix(action, x.item.Name, "", kind+": "+message)}
	c.add(f)
}

// minCoverage is the share of a damaged picture that must be left for it to be of use.
const minCoverage = 0.9

// readable reports what is odd about a picture that can be used.
func (c *checker) readable(x *examined) {
	switch {
	case x.info.Coverage < minCoverage:
		f := c.about(x, "spoiled", Error, "only %d %% of the picture can be decoded", int(100*x.info.Coverage))
		f.Fixes = []Fix{c.fix("remove", x.item.Name, "", "spoiled: "+f.Message)}
		c.add(f)
	case x.info.Damage > 0 || x.info.Coverage < 1:
		c.add(c.about(x, "damaged", Warning, "decodes, but its file has irregularities (%d)", x.info.Damage))
	}
	ext := path.Ext(x.item.Name)
	if ok := endings[x.info.Format]; !slices.Contains(ok, strings.ToLower(ext)) {
		f := c.about(x, "wrong-extension", Warning, "named %s, is %s", ext, x.info.Format)
		f.Fixes = []Fix{c.fix("rename", x.item.Name, strings.TrimSuffix(x.item.Name, ext)+ok[0], "it is "+x.info.Format)}
		c.add(f)
	}
	if side := min(x.width, x.height); side < c.o.MinSide {
		f := c.about(x, "tiny", Warning, "%dx%d: a side below %d pixels", x.width, x.height, c.o.MinSide)
		f.Fixes = []Fix{c.fix("decide", x.item.Name, "", "tiny")}
		c.add(f)
	}
	if int64(x.width)*int64(x.height) > c.o.MaxPixels {
		f := c.about(x, "huge", Warning, "%dx%d: slow to decode", x.width, x.height)
		f.Fixes = []Fix{c.fix("convert", x.item.Name, "", "reduce it")}
		c.add(f)
	}
	if a := float64(max(x.width, x.height)) / float64(min(x.width, x.height)); a > c.o.MaxAspect {
		c.add(c.about(x, "odd-aspect", Warning, "%dx%d: one side is %.1f times the other, so that a crop shows little", x.width, x.height, a))
	}
	switch x.color {
	case "gray", "palette":
		c.add(c.about(x, x.color, Note, "%s picture, used as RGB", x.color))
	case "alpha":
		c.add(c.about(x, "alpha", Note, "transparency is dropped, not blended"))
	case "16 bit":
		c.add(c.about(x, "16-bit", Note, "samples of 16 bits, of which 8 are used"))
	case "cmyk":
		f := c.about(x, "cmyk", Warning, "print colours, converted without a colour profile")
		f.Fixes = []Fix{c.fix("convert", x.item.Name, "", "to RGB, with its colour profile")}
		c.add(f)
	}
	if x.info.Orientation > 1 {
		c.add(c.about(x, "rotated", Note, "stored turned (EXIF orientation %d); it is turned upright here, but not by every other program", x.info.Orientation))
	}
}
