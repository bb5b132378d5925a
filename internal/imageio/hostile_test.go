package imageio

import (
	"bytes"
	"errors"
	"testing"
)

// Every picture cut anywhere, and with any one byte spoiled, gives a picture or a classed error.
func TestTruncatedAndSpoiled(t *testing.T) {
	opt := &Options{Limits: Limits{MaxPixels: 1 << 18, FreeMemory: 8 << 20}}
	try := func(name string, at int, b []byte) {
		m, _, err := DecodeBytes(b, opt)
		switch {
		case err == nil:
			if cerr := m.Check(); cerr != nil {
				t.Errorf("%s at %d: %v", name, at, cerr)
			}
		case !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrLimit):
			t.Errorf("%s at %d: %v", name, at, err)
		}
	}
	for k, name := range goldenFiles(t) {
		b := readFile(t, name)
		step := 1 + len(b)/150
		for at := k % step; at < len(b); at += step {
			try(name+" cut", at, b[:at:at])
			spoiled := bytes.Clone(b)
			spoiled[at] ^= 0xff
			try(name+" spoiled", at, spoiled)
		}
		// Headers byte by byte.
		for at := range min(len(b), 64) {
			for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff} {
				spoiled := bytes.Clone(b)
				spoiled[at] = v
				try(name+" header", at, spoiled)
			}
		}
	}
}
