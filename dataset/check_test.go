package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// withOrientation puts an EXIF block into a JPEG file.
func withOrientation(b []byte, o byte) []byte {
	exif := "Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string([]byte{o}) + "\x00\x00\x00\x00\x00\x00\x00"
	seg := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return slices.Concat(b[:2], seg, b[2:])
}

// sick is a data set with one of everything.
func sick(t testing.TB) files {
	f := files{}
	for i := range 24 {
		f[fmt.Sprintf("train/cat/%02d.jpg", i)] = jpegOf(t, scene(uint64(i), 96, 80), 90)
		f[fmt.Sprintf("train/dog/%02d.jpg", i)] = jpegOf(t, scene(uint64(1000+i), 96, 80), 90)
	}
	for i := range 3 {
		f[fmt.Sprintf("val/cat/%02d.jpg", i)] = jpegOf(t, scene(uint64(50+i), 96, 80), 90)
	}
	big := jpegOf(t, scene(2000, 200, 160), 90)
	whole := scene(2001, 90, 80)
	f["train/dog/corrupt.jpg"] = []byte("\xff\xd8\xff\xe0junk")
	f["train/dog/text.jpg"] = []byte("this is no picture")
	f["train/dog/photo.heic"] = []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")
	f["train/dog/cut.jpg"] = big[:len(big)*2/3]
	f["train/dog/tiny.jpg"] = jpegOf(t, scene(2002, 20, 40), 90)
	f["train/dog/long.jpg"] = jpegOf(t, scene(2003, 400, 40), 90)
	f["train/dog/big.jpg"] = jpegOf(t, scene(2004, 700, 500), 40)
	f["train/dog/named.jpg"] = pngOf(t, scene(2005, 90, 80))
	gray := image.NewGray(whole.Bounds())
	draw.Draw(gray, gray.Bounds(), scene(2006, 90, 80), image.Point{}, draw.Src)
	f["train/dog/gray.jpg"] = jpegOf(t, gray, 90)
	alpha := image.NewNRGBA(whole.Bounds())
	draw.Draw(alpha, alpha.Bounds(), scene(2007, 90, 80), image.Point{}, draw.Src)
	alpha.SetNRGBA(3, 3, color.NRGBA{1, 2, 3, 4})
	f["train/dog/alpha.png"] = pngOf(t, alpha)
	deep := image.NewRGBA64(whole.Bounds())
	draw.Draw(deep, deep.Bounds(), scene(2008, 90, 80), image.Point{}, draw.Src)
	f["train/dog/deep.png"] = pngOf(t, deep)
	var anim bytes.Buffer
	pal := image.NewPaletted(whole.Bounds(), palette.Plan9)
	draw.Draw(pal, pal.Bounds(), scene(2009, 90, 80), image.Point{}, draw.Src)
	if err := gif.Encode(&anim, pal, nil); err != nil {
		t.Fatal(err)
	}
	f["train/dog/pal.gif"] = anim.Bytes()
	f["train/dog/turned.jpg"] = withOrientation(jpegOf(t, scene(2010, 90, 80), 90), 6)
	f["train/dog/notes.txt"] = []byte("x")
	f["train/cat/same.jpg"] = f["train/cat/01.jpg"]
	f["train/dog/stolen.jpg"] = f["train/cat/02.jpg"]
	f["val/cat/leaked.jpg"] = f["train/cat/03.jpg"]
	f["train/cat/again.jpg"] = jpegOf(t, scene(4, 96, 80), 40)
	f["val/cat/worse.jpg"] = jpegOf(t, scene(5, 192, 160), 60)
	f["train/dog/other.jpg"] = jpegOf(t, scene(6, 96, 80), 70)
	f["train/cow/one.jpg"] = jpegOf(t, scene(3000, 90, 80), 90)
	f["val/emu/one.jpg"] = jpegOf(t, scene(3001, 90, 80), 90)
	f["test/1.jpg"] = f["train/cat/00.jpg"]
	return f
}

