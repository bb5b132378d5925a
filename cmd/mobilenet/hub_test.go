package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/hub"
)

// timmFile is a safetensors file with an entry's tensors and random values.
func timmFile(t *testing.T, e *hub.Entry) []byte {
	t.Helper()
	net, err := e.Net(0)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := net.Tensors("timm")
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, at := map[string]entry{}, 0
	var data []byte
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, x := range tensors {
		n := 1
		for _, d := range x.Stored {
			n *= d
		}
		// Spread so that activations keep their size and pictures differ.
		middle, spread := float32(0), float32(0.2)
		switch {
		case len(x.Stored) > 1:
			spread = float32(math.Sqrt(24 * float64(x.Stored[0]) / float64(n)))
		case strings.HasSuffix(x.Published, "running_var"), strings.Contains(x.Published, "bn") && strings.HasSuffix(x.Published, "weight"):
			middle = 1
		}
		for range n {
			v := middle + spread*(rnd.Float32()-0.5)
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[x.Published] = entry{"F32", x.Stored, [2]int{at, len(data)}}
		at = len(data)
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), data...)
}

// servePublished is a hub that has one entry's file.
func servePublished(t *testing.T, e *hub.Entry, data []byte) (requests *atomic.Int64) {
	requests = new(atomic.Int64)
	sum := sha256.Sum256(data)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if !strings.HasPrefix(r.URL.Path, "/"+e.Repo+"/resolve/") || !strings.HasSuffix(r.URL.Path, "/"+e.File) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Repo-Commit", strings.Repeat("ab", 20))
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	t.Setenv("HF_HOME", filepath.Join(dir, "hf"))
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("HF_HUB_OFFLINE", "")
	t.Setenv("HF_TOKEN", "")
	t.Setenv("TORCH_HOME", filepath.Join(dir, "torch"))
	t.Setenv("HF_ENDPOINT", srv.URL)
	return requests
}

