package kernel_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestEncodings has the GNU disassembler, where it is installed, read the
// instructions that the generator writes as bytes, and compares with what the
// generator says they are.
func TestEncodings(t *testing.T) {
	as, err1 := exec.LookPath("as")
	objdump, err2 := exec.LookPath("objdump")
	if err1 != nil || err2 != nil || runtime.GOARCH != "amd64" {
		t.Skip("no as and objdump for amd64")
	}
	files, err := filepath.Glob("*_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var source strings.Builder
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			code, comment, ok := strings.Cut(strings.TrimSpace(lines.Text()), " // ")
			if !ok || !strings.HasPrefix(code, "BYTE ") || seen[comment] {
				continue
			}
			seen[comment] = true
			want = append(want, comment)
			fmt.Fprintln(&source, ".byte "+strings.NewReplacer("BYTE $", "", ";", ",").Replace(code))
		}
	}
	if len(want) == 0 {
		t.Skip("no instructions as bytes")
	}
	dir := t.TempDir()
	object := filepath.Join(dir, "a.o")
	cmd := exec.Command(as, "--64", "-o", object)
	cmd.Stdin = strings.NewReader(source.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
	out, err := exec.Command(objdump, "-d", "--no-show-raw-insn", object).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "tmm") {
		t.Skip("this objdump does not know tiles")
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, ":\t"); ok {
			got = append(got, strings.Join(strings.Fields(text), " "))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d instructions, %d wanted", len(got), len(want))
	}
	for i, w := range want {
		if w = gnuSyntax(w); got[i] != w {
			t.Errorf("%q is %q", w, got[i])
		}
	}
}

var operand = regexp.MustCompile(`^(-?\d*)\((\w+)\)(?:\((\w+)\*1\))?$`)

// gnuSyntax writes an instruction of the generator's as objdump does.
func gnuSyntax(s string) string {
	name, rest, _ := strings.Cut(s, " ")
	if rest == "" {
		return strings.ToLower(name)
	}
	register := func(r string) string {
		switch {
		case strings.HasPrefix(r, "TMM"):
			return "%tmm" + r[3:]
		case r[0] == 'Z' || r[0] == 'Y':
			return "%" + strings.ToLower(r[:1]) + "mm" + r[1:]
		case r[0] == 'R':
			return "%" + strings.ToLower(r)
		}
		return "%r" + strings.ToLower(r)
	}
	var parts []string
	for _, p := range strings.Split(rest, ", ") {
		m := operand.FindStringSubmatch(p)
		if m == nil {
			parts = append(parts, register(p))
			continue
		}
		var off int
		fmt.Sscan(m[1], &off)
		at := fmt.Sprintf("%#x(%s", off, register(m[2]))
		if m[3] != "" {
			at += "," + register(m[3]) + ",1"
		}
		parts = append(parts, at+")")
	}
	return strings.ToLower(name) + " " + strings.Join(parts, ",")
}
