package kernel_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGenerated runs the generator and compares: nobody edits its assembly by
// hand, and nobody changes it without writing the assembly anew.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generator")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command")
	}
	if _, err := os.Stat("_asm"); err != nil {
		t.Skip("no generator here")
	}
	dir := t.TempDir()
	cmd := exec.Command(tool, "run", "-C", "_asm", ".", "-o", dir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("the generator wrote nothing: %v", err)
	}
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(f.Name()); err != nil || string(got) != string(want) {
			t.Errorf("%s differs from what the generator writes: run go generate in internal/kernel", f.Name())
		}
	}
}

// TestWords holds the instructions that Go's assembler does not know, which the
// generator encodes itself, to the GNU assembler's encoding of the text beside
// them.
func TestWords(t *testing.T) {
	as, err := exec.LookPath("aarch64-linux-gnu-as")
	if err != nil {
		t.Skip("no GNU assembler for arm64 (Debian: binutils-aarch64-linux-gnu)")
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly for arm64: %v", err)
	}
	line := regexp.MustCompile(`(?m)^\tWORD \$(\S+) // (.+)$`)
	words := map[string]uint32{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := line.FindAllSubmatch(text, -1)
		if n := bytes.Count(text, []byte("WORD")); len(found) != n {
			t.Errorf("%s: %d of %d words say what they are", name, len(found), n)
		}
		for _, m := range found {
			w, err := strconv.ParseUint(string(m[1]), 0, 32)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, m[0], err)
			}
			if old, ok := words[string(m[2])]; ok && old != uint32(w) {
				t.Errorf("%s: two encodings, %#x and %#x", m[2], old, w)
			}
			words[string(m[2])] = uint32(w)
		}
	}
	list := slices.Sorted(maps.Keys(words))
	dir := t.TempDir()
	object := filepath.Join(dir, "words.o")
	cmd := exec.Command(as, "-march=armv8.2-a+dotprod", "-o", object, "-")
	cmd.Stdin = strings.NewReader(strings.Join(list, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := sectionText(object)
	if err != nil || len(text) != 4*len(list) {
		t.Fatalf("%d bytes for %d instructions: %v", len(text), len(list), err)
	}
	for i, ins := range list {
		if want := binary.LittleEndian.Uint32(text[4*i:]); words[ins] != want {
			t.Errorf("%s is encoded as %#08x, want %#08x", ins, words[ins], want)
		}
	}
	t.Logf("%d different instructions", len(list))
}

func sectionText(object string) ([]byte, error) {
	f, err := elf.Open(object)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Section(".text").Data()
}
