// Package hub finds published weights by name and downloads them: the
// catalogue of torchvision's and timm's MobileNets, and the caches that
// Hugging Face's and PyTorch's own libraries share with this one.
//
// [Client.Pull] is the only function that opens a connection. A file is in the
// cache whole and verified or not at all.
package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Client reads and fills the caches. It may be used by several goroutines.
type Client struct {
	opt Options
	// How snapshots name blobs; systems lack the one or the other.
	symlink, hardlink func(old, new string) error
}

// New makes a client; it touches neither disk nor network.
func New(opt Options) (*Client, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{opt: opt, symlink: os.Symlink, hardlink: os.Link}, nil
}

// chance is a number below 1, for the backoff.
func (c *Client) chance() float64 { return rand.Float64() }

// Result is what a pull brought.
type Result struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Commit  string `json:"commit,omitempty"` // of the hub's repository
	Checked string `json:"checked"`          // the checksum that the source names and the file has
	Cached  bool   `json:"cached"`           // was there already
	Fetched int64  `json:"fetched"`          // bytes that came over the wire
	Warning string `json:"warning,omitempty"`
}

// NotCachedError says that a file has to be pulled first.
type NotCachedError struct{ Name string }

func (e *NotCachedError) Error() string {
	return fmt.Sprintf("%s: not downloaded: run `mobilenet pull %s`", e.Name, e.Name)
}

// Lookup finds an entry's file in the cache. It opens no connection and does
// not read the file.
func (c *Client) Lookup(e *Entry) (string, error) {
	path := c.torchPath(e)
	if e.Repo != "" {
		commit, err := c.ref(e.Repo)
		if err != nil {
			return "", &NotCachedError{e.Name}
		}
		path = c.snapshot(e.Repo, commit, e.File)
	}
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return "", &NotCachedError{e.Name}
	}
	return path, nil
}

// Pull brings an entry's file into the cache, whole and verified, and returns
// where it is. A broken download leaves a part that the next pull continues.
func (c *Client) Pull(ctx context.Context, e *Entry) (*Result, error) {
	r, err := c.pull(ctx, e)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	return r, nil
}

func (c *Client) pull(ctx context.Context, e *Entry) (*Result, error) {
	if e.Repo == "" {
		return c.pullTorch(ctx, e)
	}
	return c.pullHub(ctx, e)
}

var errOffline = errors.New("not in the cache, and HF_HUB_OFFLINE forbids to fetch it")

