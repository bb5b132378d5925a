package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	data := randomBytes(20, 10_000)
	always := func(code int, retryAfter string) func(int, http.ResponseWriter) bool {
		return func(_ int, w http.ResponseWriter) bool {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(code)
			return true
		}
	}
	first := func(n int, answer func(int, http.ResponseWriter) bool) func(int, http.ResponseWriter) bool {
		return func(i int, w http.ResponseWriter) bool { return i <= n && answer(i, w) }
	}
	for _, tc := range []struct {
		name     string
		answer   func(n int, w http.ResponseWriter) bool
		requests int // to the misbehaving host
		want     string
	}{
		{"401", always(401, ""), 1, "401 Unauthorized: set HF_TOKEN"},
		{"403", always(403, ""), 1, "403 Forbidden: set HF_TOKEN"},
		{"404", always(404, ""), 1, "404 Not Found"},
		{"410", always(410, ""), 1, "410 Gone"},
		{"204", always(204, ""), 1, "204 No Content"},
		{"429 for long", always(429, "3600"), 1, "it asks to wait 1h0m0s"},
		{"429 once", first(1, always(429, "1")), 2, ""},
		{"429 always", always(429, ""), 4, "429 Too Many Requests"},
		{"500 always", always(500, ""), 4, "500 Internal Server Error"},
		{"503 twice", first(2, always(503, "")), 3, ""},
		{"502 once", first(1, always(502, "garbage")), 2, ""},
		{"504 once", first(1, always(504, "")), 2, ""},
		{"broken twice", first(2, func(int, http.ResponseWriter) bool { panic(http.ErrAbortHandler) }), 3, ""},
		{"broken always", func(int, http.ResponseWriter) bool { panic(http.ErrAbortHandler) }, 4, "EOF"},
		{"redirect to nowhere", always(302, ""), 1, "redirects to no address"},
	} {
		for _, host := range []string{"hub", "cdn"} {
			t.Run(tc.name+" of "+host, func(t *testing.T) {
				t.Parallel()
				f := newFake(t, data)
				var n atomic.Int64
				hook := func(w http.ResponseWriter, r *http.Request) bool {
					if host == "hub" && r.Method != http.MethodHead {
						return false
					}
					i := n.Add(1)
					return tc.answer(int(i), w)
				}
				if host == "hub" {
					f.onHub = hook
				} else {
					f.onCDN = hook
				}
				c := f.client(t, t.TempDir(), func(o *Options) { o.Retries = 4 })
				began := time.Now()
				if tc.want != "" {
					err := fails(t, c, testEntry, tc.want)
					absent(t, c, testEntry)
					var status *StatusError
					if strings.HasPrefix(tc.name, "40") && !errors.As(err, &status) {
						t.Errorf("%T", err)
					}
				} else {
					pull(t, c, testEntry)
					holds(t, c, testEntry, data)
				}
				if n := int(n.Load()); n != tc.requests {
					t.Errorf("%d requests, want %d", n, tc.requests)
				}
				if d := time.Since(began); tc.name == "429 once" && d < time.Second || d > 5*time.Second {
					t.Errorf("took %v", d)
				}
			})
		}
	}
}

// TestMeta refuses what the hub says of a file when it cannot be verified or
// would become a path.
func TestMeta(t *testing.T) {
	data := randomBytes(21, 1000)
	digest, commit := digestOf(data), strings.Repeat("c0", 20)
	for name, tc := range map[string]struct{ commit, etag, size, want string }{
		"no commit":    {"", digest, "1000", "no commit"},
		"a path":       {"../../../../etc", digest, "1000", "no commit"},
		"short commit": {commit[:7], digest, "1000", "no commit"},
		"md5":          {commit, digest[:32], "1000", "names no checksum"},
		"a tag path":   {commit, "../../x", "1000", "names no checksum"},
		"bad size":     {commit, digest, "-5", "has \"-5\" bytes"},
		"no number":    {commit, digest, "many", "has \"many\" bytes"},
		"too large":    {commit, digest, "5000000000000", "more than the limit of 1073741824"},
	} {
		f, dir := newFake(t, data), t.TempDir()
		f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
			h := w.Header()
			if tc.commit != "" {
				h.Set("X-Repo-Commit", tc.commit)
			}
			h.Set("X-Linked-Etag", `"`+tc.etag+`"`)
			h.Set("X-Linked-Size", tc.size)
			h.Set("Location", f.cdn.URL+"/blob?sig=sesame")
			w.WriteHeader(http.StatusFound)
			return true
		}
		c := f.client(t, dir)
		fails(t, c, testEntry, tc.want)
		absent(t, c, testEntry)
		if got := files(t, dir); len(got) != 0 {
			t.Errorf("%s: left %q", name, got)
		}
	}
	// A limit of one's own, on a server that says no size beforehand.
	f := newFake(t, data)
	e := torchEntry(data)
	small := func(o *Options) { o.MaxBytes = 999 }
	fails(t, f.client(t, t.TempDir(), small), e, "has 1000 bytes, more than the limit of 999")
	f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
		w.(http.Flusher).Flush()
		_, _ = w.Write(data)
		return true
	}
	fails(t, f.client(t, t.TempDir(), small), e, "more than the 999 bytes")
}

