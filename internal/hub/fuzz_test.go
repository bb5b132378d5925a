package hub

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// script answers requests from the bytes of a fuzzing input.
type script struct {
	in   []byte
	data []byte
	etag string
	n    int
}

func (s *script) next() byte {
	if len(s.in) == 0 {
		return 0
	}
	b := s.in[0]
	s.in = s.in[1:]
	return b
}

func (s *script) text() string {
	n := min(int(s.next())%32, len(s.in))
	out := string(s.in[:n])
	s.in = s.in[n:]
	return out
}

// body breaks after its bytes when the script says so.
type body struct {
	io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}
func (*body) Close() error { return nil }

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	h := http.Header{}
	resp := &http.Response{Header: h, ContentLength: -1, Request: r}
	var content []byte
	codes := []int{200, 302, 206, 416, 500, 404, 429, 307}
	what := s.next()
	resp.StatusCode = codes[what%8]
	if what&8 == 0 { // what the hub says
		h.Set("X-Repo-Commit", "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0")
		h.Set("X-Linked-Etag", s.etag)
		h.Set("Location", "/blob")
	}
	for range s.next() % 4 {
		names := []string{"X-Repo-Commit", "X-Linked-Etag", "X-Linked-Size", "ETag", "Content-Range", "Location", "Retry-After", "Content-Encoding"}
		name, v := names[s.next()%8], s.text()
		if name == "Retry-After" && len(v) > 1 {
			v = "999"
		}
		h.Set(name, v)
	}
	from := int(s.next()) * len(s.data) / 256
	to := min(len(s.data), from+int(s.next())*len(s.data)/200)
	switch what >> 6 {
	case 0:
		from, to = 0, len(s.data)
	case 1:
		content = []byte(s.text())
	}
	if content == nil {
		content = s.data[from:to]
	}
	if what&16 == 0 {
		resp.ContentLength = int64(len(content))
	}
	var broken error
	if what&32 != 0 {
		broken = io.ErrUnexpectedEOF
	}
	resp.Body = &body{bytes.NewReader(content), broken}
	return resp, nil
}

// FuzzAnswers lets a server answer anything: the file is right or absent.
func FuzzAnswers(f *testing.F) {
	data := randomBytes(30, 1000)
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 2, 4, '1', '0', '0', '0', 0, 0, 32, 0, 0, 90, 2, 1, 4, 20, 'b', 'y', 't', 'e', 's', ' ', '3', '5', '1', '-', '9', '9', '9', '/', '1', '0', '0', '0', 90, 200})
	f.Add([]byte{0, 0, 0, 0, 32, 0, 0, 0, 2, 0, 0, 0})
	f.Add([]byte("\x02\x03\x04\x0bbytes 0-0/1\x05\x05/loop"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		opt := Options{
			CacheDir: filepath.Join(dir, "hub"), TorchDir: filepath.Join(dir, "torch"), Endpoint: "http://hub.invalid", TorchURL: "http://torch.invalid",
			Retries: 2, Backoff: time.Nanosecond, Stall: time.Second, Token: "x",
			Transport: &script{in: in, data: data, etag: digestOf(data)},
		}
		c, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []*Entry{testEntry, torchEntry(data)} {
			r, err := c.Pull(context.Background(), e)
			if err == nil && r.SHA256 != digestOf(data) {
				// Another commit's small file may come: then it is what its tag says.
				if r.Checked == "sha256 "+digestOf(data) || e.Repo == "" {
					t.Fatalf("accepted %+v", r)
				}
			}
			if _, lookErr := c.Lookup(e); lookErr == nil {
				if e.Repo == "" || r != nil && r.Checked == "sha256 "+digestOf(data) {
					holds(t, c, e, data)
				}
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes 5-9/*")
	f.Add(`W/"0123456789abcdef0123456789abcdef01234567"`)
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		if from, total, err := contentRange(s); err == nil && (from < 0 || total >= 0 && from >= total) {
			t.Errorf("%q: %d of %d", s, from, total)
		}
		if x, err := sumOfTag(s); err == nil && len(x.hex) != 40 && len(x.hex) != 64 {
			t.Errorf("%q: %v", s, x)
		}
		if x, err := sumOfName(s); err == nil && len(x.hex) < 8 {
			t.Errorf("%q: %v", s, x)
		}
		if d := retryAfter(s, time.Unix(0, 0)); d < 0 {
			t.Errorf("%q: %v", s, d)
		}
	})
}
