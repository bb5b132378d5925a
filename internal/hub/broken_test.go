package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInterrupted breaks connections and stops pulls at random places: after
// each the file is whole and verified or absent.
func TestInterrupted(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		data := randomBytes(seed, 50_000+rnd.IntN(400_000))
		f, dir := newFake(t, data), t.TempDir()
		e := testEntry
		if seed%3 == 2 {
			e = torchEntry(data)
		}
		breaks, stops := 0, 0
		var stop context.CancelFunc
		f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case breaks < 8 && rnd.IntN(2) == 0:
				breaks++
				f.cut(w, r, rnd.IntN(len(data)/3))
			case stops < 4 && rnd.IntN(2) == 0:
				stops++
				time.AfterFunc(time.Duration(rnd.IntN(3000))*time.Microsecond, stop)
				f.cutSlowly(w, r)
			}
			return false
		}
		done := false
		for try := 0; !done; try++ {
			if try > 40 {
				t.Fatalf("seed %d: never done", seed)
			}
			var ctx context.Context
			ctx, stop = context.WithCancel(context.Background())
			c := f.client(t, dir) // as a new process
			_, err := c.Pull(ctx, e)
			stop()
			if done = err == nil; done {
				holds(t, c, e, data)
			} else {
				absent(t, c, e)
			}
		}
		for _, name := range files(t, dir) {
			if strings.HasSuffix(name, ".incomplete") {
				t.Errorf("seed %d: left %s", seed, name)
			}
		}
		if breaks+stops == 0 {
			t.Logf("seed %d: nothing broke", seed)
		}
	}
}

// cutSlowly sends the file in small pieces until the client goes away.
func (f *fakeHub) cutSlowly(w http.ResponseWriter, r *http.Request) {
	from := 0
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(f.data)-1, len(f.data)))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(f.data)))
	}
	for i := from; i < len(f.data) && r.Context().Err() == nil; i += 1000 {
		_, _ = w.Write(f.data[i:min(i+1000, len(f.data))])
		w.(http.Flusher).Flush()
		time.Sleep(200 * time.Microsecond)
	}
	panic(http.ErrAbortHandler)
}

// TestKilled kills the process that pulls, over and over, at random moments.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("HUB_TEST_DIR"); dir != "" { // the process to be killed
		c, err := New(Options{CacheDir: filepath.Join(dir, "hub"), TorchDir: filepath.Join(dir, "torch"), Endpoint: os.Getenv("HUB_TEST_URL")})
		if err == nil {
			_, err = c.Pull(context.Background(), testEntry)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	data := randomBytes(9, 300_000)
	f := newFake(t, data)
	f.mu.Lock() // the requests come from other processes, which the race detector cannot order
	f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
		f.cutSlowly(w, r)
		return true
	}
	f.mu.Unlock()
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(9, 9))
	killed, finished, kept := 0, 0, int64(0)
	for range 25 {
		cmd := exec.Command(exe, "-test.run=^TestKilled$", "-test.count=1")
		cmd.Env = append(os.Environ(), "HUB_TEST_DIR="+dir, "HUB_TEST_URL="+f.hub.URL)
		if err := cmd.Start(); err != nil {
			t.Skip(err)
		}
		timer := time.AfterFunc(time.Duration(20+rnd.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		c := f.client(t, dir)
		if err == nil {
			finished++
			holds(t, c, testEntry, data)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			continue
		}
		killed++
		if _, err := c.Lookup(testEntry); err == nil {
			holds(t, c, testEntry, data)
		}
		kept = max(kept, fileSize(c.blob("timm/net", f.etag)+".incomplete"))
	}
	if killed < 10 || kept <= 0 {
		t.Errorf("killed %d times, at most %d bytes kept, finished %d times: the test tests nothing", killed, kept, finished)
	}
	t.Logf("killed %d times, finished %d times, at most %d bytes kept", killed, finished, kept)
	f.mu.Lock()
	f.onCDN = nil
	f.mu.Unlock()
	c := f.client(t, dir)
	pull(t, c, testEntry)
	holds(t, c, testEntry, data)
}

// TestResume continues where a part ends, and starts again where the server or
// the part make that impossible.
func TestResume(t *testing.T) {
	data := randomBytes(10, 200_000)
	other := randomBytes(11, 200_000)
	for name, tc := range map[string]struct {
		part    []byte
		onCDN   func(f *fakeHub, n int, w http.ResponseWriter, r *http.Request) bool
		fetched int64 // bytes over the wire; 0: any
		gets    int
	}{
		"half":       {part: data[:100_000], fetched: 100_000, gets: 1},
		"complete":   {part: data, fetched: 0, gets: 0},
		"too long":   {part: append(bytes.Clone(data), 1), fetched: 200_000, gets: 1},
		"empty":      {part: []byte{}, fetched: 200_000, gets: 1},
		"wrong half": {part: other[:100_000], fetched: 300_000, gets: 2},
		"wrong":      {part: other, fetched: 200_000, gets: 1},
		"range ignored": {part: data[:100_000], fetched: 200_000, gets: 1, onCDN: func(f *fakeHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Range")
			return false
		}},
		"416": {part: data[:100_000], fetched: 200_000, gets: 2, onCDN: func(f *fakeHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
			return false
		}},
		"another range": {part: data[:100_000], fetched: 200_000, gets: 2, onCDN: func(f *fakeHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				r.Header.Set("Range", "bytes=99999-")
			}
			return false
		}},
		"no content range": {part: data[:100_000], fetched: 200_000, gets: 2, onCDN: func(f *fakeHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(data[100_000:])
				return true
			}
			return false
		}},
		"another length": {part: data[:100_000], fetched: 200_000, gets: 2, onCDN: func(f *fakeHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", "bytes 100000-199999/200001")
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(data[100_000:])
				return true
			}
			return false
		}},
		// The first half is of another file, of which the server then knows no more.
		"changed midway": {gets: 2, onCDN: func(f *fakeHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				w.Header().Set("ETag", `"first"`)
				w.Header().Set("Content-Length", "200000")
				_, _ = w.Write(other[:100_000])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			if r.Header.Get("If-Range") != `"first"` {
				t.Errorf("continues with If-Range %q", r.Header.Get("If-Range"))
			}
			return false // ServeContent answers with the whole
		}},
		"changed midway, If-Range ignored": {gets: 3, onCDN: func(f *fakeHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				w.Header().Set("ETag", `"first"`)
				w.Header().Set("Content-Length", "200000")
				_, _ = w.Write(other[:100_000])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			r.Header.Del("If-Range")
			return false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, data)
			gets := 0
			f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
				gets++
				return tc.onCDN != nil && tc.onCDN(f, gets, w, r)
			}
			c := f.client(t, t.TempDir())
			part := c.blob("timm/net", f.etag) + ".incomplete"
			if tc.part != nil {
				if err := os.MkdirAll(filepath.Dir(part), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(part, tc.part, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			r := pull(t, c, testEntry)
			holds(t, c, testEntry, data)
			if gets != tc.gets {
				t.Errorf("%d requests, want %d", gets, tc.gets)
			}
			if tc.part != nil && r.Fetched != tc.fetched {
				t.Errorf("%d bytes fetched, want %d", r.Fetched, tc.fetched)
			}
		})
	}
}

