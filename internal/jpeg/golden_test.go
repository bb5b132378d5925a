package jpeg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type golden struct {
	name string
	data []byte
	w, h int
	crc  [4]string // at 1/1, 1/2, 1/4, 1/8; "-" where there is none
}

func goldens(t testing.TB) []golden {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "golden.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		var g golden
		if _, err := fmt.Sscan(s.Text(), &g.name, &g.w, &g.h, &g.crc[0], &g.crc[1], &g.crc[2], &g.crc[3]); err != nil {
			t.Fatal(err)
		}
		if g.data, err = os.ReadFile(filepath.Join("testdata", "files", g.name)); err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	if len(out) < 60 {
		t.Fatalf("only %d goldens", len(out))
	}
	return out
}

// implementations are the ways to decode that must not differ in a single bit.
func implementations() map[string]bool { return map[string]bool{"best": false, "go": true} }

// decodeAll decodes into a buffer with guard bytes around it.
func decodeAll(t testing.TB, data []byte, o Options) ([]byte, Result, error) {
	t.Helper()
	c, err := DecodeConfig(data)
	if err != nil {
		return nil, Result{}, err
	}
	const guard = 64
	w, h := c.Size(max(o.Scale, 1))
	n := 3 * w * h
	buf := bytes.Repeat([]byte{0xa5}, n+2*guard)
	res, err := DecodeInto(buf[guard:guard+n:guard+n], data, &o)
	for i := range guard {
		if buf[i] != 0xa5 || buf[guard+n+i] != 0xa5 {
			t.Fatal("wrote outside the buffer")
		}
	}
	if err == nil && (res.Width != w || res.Height != h) {
		t.Fatalf("result %+v, want %dx%d", res, w, h)
	}
	return buf[guard : guard+n], res, err
}

// Every sampling, kind of scan, restart interval and colour model equals libjpeg-turbo, at every scale.
func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		cut := strings.Contains(g.name, "_cut_")
		for impl, generic := range implementations() {
			for i, scale := range []int{1, 2, 4, 8} {
				pix, res, err := decodeAll(t, g.data, Options{Scale: scale, Mode: Tolerant, Generic: generic})
				if err != nil {
					t.Errorf("%s 1/%d %s: %v", g.name, scale, impl, err)
					continue
				}
				if got := fmt.Sprintf("%08x", crc32.ChecksumIEEE(pix)); got != g.crc[i] && g.crc[i] != "-" {
					t.Errorf("%s 1/%d %s: %s, want %s", g.name, scale, impl, got, g.crc[i])
				}
				if cut == res.Complete || res.Coverage > 1 || !cut && (res.Coverage != 1 || res.Damage != 0) {
					t.Errorf("%s: %+v", g.name, res)
				}
				rows := make([]byte, 0, len(pix))
				_, err = Decode(g.data, &Options{Scale: scale, Mode: Tolerant, Generic: generic}, func(y int, rgb []byte) error {
					if y*len(rgb) != len(rows) {
						t.Fatalf("%s: row %d comes after %d bytes", g.name, y, len(rows))
					}
					rows = append(rows, rgb...)
					return nil
				})
				if err != nil || !bytes.Equal(rows, pix) {
					t.Errorf("%s: rows differ from the whole (%v)", g.name, err)
				}
			}
		}
		// Whole files pass in every mode, cut ones in tolerant mode only.
		for _, m := range []Mode{Normal, Strict} {
			if _, _, err := decodeAll(t, g.data, Options{Mode: m}); (err != nil) != cut || err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s mode %d: %v", g.name, m, err)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for _, g := range goldens(t) {
		c, err := DecodeConfig(g.data)
		if err != nil {
			t.Fatal(g.name, err)
		}
		want := YCbCr
		switch {
		case strings.HasPrefix(g.name, "gray"):
			want = Gray
		case strings.HasPrefix(g.name, "cmyk_adobe2"):
			want = YCCK
		case strings.HasPrefix(g.name, "cmyk"):
			want = CMYK
		case c.Color == RGB:
			want = RGB // checked by the pixels
		}
		if c.Width != g.w || c.Height != g.h || c.Color != want {
			t.Errorf("%s: %+v", g.name, c)
		}
	}
}

// An error of the receiver ends decoding and comes out as it is.
func TestRowError(t *testing.T) {
	g := goldens(t)[0]
	stop := errors.New("enough")
	calls := 0
	_, err := Decode(g.data, nil, func(int, []byte) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("%v after %d rows", err, calls)
	}
}
