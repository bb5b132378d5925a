package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var labels = []string{"ant", "bee, worker", "cat"}

func TestReadSamplesCSV(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string // path=class of every sample, ! for an error
	}{
		"header":         {"path,class\na.png,0\nsub/b.png,2\n", "a.png=0 sub/b.png=2"},
		"no header":      {"a.png,0\nb.png,1\n", "a.png=0 b.png=1"},
		"other columns":  {"class,wnid,path\n2,n01,a.png\n", "a.png=2"},
		"other names":    {"filename,label\na.png,0\nb.png,cat\n", "a.png=0 b.png=2"},
		"upper case":     {"Label,Image\n1,a.png\n", "a.png=1"},
		"foreign names":  {"Bild,Klasse\na.png,0\n", "a.png=0"},
		"class, label":   {"image,label,class\na.png,cat,2\n", "a.png=2"},
		"no extension":   {"a,cat\nb,dog\n", "a=2 b=!"},
		"byte order":     {"\ufeffpath,class\r\na.png,1\r\n", "a.png=1"},
		"labels":         {"a.png,cat\nb.png,\"bee, worker\"\n", "a.png=2 b.png=1"},
		"out of range":   {"a.png,3\nb.png,-1\nc.png,0", "a.png=! b.png=! c.png=0"},
		"unknown":        {"a.png,dog\n", "a.png=!"},
		"short row":      {"a.png\nb.png,1\n", "line 1=! b.png=1"},
		"huge number":    {"a.png,99999999999999999999999\n", "a.png=!"},
		"spaces":         {"a.png, 1\n", "a.png=1"},
		"blank lines":    {"\na.png,1\n\n", "a.png=1"},
		"comma in names": {"\"a,b.png\",1\n", "a,b.png=1"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"x.csv": c.text})
		got, err := ReadSamples(filepath.Join(dir, "x.csv"), &Classes{N: 3, Labels: labels})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := describe(dir, got); s != c.want {
			t.Errorf("%s: got %q, want %q", name, s, c.want)
		}
	}
}

func describe(dir string, list []Sample) string {
	var out []string
	for _, s := range list {
		path := s.Path
		if rel, err := filepath.Rel(dir, path); err == nil {
			path = filepath.ToSlash(rel)
		}
		class := "!"
		if s.Err == nil {
			class = string(rune('0' + s.Class))
		}
		out = append(out, path+"="+class)
	}
	return strings.Join(out, " ")
}

func TestReadSamplesFolders(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string // the samples, or a part of the error
	}{
		"labels.csv": {[]string{"labels.csv", "0/a.png"}, "no rows"},
		"numbers":    {[]string{"2/a.png", "0/b.png"}, "0/b.png=0 2/a.png=2"},
		"by label":   {[]string{"cat/a.png", "ant/b.png", "ant/.hidden"}, "ant/b.png=0 cat/a.png=2"},
		"in order":   {[]string{"n1/a.png", "n2/b.png", "n3/c.png", ".git/config"}, "n1/a.png=0 n2/b.png=1 n3/c.png=2"},
		// One folder has a label's name by chance: then none is taken by it.
		"mixed":   {[]string{"aa/a.png", "cat/b.png", "zz/c.png"}, "aa/a.png=0 cat/b.png=1 zz/c.png=2"},
		"too few": {[]string{"n1/a.png", "n2/b.png"}, "2 folders for 3 classes their order says nothing: write a labels.csv"},
		"no such": {[]string{"7/a.png"}, "class 7: the network has the classes 0 to 2"},
		"flat":    {[]string{"a.png"}, "neither a labels.csv nor folders"},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			write(t, dir, map[string]string{f: ""})
		}
		got, err := ReadSamples(dir, &Classes{N: 3, Labels: labels})
		s := describe(dir, got)
		if err != nil {
			s = err.Error()
		}
		if s != c.want && (err == nil || !strings.Contains(s, c.want)) {
			t.Errorf("%s: got %q, want %q", name, s, c.want)
		}
	}
	if _, err := ReadSamples(filepath.Join(t.TempDir(), "none"), &Classes{N: 3}); !os.IsNotExist(err) {
		t.Errorf("a path that does not exist: %v", err)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("path,class\na.png,0\n")
	f.Add("a.png,cat\n\"b\",\"bee, worker\"\n")
	f.Add("\ufeffclass,path\n1,\n")
	f.Add("a\n,\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readCSV(strings.NewReader(text), "dir", &Classes{N: 3, Labels: []string{"a", "b", "cat"}})
		if err != nil {
			return
		}
		for _, s := range list {
			if s.Class < 0 || s.Class >= 3 {
				t.Errorf("class %d", s.Class)
			}
			if s.Err != nil && (s.Err.Error() == "" || strings.ContainsAny(s.Err.Error(), "\r\n")) {
				t.Errorf("error %q", s.Err)
			}
		}
	})
}

// TestDataClasses: numbers of the data's own classes become the network's, and
// pictures of classes that it does not know are left out.
func TestDataClasses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "labels.csv"), []byte("a.png,0\nb.png,1\nc.png,2\nd.png,n03\ne.png,3\nf.png,dog\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &Classes{N: 2, Labels: []string{"cat", "bee"}, IDs: []string{"n03", "n01"}, Data: []string{"n01", "n02", "n03"}}
	got, err := ReadSamples(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name  string
		class int
		bad   bool
	}{{"a.png", 1, false}, {"c.png", 0, false}, {"d.png", 0, false}, {"e.png", 0, true}, {"f.png", 0, true}}
	if len(got) != len(want) {
		t.Fatalf("%d samples: %v", len(got), got)
	}
	for i, w := range want {
		if g := got[i]; filepath.Base(g.Path) != w.name || g.Class != w.class || (g.Err != nil) != w.bad {
			t.Errorf("sample %d is %v, want %v", i, g, w)
		}
	}
	folders := t.TempDir()
	for _, name := range []string{"n01", "n02", "n03"} {
		if err := os.Mkdir(filepath.Join(folders, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folders, name, "x.png"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err = ReadSamples(folders, c)
	if err != nil || len(got) != 2 || got[0].Class != 1 || got[1].Class != 0 {
		t.Errorf("folders: %v, %v", got, err)
	}
}