// inProcess runs the program in process.
func inProcess(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestPublished(t *testing.T) {
	const name = "mobilenetv3_small_050.lamb_in1k"
	e, err := hub.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	data := timmFile(t, e)
	requests := servePublished(t, e, data)
	picture := filepath.Join("..", "..", "testdata", "pictures")

	// Before: nothing but pull asks the network.
	if code, _, errs := inProcess(t, "classify", "--model", name, picture); code != 1 || !strings.Contains(errs, "not downloaded: run `mobilenet pull "+name+"`") || strings.Count(errs, "\n") != 1 {
		t.Errorf("%d %q", code, errs)
	}
	if code, out, _ := inProcess(t, "ls", "--cached", "--json"); code != 0 || out != "" {
		t.Errorf("%d %q", code, out)
	}
	if n := requests.Load(); n != 0 {
		t.Fatalf("%d requests without pull", n)
	}

	code, out, errs := inProcess(t, "pull", "timm/mobilenetv3_small_050", "--json")
	var r struct {
		Name, Path, SHA256, Checked, Commit string
		Bytes, Fetched                      int64
		Cached                              bool
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || errs != "" {
		t.Fatalf("%d %q %q %v", code, out, errs, err)
	}
	sum := sha256.Sum256(data)
	if r.Name != name || r.Bytes != int64(len(data)) || r.Fetched != r.Bytes || r.SHA256 != hex.EncodeToString(sum[:]) || r.Cached {
		t.Errorf("%+v", r)
	}
	after := requests.Load()

	// The published name is the file, the network and the recipe.
	code, byName, errs := inProcess(t, "classify", "--model", name, "--json", picture)
	if errs != "" {
		t.Errorf("%q", errs)
	}
	code2, byHand, _ := inProcess(t, "classify", "--weights", r.Path, "--model", "v3_small", "--width", "0.5", "--dialect", "timm", "--preprocess", "timm-bicubic", "--json", picture)
	if code != code2 || stripTimes(byName) != stripTimes(byHand) || !strings.Contains(byName, `"class"`) {
		t.Errorf("by name (%d)\n%s\nby hand (%d)\n%s", code, byName, code2, byHand)
	}
	if _, out, _ := inProcess(t, "classify", "--model", name, "--preprocess", "inception", "--json", picture); stripTimes(out) == stripTimes(byName) {
		t.Error("the recipe makes no difference: the test tests nothing")
	}
	// Another resolution changes no weight; a width would.
	if _, out, _ := inProcess(t, "classify", "--model", name, "--resolution", "96", "--json", picture); stripTimes(out) == stripTimes(byName) || !strings.Contains(out, `"class"`) {
		t.Errorf("at 96: %s", out)
	}
	if code, _, errs := inProcess(t, "classify", "--model", name, "--width", "0.5", picture); code != 2 || !strings.Contains(errs, "only --resolution") {
		t.Errorf("%d %q", code, errs)
	}
	code, out, _ = inProcess(t, "ls", "--cached", "--json")
	var l struct {
		Name, Path, Recipe, License string
		Top1                        float64
		Params                      int64
	}
	if err := json.Unmarshal([]byte(out), &l); err != nil || code != 0 || l.Name != name || l.Path != r.Path || l.Top1 != 57.918 || l.Params != 1593224 || l.Recipe != "timm-bicubic" || l.License == "" {
		t.Errorf("%s %v", out, err)
	}
	if _, out, _ := inProcess(t, "summary", name, "--json"); !strings.Contains(out, `"params":1593224`) {
		t.Errorf("summary: %.200s", out)
	}
	if n := requests.Load(); n != after {
		t.Errorf("%d requests without pull", n-after)
	}

	// Again, and with one that the hub does not have.
	code, out, errs = inProcess(t, "pull", name, "mobilenetv2_100.ra_in1k")
	if code != 1 || !strings.Contains(out, "already here: "+r.Path) || strings.Count(out, "\n") != 1 || !strings.Contains(errs, "mobilenet: mobilenetv2_100.ra_in1k: ") || !strings.Contains(errs, "404") || strings.Count(errs, "\n") != 1 {
		t.Errorf("%d %q %q", code, out, errs)
	}
	code, out, _ = inProcess(t, "pull", "mobilenetv2_100.ra_in1k", "--json")
	if code != 1 || !strings.HasPrefix(out, `{"name":"mobilenetv2_100.ra_in1k","error":"`) {
		t.Errorf("%d %q", code, out)
	}
}

func TestPullUsage(t *testing.T) {
	e, err := hub.Find("mobilenetv2_100.ra_in1k")
	if err != nil {
		t.Fatal(err)
	}
	requests := servePublished(t, e, nil)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"pull"}, 2, "no name: `mobilenet ls`"},
		{[]string{"pull", "mobilenetv2_100.ra_in1k", "mobilnetv2_140.ra_in1k"}, 2, `(did you mean "mobilenetv2_140.ra_in1k"?)`},
		{[]string{"pull", "../x"}, 2, "no published weights"},
		{[]string{"ls", "["}, 2, "no pattern"},
		{[]string{"classify", "--model", "mobilenetv2_10.ra_in1k", "x.png"}, 2, "unknown network"},
	} {
		code, out, errs := inProcess(t, tc.args...)
		if code != tc.code || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%v: %d %q %q", tc.args, code, out, errs)
		}
	}
	t.Setenv("HF_ENDPOINT", "not an address")
	if code, _, errs := inProcess(t, "pull", e.Name); code != 1 || !strings.Contains(errs, "HF_ENDPOINT") {
		t.Errorf("%d %q", code, errs)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestList(t *testing.T) {
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("TORCH_HOME", t.TempDir())
	for _, tc := range []struct {
		args []string
		n    int
	}{
		{nil, len(hub.Names())}, {[]string{"torchvision"}, 5}, {[]string{"tf_*"}, 6}, {[]string{"timm/tf_*", "*edgetpu*"}, 7}, {[]string{"v9"}, 0},
		{[]string{"--cached"}, 0},
	} {
		code, out, errs := inProcess(t, append([]string{"ls"}, tc.args...)...)
		if n := strings.Count(out, "\n") - 1; code != 0 || errs != "" || n != tc.n {
			t.Errorf("ls %v: %d %d %q", tc.args, code, n, errs)
		}
	}
	_, out, _ := inProcess(t, "ls", "mobilenetv3_large_100.ra_in1k")
	if f := fmt.Sprint(strings.Fields(strings.Split(out, "\n")[1])); f != "[mobilenetv3_large_100.ra_in1k 75.78 92.53 5.48 M 224 timm-bicubic]" {
		t.Errorf("%s", f)
	}
}

// stripTimes leaves out what no two runs share.
func stripTimes(jsonLines string) string {
	var out strings.Builder
	for line := range strings.Lines(jsonLines) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) != nil {
			return jsonLines
		}
		delete(m, "timing")
		b, _ := json.Marshal(m)
		out.Write(append(b, '\n'))
	}
	return out.String()
}
