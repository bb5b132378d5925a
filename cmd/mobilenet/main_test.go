package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/weights"
)

// runAsCommand names a file. It makes the test binary be the command, which
// writes there, at its end, what the system says of its process.
const runAsCommand = "MOBILENET_TEST_STATUS"

func TestMain(m *testing.M) {
	if file := os.Getenv(runAsCommand); file != "" {
		code := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		status, err := os.ReadFile("/proc/self/status")
		if err == nil {
			err = os.WriteFile(file, status, 0o600)
		}
		if err != nil {
			code = 99
		}
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"mobilenet": main})
}

func TestScripts(t *testing.T) {
	data, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("TINY", filepath.Join(data, "tiny.safetensors"))
			e.Setenv("NET", "stem_k3_s2_c8 ir_r1_k3_s2_e2_c12 head_c24 dropout=0 res=24")
			e.Setenv("PICTURES", filepath.Join(data, "pictures"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hostile": writeHostile,
			"shapes":  writeShapes,
			"keys":    checkKeys,
			"lines":   checkLines,
			"exits":   checkExit,
			"cut":     cutFile,
			"npy":     checkArray,
		},
	})
}

// writeHostile is `hostile NAME FILE`: it writes a file of the hostile corpus.
func writeHostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hostile NAME FILE")
	}
	for _, h := range hostileFiles() {
		if h.name == args[0] {
			b, err := h.make()
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
			return
		}
	}
	ts.Fatalf("no hostile file is named %q", args[0])
}

// cutFile is `cut FILE BYTES NEW`: it copies the beginning of a file.
func cutFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut FILE BYTES NEW")
	}
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data[:min(n, len(data))], 0o600))
}

// checkKeys is `keys FILE KEY...`: every line of the file (or of stdout) is a
// JSON object with exactly these keys, in this order.
func checkKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: keys FILE KEY...")
	}
	text := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	for i, line := range strings.Split(text, "\n") {
		got, err := objectKeys(line)
		if err != nil {
			ts.Fatalf("line %d: %v: %s", i+1, err, line)
		}
		if want := args[1:]; strings.Join(got, " ") != strings.Join(want, " ") {
			ts.Fatalf("line %d has the keys %v, want %v", i+1, got, want)
		}
	}
}

// objectKeys lists the keys of a JSON object in their order.
func objectKeys(line string) ([]string, error) {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not a JSON object: %v", err)
	}
	var keys []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		keys = append(keys, fmt.Sprint(t))
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return keys, nil
}

// checkLines is `lines FILE N`: the file, or stdout or stderr, has N lines.
func checkLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE N")
	}
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); fmt.Sprint(got) != args[1] {
		ts.Fatalf("%s has %d lines, want %s:\n%s", args[0], got, args[1], ts.ReadFile(args[0]))
	}
}

// checkExit is `exits CODE ARG...`: the command ends with this exit code.
func checkExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	err := ts.Exec("mobilenet", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// checkArray is `npy FILE N ROWS WORD...`: the file is a float32 array
// [N,ROWS], and its rows hold numbers, or NaN alone, as the words say.
func checkArray(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: npy FILE N ROWS WORD...")
	}
	a, err := npy.Parse([]byte(ts.ReadFile(args[0])), nil)
	ts.Check(err)
	if got := fmt.Sprint(a.DType, a.Shape); got != fmt.Sprintf("float32 [%s,%s]", args[1], args[2]) {
		ts.Fatalf("%s holds %s", args[0], got)
	}
	values, err := a.Float32s()
	ts.Check(err)
	for i, word := range args[3:] {
		for _, v := range values[i*a.Shape[1] : (i+1)*a.Shape[1]] {
			if (v != v) != (word == "NaN") {
				ts.Fatalf("row %d holds %v, want %s", i, v, word)
			}
		}
	}
}

