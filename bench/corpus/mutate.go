package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// maxSeed bounds the files that are damaged.
const maxSeed = 8 << 20

// mutate writes n damaged copies of a file, one after the other, and hands
// over each. The damage depends on the file's name and the copy's number
// alone. A copy that does harm is kept for study.
func mutate(path string, n int, run func(path string) error) error {
	seed, err := os.ReadFile(path)
	if err != nil || len(seed) == 0 || len(seed) > maxSeed {
		return err
	}
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h := fnv.New64a()
	h.Write([]byte(filepath.Base(path)))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
		if err := os.WriteFile(name, damage(seed, r), 0o600); err != nil {
			return err
		}
		if err := run(name); err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// damage changes a few things in a copy of the data. Headers are hit more
// often than their share of the bytes, since that is where sizes are.
func damage(seed []byte, r *rand.Rand) []byte {
	b := append([]byte(nil), seed...)
	at := func() int {
		switch r.IntN(4) {
		case 0:
			return r.IntN(min(len(b), 64))
		case 1:
			return r.IntN(min(len(b), 4096))
		case 2:
			return len(b) - 1 - r.IntN(min(len(b), 4096))
		}
		return r.IntN(len(b))
	}
	for range 1 + r.IntN(6) {
		if len(b) == 0 {
			break
		}
		switch i := at(); r.IntN(7) {
		case 0:
			b[i] ^= 1 << r.IntN(8)
		case 1:
			b[i] = byte(r.Uint32())
		case 2: // an extreme number
			v := [...]byte{0, 0xff, 0x7f, 0x80}[r.IntN(4)]
			for k := i; k < min(i+1<<r.IntN(4), len(b)); k++ {
				b[k] = v
			}
		case 3:
			b = b[:i]
		case 4: // a piece repeated
			j := min(i+1+r.IntN(256), len(b))
			b = append(b[:j:j], b[i:]...)
		case 5: // a piece gone
			b = append(b[:i:i], b[min(i+1+r.IntN(256), len(b)):]...)
		case 6: // a piece from elsewhere
			j := at()
			copy(b[i:min(i+16, len(b))], b[j:])
		}
	}
	return b
}
