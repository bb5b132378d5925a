// Command corpus feeds files to every parser and counts what becomes of them.
//
//	go run ./bench/corpus [-timeout 2s] [-mutate N] [-json] DIR...
//
// Each file is decoded as a picture, strictly and tolerantly, and opened as a
// model, in a process of its own that is replaced when it dies or takes too
// long. With -mutate every file is damaged in N ways first. The counts say how many files were accepted, refused or read in part;
// a panic, a hang or memory above the bound is listed by name and makes the
// exit code 1.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// outcome is what became of one file.
type outcome struct {
	Path    string  `json:"path"`
	Result  string  `json:"result"` // accepted, partial, refused, panic, hang
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
	PeakMiB int64   `json:"peak_mib"`
}

func main() {
	timeout := flag.Duration("timeout", 2*time.Second, "the longest a file may take")
	memory := flag.Int64("memory", 256, "the most resident memory of the process, in MiB")
	mutations := flag.Int("mutate", 0, "damage every file in this many ways instead of taking it as it is")
	verbose := flag.Bool("json", false, "print an object for every file")
	worker := flag.Bool("worker", false, "internal: handle the files named on standard input")
	flag.Parse()
	if *worker {
		work()
		return
	}
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "corpus: name at least one folder")
		os.Exit(2)
	}
	s := newSummary(*timeout, *memory)
	for _, dir := range flag.Args() {
		s.begin(dir)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			report := func(o outcome) error {
				if !*verbose {
					return nil
				}
				b, err := json.Marshal(o)
				if err == nil {
					fmt.Println(string(b))
				}
				return err
			}
			if *mutations == 0 {
				return report(s.run(path))
			}
			return mutate(path, *mutations, func(damaged string) error { return report(s.run(damaged)) })
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "corpus:", err)
			os.Exit(1)
		}
		s.end()
	}
	s.stop()
	if s.bad > 0 {
		os.Exit(1)
	}
}

// work is the child process: a line in, a line out.
func work() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		resetPeak()
		start := time.Now()
		o := handle(in.Text())
		o.Seconds = time.Since(start).Seconds()
		o.PeakMiB = peak() >> 20
		b, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(b))
		// What one file left behind must not count for the next.
		debug.FreeOSMemory()
	}
}

// handle gives a file to the picture decoders and to the model readers.
func handle(path string) (o outcome) {
	o.Path, o.Result = path, "refused"
	data, err := os.ReadFile(path)
	if err != nil {
		o.Error = err.Error()
		return o
	}
	if _, _, err := imageio.DecodeBytes(data, &imageio.Options{Mode: imageio.Strict}); err == nil {
		o.Result = "accepted"
		return o
	} else {
		o.Error = err.Error()
	}
	if _, info, err := imageio.DecodeBytes(data, &imageio.Options{Mode: imageio.Tolerant}); err == nil {
		o.Result = "partial"
		if info.Coverage == 1 && info.Damage == 0 {
			o.Result = "accepted"
		}
		return o
	}
	if i, err := engine.Inspect(path, &engine.Options{Threads: 1}); err == nil && i.Problem == "" {
		o.Result, o.Error = "accepted", ""
	} else if err != nil && !strings.Contains(err.Error(), "known format") {
		o.Error = err.Error()
	}
	if strings.ContainsAny(o.Error, "\n\r") {
		o.Result, o.Error = "panic", "the error has more than one line"
	}
	return o
}

// resetPeak makes the kernel forget the process's peak of resident memory.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak is the peak of resident memory since then, 0 where it is unknown.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// child is a running worker process.
type child struct {
	cmd    *exec.Cmd
	in     *bufio.Writer
	out    chan outcome
	stderr *strings.Builder
}

func startChild() (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(exe, "-worker"), out: make(chan outcome), stderr: &strings.Builder{}}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.cmd.Stderr = c.stderr
	c.in = bufio.NewWriter(in)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.out)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var o outcome
			if json.Unmarshal(lines.Bytes(), &o) != nil {
				return
			}
			c.out <- o
		}
	}()
	return c, nil
}