// TestCheckFindsEverything, and nothing else, in a folder and in a zip file.
func TestCheckFindsEverything(t *testing.T) {
	want := map[string]string{
		"corrupt": "train/dog/corrupt.jpg train/dog/text.jpg", "unsupported": "train/dog/photo.heic", "truncated": "train/dog/cut.jpg",
		"conflicting-label": "train/cat/02.jpg", "leak": "train/cat/03.jpg", "empty-class": "emu",
		"duplicate": "train/cat/01.jpg", "near-duplicate": "train/cat/04.jpg", "near-leak": "train/cat/05.jpg", "near-conflict": "train/cat/06.jpg",
		"tiny": "train/dog/tiny.jpg", "odd-aspect": "train/dog/long.jpg", "huge": "train/dog/big.jpg", "wrong-extension": "train/dog/named.jpg",
		"gray": "train/dog/gray.jpg", "alpha": "train/dog/alpha.png", "16-bit": "train/dog/deep.png", "palette": "train/dog/pal.gif",
		"rotated": "train/dog/turned.jpg", "not-a-picture": "train/dog/notes.txt", "few-pictures": "cow", "unvalidated-class": "cow dog",
		"imbalance": "dog", "unlabelled-file": "test",
	}
	f := sick(t)
	for _, path := range []string{f.dir(t), f.zip(t)} {
		d, err := Scan(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		r, err := Check(t.Context(), d, &CheckOptions{MaxPixels: 300_000, Progress: func(done, total int) {
			if calls++; done != calls || total != 72 {
				t.Errorf("progress %d of %d", done, total)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range r.Findings {
			what := f.Path
			if what == "" {
				what = f.Class
			}
			got[f.Kind] = strings.TrimSpace(got[f.Kind] + " " + what)
			for _, x := range f.Fixes {
				if x.Action == "remove" && strings.HasPrefix(f.Kind, "near-") {
					t.Errorf("%s: %s is to be removed for a likeness", f.Kind, x.Path)
				}
			}
			if Explain(f.Kind) == "" {
				t.Errorf("%s is not explained", f.Kind)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			words := strings.Fields(got[k])
			slices.Sort(words)
			if strings.Join(words, " ") != want[k] {
				t.Errorf("%s: %q, want %q", k, got[k], want[k])
			}
		}
		for k := range got {
			if want[k] == "" {
				t.Errorf("%s: %q is wrong", k, got[k])
			}
		}
		if r.Pictures != 72 || calls != 72 || r.Readable != 68 || r.Errors != 7 {
			t.Errorf("%d pictures, %d calls, %d readable, %d errors", r.Pictures, calls, r.Readable, r.Errors)
		}
		var page, fixes bytes.Buffer
		if err := r.WriteHTML(t.Context(), &page, d); err != nil {
			t.Fatal(err)
		}
		text := page.String()
		if strings.Contains(text, "http") || strings.Count(text, "data:image/jpeg;base64,") < 20 || !strings.Contains(text, "conflicting-label") {
			t.Errorf("a page of %d bytes", len(text))
		}
		if err := r.WriteFixes(&fixes); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(fixes.String()) {
			if strings.Count(line, "\t") != 3 {
				t.Errorf("a fix of other columns: %q", line)
			}
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, *r) {
			t.Errorf("JSON does not come back: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCheckIsCalm: a good data set gives no finding, on any number of workers, and bad ones are told by
// Scan without an error.
func TestCheckIsCalm(t *testing.T) {
	f := files{}
	for i := range 22 {
		f[fmt.Sprintf("cat/%02d.jpg", i)], f[fmt.Sprintf("dog/%02d.jpg", i)] = jpegOf(t, scene(uint64(i), 96, 80), 90), jpegOf(t, scene(uint64(500+i), 80, 96), 90)
	}
	for _, workers := range []int{1, 4} {
		d, err := ScanFS(f.fs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Check(t.Context(), d, &CheckOptions{Workers: workers})
		if err != nil || len(r.Findings) != 0 || r.Classes[0].Train != 22 || r.Classes[0].Val != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for _, c := range []struct {
		f    files
		kind string
	}{{files{}, "no-pictures"}, {files{"a/1.jpg": photo(t, 1)}, "one-class"}} {
		d, err := ScanFS(c.f.fs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := Check(t.Context(), d, nil); err != nil || r.Kinds[c.kind] != 1 {
			t.Errorf("%+v, %v, want %s", r, err, c.kind)
		}
	}
	d, err := ScanFS(f.fs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Check(ctx, d, &CheckOptions{Workers: 1, Progress: func(done, total int) {
		if done == 3 {
			cancel()
		}
		if done > 4 {
			t.Error("goes on after it is cancelled")
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestNearPairsAreComplete compares the banded search with all pairs.
func TestNearPairsAreComplete(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var looks []*look
	for i := range 300 {
		l := &look{dev: 50}
		if i%3 == 0 || i < 3 {
			l.hash = [2]uint64{rng.Uint64(), rng.Uint64()}
		} else {
			l.hash = looks[i-1].hash
			for range rng.IntN(9) {
				b := rng.IntN(128)
				l.hash[b/64] ^= 1 << (b % 64)
			}
		}
		for j := range l.thumb {
			l.thumb[j] = byte(128 + 50*(j%2*2-1))
		}
		l.mean = 128
		looks = append(looks, l)
	}
	for within := range maxNear + 1 {
		want, got := map[[2]int]bool{}, map[[2]int]bool{}
		for i := range looks {
			for j := range i {
				if distance(looks[i], looks[j]) <= within {
					want[[2]int{j, i}] = true
				}
			}
		}
		nearPairs(looks, within, func(i, j int) {
			k := [2]int{min(i, j), max(i, j)}
			if got[k] {
				t.Errorf("%v twice", k)
			}
			got[k] = true
		})
		if !maps.Equal(got, want) {
			t.Errorf("within %d: %d pairs, want %d", within, len(got), len(want))
		}
	}
}

// TestLookIgnoresSize: the hash of a picture and of its half differ in few bits, those of two in many.
func TestLookIgnoresSize(t *testing.T) {
	var rs imageio.Resizer
	at := func(seed uint64, w, h int) *look {
		m, err := imageio.FromImage(scene(seed, 192, 160))
		if err == nil {
			m, err = imageio.Resize(m, w, h, imageio.Bilinear)
		}
		if err != nil {
			t.Fatal(err)
		}
		l, err := lookAt(m, &rs)
		if err != nil {
			t.Fatal(err)
		}
		return &l
	}
	for seed := range uint64(30) {
		a, b, c := at(seed, 192, 160), at(seed, 100, 77), at(seed+100, 192, 160)
		if d := distance(a, b); d > maxNear || !alike(a, b) {
			t.Errorf("scene %d and its half: distance %d, alike %v", seed, d, alike(a, b))
		}
		if d := distance(a, c); d <= maxNear && alike(a, c) {
			t.Errorf("scenes %d and %d: distance %d", seed, seed+100, d)
		}
	}
}
