package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const testToken = "hf_secretsecretsecret"

// fakeHub behaves as the Hugging Face hub does: a HEAD or GET of a large file
// is answered by a redirect that says what the file is, to another host that
// serves ranges. Its hooks make it misbehave.
type fakeHub struct {
	hub, cdn *httptest.Server

	mu       sync.Mutex
	data     []byte
	commit   string
	etag     string // X-Linked-Etag, without quotes
	requests []string
	served   int64 // bytes of bodies

	// onHub and onCDN answer instead when they return true.
	onHub, onCDN func(w http.ResponseWriter, r *http.Request) bool
}

func newFake(t testing.TB, data []byte) *fakeHub {
	f := &fakeHub{data: data, commit: strings.Repeat("c0", 20), etag: digestOf(data)}
	f.cdn = httptest.NewServer(http.HandlerFunc(f.serveCDN))
	f.hub = httptest.NewServer(http.HandlerFunc(f.serveHub))
	t.Cleanup(func() { f.hub.Close(); f.cdn.Close() })
	return f
}

func digestOf(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

// note records a request with the authorization it carried.
func (f *fakeHub) note(where string, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, strings.TrimSpace(where+" "+r.Method+" "+r.Header.Get("Authorization")))
}

func (f *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	f.note("hub", r)
	f.mu.Lock()
	hook := f.onHub
	f.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	f.mu.Lock()
	data, commit, etag := f.data, f.commit, f.etag
	f.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.Path, "/timm/net/resolve/")
	revision, file, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || revision != "main" && revision != commit || file != "model.safetensors" {
		http.Error(w, "Entry not found", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("X-Repo-Commit", commit)
	h.Set("X-Linked-Etag", `"`+etag+`"`)
	h.Set("X-Linked-Size", fmt.Sprint(len(data)))
	h.Set("Location", f.cdn.URL+"/blob?X-Amz-Signature=sesame")
	w.WriteHeader(http.StatusFound)
	fmt.Fprint(w, "Found. Redirecting")
}

func (f *fakeHub) serveCDN(w http.ResponseWriter, r *http.Request) {
	f.note("cdn", r)
	f.mu.Lock()
	hook := f.onCDN
	f.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	f.mu.Lock()
	data := f.data
	f.mu.Unlock()
	w.Header().Set("ETag", `"`+digestOf(data)[:32]+`"`)
	http.ServeContent(&counter{ResponseWriter: w, f: f}, r, "", time.Time{}, bytes.NewReader(data))
}

// counter counts the bytes of a body.
type counter struct {
	http.ResponseWriter
	f *fakeHub
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.f.mu.Lock()
	c.f.served += int64(n)
	c.f.mu.Unlock()
	return n, err
}

// log takes the requests seen so far.
func (f *fakeHub) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.requests
	f.requests = nil
	return out
}

// cut answers with the file from where the request wants it and breaks the
// connection after n bytes.
func (f *fakeHub) cut(w http.ResponseWriter, r *http.Request, n int) {
	from := 0
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	f.mu.Lock()
	data := f.data
	f.mu.Unlock()
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	w.Header().Set("ETag", `"`+digestOf(data)[:32]+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(data[from:min(len(data), from+n)])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// options are a client's for the fake, with its caches in dir.
func (f *fakeHub) options(dir string) Options {
	return Options{
		CacheDir: filepath.Join(dir, "hub"), TorchDir: filepath.Join(dir, "torch"),
		Endpoint: f.hub.URL, TorchURL: f.cdn.URL + "/models", Token: testToken,
		Backoff: time.Millisecond, Stall: 5 * time.Second,
	}
}

func (f *fakeHub) client(t testing.TB, dir string, change ...func(*Options)) *Client {
	opt := f.options(dir)
	for _, c := range change {
		c(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var testEntry = &Entry{Name: "net.in1k", Repo: "timm/net", File: "model.safetensors"}

func torchEntry(data []byte) *Entry {
	return &Entry{Name: "torchvision/net", File: "net-" + digestOf(data)[:8] + ".pth"}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// holds fails unless an entry is in the cache with exactly these bytes.
func holds(t testing.TB, c *Client, e *Entry, data []byte) {
	t.Helper()
	path, err := c.Lookup(e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(b, data) {
		t.Fatalf("%s: %d bytes (%v), want %d", path, len(b), err, len(data))
	}
}

// absent fails if an entry is in the cache.
func absent(t testing.TB, c *Client, e *Entry) {
	t.Helper()
	var not *NotCachedError
	if path, err := c.Lookup(e); !errors.As(err, &not) || !strings.Contains(err.Error(), "mobilenet pull "+e.Name) {
		t.Fatalf("in the cache: %s (%v)", path, err)
	}
}

func pull(t testing.TB, c *Client, e *Entry) *Result {
	t.Helper()
	r, err := c.Pull(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fails pulls and returns the error, which must be one line without secrets.
func fails(t testing.TB, c *Client, e *Entry, want string) error {
	t.Helper()
	_, err := c.Pull(context.Background(), e)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want an error with %q", err, want)
	}
	for _, secret := range []string{"sesame", testToken, "\n"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
	return err
}

// files lists what is below a folder, locks aside.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(path, ".locks") {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}
