package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// isTerminal reports that a stream is a person's screen.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// styled reports that colour and bars may be written: a terminal whose owner
// has not asked for plain text (https://no-color.org).
func styled(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// bold emphasises text where the terminal can.
func bold(w io.Writer, s string) string {
	if styled(w) {
		return "\x1b[1m" + s + "\x1b[0m"
	}
	return s
}

// bar draws a fraction of 1 in up to 20 cells, in eighths.
func bar(fraction float64) string {
	eighths := int(fraction*20*8 + 0.5)
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[r-1])
	}
	return s
}

// clean makes one printable line of text that may come from a file: a label
// or a tensor's name must not be able to write to the terminal's controls.
func clean(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unprintable(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// patience is how long work goes on before its progress is shown.
const patience = 2 * time.Second

// progress shows how far a long job is, on a terminal only and only once it
// has lasted for a while: done and total, rate and time left.
type progress struct{ bar *progressbar.ProgressBar }

// late lets writes through when some time has passed.
type late struct {
	w    io.Writer
	from time.Time
}

func (l late) Write(p []byte) (int, error) {
	if time.Now().Before(l.from) {
		return len(p), nil
	}
	return l.w.Write(p)
}

// newProgress counts to total; nil streams and everything that is no terminal
// give a progress that shows nothing.
func newProgress(w io.Writer, total int, what string) *progress {
	if !isTerminal(w) || total < 2 {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(late{w, time.Now().Add(patience)}),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("pictures"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionEnableColorCodes(false),
	)}
}

// The bar's own write errors are of no interest: it is decoration.

func (p *progress) step() {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// clear makes room for a line on the same terminal.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