// TestRedirects renames a repository, moves the endpoint and loops.
func TestRedirects(t *testing.T) {
	data := randomBytes(22, 1000)
	f := newFake(t, data)
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/timm/net/"); ok {
			http.Redirect(w, r, "/timm/renamed/"+rest, http.StatusTemporaryRedirect)
			return true
		}
		r.URL.Path = strings.Replace(r.URL.Path, "renamed", "net", 1)
		return false
	}
	c := f.client(t, t.TempDir())
	pull(t, c, testEntry)
	holds(t, c, testEntry, data)
	for _, r := range f.log() {
		if strings.HasPrefix(r, "cdn") == strings.Contains(r, testToken) {
			t.Errorf("%q", r)
		}
	}
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return true
	}
	fails(t, f.client(t, t.TempDir()), testEntry, "more than 10 redirects")
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
		return true
	}
	fails(t, f.client(t, t.TempDir()), testEntry, "no web address")

	// Another endpoint that sends the token on to itself would do so to anyone.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			t.Errorf("the token went to another host: %s", a)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer evil.Close()
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, evil.URL+r.URL.Path, http.StatusMovedPermanently)
		return true
	}
	fails(t, f.client(t, t.TempDir()), testEntry, "404")
}

func TestMayFollow(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"https://huggingface.co/a", "https://cdn.example/b", true},
		{"https://huggingface.co/a", "http://cdn.example/b", false},
		{"http://mirror.example/a", "http://cdn.example/b", true},
		{"http://mirror.example/a", "https://cdn.example/b", true},
		{"https://localhost/a", "http://127.0.0.1:80/b", true},
		{"http://mirror.example/a", "ftp://cdn.example/b", false},
		{"http://mirror.example/a", "file:///b", false},
	} {
		from, _ := url.Parse(tc.from)
		to, _ := url.Parse(tc.to)
		if err := mayFollow(from, to); (err == nil) != tc.ok {
			t.Errorf("%s to %s: %v", tc.from, tc.to, err)
		}
	}
}

func TestMayHaveToken(t *testing.T) {
	for _, tc := range []struct {
		endpoint, to string
		ok           bool
	}{
		{"", "https://huggingface.co/a/b", true},
		{"", "https://HuggingFace.co/a/b", true},
		{"", "http://huggingface.co/a/b", false},
		{"", "https://huggingface.co.evil.example/", false},
		{"", "https://huggingface.co:444/", false},
		{"", "https://cdn-lfs.huggingface.co/", false},
		{"http://mirror.example", "http://mirror.example/a", false}, // in the clear
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/a", true},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8081/a", false},
	} {
		c, err := New(Options{CacheDir: "a", TorchDir: "b", Endpoint: tc.endpoint, Token: testToken})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(tc.to)
		if c.mayHaveToken(u) != tc.ok {
			t.Errorf("endpoint %q, token to %s: %v", tc.endpoint, tc.to, !tc.ok)
		}
	}
}

func TestFromEnv(t *testing.T) {
	home := filepath.FromSlash("/home/u")
	for _, tc := range []struct {
		env                    map[string]string
		cache, torch, endpoint string
		token                  string
		offline                bool
	}{
		{nil, "/home/u/.cache/huggingface/hub", "/home/u/.cache/torch/hub/checkpoints", "", "", false},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub", "/x/torch/hub/checkpoints", "", "", false},
		{map[string]string{"HF_HOME": "/hf", "TORCH_HOME": "/t", "XDG_CACHE_HOME": "/x"}, "/hf/hub", "/t/hub/checkpoints", "", "", false},
		{map[string]string{"HF_HOME": "/hf", "HF_HUB_CACHE": "~/c/"}, "/home/u/c", "/home/u/.cache/torch/hub/checkpoints", "", "", false},
		{map[string]string{"HF_ENDPOINT": "http://e/", "HF_TOKEN": " t\n", "HF_HUB_OFFLINE": "Yes"}, "/home/u/.cache/huggingface/hub", "/home/u/.cache/torch/hub/checkpoints", "http://e/", "t", true},
		{map[string]string{"HF_TOKEN": "t", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_OFFLINE": "0"}, "/home/u/.cache/huggingface/hub", "/home/u/.cache/torch/hub/checkpoints", "", "", false},
	} {
		o := FromEnv(func(k string) string { return tc.env[k] }, home)
		want := Options{CacheDir: filepath.FromSlash(tc.cache), TorchDir: filepath.FromSlash(tc.torch), Endpoint: tc.endpoint, Token: tc.token, Offline: tc.offline}
		if fmt.Sprint(o) != fmt.Sprint(want) {
			t.Errorf("%v: %+v", tc.env, o)
		}
	}
	if _, err := New(FromEnv(func(string) string { return "" }, "")); err == nil || !strings.Contains(err.Error(), "HF_HOME") {
		t.Errorf("without a home: %v", err)
	}
	for _, o := range []Options{
		{Endpoint: "huggingface.co"}, {Endpoint: "ftp://x"}, {Endpoint: "https://u:p@x"}, {Endpoint: "https://x?y"}, {Endpoint: "https://x/\x00"},
		{Token: "a\r\nX-Evil: 1"}, {Token: "höher"}, {TorchURL: "x"},
	} {
		o.CacheDir, o.TorchDir = "a", "b"
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "Evil") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	c, err := New(Options{CacheDir: "a", TorchDir: "b"})
	if err != nil || c.opt.Endpoint != defaultEndpoint || c.opt.MaxBytes != 1<<30 {
		t.Errorf("%+v %v", c.opt, err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:05 GMT": 0,
	} {
		if got := retryAfter(v, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}

// TestTwoFiles pulls from both sources.
func TestTwoFiles(t *testing.T) {
	data := randomBytes(23, 1000)
	f, dir := newFake(t, data), t.TempDir()
	c := f.client(t, dir)
	pull(t, c, testEntry)
	pull(t, c, torchEntry(data))
	if got := files(t, dir); len(got) != 4 || !slices.Contains(got, "torch/"+torchEntry(data).File) {
		t.Errorf("%q", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, e := range []*Entry{testEntry, torchEntry(append(data, 1))} {
		if _, err := c.Pull(ctx, e); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}
