package train

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"
)

// Report is what report.html shows of a training.
type Report struct {
	Title   string
	Model   string
	Recipe  Recipe
	Command string
	Made    time.Time
	Classes []string
	Epochs  []Epoch
	// Pictures counts the pictures of each split, by its name.
	Pictures map[string]int
	// Confusion counts validation pictures: [true class][class named].
	Confusion [][]int
	// Wrong lists the pictures that were missed with the highest scores.
	Wrong []WrongPicture
	// Notes are lines worth telling: skipped pictures, an early stop.
	Notes []string
}

// WrongPicture is a validation picture that got another class.
type WrongPicture struct {
	Name        string
	Class, Said int
	// Score is that of the class named, 0 to 1; ClassScore of the right one.
	Score, ClassScore float64
	// JPEG is a thumbnail, or nothing.
	JPEG []byte
}

//go:embed report.html
var reportText string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" },
	"short":   func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) },
	"jpeg": func(b []byte) template.URL {
		return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b))
	},
}).Parse(reportText))

// HTML is the report as one page that needs nothing else.
func (r *Report) HTML() ([]byte, error) {
	page := struct {
		*Report
		Curves   []template.HTML
		Best     *Epoch
		PerClass []classRow
		Matrix   *matrix
	}{Report: r, PerClass: r.perClass(), Matrix: r.matrix()}
	for i := range r.Epochs {
		if r.Epochs[i].Best {
			page.Best = &r.Epochs[i]
		}
	}
	curves, err := r.curves()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	page.Curves = curves
	var b bytes.Buffer
	if err := reportPage.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// curves draws loss, accuracy and learning rate over the epochs.
func (r *Report) curves() ([]template.HTML, error) {
	if len(r.Epochs) < 2 {
		return nil, nil
	}
	var labels []string
	series := func(f func(*Epoch) float64) (out []float64) {
		for i := range r.Epochs {
			out = append(out, f(&r.Epochs[i]))
		}
		return out
	}
	for i := range r.Epochs {
		labels = append(labels, strconv.FormatFloat(r.Epochs[i].Epoch, 'g', 4, 64))
	}
	var out []template.HTML
	for _, c := range []struct {
		title  string
		names  []string
		values [][]float64
	}{
		{"Loss", []string{"training", "validation"}, [][]float64{series(func(e *Epoch) float64 { return e.Loss }), series(func(e *Epoch) float64 { return e.ValLoss })}},
		{"Top-1, %", []string{"training", "validation"}, [][]float64{series(func(e *Epoch) float64 { return 100 * e.Top1 }), series(func(e *Epoch) float64 { return 100 * e.ValTop1 })}},
		{"Learning rate", []string{"rate"}, [][]float64{series(func(e *Epoch) float64 { return e.Rate })}},
	} {
		o := charts.NewLineChartOptionWithData(c.values)
		o.Title = charts.TitleOption{Text: c.title}
		o.XAxis.Labels = labels
		o.Legend = charts.LegendOption{SeriesNames: c.names}
		o.Symbol = charts.Symbol{Shape: charts.SymbolNone}
		p := charts.NewPainter(charts.PainterOptions{Width: 560, Height: 320, OutputFormat: charts.ChartOutputSVG})
		if err := p.LineChart(o); err != nil {
			return nil, err
		}
		svg, err := p.Bytes()
		if err != nil {
			return nil, err
		}
		out = append(out, template.HTML(svg))
	}
	return out, nil
}

// classRow is a class in the per-class table.
type classRow struct {
	Name              string
	Pictures          int
	Recall, Precision float64
	// Taken is the class it was most often taken for, with how many times.
	Taken string
	Times int
}

// perClass lists the classes, the worst recall first.
func (r *Report) perClass() []classRow {
	var out []classRow
	for c, row := range r.Confusion {
		k := classRow{Name: r.Classes[c]}
		named := 0
		for o, n := range row {
			k.Pictures += n
			named += r.Confusion[o][c]
			if o != c && n > k.Times {
				k.Taken, k.Times = r.Classes[o], n
			}
		}
		k.Recall = ratio(row[c], k.Pictures)
		k.Precision = ratio(row[c], named)
		out = append(out, k)
	}
	slices.SortStableFunc(out, func(a, b classRow) int {
		switch {
		case a.Recall < b.Recall:
			return -1
		case a.Recall > b.Recall:
			return 1
		}
		return 0
	})
	return out
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// matrixMost is the classes whose confusion matrix is still readable.
const matrixMost = 40

// matrix is the confusion matrix as a table of shares.
type matrix struct {
	Names []string
	Rows  []matrixRow
}

type matrixRow struct {
	Name  string
	Cells []cell
}

// cell is a count, and how strongly it is coloured, 0 to 1.
type cell struct {
	N     int
	Share float64
	Right bool
}

func (r *Report) matrix() *matrix {
	if len(r.Confusion) == 0 || len(r.Confusion) > matrixMost {
		return nil
	}
	m := &matrix{Names: r.Classes}
	for c, row := range r.Confusion {
		total := 0
		for _, n := range row {
			total += n
		}
		var cells []cell
		for o, n := range row {
			cells = append(cells, cell{n, ratio(n, total), o == c})
		}
		m.Rows = append(m.Rows, matrixRow{r.Classes[c], cells})
	}
	return m
}
