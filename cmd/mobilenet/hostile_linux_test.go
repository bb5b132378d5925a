package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxResident is the most memory, in bytes, that any hostile file may cost.
const maxResident = 256 << 20

// TestHostileFiles runs the command as a process of its own on every file of
// the corpus: one clear line, exit code 1, little memory, little time. The
// file safetensors-fat is of 90 MB itself.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.safetensors")
	good := filepath.Join("..", "..", "testdata", "pictures", "disc.png")
	var most int64
	var worst string
	for _, h := range hostileFiles() {
		b, err := h.make()
		if err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
		path := filepath.Join(dir, h.name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		b = nil
		verbs := [][]string{{"classify", "--weights", path, good}, {"summary", path}, {"convert", path, "-o", out}, {"inspect", path}}
		if h.picture {
			verbs = [][]string{{"classify", "--weights", tiny, path}}
		}
		for _, args := range verbs {
			name := h.name + " " + args[0]
			start := time.Now()
			code, stdout, stderr, resident := process(t, args)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
			if resident > most {
				most, worst = resident, name
			}
			if resident > maxResident {
				t.Errorf("%s: %d MB resident", name, resident>>20)
			}
			if args[0] == "inspect" && code == 0 {
				// A well-formed file is described, with the reason why it is
				// of no use.
				if !strings.Contains(stdout, "cannot be run: ") {
					t.Errorf("%s: no problem found:\n%s", name, stdout)
				}
				continue
			}
			if code != 1 || stdout != "" {
				t.Errorf("%s: exit code %d, printed %.200q", name, code, stdout)
			}
			if n := strings.Count(stderr, "\n"); n != 1 || !strings.Contains(stderr, path) || strings.ContainsRune(stderr, 0x1b) {
				t.Errorf("%s: not one line that names the file: %.500q", name, stderr)
			}
			if !strings.Contains(stderr, h.says) {
				t.Errorf("%s: %q is not in %.500q", name, h.says, stderr)
			}
			if testing.Verbose() {
				t.Logf("%3d MB %.300s", resident>>20, stderr)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("most resident memory: %d MB, %s", most>>20, worst)
}

// process runs the command and returns its exit code, its output and its
// peak of resident memory in bytes. The peak is the process's own account: the
// one that its parent gets includes the parent's memory at the fork.
func process(t *testing.T, args []string) (code int, stdout, stderr string, resident int64) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	status := filepath.Join(t.TempDir(), "status")
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), runAsCommand+"="+status)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(status)
	if err != nil {
		t.Fatalf("%v did not come to its end: %s", args, e.String())
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	var kB int64
	if _, err := fmt.Sscanf(after, "%d kB", &kB); err != nil {
		t.Fatalf("no peak memory in %s", b)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String(), kB << 10
}
