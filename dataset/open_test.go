package dataset

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// layouts are the same pictures laid out in every way that is known.
func layouts(t testing.TB) map[string]files {
	out := map[string]files{}
	classes := twoClasses(t, "", 5)
	classes["readme.txt"], classes["cat/notes.txt"], classes["cat/.hidden.jpg"] = []byte("x"), []byte("x"), []byte("x")
	out["class folders"] = classes
	out["class folders, one deeper"] = twoClasses(t, "download/", 5)
	split := twoClasses(t, "Train/", 4)
	for n, b := range twoClasses(t, "valid/", 1) {
		split[n] = b
	}
	out["split folders"] = split
	tiny := files{"words.txt": []byte("n001\ttabby, cat\nn002\tdog\nn003\tother\n")}
	for n, b := range twoClasses(t, "", 4) {
		class, file, _ := strings.Cut(n, "/")
		tiny["set/train/"+map[string]string{"cat": "n001", "dog": "n002"}[class]+"/images/"+file] = b
	}
	tiny["set/train/n001/n001_boxes.txt"] = []byte("a\t1\t2\t3\t4\n")
	tiny["set/val/images/val_0.JPEG"], tiny["set/val/images/val_1.JPEG"] = photo(t, 90), photo(t, 91)
	tiny["set/val/val_annotations.txt"] = []byte("val_0.JPEG\tn002\t0\t0\t1\t1\nval_1.JPEG\tn001\t0\t0\t1\t1\n")
	tiny["set/test/images/test_0.JPEG"] = photo(t, 92)
	tiny["set/words.txt"] = tiny["words.txt"]
	delete(tiny, "words.txt")
	out["imagenet"] = tiny
	flat := files{"val.txt": []byte("val_0.JPEG 1\nval_1.JPEG 0\n"), "val/val_0.JPEG": photo(t, 90), "val/val_1.JPEG": photo(t, 91)}
	for n, b := range twoClasses(t, "train/", 4) {
		flat[n] = b
	}
	out["imagenet, flat val"] = flat
	list := files{}
	var rows strings.Builder
	rows.WriteString("Split,Label,Filename\r\n")
	for _, n := range twoClasses(t, "pics/", 5).names() {
		list[n] = twoClasses(t, "pics/", 5)[n]
		s := "train"
		if strings.Contains(n, "04") {
			s = "Validation"
		}
		fmt.Fprintf(&rows, "%s,%s,%s\r\n", s, strings.Split(n, "/")[1], n)
	}
	list["labels.csv"] = []byte("\ufeff" + rows.String())
	out["csv"] = list
	return out
}

