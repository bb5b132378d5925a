package jpeg

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataDir is where the real photos are.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "images")); err != nil {
		t.Skipf("needs the real photos: set MOBILENET_TESTDATA (%v)", err)
	}
	return dir
}

// Every pixel of real photos equals Pillow's, at full size and at 1/2, 1/4 and 1/8.
func TestPhotos(t *testing.T) {
	root := dataDir(t)
	list, err := os.ReadFile(filepath.Join("testdata", "photos.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n, lines := 0, 0
	var files []string
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		want := s.Text()
		if rest, ok := strings.CutPrefix(want, "# "); ok {
			var pattern string
			var count int
			if _, err := fmt.Sscan(rest, &pattern, &count); err != nil {
				t.Fatal(err)
			}
			if len(files) != 0 {
				t.Fatalf("%d files without a line", len(files))
			}
			if files, err = filepath.Glob(filepath.Join(root, pattern)); err != nil || len(files) != count {
				t.Fatalf("%s: %d files, %d listed (%v)", pattern, len(files), count, err)
			}
			continue
		}
		name := files[0]
		files = files[1:]
		if lines++; testing.Short() && lines%10 != 0 {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var got [2]uint32
		for _, scale := range []int{1, 2, 4, 8} {
			c, err := DecodeConfig(data)
			if err != nil {
				t.Fatal(name, err)
			}
			w, h := c.Size(scale)
			pix := make([]byte, 3*w*h)
			res, err := DecodeInto(pix, data, &Options{Scale: scale})
			if err != nil || res.Coverage != 1 {
				t.Fatal(name, scale, res, err)
			}
			i := min(scale-1, 1)
			got[i] = crc32.Update(got[i], crc32.IEEETable, pix)
		}
		if got := fmt.Sprintf("%08x %08x", got[0], got[1]); got != want {
			t.Errorf("%s: %s, want %s (full, scaled)", name, got, want)
		}
		n++
	}
	if lines != 1263 {
		t.Errorf("%d photos are listed", lines)
	}
	t.Logf("%d photos", n)
}
