package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// errLocked is what tryLock answers while another process holds the lock.
var errLocked = errors.New("locked")

// lock takes the lock file, waiting for whoever holds it: two processes that
// pull the same file would write into each other's bytes. It is the lock that
// Hugging Face's library takes on the same file. The file itself is left: who
// removes it takes it from under a waiting process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		switch err = tryLock(f); {
		case err == nil:
			// Somebody else's library may remove the file when it is done with it.
			held, err1 := f.Stat()
			named, err2 := os.Stat(path)
			if err1 == nil && err2 == nil && os.SameFile(held, named) {
				return func() { release(f); f.Close() }, nil
			}
			f.Close()
			continue
		case !errors.Is(err, errLocked):
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f.Close()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
