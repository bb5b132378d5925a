package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/quant"
)

// quantizeView shows how far quantizing is: a line that moves on a terminal,
// nothing elsewhere.
type quantizeView struct {
	a     *app
	begin time.Time
	last  time.Time
}

func (v *quantizeView) show(p quant.Progress) {
	if v.begin.IsZero() {
		v.begin = time.Now()
	}
	if v.a.json || !styled(v.a.stderr) || time.Since(v.begin) < patience || time.Since(v.last) < 100*time.Millisecond {
		return
	}
	v.last = time.Now()
	fmt.Fprintf(v.a.stderr, "\r\x1b[K%s %d/%d  %.1f a second  %v left", p.Stage, p.Done, p.Total, p.Rate, p.Left.Round(time.Second))
}

func (v *quantizeView) end() {
	if !v.last.IsZero() {
		fmt.Fprint(v.a.stderr, "\r\x1b[K")
	}
}

// printQuantized prints what came of a network for a person.
func (a *app) printQuantized(q *quantized, before int64) error {
	r := q.Report
	for _, n := range r.Notes {
		a.say("note: %s", n)
	}
	rows := [][]string{{"layer", "op", "dB", "of multiply-adds", "stored as"}}
	for _, l := range r.Layers {
		stored := "float"
		if !l.Float {
			stored = fmt.Sprintf("%.4g to %.4g", l.Low, l.High)
		}
		share := ""
		if l.Share > 0 {
			share = fmt.Sprintf("%5.2f %%", 100*l.Share)
		}
		rows = append(rows, []string{clean(l.Name), l.Op, fmt.Sprintf("%5.1f", l.SNR), share, stored})
	}
	var b strings.Builder
	b.WriteString(table(rows))
	fmt.Fprintf(&b, "ranges    %s on %d pictures", r.Method, r.Pictures)
	if r.Equalized {
		b.WriteString(", channels equalized")
	}
	if r.Corrected {
		b.WriteString(", biases corrected")
	}
	fmt.Fprintf(&b, "\nscores    %.1f dB, %.1f %% of the best answers as in float, on %d pictures that were held out\n", r.SNR, 100*r.Agreement, r.HeldOut)
	if v := r.Validation; v != nil {
		fmt.Fprintf(&b, "top-1     %.2f %% in float, %.2f %% in integers, on %d pictures\ntop-5     %.2f %% in float, %.2f %% in integers\n",
			100*v.FloatTop1, 100*v.Top1, v.Pictures, 100*v.FloatTop5, 100*v.Top5)
	}
	fmt.Fprintf(&b, "in float  %.2f %% of the multiply-adds", 100*r.FloatShare)
	if len(r.FloatLayers) > 0 {
		b.WriteString(": " + clean(strings.Join(r.FloatLayers, ", ")))
	}
	fmt.Fprintf(&b, "\nweights   %s in float, %s in integers\n", size(r.BytesBefore), size(r.BytesAfter))
	if s := r.Speed; s != nil {
		fmt.Fprintf(&b, "speed     %.2f ms a picture in float, %.2f ms in integers, %d threads: %.2f times as fast\n", s.FloatMed, s.IntMed, s.Threads, s.Speedup)
	}
	if q.Out != "" {
		fmt.Fprintf(&b, "written   %s, %s (the source has %s)\n", clean(q.Out), size(q.Bytes), size(before))
	}
	return a.print(b.String())
}
