package zipfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

type entry struct {
	name   string
	method uint16
	data   []byte
}

func build(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		if err != nil {
			tb.Fatal(err)
		}
		f.Write(e.data)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func open(b []byte, lim *Limits) (*Archive, error) {
	return Open(bytes.NewReader(b), int64(len(b)), lim)
}

func TestRead(t *testing.T) {
	want := bytes.Repeat([]byte("weights "), 100)
	a, err := open(build(t, entry{"a/stored", zip.Store, want}, entry{"a/deflated", zip.Deflate, want}, entry{"empty", zip.Store, nil}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/stored", "a/deflated"} {
		got, err := a.Read(a.Lookup(name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if got, err := a.Read(a.Lookup("empty")); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if a.Lookup("a") != nil {
		t.Error("found an entry that is not there")
	}
}

func TestChecksum(t *testing.T) {
	b := build(t, entry{"x", zip.Store, []byte("0123456789")})
	b[bytes.Index(b, []byte("5"))]++
	a, err := open(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(a.Files[0]); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Error(err)
	}
	if a, err = open(b, &Limits{SkipChecksum: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Read(a.Files[0]); err != nil || string(got) != "0123466789" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRefusedNames(t *testing.T) {
	for _, name := range []string{"../x", "a/../../x", "/x", `a\x`, "a\x00", ".."} {
		if _, err := open(build(t, entry{name, zip.Store, nil}), nil); err == nil || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := open(build(t, entry{"a..b/...", zip.Store, nil}), nil); err != nil {
		t.Error(err)
	}
	if _, err := open(build(t, entry{"x", zip.Store, nil}, entry{"x", zip.Store, nil}), nil); err == nil {
		t.Error("a name that occurs twice was accepted")
	}
}

func TestLimits(t *testing.T) {
	zeros := make([]byte, 80<<20)
	bomb := build(t, entry{"x", zip.Deflate, zeros})
	for name, c := range map[string]struct {
		b   []byte
		lim *Limits
	}{
		"ratio":   {bomb, nil},
		"entry":   {bomb, &Limits{MaxRatio: 2000, MaxEntryBytes: 1 << 20}},
		"total":   {bomb, &Limits{MaxRatio: 2000, MaxTotalBytes: 1 << 20}},
		"entries": {build(t, entry{"x", 0, nil}, entry{"y", 0, nil}), &Limits{MaxEntries: 1}},
	} {
		a, err := open(c.b, c.lim)
		if err == nil {
			_, err = a.Read(a.Files[0])
		}
		if err == nil {
			t.Errorf("the limit of %s was not kept", name)
		}
	}
	a, err := open(bomb, &Limits{MaxRatio: 2000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(a.Files[0]); err != nil {
		t.Error(err)
	}
}

// TestSharedBytes: entries that all point at the same bytes are refused.
func TestSharedBytes(t *testing.T) {
	data := make([]byte, 1000)
	b := build(t, entry{"a", zip.Store, data}, entry{"b", zip.Store, nil}, entry{"c", zip.Store, nil})
	dir := bytes.Index(b, []byte("PK\x01\x02"))
	for i, at := 0, dir; i < 3; i++ {
		copy(b[at+16:], b[dir+16:dir+28])                     // checksum and sizes of the first
		binary.LittleEndian.PutUint32(b[at+42:], 0)           // and its position
		at += 46 + int(binary.LittleEndian.Uint16(b[at+28:])) // one letter
	}
	if _, err := open(b, nil); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Error(err)
	}
}

// TestLyingDirectory: a directory far longer than its entry count says.
func TestLyingDirectory(t *testing.T) {
	var dir bytes.Buffer
	n := 1 << 19
	for range n {
		e := make([]byte, 46)
		copy(e, "PK\x01\x02")
		binary.LittleEndian.PutUint16(e[28:], 1)
		dir.Write(append(e, 'x'))
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(dir.Len()))
	b := append(dir.Bytes(), end...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := open(b, nil)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("accepted")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
		t.Errorf("%d bytes allocated", used)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(build(f, entry{"a", zip.Store, []byte("hello")}, entry{"b", zip.Deflate, []byte("hello hello hello hello")}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := open(b, &Limits{MaxTotalBytes: 1 << 20})
		if err != nil {
			return
		}
		total := 0
		for _, e := range a.Files {
			if got, err := a.Read(e); err == nil {
				total += len(got)
			}
		}
		if total > 1<<20 {
			t.Fatalf("%d bytes were expanded", total)
		}
	})
}