// TestLayouts opens every layout as a folder, as a zip file and as a file system, to the same result.
func TestLayouts(t *testing.T) {
	for name, f := range layouts(t) {
		d, err := OpenFS(f.fs(), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(d.Train) != 8 || len(d.Val) != 2 || len(d.Classes) != 2 {
			t.Errorf("%s: %d + %d pictures of %v", name, len(d.Train), len(d.Val), d.Classes)
			continue
		}
		for _, it := range slices.Concat(d.Train, d.Val) {
			want := strings.Contains(it.Name, "dog") || strings.Contains(it.Name, "n002") || strings.Contains(it.Name, "val_0")
			if (it.Class == 1) != want {
				t.Errorf("%s: %s has class %d", name, it.Name, it.Class)
			}
			r, err := it.Open()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if name == "imagenet" && !reflect.DeepEqual(d.Labels, []string{"tabby, cat", "dog"}) {
			t.Errorf("labels %q", d.Labels)
		}
		for _, path := range []string{f.dir(t), f.zip(t)} {
			got, err := Open(path, nil)
			if err != nil {
				t.Errorf("%s at %s: %v", name, path, err)
				continue
			}
			if !reflect.DeepEqual(itemNames(got), itemNames(d)) || strings.TrimSuffix(got.Layout, " in zip") != d.Layout {
				t.Errorf("%s at %s:\n%v, not\n%v", name, path, itemNames(got), itemNames(d))
			}
			if r, err := got.Train[0].Open(); err != nil {
				t.Error(err)
			} else if err := r.Close(); err != nil {
				t.Error(err)
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func itemNames(d *Dataset) (out []string) {
	for _, items := range [][]Item{d.Train, d.Val, d.Test} {
		for _, it := range items {
			out = append(out, fmt.Sprint(it.Name, it.Class))
		}
		out = append(out, "|")
	}
	return out
}

// TestOpenRefuses: one clear line for what cannot be trained on.
func TestOpenRefuses(t *testing.T) {
	p := photo(t, 1)
	with := func(f files, name, text string) files { f[name] = []byte(text); return f }
	for _, c := range []struct {
		f    files
		says string
	}{
		{files{"cat/1.jpg": p, "cat/2.jpg": p}, `only one class, "cat"`},
		{files{"cat/1.jpg": p, "dog/": nil}, `class "dog" has no pictures`},
		{files{"cat/1.jpg": p, "dog/notes.txt": p}, `class "dog" has no pictures`},
		{files{"train/cat/1.jpg": p, "train/dog/1.jpg": p, "val/emu/1.jpg": p}, `class "emu" has no pictures to train on`},
		{files{"notes.txt": nil}, "no pictures"},
		{files{}, "no pictures"},
		{files{"1.jpg": p, "2.jpg": p}, "no pictures: want DIR/class"},
		{files{"train/a/1.jpg": p, "train/b/1.jpg": p, "val/1.jpg": p}, "val: pictures without classes"},
		{files{"train/a/1.jpg": p, "Training/b/1.jpg": p}, "both say train"},
		{with(twoClasses(t, "train/", 2), "val/val_annotations.txt", "x.jpg cow\n"), `val_annotations.txt:1: class "cow"`},
		{with(twoClasses(t, "train/", 2), "val/val_annotations.txt", "x.jpg\n"), "line 1"},
		{files{"labels.csv": []byte("path,class\na.jpg,cat\nb.jpg\n")}, "labels.csv:3: 1 columns"},
		{files{"labels.csv": []byte("first,second\na.jpg,cat\n")}, "no columns that are called path"},
		{files{"labels.csv": []byte("path,class,split\na.jpg,cat,nowhere\n")}, "is not train, val or test"},
		{files{"labels.csv": []byte("path,class\na.jpg,0\nb.jpg,2\n")}, `class "1" has no pictures`},
		{files{"labels.csv": []byte("path,class\n\"a,b\n")}, "labels.csv: parse error on line 2"},
		{with(with(files{}, "labels.csv", "path,class\na.jpg,5\nb.jpg,0\n"), "classes.txt", "x\ny\n"), "class \"5\""},
	} {
		root := c.f.dir(t)
		_, err := Open(root, &Options{ValFraction: -1})
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), root) {
			t.Errorf("%v:\n%v\nwant %q", c.f.names(), err, c.says)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if _, err := OpenFS(twoClasses(t, "", 1).fs(), &Options{Classes: []string{"cat", "dgo"}}); err == nil || !strings.Contains(err.Error(), `did you mean "dgo"`) {
		t.Error(err)
	}
	if _, err := OpenFS(twoClasses(t, "", 3).fs(), &Options{MaxFiles: 5}); err == nil || !strings.Contains(err.Error(), "more than 5 files") {
		t.Error(err)
	}
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		return // nothing is unreadable for the superuser
	}
	root := twoClasses(t, "", 2).dir(t)
	if err := os.Chmod(filepath.Join(root, "cat"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(root, nil); err == nil || !strings.Contains(err.Error(), "cat: permission denied") {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(root, "cat"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestClassesInOrder: by a list, by numbers.
func TestClassesInOrder(t *testing.T) {
	f := twoClasses(t, "", 2)
	f["classes.txt"] = []byte("dog\r\ncat\n")
	d, err := OpenFS(f.fs(), nil)
	if err != nil || !slices.Equal(d.Classes, []string{"dog", "cat"}) || d.Train[0].Class != 1 {
		t.Error(d, err)
	}
	for _, text := range []string{`["dog","cat"]`, `{"0":"dog","1":"cat"}`, `{"dog":0,"cat":1}`, `{"0":["dog","Hund"],"1":["cat"]}`} {
		at := filepath.Join(t.TempDir(), "classes.json")
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadClasses(at); err != nil || !slices.Equal(got, []string{"dog", "cat"}) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `[1]`, `{"a":{}}`, `{"0":"a","2":"b"}`, `["a",""]`, `{"a":0,"b":0}`} {
		if got, err := parseClasses([]byte(text)); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
	var rows bytes.Buffer
	for i := range 12 {
		fmt.Fprintf(&rows, "%d.jpg,%d\n", i, i)
	}
	d, err = OpenFS(files{"labels.csv": rows.Bytes()}.fs(), nil)
	if err != nil || len(d.Classes) != 12 || d.Classes[10] != "10" {
		t.Error(d, err)
	}
}

// TestDerivedSplit: whole, stratified, and stable when files are added.
func TestDerivedSplit(t *testing.T) {
	of := func(f files, seed uint64) map[string]bool {
		d, err := OpenFS(f.fs(), &Options{SplitSeed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Counts(d.Val); !d.DerivedVal || n[0] != len(f)/2/5 || n[1] != n[0] {
			t.Errorf("%v of %d", n, len(f))
		}
		in := map[string]bool{}
		for _, it := range d.Val {
			in[it.Name] = true
		}
		return in
	}
	f := files{}
	for i := range 100 {
		f[fmt.Sprintf("cat/%d.jpg", i)], f[fmt.Sprintf("dog/%d.jpg", i)] = nil, nil
	}
	before := of(f, 1)
	other := of(f, 2)
	for i := 100; i < 105; i++ {
		f[fmt.Sprintf("cat/%d.jpg", i)], f[fmt.Sprintf("dog/%d.jpg", i)] = nil, nil
	}
	after := of(f, 1)
	moved, same := 0, 0
	for n := range before {
		if !after[n] {
			moved++
		}
		if other[n] {
			same++
		}
	}
	if moved > 10 {
		t.Errorf("%d pictures left the validation part when 10 came", moved)
	}
	if same > 20 {
		t.Errorf("another seed chooses %d of the same 40", same)
	}
}

// TestZipRefuses: names that leave the archive, bombs, what is no zip file.
func TestZipRefuses(t *testing.T) {
	write := func(fill func(w *zip.Writer)) string {
		at := filepath.Join(t.TempDir(), "x.zip")
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		fill(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	entry := func(name string, n int) func(w *zip.Writer) {
		return func(w *zip.Writer) {
			e, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			zeros := make([]byte, 1<<20)
			for range n {
				if _, err := e.Write(zeros); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []struct{ path, says string }{
		{write(entry("../a/1.jpg", 0)), "leaves the archive"},
		{write(entry("/a/1.jpg", 0)), "refused"},
		{write(func(w *zip.Writer) { // the sizes are believed before anything is expanded
			e, err := w.CreateRaw(&zip.FileHeader{Name: "a/1.bmp", Method: zip.Deflate, CompressedSize64: 4, UncompressedSize64: 2 << 30})
			if err == nil {
				_, err = e.Write([]byte("zero"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}), "expand to more than 50 times"},
		{files{"x.zip": []byte("text")}.dir(t) + "/x.zip", "neither a folder, a zip file nor a CSV file"},
		{files{"x.zip": []byte("PKtext")}.dir(t) + "/x.zip", "zip: not a valid zip file"},
	} {
		_, err := Open(c.path, nil)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), c.path) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	list := files{"labels.csv": []byte("path,class\n../../etc/passwd,cat\n/etc/passwd,dog\n")}
	for _, d := range []string{list.zip(t)} {
		if _, err := Open(d, nil); err == nil || !strings.Contains(err.Error(), "leaves the data set") {
			t.Error(err)
		}
	}
	// An entry that alone is too much is refused when it is read, before it is all in memory.
	f := files{"a/1.jpg": photo(t, 1), "b/1.jpg": photo(t, 2)}
	bomb := write(func(w *zip.Writer) {
		for _, n := range f.names() {
			e, err := w.Create(n)
			if err == nil {
				_, err = e.Write(f[n])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		entry("a/2.bmp", 3)(w)
	})
	d, err := Open(bomb, &Options{ValFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLoader(d.Train, 2, &LoaderOptions{Recipe: small, Limits: Limits{MaxBytes: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if bad := l.Bad(); len(bad) != 1 || !strings.Contains(bad[0].Err.Error(), "more than 1048576 bytes") {
		t.Error(bad)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"path,class\na.jpg,b\n", "a.jpg,1\n", "\ufeffClass,FILE,split\nx,y,val\n", "\"", ",\n", "a.jpg,\xff\n\n", "image,label\r\n1.png,0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := parseCSV(b, "x.csv", ',', func(p Problem) {
			if p.Message == "" || !strings.HasPrefix(p.Path, "x.csv:") {
				t.Errorf("%+v", p)
			}
		})
		for _, r := range rows {
			if err == nil && (r.name == "" || r.class == "") {
				t.Errorf("%+v", r)
			}
		}
		if d, err := ScanFS(files{"labels.csv": b}.fs(), nil); err == nil {
			for _, it := range slices.Concat(d.Train, d.Val, d.Test) {
				if it.Class < 0 || it.Class >= len(d.Classes) || strings.Contains(it.Name, "..") && strings.HasPrefix(it.Name, "../") {
					t.Errorf("%+v of %d", it, len(d.Classes))
				}
			}
			_ = d.Validate()
		}
	})
}

func FuzzAnnotations(f *testing.F) {
	for _, s := range []string{"a.JPEG\tn01\t0\t0\n", "a.JPEG 5\n", "a,b\n", "", "x\n", "../../x 1\n", "\ufefffile class\na b"} {
		f.Add([]byte(s))
	}
	base := files{"train/a/1.jpg": nil, "train/b/1.jpg": nil, "val/images/a.JPEG": nil}
	f.Fuzz(func(t *testing.T, b []byte) {
		base["val/val_annotations.txt"] = b
		d, err := ScanFS(base.fs(), nil)
		if err != nil {
			return
		}
		for _, it := range d.Val {
			if it.Class < 0 || it.Class >= len(d.Classes) || strings.HasPrefix(it.Name, "..") {
				t.Errorf("%+v", it)
			}
		}
	})
}

func FuzzClasses(f *testing.F) {
	f.Add([]byte("a\nb"))
	f.Add([]byte(`{"0":"a"}`))
	f.Add([]byte(`["a"]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := parseClasses(b); err == nil && (len(list) == 0 && len(b) > 2 && b[0] != '[' && b[0] != '{' || slices.Contains(list, "")) {
			t.Errorf("%q", list)
		}
	})
}
