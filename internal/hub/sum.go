package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

// sum is what is known of a file's checksum before it is there.
type sum struct {
	hex  string // lower case; a whole checksum or, with prefix, its first digits
	kind sumKind
}

type sumKind uint8

const (
	sha256Sum    sumKind = iota // of a large file on the hub: its entity tag
	sha256Prefix                // of a torchvision file: in its name
	gitBlob                     // of a small file on the hub: SHA-1 of "blob LENGTH\0" and the bytes
)

var (
	hexDigits  = regexp.MustCompile(`^[0-9a-f]+$`)
	nameSuffix = regexp.MustCompile(`-([0-9a-f]{8,64})$`)
)

// sumOfTag reads an entity tag of the hub.
func sumOfTag(tag string) (sum, error) {
	t := strings.ToLower(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`))
	if hexDigits.MatchString(t) {
		switch len(t) {
		case 64:
			return sum{t, sha256Sum}, nil
		case 40:
			return sum{t, gitBlob}, nil
		}
	}
	return sum{}, fmt.Errorf("the hub names no checksum (entity tag %.80q): cannot verify what it would send", tag)
}

// sumOfName reads the checksum in the name of a torchvision file.
func sumOfName(file string) (sum, error) {
	m := nameSuffix.FindStringSubmatch(strings.TrimSuffix(file, path.Ext(file)))
	if m == nil {
		return sum{}, fmt.Errorf("%s: no checksum in the name", file)
	}
	return sum{m[1], sha256Prefix}, nil
}

// check reads a file and compares. It returns the file's SHA-256 and whether
// it is the expected file.
func (s sum) check(ctx context.Context, path string) (digest string, ok bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	if !st.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s: not a file", path)
	}
	h := sha256.New()
	w := io.Writer(h)
	var git hash.Hash
	if s.kind == gitBlob {
		git = sha1.New()
		fmt.Fprintf(git, "blob %d\x00", st.Size())
		w = io.MultiWriter(h, git)
	}
	if _, err := io.Copy(w, contextReader{ctx, f}); err != nil {
		return "", false, err
	}
	digest = hex.EncodeToString(h.Sum(nil))
	switch s.kind {
	case gitBlob:
		ok = hex.EncodeToString(git.Sum(nil)) == s.hex
	case sha256Prefix:
		ok = strings.HasPrefix(digest, s.hex)
	default:
		ok = digest == s.hex
	}
	return digest, ok, nil
}

func (s sum) String() string {
	switch s.kind {
	case gitBlob:
		return "git blob " + s.hex
	case sha256Prefix:
		return "sha256 " + s.hex + "..."
	}
	return "sha256 " + s.hex
}

// contextReader stops reading when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
