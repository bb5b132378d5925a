package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// say prints a line for a person to the error stream.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.stderr, clean(fmt.Sprintf(format, args...)))
}

// object prints a value as JSON on a line of its own.
func (a *app) object(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// answer prints the line of JSON about a picture or file. One that holds NaN
// or infinity, which JSON has no word for, becomes the line of its failure:
// reported is then false.
func (a *app) answer(v any, failure func(error) any) (reported bool, err error) {
	err = a.object(v)
	var unsupported *json.UnsupportedValueError
	if !errors.As(err, &unsupported) {
		return true, err
	}
	return false, a.object(failure(fmt.Errorf("the network's output holds %s: the weights are damaged or the preprocessing is not theirs", unsupported.Str)))
}

// print writes text to standard output.
func (a *app) print(text string) error {
	_, err := fmt.Fprint(a.stdout, text)
	return err
}

// table lays rows out in columns; the columns of numbers are right-aligned.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

// ms is a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// count writes a number with its unit of a thousand or a million.
func count(n int64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	case n >= 1_000_000:
		return fmt.Sprintf("%.2f M", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.1f k", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// fileError puts the file's name before an error that lacks it.
func fileError(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, plain(err))
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