// TestWrongBytes serves what the hub did not announce.
func TestWrongBytes(t *testing.T) {
	data, other := randomBytes(12, 50_000), randomBytes(13, 50_000)
	answer := func(b []byte, length bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if length {
				w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			} else {
				w.(http.Flusher).Flush() // chunked
			}
			_, _ = w.Write(b)
			return true
		}
	}
	for name, tc := range map[string]struct {
		onCDN func(http.ResponseWriter, *http.Request) bool
		want  string
	}{
		"other bytes":    {answer(other, true), "wrong checksum: the file has sha256 " + digestOf(other)},
		"chunked":        {answer(other, false), "wrong checksum"},
		"longer":         {answer(append(other, 1), true), "has 50001 bytes, it should have 50000"},
		"longer chunked": {answer(append(other, 1), false), "more than the 50000 bytes it should have"},
		"shorter":        {answer(other[1:], true), "has 49999 bytes, it should have 50000"},
		"a page":         {answer([]byte("<html>Log in to the WiFi</html>"), true), "has 31 bytes"},
		"short chunked":  {answer(data[1:], false), "unexpected EOF"},
		"compressed": {func(w http.ResponseWriter, r *http.Request) bool {
			if e := r.Header.Get("Accept-Encoding"); e != "identity" {
				t.Errorf("accepts %q", e)
			}
			w.Header().Set("Content-Encoding", "gzip")
			return answer(data, true)(w, r)
		}, "comes compressed"},
	} {
		t.Run(name, func(t *testing.T) {
			f, dir := newFake(t, data), t.TempDir()
			f.onCDN = tc.onCDN
			c := f.client(t, dir)
			fails(t, c, testEntry, tc.want)
			absent(t, c, testEntry)
			if strings.HasPrefix(tc.want, "wrong") {
				if got := files(t, dir); len(got) != 0 {
					t.Errorf("left %q", got)
				}
			}
			f.onCDN = nil // and the part does no harm
			pull(t, c, testEntry)
			holds(t, c, testEntry, data)
		})
	}
}

func TestStalled(t *testing.T) {
	data := randomBytes(14, 100_000)
	f := newFake(t, data)
	n := 0
	f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
		if n++; n > 2 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:40_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	c := f.client(t, t.TempDir(), func(o *Options) { o.Stall = 200 * time.Millisecond })
	pull(t, c, testEntry)
	holds(t, c, testEntry, data)
	if n < 2 {
		t.Errorf("%d requests", n)
	}
	// Not even a header comes, once.
	f, n = newFake(t, data), 0
	f.onCDN = func(w http.ResponseWriter, r *http.Request) bool {
		if n++; n == 1 {
			<-r.Context().Done()
		}
		return n == 1
	}
	c = f.client(t, t.TempDir(), func(o *Options) { o.Stall = 200 * time.Millisecond })
	began := time.Now()
	pull(t, c, testEntry)
	holds(t, c, testEntry, data)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("waited %v", d)
	}
	// The hub itself says nothing.
	f = newFake(t, data)
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	c = f.client(t, t.TempDir(), func(o *Options) { o.Stall, o.Retries = 50*time.Millisecond, 2 })
	fails(t, c, testEntry, errStalled.Error())
	// A person's patience ends at once.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c = f.client(t, t.TempDir())
	if _, err := c.Pull(ctx, testEntry); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