// pullTorch fetches one of torchvision's files, whose name says its checksum.
func (c *Client) pullTorch(ctx context.Context, e *Entry) (*Result, error) {
	want, err := sumOfName(e.File)
	if err != nil {
		return nil, err
	}
	path := c.torchPath(e)
	unlock, err := lock(ctx, filepath.Join(c.opt.TorchDir, ".locks", e.File+".lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, wrong, err := present(ctx, path, want)
	switch {
	case r != nil || err != nil:
		return r, err
	case c.opt.Offline && wrong:
		return nil, fmt.Errorf("%s: the checksum is not %s, and HF_HUB_OFFLINE forbids to fetch it again", path, want)
	case c.opt.Offline:
		return nil, errOffline
	case wrong:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	d := &download{c: c, name: e.File, address: c.opt.TorchURL + "/" + url.PathEscape(e.File), part: path + ".incomplete", size: -1, sum: want}
	digest, err := d.run(ctx)
	if err != nil {
		return nil, err
	}
	if err := publish(d.part, path); err != nil {
		return nil, err
	}
	return &Result{Path: path, Bytes: d.size, SHA256: digest, Checked: want.String(), Fetched: d.fetched}, nil
}

// pullHub fetches a file of a repository on the hub: its entity tag is the
// name and the checksum of the file's bytes, shared by the commits that have
// the same file.
func (c *Client) pullHub(ctx context.Context, e *Entry) (*Result, error) {
	if c.opt.Offline {
		if r := c.verifiedCopy(ctx, e); r != nil {
			return r, nil
		}
		return nil, errOffline
	}
	m, err := c.ask(ctx, e)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if r := c.verifiedCopy(ctx, e); r != nil {
			r.Warning = "the cached file was verified, but not whether there is a newer one: " + err.Error()
			return r, nil
		}
		return nil, err
	}
	if m.size > c.opt.MaxBytes {
		return nil, c.tooLarge(e.File, m.size)
	}
	unlock, err := lock(ctx, c.lockPath(e.Repo, m.sum.hex))
	if err != nil {
		return nil, err
	}
	defer unlock()
	blob, path := c.blob(e.Repo, m.sum.hex), c.snapshot(e.Repo, m.commit, e.File)
	var r *Result
	for _, p := range []string{blob, path} { // without links the snapshot holds the bytes
		var wrong bool
		if r, wrong, err = present(ctx, p, m.sum); err != nil {
			return nil, err
		}
		if r != nil {
			break
		}
		// A snapshot of another version that is left alone would look pulled
		// when what follows fails.
		if wrong {
			if err := os.Remove(p); err != nil {
				return nil, err
			}
		}
	}
	if r == nil {
		if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
			return nil, err
		}
		// The commit makes the address that of exactly these bytes.
		d := &download{c: c, name: e.File, address: c.resolve(e.Repo, m.commit, e.File), part: blob + ".incomplete", size: m.size, sum: m.sum}
		digest, err := d.run(ctx)
		if err != nil {
			return nil, err
		}
		if err := publish(d.part, blob); err != nil {
			return nil, err
		}
		r = &Result{Bytes: d.size, SHA256: digest, Checked: m.sum.String(), Fetched: d.fetched}
	}
	r.Path, r.Commit = path, m.commit
	if err := c.link(e.Repo, m.sum.hex, m.commit, e.File); err != nil {
		return nil, err
	}
	return r, c.setRef(e.Repo, m.commit)
}

// present verifies a file that may be there already, under the lock.
func present(ctx context.Context, path string, want sum) (r *Result, wrong bool, err error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	digest, ok, err := want.check(ctx, path)
	if err != nil || !ok {
		return nil, err == nil, err
	}
	return &Result{Path: path, Bytes: st.Size(), SHA256: digest, Checked: want.String(), Cached: true}, false, nil
}

// verifiedCopy is the cached file if its bytes are those that the name of a
// blob promises; nil otherwise.
func (c *Client) verifiedCopy(ctx context.Context, e *Entry) *Result {
	path, err := c.Lookup(e)
	if err != nil {
		return nil
	}
	commit, err := c.ref(e.Repo)
	if err != nil {
		return nil
	}
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	want, err := sumOfTag(filepath.Base(file))
	if err != nil {
		// Without symbolic links the snapshot's file is its own; the blob that
		// it was made from still has the checksum for its name.
		digest, _, err := sum{}.check(ctx, path)
		if err != nil {
			return nil
		}
		if _, err := os.Stat(c.blob(e.Repo, digest)); err != nil {
			return nil
		}
		want = sum{digest, sha256Sum}
	}
	r, _, _ := present(ctx, path, want)
	if r != nil {
		r.Commit = commit
	}
	return r
}

// meta is what the hub says of a file.
type meta struct {
	commit string
	sum    sum
	size   int64 // -1 if it does not say
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ask asks the hub what the main branch has for an entry.
func (c *Client) ask(ctx context.Context, e *Entry) (meta, error) {
	for failures := 1; ; failures++ {
		m, err := c.askOnce(ctx, e)
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		again, least := passing(err)
		if !again || failures >= c.opt.Retries {
			return m, err
		}
		if err := c.pause(ctx, failures, least); err != nil {
			return m, err
		}
	}
}

func (c *Client) askOnce(ctx context.Context, e *Entry) (meta, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opt.Stall, &transportError{e.Repo, errStalled})
	defer cancel()
	// A large file's answer is a redirect to where it is stored; what is said
	// of it is in the redirect itself.
	told := func(r *http.Response) bool {
		return r.Header.Get("X-Repo-Commit") != "" && (r.StatusCode == http.StatusOK || r.Header.Get("X-Linked-Etag") != "" && r.StatusCode/100 == 3)
	}
	resp, err := c.request(ctx, http.MethodHead, c.resolve(e.Repo, "main", e.File), nil, told)
	if err != nil {
		return meta{}, err
	}
	drain(resp)
	m := meta{commit: resp.Header.Get("X-Repo-Commit"), size: -1}
	if !commitID.MatchString(m.commit) {
		return meta{}, fmt.Errorf("%s names no commit of %s: is HF_ENDPOINT a Hugging Face hub?", c.opt.Endpoint, e.Repo)
	}
	tag, size := resp.Header.Get("X-Linked-Etag"), resp.Header.Get("X-Linked-Size")
	if tag == "" {
		tag = resp.Header.Get("ETag")
	}
	if size == "" && resp.StatusCode == http.StatusOK {
		size = resp.Header.Get("Content-Length")
	}
	if size != "" {
		if m.size, err = strconv.ParseInt(size, 10, 64); err != nil || m.size < 0 {
			return meta{}, fmt.Errorf("the hub says that %s has %.40q bytes", e.File, size)
		}
	}
	m.sum, err = sumOfTag(tag)
	return m, err
}

func (c *Client) tooLarge(file string, n int64) error {
	return fmt.Errorf("%s: has %d bytes, more than the limit of %d", file, n, c.opt.MaxBytes)
}
