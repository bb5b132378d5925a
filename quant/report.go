package quant

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"

	"github.com/go-analyze/charts"
)

//go:embed report.html
var reportText string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(v float64) string { return strconv.FormatFloat(100*v, 'f', 2, 64) + " %" },
	"db":      func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) },
	"short":   func(v float32) string { return strconv.FormatFloat(float64(v), 'g', 4, 32) },
	"ms":      func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) },
	"mib":     func(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 2, 64) },
}).Parse(reportText))

// HTML is the report as one page that needs nothing else: what was chosen and
// what came of it, a chart and a table of the layers' noise.
func (r *Report) HTML() ([]byte, error) {
	chart, err := r.chart()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var b bytes.Buffer
	if err := reportPage.Execute(&b, struct {
		*Report
		Chart template.HTML
	}{r, chart}); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// chart draws the layers' ratios in their order.
func (r *Report) chart() (template.HTML, error) {
	if len(r.Layers) < 2 {
		return "", nil
	}
	var values []float64
	var names []string
	for i, l := range r.Layers {
		values = append(values, l.SNR)
		names = append(names, strconv.Itoa(i+1))
	}
	o := charts.NewLineChartOptionWithData([][]float64{values})
	o.Title = charts.TitleOption{Text: "Signal-to-noise ratio by layer, dB"}
	o.XAxis.Labels = names
	o.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	p := charts.NewPainter(charts.PainterOptions{Width: 960, Height: 320, OutputFormat: charts.ChartOutputSVG})
	if err := p.LineChart(o); err != nil {
		return "", err
	}
	svg, err := p.Bytes()
	return template.HTML(svg), err
}