func TestRunInProcess(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"version", "--json"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !regexp.MustCompile(`^\{"version":".*"\}\n$`).MatchString(out.String()) {
		t.Errorf("got %q", out.String())
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	args := []string{"classify", "--weights", "../../testdata/tiny.safetensors", "../../testdata/pictures"}
	if code := run(ctx, args, strings.NewReader(""), &out, &errs); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if got := errs.String(); got != "mobilenet: interrupted\n" {
		t.Errorf("got %q", got)
	}
	if out.Len() > 0 {
		t.Errorf("results after the end: %s", out.String())
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"tench, Tinca tinca": "tench, Tinca tinca",
		"Löwe 獅子":            "Löwe 獅子",
		"a\nb\tc":            "a b c",
		"red \x1b[31m!":      `red \x1b[31m!`,
		"bell\a":             `bell\a`,
		"\u202egnp.exe":      `\u202egnp.exe`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"classify", "convert", "env", "eval", "inspect", "summary"}
	for word, want := range map[string]string{
		"clasify": "classify", "calssify": "classify", "convrt": "convert", "sumary": "summary", "inspekt": "inspect",
		"xyzzy": "", "zz": "", strings.Repeat("classify", 20): "",
	} {
		got := suggest.DidYouMean(word, known)
		if want != "" {
			want = fmt.Sprintf(" (did you mean %q?)", want)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestBar(t *testing.T) {
	for f, want := range map[float64]string{0: "", 1: strings.Repeat("█", 20), 0.5: strings.Repeat("█", 10), 1.0 / 160: "▏"} {
		if got := bar(f); got != want {
			t.Errorf("bar(%v) is %q, want %q", f, got, want)
		}
	}
}

// TestArenaOfTableAndFile plans the same network from its table, without
// weights, and from a file with them.
func TestArenaOfTableAndFile(t *testing.T) {
	var fromFile, fromSpec struct {
		Spec       string `json:"spec"`
		ArenaBytes int64  `json:"arena_bytes"`
		Params     int64  `json:"params"`
	}
	command(t, &fromFile, "summary", "--json", tiny)
	command(t, &fromSpec, "summary", "--json", fromFile.Spec)
	if fromFile != fromSpec || fromFile.ArenaBytes < 32*32*3*4 {
		t.Errorf("file %+v, table %+v", fromFile, fromSpec)
	}
}

// TestNetworkAndNames reads weights whose network and names come from outside.
func TestNetworkAndNames(t *testing.T) {
	set, err := weights.Open(tiny, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := weights.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	names := make(weights.NameMap)
	for i, x := range set.Tensors() {
		if strings.HasPrefix(x.Name, "golden.") {
			continue
		}
		y := *x
		y.Name = fmt.Sprintf("net.%d", i)
		names[x.Name] = weights.Published{Name: y.Name}
		if err := foreign.Add(&y); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file, namesFile, out := filepath.Join(dir, "foreign.safetensors"), filepath.Join(dir, "names.json"), filepath.Join(dir, "out.safetensors")
	if err := foreign.Save(file); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(namesFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	picture, spec := "../../testdata/pictures/rings.jpg", set.Metadata["mobilenet.spec"]
	var want, got, again classified
	command(t, &want, "classify", "--json", "--weights", tiny, picture)
	command(t, &got, "classify", "--json", "--weights", file, "--model", spec, "--names", namesFile, picture)
	var done converted
	command(t, &done, "convert", "--json", file, "-o", out, "--model", spec, "--names", namesFile)
	command(t, &again, "classify", "--json", "--weights", out, picture)
	for i, p := range want.Predictions {
		p.Label = fmt.Sprint(p.Class) // the foreign file has no labels
		if got.Predictions[i] != p || again.Predictions[i] != p {
			t.Errorf("place %d: got %+v and converted %+v, want %+v", i, got.Predictions[i], again.Predictions[i], p)
		}
	}
	var errs bytes.Buffer
	if code := run(context.Background(), []string{"classify", "--weights", file, picture}, strings.NewReader(""), &errs, &errs); code != 1 {
		t.Errorf("without the network: exit code %d", code)
	}
	if got := errs.String(); !strings.Contains(got, "give --model, with --names if the names are its own") {
		t.Errorf("got %q", got)
	}
}
