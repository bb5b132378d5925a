// Command chart draws what vs_onnxruntime.mjs recorded, as SVG and PNG: grouped
// bars of the least milliseconds a picture, one group a network.
//
//	go -C bench/chart run . ../results/NAME.json
//
// A file is drawn for each number of threads in the results, beside them:
// NAME-1t.svg, NAME-1t.png and so on. Only batch 1 is drawn.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
)

// record is the part of a recorded run that is drawn.
type record struct {
	Schema  string
	Date    string
	Machine struct {
		CPU   string
		Cores int
	}
	Results []result
}

type result struct {
	Network, Engine, Precision string
	Threads, Batch             int
	MinMS                      float64 `json:"min_ms"`
}

const schema = "mobilenet.side-by-side/1"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: chart RESULTS.json...")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		if err := draw(path); err != nil {
			fmt.Fprintf(os.Stderr, "chart: %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

// draw writes the charts of one file of results.
func draw(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	if r.Schema != schema {
		return fmt.Errorf("schema %q, want %q", r.Schema, schema)
	}
	base := strings.TrimSuffix(path, filepath.Ext(path))
	for _, threads := range r.threads() {
		t := r.table(threads)
		if len(t.networks) == 0 {
			continue
		}
		for _, format := range []string{charts.ChartOutputSVG, charts.ChartOutputPNG} {
			picture, err := t.picture(format)
			if err != nil {
				return err
			}
			out := fmt.Sprintf("%s-%dt.%s", base, threads, format)
			if err := os.WriteFile(out, picture, 0o644); err != nil {
				return err
			}
			fmt.Println(out)
		}
	}
	return nil
}

// threads lists the numbers of threads measured, in order.
func (r *record) threads() []int {
	var out []int
	for _, e := range r.Results {
		if e.Batch == 1 && !slices.Contains(out, e.Threads) {
			out = append(out, e.Threads)
		}
	}
	slices.Sort(out)
	return out
}

// table is what one chart shows: values[series][network] in milliseconds, the
// chart's null value where an engine does not run a network.
type table struct {
	title, subtitle string
	networks        []string
	series          []string
	ours            int // of the series, which come first
	values          [][]float64
}

var networkNames = map[string]string{"v1": "V1", "v2": "V2", "v3l": "V3-Large", "v3s": "V3-Small"}

var engineNames = map[string]string{"mobilenet": "mobilenet (Go)", "onnxruntime": "ONNX Runtime", "pytorch": "PyTorch", "opencv": "OpenCV"}

func (r *record) table(threads int) *table {
	t := &table{subtitle: fmt.Sprintf("%s, %s, %s; 224 x 224, batch 1, minimum of all runs", r.Machine.CPU, plural(r.Machine.Cores, "core"), r.Date)}
	t.title = fmt.Sprintf("Milliseconds a picture, %s (lower is better)", plural(threads, "thread"))
	cell := make(map[[2]string]float64)
	for _, engine := range []string{"mobilenet", "onnxruntime", "pytorch", "opencv"} {
		for _, e := range r.Results {
			if e.Engine != engine || e.Threads != threads || e.Batch != 1 {
				continue
			}
			name, network := label(e), networkNames[e.Network]
			if network == "" {
				network = e.Network
			}
			if !slices.Contains(t.networks, network) {
				t.networks = append(t.networks, network)
			}
			if !slices.Contains(t.series, name) {
				t.series = append(t.series, name)
				if engine == "mobilenet" {
					t.ours++
				}
			}
			cell[[2]string{name, network}] = e.MinMS
		}
	}
	for _, s := range t.series {
		row := make([]float64, len(t.networks))
		for i, n := range t.networks {
			v, ok := cell[[2]string{s, n}]
			if !ok {
				v = charts.GetNullValue()
			}
			row[i] = v
		}
		t.values = append(t.values, row)
	}
	return t
}

func label(e result) string {
	name := engineNames[e.Engine]
	if name == "" {
		name = e.Engine
	}
	if e.Engine == "mobilenet" {
		name += " " + e.Precision
	}
	return name
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// axis is the top of the value axis and its number of steps, which are 1, 2 or
// 5 times a power of ten.
func (t *table) axis() (top float64, steps int) {
	most := 0.0
	for _, row := range t.values {
		for _, v := range row {
			if v != charts.GetNullValue() {
				most = max(most, v)
			}
		}
	}
	const room = 1.05 // for the number on the highest bar
	for step := 0.01; ; step *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if n := int(math.Ceil(most * room / (f * step))); n <= 6 {
				return float64(max(n, 1)) * f * step, max(n, 1)
			}
		}
	}
}

