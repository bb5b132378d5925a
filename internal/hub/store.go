package hub

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// The Hugging Face cache:
//
//	models--timm--NAME/refs/main                   the commit
//	models--timm--NAME/snapshots/COMMIT/FILE       a link to
//	models--timm--NAME/blobs/CHECKSUM              the bytes
//	.locks/models--timm--NAME/CHECKSUM.lock

func (c *Client) repoDir(repo string) string {
	return filepath.Join(c.opt.CacheDir, repoFolder(repo))
}

func repoFolder(repo string) string { return "models--" + strings.ReplaceAll(repo, "/", "--") }

func (c *Client) blob(repo, sum string) string {
	return filepath.Join(c.repoDir(repo), "blobs", sum)
}

func (c *Client) snapshot(repo, commit, file string) string {
	return filepath.Join(c.repoDir(repo), "snapshots", commit, filepath.FromSlash(file))
}

func (c *Client) lockPath(repo, sum string) string {
	return filepath.Join(c.opt.CacheDir, ".locks", repoFolder(repo), sum+".lock")
}

func (c *Client) torchPath(e *Entry) string { return filepath.Join(c.opt.TorchDir, e.File) }

// resolve is the address of a file at a revision.
func (c *Client) resolve(repo, revision, file string) string {
	parts := strings.Split(repo+"/resolve/"+revision+"/"+file, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return c.opt.Endpoint + "/" + strings.Join(parts, "/")
}

// ref is the commit that the cache has for the main branch.
func (c *Client) ref(repo string) (string, error) {
	f, err := os.Open(filepath.Join(c.repoDir(repo), "refs", "main"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(string(b))
	if !commitID.MatchString(commit) {
		return "", fmt.Errorf("%s: holds no commit", f.Name())
	}
	return commit, nil
}

func (c *Client) setRef(repo, commit string) error {
	path := filepath.Join(c.repoDir(repo), "refs", "main")
	if old, err := c.ref(repo); err == nil && old == commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomically(path, func(f *os.File) error {
		_, err := f.WriteString(commit)
		return err
	})
}

// link makes the snapshot's name for a blob: a relative link, as the cache may
// be moved; where the system has none, another name of the same bytes, and
// where it has not even that, a copy.
func (c *Client) link(repo, sum, commit, file string) error {
	blob, path := c.blob(repo, sum), c.snapshot(repo, commit, file)
	if _, err := os.Stat(blob); err != nil {
		if _, err := os.Stat(path); err == nil {
			return nil // the snapshot holds the bytes itself
		}
		return err
	}
	have, err1 := os.Stat(path)
	want, err2 := os.Stat(blob)
	if err1 == nil && err2 == nil && os.SameFile(have, want) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	// A new name beside the old one, then a rename: no moment without a file.
	temp := path + fmt.Sprintf(".%d.link", os.Getpid())
	_ = os.Remove(temp)
	if c.symlink(target, temp) != nil && c.hardlink(blob, temp) != nil {
		return atomically(path, func(f *os.File) error {
			src, err := os.Open(blob)
			if err != nil {
				return err
			}
			defer src.Close()
			_, err = io.Copy(f, src)
			return err
		})
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// publish gives a finished and verified file its name.
func publish(part, path string) error {
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// atomically writes a file so that its name holds all of it or what it held
// before.
func atomically(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = publish(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// syncDir makes a rename survive a power cut, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" || runtime.GOOS == "wasip1" || runtime.GOOS == "plan9" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync() // not every file system can; the next pull verifies what is there
	return nil
}
