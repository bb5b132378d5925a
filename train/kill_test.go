package train

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/dataset"
)

// childVar, set, makes the test binary a training that a test kills: the data's
// folder and the run's.
const childVar = "MOBILENET_TRAIN_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVar); text != "" {
		if err := child(strings.Split(text, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// killed is the training of TestKill: it saves all the time.
func killed(d *dataset.Dataset, dir string) *Config {
	r := quick(10) // long enough for six kills on a machine that notices them late
	r.DropPath = 0.1
	return &Config{Data: d, Model: tiny, Recipe: r, Dir: dir, CheckpointEvery: time.Nanosecond, Seed: 9}
}

func child(args []string) error {
	d, err := dataset.Open(args[0], nil)
	if err != nil {
		return err
	}
	defer d.Close()
	c := killed(d, args[1])
	if _, err := ReadPlan(c.Dir); err == nil {
		c.Resume = true
	}
	c.Progress = func(p Progress) { fmt.Println(p.Stage) }
	_, err = Run(context.Background(), c)
	return err
}

// TestKill kills a training without warning at random moments, resumes it each
// time, and compares its files with an unbroken one's.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a killed process's files stay open for a moment on Windows, and cannot be renamed over")
	}
	data := shapes(t, t.TempDir(), 10, 3)
	base := t.TempDir()
	whole, broken := filepath.Join(base, "whole"), filepath.Join(base, "broken")
	mustRun(t, killed(openShapes(t, data), whole))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	kills := 0
	for try := 0; ; try++ {
		if try > 200 {
			t.Fatal("no end")
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childVar+"="+data+"\n"+broken)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After some lines of progress and a moment, wherever it is then.
		lines, pause := 1+rng.IntN(6), time.Duration(rng.IntN(4000))*time.Microsecond
		if kills >= 6 {
			lines = 1 << 30
		}
		s := bufio.NewScanner(out)
		for i := 0; i < lines && s.Scan(); i++ {
		}
		if kills < 6 {
			time.Sleep(pause)
			_ = cmd.Process.Kill()
		}
		for s.Scan() {
		}
		err = cmd.Wait()
		if err == nil {
			break
		}
		if cmd.ProcessState.ExitCode() > 0 {
			t.Fatalf("the training failed: %s", errs.String())
		}
		kills++
	}
	if kills < 5 {
		t.Errorf("killed %d times", kills)
	}
	for _, f := range []string{BestFile, LastFile} {
		same(t, filepath.Join(whole, f), filepath.Join(broken, f))
	}
	sameState(t, whole, broken)
	// The record is that of the unbroken run too, times apart.
	a, b := records(t, whole), records(t, broken)
	if a != b {
		t.Errorf("results.csv of the unbroken run:\n%s\nof the other:\n%s", a, b)
	}
}

// records is results.csv without its times.
func records(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Split(line, ",")
		if len(f) > 10 {
			f[9], f[10] = "", ""
		}
		out.WriteString(strings.Join(f, ",") + "\n")
	}
	return out.String()
}
