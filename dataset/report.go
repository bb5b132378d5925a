package dataset

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// WriteFixes writes the suggested fixes as lines of action, path, new path and reason, parted by tabs,
// after a header. Tabs and line ends in paths are written as \t, \n and \r.
func (r *Report) WriteFixes(w io.Writer) error {
	b := bufio.NewWriter(w)
	flat := strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`)
	fmt.Fprintln(b, "action\tpath\tto\treason")
	seen := map[Fix]bool{}
	for _, f := range r.Findings {
		for _, x := range f.Fixes {
			if !seen[x] {
				seen[x] = true
				fmt.Fprintf(b, "%s\t%s\t%s\t%s\n", x.Action, flat.Replace(x.Path), flat.Replace(x.To), flat.Replace(x.Reason))
			}
		}
	}
	return b.Flush()
}

//go:embed report.html
var reportPage string

// Bounds on the report's page, which is to open quickly.
const (
	maxShown  = 40  // findings of a kind
	maxThumbs = 400 // pictures in all
	maxGroup  = 8   // pictures of one finding
	thumbSide = 96
)

// page is what the template shows.
type page struct {
	*Report
	Kinds []kindOf
	Most  int
}

type kindOf struct {
	Kind     string
	Severity Severity
	Count    int
	Says     string
	Shown    []shown
	More     int
}

type shown struct {
	Finding
	Thumbs []thumb
	Beyond int // further pictures that are not shown
}

type thumb struct {
	Name string
	Src  template.URL
}

// WriteHTML writes the report as one page that opens without a network, with small copies of the
// pictures that findings are about. d must still be open.
func (r *Report) WriteHTML(ctx context.Context, w io.Writer, d *Dataset) error {
	t, err := template.New("report").Funcs(template.FuncMap{"bytes": byteCount, "part": func(n, most int) float64 { return 100 * float64(n) / float64(max(most, 1)) }}).Parse(reportPage)
	if err != nil {
		return err
	}
	items := map[string]Item{}
	for _, it := range slices.Concat(d.Train, d.Val, d.Test) {
		items[it.Name] = it
	}
	p := page{Report: r}
	for _, c := range r.Classes {
		p.Most = max(p.Most, c.Train+c.Val+c.Test)
	}
	left := maxThumbs
	var rs imageio.Resizer
	for _, f := range r.Findings {
		n := len(p.Kinds)
		if n == 0 || p.Kinds[n-1].Kind != f.Kind || p.Kinds[n-1].Severity != f.Severity {
			p.Kinds = append(p.Kinds, kindOf{Kind: f.Kind, Severity: f.Severity, Says: Explain(f.Kind)})
			n++
		}
		k := &p.Kinds[n-1]
		k.Count++
		if len(k.Shown) == maxShown {
			k.More++
			continue
		}
		s := shown{Finding: f}
		for _, name := range append([]string{f.Path}, f.Others...) {
			it, ok := items[name]
			if !ok {
				continue
			}
			if left == 0 || len(s.Thumbs) == maxGroup {
				s.Beyond++
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			left--
			s.Thumbs = append(s.Thumbs, thumb{name, thumbnail(it, &rs)})
		}
		k.Shown = append(k.Shown, s)
	}
	return t.Execute(w, p)
}

// thumbnail is a small JPEG as a data URL, empty for what cannot be decoded at all.
func thumbnail(it Item, rs *imageio.Resizer) template.URL {
	f, err := it.Open()
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := readInto(nil, f, Limits{})
	if err != nil {
		return ""
	}
	m, _, err := imageio.DecodeBytes(b, &imageio.Options{Mode: imageio.Tolerant, AtLeast: thumbSide})
	if err != nil {
		return ""
	}
	w, h := thumbSide, thumbSide
	if m.W > m.H {
		h = max(1, thumbSide*m.H/m.W)
	} else {
		w = max(1, thumbSide*m.W/m.H)
	}
	small, err := imageio.New(w, h)
	if err != nil || rs.ResizeCrop(small, m, w, h, 0, 0, imageio.Bilinear) != nil {
		return ""
	}
	rgba := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(rgba.Pix[4*i:], small.Pix[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	var out bytes.Buffer
	if jpeg.Encode(&out, rgba, &jpeg.Options{Quality: 80}) != nil {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(out.Bytes()))
}

func byteCount(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// explanations say what each kind of finding means.
var explanations = map[string]string{
	"bad-row":           "rows of a list that make no sense",
	"unlabelled":        "folders of pictures whose classes are not known",
	"unreadable":        "files and folders that cannot be read",
	"corrupt":           "files that are damaged beyond decoding",
	"truncated":         "files that end too early",
	"unsupported":       "formats that cannot be decoded",
	"too-large":         "pictures beyond the limits on size",
	"no-pictures":       "nothing to train on",
	"one-class":         "nothing to tell apart",
	"empty-class":       "classes without training pictures",
	"conflicting-label": "one picture under two classes: one of them is wrong",
	"leak":              "one picture in training and in validation or test: the measured accuracy is too good",
	"duplicate":         "the same file more than once",
	"near-conflict":     "pictures that look the same under two classes",
	"near-leak":         "pictures that look the same in training and in validation or test",
	"near-duplicate":    "pictures that look the same: a copy in another size, quality or crop",
	"spoiled":           "files whose damage leaves too little of the picture",
	"damaged":           "files with irregularities that decode all the same",
	"wrong-extension":   "names that say another format",
	"tiny":              "pictures with too few pixels to show much",
	"huge":              "pictures that are slow to decode",
	"odd-aspect":        "very long pictures",
	"cmyk":              "pictures in print colours",
	"gray":              "pictures without colour",
	"palette":           "pictures with a palette",
	"alpha":             "pictures with transparency",
	"16-bit":            "pictures with 16-bit samples",
	"rotated":           "pictures that are stored turned",
	"few-pictures":      "classes with few training pictures",
	"unvalidated-class": "classes without validation pictures",
	"imbalance":         "classes of very different sizes",
	"unlabelled-file":   "pictures outside the classes",
	"not-a-picture":     "files that are no pictures by their names",
	"link":              "links that are not followed",
	"class-list":        "lists of classes that are not used",
}

// Explain says in one line what a kind of finding means.
func Explain(kind string) string { return explanations[kind] }
