package hub

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPull(t *testing.T) {
	data := randomBytes(1, 300_000)
	f, dir := newFake(t, data), t.TempDir()
	var seen []Progress
	c := f.client(t, dir, func(o *Options) { o.Progress = func(p Progress) { seen = append(seen, p) } })
	absent(t, c, testEntry)
	if got := f.log(); len(got) != 0 {
		t.Errorf("Lookup asked the network: %q", got)
	}
	r := pull(t, c, testEntry)
	want := Result{Path: r.Path, Bytes: 300_000, SHA256: digestOf(data), Commit: f.commit, Checked: "sha256 " + digestOf(data), Fetched: 300_000}
	if *r != want {
		t.Errorf("%+v", r)
	}
	// The token goes to the endpoint and not to where it redirects.
	bearer := " Bearer " + testToken
	if got := f.log(); !slices.Equal(got, []string{"hub HEAD" + bearer, "hub GET" + bearer, "cdn GET"}) {
		t.Errorf("requests %q", got)
	}
	repo := "hub/models--timm--net/"
	if got := files(t, dir); !slices.Equal(got, []string{repo + "blobs/" + digestOf(data), repo + "refs/main", repo + "snapshots/" + f.commit + "/model.safetensors"}) {
		t.Errorf("files %q", got)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, repo, "refs/main")); string(b) != f.commit {
		t.Errorf("refs/main is %q", b)
	}
	if link, err := os.Readlink(r.Path); err != nil || filepath.ToSlash(link) != "../../blobs/"+digestOf(data) {
		t.Errorf("link %q, %v", link, err)
	}
	holds(t, c, testEntry, data)
	last := seen[len(seen)-1]
	if last.Done != 300_000 || last.Total != 300_000 || last.Rate <= 0 || last.Resumed != 0 {
		t.Errorf("progress ends with %+v", last)
	}
	// Again: nothing is fetched.
	r = pull(t, c, testEntry)
	want.Cached, want.Fetched = true, 0
	if *r != want {
		t.Errorf("again %+v", r)
	}
	if got := f.log(); !slices.Equal(got, []string{"hub HEAD" + bearer}) {
		t.Errorf("again %q", got)
	}
}

