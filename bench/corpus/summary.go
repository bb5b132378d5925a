package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// summary counts outcomes, a folder at a time and in all.
type summary struct {
	timeout time.Duration
	memory  int64
	child   *child

	dir          string
	counts       map[string]int
	slowest      outcome
	largest      outcome
	total, files int
	bad          int
}

func newSummary(timeout time.Duration, memory int64) *summary {
	return &summary{timeout: timeout, memory: memory}
}

func (s *summary) begin(dir string) {
	s.dir, s.files = dir, 0
	s.counts = make(map[string]int)
	s.slowest, s.largest = outcome{}, outcome{}
}

func (s *summary) end() {
	fmt.Printf("%s: %d files: %d accepted, %d partial, %d refused, %d panics, %d hangs; slowest %.2f s, peak %d MiB\n",
		s.dir, s.files, s.counts["accepted"], s.counts["partial"], s.counts["refused"], s.counts["panic"], s.counts["hang"], s.slowest.Seconds, s.largest.PeakMiB)
}

func (s *summary) stop() {
	if s.child != nil {
		s.kill()
	}
	fmt.Printf("%d files in all, %d bad\n", s.total, s.bad)
}

// run hands one file to the worker and judges the answer.
func (s *summary) run(path string) outcome {
	if s.child == nil {
		var err error
		if s.child, err = startChild(); err != nil {
			fmt.Fprintln(os.Stderr, "corpus:", err)
			os.Exit(1)
		}
	}
	c := s.child
	fmt.Fprintln(c.in, path)
	_ = c.in.Flush() // a dead worker shows below
	o := outcome{Path: path, Result: "hang", Seconds: s.timeout.Seconds()}
	select {
	case answer, ok := <-c.out:
		if ok {
			o = answer
		} else {
			_ = c.cmd.Wait()
			first, _, _ := strings.Cut(c.stderr.String(), "\n")
			o.Result, o.Error = "panic", first
			s.child = nil
		}
	case <-time.After(4 * s.timeout):
		// Well beyond the bound: the machine may be busy.
		s.kill()
	}
	if o.Seconds > s.timeout.Seconds() {
		o.Result = "hang"
	}
	s.files++
	s.total++
	s.counts[o.Result]++
	if o.Seconds > s.slowest.Seconds {
		s.slowest = o
	}
	if o.PeakMiB > s.largest.PeakMiB {
		s.largest = o
	}
	if o.Result == "panic" || o.Result == "hang" || o.PeakMiB > s.memory {
		s.bad++
		fmt.Printf("BAD %s: %s, %.2f s, %d MiB %s\n", path, o.Result, o.Seconds, o.PeakMiB, o.Error)
	}
	return o
}

func (s *summary) kill() {
	_ = s.child.cmd.Process.Kill()
	for range s.child.out {
	}
	_ = s.child.cmd.Wait()
	s.child = nil
}