// Ours are greens, the peers greys and sand, so that a glance tells them apart.
var (
	ourColors  = []charts.Color{charts.ColorFromHex("#0b7a5c"), charts.ColorFromHex("#2fae87"), charts.ColorFromHex("#8fd6bd")}
	peerColors = []charts.Color{charts.ColorFromHex("#4a5568"), charts.ColorFromHex("#c08a4a"), charts.ColorFromHex("#a3b1c2"), charts.ColorFromHex("#d9c7ae")}
	ink        = charts.ColorFromHex("#1f2933")
	faint      = charts.ColorFromHex("#6b7785")
	rule       = charts.ColorFromHex("#e6e9ed")
)

// picture draws the table.
func (t *table) picture(format string) ([]byte, error) {
	var colors []charts.Color
	for i := range t.series {
		if i < t.ours {
			colors = append(colors, ourColors[i%len(ourColors)])
		} else {
			colors = append(colors, peerColors[(i-t.ours)%len(peerColors)])
		}
	}
	theme := charts.MakeTheme(charts.ThemeOption{
		BackgroundColor: charts.ColorWhite, TextColor: ink, AxisStrokeColor: faint, AxisSplitLineColor: rule, SeriesColors: colors,
	})
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: format, Width: 1080, Height: 540, Theme: theme})
	opt := charts.NewBarChartOptionWithData(t.values)
	opt.Theme = theme
	opt.Padding = charts.NewBox(24, 20, 24, 16)
	opt.Title = charts.TitleOption{
		Text: t.title, Offset: charts.OffsetLeft, FontStyle: charts.FontStyle{FontSize: 18, FontColor: ink},
	}
	opt.Legend = charts.LegendOption{
		SeriesNames: t.series, Symbol: charts.SymbolSquare, Offset: charts.OffsetStr{Left: charts.PositionLeft, Top: "68"},
		FontStyle: charts.FontStyle{FontSize: 12, FontColor: ink}, Padding: charts.NewBox(0, 0, 0, 14),
	}
	opt.CategoryAxis = charts.CategoryAxisOption{Labels: t.networks, LabelFontStyle: charts.FontStyle{FontSize: 14, FontColor: ink}}
	top, steps := t.axis()
	opt.ValueAxis = []charts.ValueAxisOption{{
		Min: charts.Ptr(0.0), Max: &top, RangeValuePaddingScale: charts.Ptr(0.0), Title: "ms", TitleFontStyle: charts.FontStyle{FontSize: 11, FontColor: faint}, SplitLineShow: charts.Ptr(true), LabelCount: steps + 1,
		LabelFontStyle: charts.FontStyle{FontSize: 11, FontColor: faint},
		ValueFormatter: func(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) },
	}}
	opt.BarMargin = charts.Ptr(0.02)
	for i := range opt.SeriesList {
		s := &opt.SeriesList[i].Label
		s.Show = charts.Ptr(true)
		s.FontStyle = charts.FontStyle{FontSize: 10, FontColor: ink}
		s.ValueFormatter = func(v float64) string { return fmt.Sprintf("%.1f", v) }
	}
	if err := p.BarChart(opt); err != nil {
		return nil, err
	}
	// The library would centre a subtitle under the title.
	p.Text(t.subtitle, 24, 66, 0, charts.FontStyle{FontSize: 11, FontColor: faint})
	return p.Bytes()
}