// TestPullSmall pulls a file that git itself holds: no redirect, a SHA-1.
func TestPullSmall(t *testing.T) {
	data := []byte(`{"architecture": "mobilenet"}`)
	f := newFake(t, data)
	git := fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data)))
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("X-Repo-Commit", f.commit)
		w.Header().Set("ETag", `W/"`+git+`"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(data)
		}
		return true
	}
	e := &Entry{Name: "small", Repo: "timm/net", File: "config.json"}
	c := f.client(t, t.TempDir())
	if r := pull(t, c, e); r.Checked != "git blob "+git || r.SHA256 != digestOf(data) {
		t.Errorf("%+v", r)
	}
	holds(t, c, e, data)
	data[3]++
	c = f.client(t, t.TempDir())
	fails(t, c, e, "wrong checksum")
	absent(t, c, e)
}

func TestPullTorch(t *testing.T) {
	data := randomBytes(2, 100_000)
	f, dir := newFake(t, data), t.TempDir()
	c, e := f.client(t, dir), torchEntry(data)
	absent(t, c, e)
	r := pull(t, c, e)
	if r.Path != filepath.Join(dir, "torch", e.File) || r.Checked != "sha256 "+digestOf(data)[:8]+"..." || r.Bytes != 100_000 || r.Cached {
		t.Errorf("%+v", r)
	}
	holds(t, c, e, data)
	if got := f.log(); !slices.Equal(got, []string{"cdn GET"}) {
		t.Errorf("requests %q", got)
	}
	if r = pull(t, c, e); !r.Cached || len(f.log()) != 0 {
		t.Errorf("again %+v", r)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files %q", got)
	}

	// A file that somebody damaged is fetched again, but not without network.
	damage := func() {
		if err := os.WriteFile(r.Path, data[1:], 0o666); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	off := f.client(t, dir, func(o *Options) { o.Offline = true })
	fails(t, off, e, "the checksum is not sha256 "+digestOf(data)[:8])
	if pull(t, c, e).Cached {
		t.Error("took a damaged file")
	}
	holds(t, c, e, data)

	// What another name promises is not what comes.
	wrong := &Entry{Name: "torchvision/wrong", File: "net-00000000.pth"}
	fails(t, c, wrong, "wrong checksum: the file has sha256 "+digestOf(data)+", it should have sha256 00000000...; what came was removed")
	absent(t, c, wrong)
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files %q", got)
	}
	fails(t, c, &Entry{Name: "x", File: "net.pth"}, "no checksum in the name")

	// Killed between the last byte and the file's name.
	if err := os.Rename(r.Path, r.Path+".incomplete"); err != nil {
		t.Fatal(err)
	}
	f.log()
	if r := pull(t, c, e); r.Fetched != 0 || len(f.log()) != 0 || r.Bytes != 100_000 {
		t.Errorf("fetched a complete file again: %+v", r)
	}
	holds(t, c, e, data)
}

func TestOffline(t *testing.T) {
	data := randomBytes(3, 1000)
	f, dir := newFake(t, data), t.TempDir()
	off := f.client(t, dir, func(o *Options) { o.Offline = true })
	fails(t, off, testEntry, "HF_HUB_OFFLINE")
	fails(t, off, torchEntry(data), "HF_HUB_OFFLINE")
	pull(t, f.client(t, dir), testEntry)
	f.log()
	if r := pull(t, off, testEntry); !r.Cached || r.SHA256 != digestOf(data) || r.Commit != f.commit {
		t.Errorf("%+v", r)
	}
	path, _ := off.Lookup(testEntry)
	if err := os.WriteFile(path, data[1:], 0o666); err != nil {
		t.Fatal(err)
	}
	fails(t, off, testEntry, "HF_HUB_OFFLINE")
	if got := f.log(); len(got) != 0 {
		t.Errorf("offline, and asked %q", got)
	}
}

// TestNewVersion follows a repository whose file changes.
func TestNewVersion(t *testing.T) {
	one, two := randomBytes(4, 5000), randomBytes(5, 6000)
	f, dir := newFake(t, one), t.TempDir()
	c := f.client(t, dir)
	old := pull(t, c, testEntry)
	// Another commit with the same file fetches nothing.
	f.commit = strings.Repeat("d1", 20)
	if r := pull(t, c, testEntry); !r.Cached || r.Commit != f.commit {
		t.Errorf("%+v", r)
	}
	holds(t, c, testEntry, one)
	f.commit, f.data, f.etag = strings.Repeat("e2", 20), two, digestOf(two)
	if r := pull(t, c, testEntry); r.Cached || r.Commit != f.commit {
		t.Errorf("%+v", r)
	}
	holds(t, c, testEntry, two)
	if b, err := os.ReadFile(old.Path); err != nil || digestOf(b) != digestOf(one) {
		t.Errorf("the old snapshot is gone: %v", err)
	}
	// A damaged blob is fetched again.
	path, _ := c.Lookup(testEntry)
	if err := os.WriteFile(path, one, 0o666); err != nil {
		t.Fatal(err)
	}
	if pull(t, c, testEntry).Cached {
		t.Error("took a damaged blob")
	}
	holds(t, c, testEntry, two)
	// The hub is away: the cached file serves, and that is said.
	f.hub.Close()
	r := pull(t, c, testEntry)
	if !r.Cached || !strings.Contains(r.Warning, "verified") {
		t.Errorf("%+v", r)
	}
}

// TestChangedMeanwhile changes the main branch between the question what it has
// and the download: the bytes asked for are those of the commit.
func TestChangedMeanwhile(t *testing.T) {
	one, two := randomBytes(24, 5000), randomBytes(25, 6000)
	f := newFake(t, one)
	f.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			return false
		}
		content := two
		if r.URL.Path == "/timm/net/resolve/"+f.commit+"/model.safetensors" {
			content = one
		}
		_, _ = w.Write(content)
		return true
	}
	c := f.client(t, t.TempDir())
	pull(t, c, testEntry)
	holds(t, c, testEntry, one)
}

// TestWithoutLinks fills the cache of systems that lack symbolic links.
func TestWithoutLinks(t *testing.T) {
	one, two := randomBytes(6, 5000), randomBytes(7, 6000)
	no := func(string, string) error { return errors.ErrUnsupported }
	for name, cripple := range map[string]func(*Client){
		"symlink": func(c *Client) { c.symlink = no },
		"both":    func(c *Client) { c.symlink, c.hardlink = no, no },
	} {
		f, dir := newFake(t, one), t.TempDir()
		c := f.client(t, dir)
		cripple(c)
		r := pull(t, c, testEntry)
		if st, err := os.Lstat(r.Path); err != nil || !st.Mode().IsRegular() {
			t.Errorf("%s: %v %v", name, st, err)
		}
		holds(t, c, testEntry, one)
		if !pull(t, c, testEntry).Cached {
			t.Errorf("%s: fetched again", name)
		}
		off := f.client(t, dir, func(o *Options) { o.Offline = true })
		if r := pull(t, off, testEntry); r.SHA256 != f.etag || r.Commit != f.commit {
			t.Errorf("%s: offline %+v", name, r)
		}
		// Hugging Face's library moves the blob into the snapshot there.
		if err := os.Remove(c.blob("timm/net", f.etag)); err != nil {
			t.Fatal(err)
		}
		if !pull(t, c, testEntry).Cached {
			t.Errorf("%s: fetched again without blob", name)
		}
		f.data, f.etag = two, digestOf(two) // of the same commit: the snapshot is replaced
		pull(t, c, testEntry)
		holds(t, c, testEntry, two)
		for _, file := range files(t, dir) {
			if strings.Contains(file, ".link") || strings.Contains(file, "incomplete") {
				t.Errorf("%s: left %s", name, file)
			}
		}
	}
}

// TestTogether pulls one file from several clients at once.
func TestTogether(t *testing.T) {
	data := randomBytes(8, 2_000_000)
	for _, e := range []*Entry{testEntry, torchEntry(data)} {
		f, dir := newFake(t, data), t.TempDir()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := f.client(t, dir).Pull(context.Background(), e); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		holds(t, f.client(t, dir), e, data)
		if f.served != int64(len(data)) {
			t.Errorf("%s: %d bytes served, want them once", e.Name, f.served)
		}
	}
	// Who waits for the lock can be told to stop.
	dir := t.TempDir()
	unlock, err := lock(context.Background(), filepath.Join(dir, "l"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, filepath.Join(dir, "l")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	unlock()
	if unlock, err = lock(context.Background(), filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	unlock()
}
