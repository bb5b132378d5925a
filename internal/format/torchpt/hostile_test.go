package torchpt

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Pieces of pickles, for building them by hand.

func gl(module, name string) string { return "c" + module + "\n" + name + "\n" }

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n uint32) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, n)) }

func big8(n uint64) string { return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, n)) }

// storageRef is the persistent reference to storage key of n float32.
func storageRef(class, key, n string) string {
	return "(" + str("storage") + gl("torch", class) + str(key) + str("cpu") + n + "tQ"
}

// tensorOf rebuilds a tensor: size and stride are the items of tuples.
func tensorOf(storage, offset, size, stride string) string {
	return gl("torch._utils", "_rebuild_tensor_v2") + "(" + storage + offset + "(" + size + "t(" + stride + "t\x89)tR"
}

// zipOf is an archive with one pickle, and storages of float32 by key.
func zipOf(pickle string, storages map[string][]byte, extra ...string) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	add := func(name string, data []byte) {
		e, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			panic(err)
		}
		e.Write(data)
	}
	add("archive/data.pkl", []byte("\x80\x02"+pickle+"."))
	for k, v := range storages {
		add("archive/data/"+k, v)
	}
	for i := 0; i+1 < len(extra); i += 2 {
		add(extra[i], []byte(extra[i+1]))
	}
	w.Close()
	return buf.Bytes()
}

const legacyHead = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}."

func legacyOf(pickle, keys string, storages []byte) []byte {
	return append([]byte(legacyHead+"\x80\x02"+pickle+".\x80\x02"+keys+"."), storages...)
}

// malicious is every way a pickle can name a function, in its pickle and in
// what the message has to say.
func malicious() map[string][2]string {
	sys := str("echo pwned")
	return map[string][2]string{
		"reduce":          {gl("os", "system") + sys + "\x85R", "names os.system, which is not on the allow-list: refused, nothing was run"},
		"posix":           {gl("posix", "system") + sys + "\x85R", "names posix.system"},
		"nt":              {gl("nt", "system") + sys + "\x85R", "names nt.system"},
		"eval":            {gl("builtins", "eval") + str("1") + "\x85R", "names builtins.eval"},
		"exec python 2":   {gl("__builtin__", "exec") + str("1") + "\x85R", "names __builtin__.exec"},
		"getattr":         {gl("builtins", "getattr") + "(" + gl("torch", "Tensor") + str("x") + "tR", "names builtins.getattr"},
		"import":          {gl("builtins", "__import__") + str("os") + "\x85R", "names builtins.__import__"},
		"inst":            {"(" + sys + "ios\nsystem\n", "names os.system"},
		"obj":             {"(" + gl("os", "system") + sys + "o", "names os.system"},
		"stack global":    {str("os") + str("system") + "\x93" + sys + "\x85R", "names os.system"},
		"newobj":          {gl("subprocess", "Popen") + sys + "\x85\x81", "names subprocess.Popen"},
		"newobj_ex":       {gl("subprocess", "Popen") + sys + "\x85}\x92", "names subprocess.Popen"},
		"nested torch":    {gl("torch.storage", "_load_from_bytes") + "C\x01x\x85R", "names torch.storage._load_from_bytes"},
		"torch load":      {gl("torch.serialization", "load") + sys + "\x85R", "names torch.serialization.load"},
		"dotted":          {gl("torch", "os.system") + sys + "\x85R", "names torch.os.system"},
		"extension":       {"\x82\x01", "extension registry"},
		"in a dictionary": {"}" + str("state_dict") + "}" + str("w") + gl("runpy", "_run_code") + "ss", "names runpy._run_code"},
		"as a rebuild":    {gl("torch._tensor", "_rebuild_from_type_v2") + "(" + gl("os", "system") + gl("torch", "Tensor") + ")NtR", "names os.system"},
		"call a type":     {gl("torch", "Tensor") + ")R", "calls torch.Tensor, which only names a type: refused"},
		"call a string":   {sys + ")R", "calls a str: refused, nothing was run"},
		"control codes":   {gl("os\r\x1b[2J", "system") + ")R", `names os\r\x1b[2J.system`},
		"long name":       {gl(strings.Repeat("a", 60000), "b"), "aaa....b, which is not on the allow-list"},
		"defaultdict":     {gl("collections", "defaultdict") + gl("os", "system") + "\x85R", "names os.system"},
		"reconstructor":   {gl("copyreg", "_reconstructor") + "(" + gl("torch", "device") + gl("builtins", "object") + "NtR" + gl("os", "getcwd"), "names os.getcwd"},
	}
}

func TestMalicious(t *testing.T) {
	for name, c := range malicious() {
		for kind, b := range map[string][]byte{"zip": zipOf(c[0], nil), "legacy": legacyOf(c[0], "]", nil)} {
			_, err := readBytes(b, nil)
			if err == nil || !strings.Contains(err.Error(), c[1]) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
	}
	// The offset is that of the naming instruction.
	_, err := readBytes(zipOf("}0"+gl("os", "system"), nil), nil)
	if err == nil || !strings.Contains(err.Error(), "archive/data.pkl: pickle at offset 4 names os.system") {
		t.Error(err)
	}
	_, err = readBytes(legacyOf(gl("os", "system"), "]", nil), nil)
	if want := fmt.Sprintf("pickle at offset %d names os.system", len(legacyHead)+2); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// broken is pickles that are no valid data.
func broken() map[string]string {
	ref := storageRef("FloatStorage", "0", "K\x04")
	all := map[string]string{
		"empty stack":         "",
		"pop":                 "0",
		"pop below a mark":    "K\x01(00",
		"no mark":             "t",
		"memo":                "h\x07",
		"put nothing":         "q\x00",
		"memo text":           "gx\n",
		"unknown instruction": "\xff",
		"protocol":            "\x80\x09N",
		"string past end":     "X\xff\xff\xff\x7fabc",
		"bytes8 past end":     "\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc",
		"long past end":       "\x8b\xff\xff\xff\xffabc",
		"integer":             "Ixyz\n",
		"float":               "Fxyz\n",
		"quotes":              "Sabc\n",
		"escape":              "V\\u12\n",
		"no newline":          "cos",
		"append to int":       "K\x01K\x02a",
		"set item of list":    "]K\x01K\x02s",
		"odd items":           "}(K\x01u",
		"state of int":        "K\x01}b",
		"global by ints":      "K\x01K\x02\x93",
		"arguments":           gl("torch", "Size") + "K\x01R",
		"persistent text":     "Pabc\n",
		"persistent int":      "K\x01Q",
		"persistent short":    str("storage") + "\x85Q",
		"persistent type":     "(" + str("storage") + "K\x01" + str("0") + str("cpu") + "K\x04tQ",
		"persistent module":   "(" + str("module") + gl("torch", "Tensor") + "NNNtQ",
		"negative storage":    storageRef("FloatStorage", "0", num(0xffffffff)),
		"huge storage":        storageRef("DoubleStorage", "0", big8(1<<62)),
		"two sizes":           "(" + ref + storageRef("FloatStorage", "0", "K\x05") + "t",
		"two types":           "(" + ref + storageRef("DoubleStorage", "0", "K\x02") + "t",
		"out of band":         "\x97",
		"rebuild of nothing":  gl("torch._utils", "_rebuild_tensor_v2") + ")R",
		"rebuild of ints":     gl("torch._utils", "_rebuild_tensor_v2") + "(K\x01K\x01K\x01K\x01tR",
		"parameter of int":    gl("torch._utils", "_rebuild_parameter") + "(K\x01\x88NtR",
		"past the storage":    tensorOf(ref, "K\x00", "K\x05", "K\x01"),
		"offset":              tensorOf(ref, "K\x04", "K\x01", "K\x01"),
		"negative offset":     tensorOf(ref, num(0xffffffff), "K\x01", "K\x01"),
		"stride":              tensorOf(ref, "K\x00", "K\x02K\x02", "K\x04K\x01"),
		"negative stride":     tensorOf(ref, "K\x03", "K\x02", num(0xffffffff)),
		"negative extent":     tensorOf(ref, "K\x00", num(0xffffffff), "K\x01"),
		"huge extents":        tensorOf(ref, "K\x00", big8(1<<40)+big8(1<<40), "K\x00K\x00"),
		"huge stride":         tensorOf(ref, "K\x00", big8(1<<62)+"K\x01", big8(1<<62)+"K\x01"),
		"stride count":        tensorOf(ref, "K\x00", "K\x02K\x02", "K\x01"),
		"rank":                tensorOf(ref, "K\x00", strings.Repeat("K\x01", 20), strings.Repeat("K\x01", 20)),
		"extent of text":      tensorOf(ref, "K\x00", str("1"), "K\x01"),
		// A list that holds itself, as an extent: nothing may print it.
		"cycle as extent": tensorOf(ref, "K\x00", "]q\x01h\x01a", "K\x01"),
		"latin1":          gl("_codecs", "encode") + str("€") + str("latin1") + "\x86R",
		"codec":           gl("_codecs", "encode") + str("a") + str("rot13") + "\x86R",
	}
	return all
}

func TestBroken(t *testing.T) {
	store := map[string][]byte{"0": make([]byte, 16)}
	for name, p := range broken() {
		for kind, b := range map[string][]byte{"zip": zipOf(p, store), "legacy": legacyOf(p, "]"+str("0")+"a", append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 16)...))} {
			_, err := readBytes(b, nil)
			if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
	}
}

// TestBrokenFiles are archives and legacy files whose parts do not agree.
func TestBrokenFiles(t *testing.T) {
	w := "}" + str("w") + tensorOf(storageRef("FloatStorage", "0", "K\x04"), "K\x00", "K\x04", "K\x01") + "s"
	data := make([]byte, 16)
	good := append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, data...)
	key := "]" + str("0") + "a"
	for name, b := range map[string][]byte{
		"nothing":           {},
		"four bytes":        []byte("PK\x03\x04"),
		"text":              []byte("hello, this is no checkpoint at all, but it is long enough"),
		"storage absent":    zipOf(w, nil),
		"storage short":     zipOf(w, map[string][]byte{"0": data[:15]}),
		"storage long":      zipOf(w, map[string][]byte{"0": append(data, 0)}),
		"byte order":        zipOf(w, map[string][]byte{"0": data}, "archive/byteorder", "middle"),
		"two pickles":       zipOf(w, map[string][]byte{"0": data}, "other/data.pkl", "N."),
		"leaves":            zipOf(w, map[string][]byte{"0": data}, "../../etc/passwd", "x"),
		"absolute":          zipOf(w, map[string][]byte{"0": data}, "/etc/passwd", "x"),
		"backslash":         zipOf(w, map[string][]byte{"0": data}, `..\x`, "x"),
		"entry twice":       zipOf(w, map[string][]byte{"0": data}, "archive/data/0", "x"),
		"magic":             bytes.Replace(legacyOf(w, key, good), []byte("M\xe9\x03"), []byte("M\xe8\x03"), 1),
		"keys int":          legacyOf(w, "K\x01", good),
		"keys none":         legacyOf(w, "]", good),
		"keys twice":        legacyOf(w, key+str("0")+"a", append(good, good...)),
		"keys unknown":      legacyOf(w, key+str("1")+"a", append(good, good...)),
		"keys list":         legacyOf(w, "]]a", good),
		"legacy short":      legacyOf(w, key, good[:20]),
		"legacy no storage": legacyOf(w, key, nil),
		"legacy count":      legacyOf(w, key, append([]byte{255, 255, 255, 255, 255, 255, 255, 255}, data...)),
	} {
		f, err := readBytes(b, nil)
		if err == nil {
			_, err = loadAll(f)
		}
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{zipOf(w, map[string][]byte{"0": data}, "archive/byteorder", "little"), legacyOf(w, key, good)} {
		f, err := readBytes(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := loadAll(f); err != nil || len(x) != 1 {
			t.Error(x, err)
		}
	}
}

// TestTruncated cuts real files at every length.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"checkpoint_zip.pth", "checkpoint_legacy.pth", "views_zip.pth", "dtypes_legacy.pth"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			f, err := readBytes(b[:n], nil)
			if err == nil {
				_, err = loadAll(f)
			}
			if err == nil {
				t.Errorf("%s: %d bytes of %d were accepted", name, n, len(b))
			}
		}
	}
}

// TestMemory: no small file makes the reader allocate 256 MB, garbage included.
func TestMemory(t *testing.T) {
	const mb = 1 << 20
	rep := strings.Repeat
	view := func(n uint64) string {
		return "}" + str("w") + tensorOf(storageRef("FloatStorage", "0", "K\x04"), "K\x00", big8(n), "K\x00") + "s"
	}
	many := "}(" + storageRef("FloatStorage", "0", num(mb)) + "q\x010"
	for i := range 1000 {
		many += str(fmt.Sprint(i)) + tensorOf("h\x01", "K\x00", num(1024)+num(1024), "K\x01"+num(1024))
	}
	many += "u"
	lists := "]q\x00" // each list holds the one before ten times
	for i := byte(1); i < 30; i++ {
		lists += "]" + rep("h"+string([]byte{i - 1})+"a", 10) + "q" + string([]byte{i})
	}
	var bomb bytes.Buffer
	zw := zip.NewWriter(&bomb)
	e, _ := zw.Create("archive/data.pkl")
	e.Write([]byte("}" + str("w") + tensorOf(storageRef("FloatStorage", "0", num(64*mb)), "K\x00", num(64*mb), "K\x01") + "s."))
	e, _ = zw.Create("archive/data/0")
	for range 256 {
		e.Write(make([]byte, mb))
	}
	zw.Close()
	var deflated bytes.Buffer
	zw = zip.NewWriter(&deflated)
	e, _ = zw.Create("archive/data.pkl")
	for range 16 {
		e.Write(bytes.Repeat([]byte("}"), mb))
	}
	zw.Close()
	one := map[string][]byte{"0": make([]byte, 16)}
	for name, b := range map[string][]byte{
		"dictionaries":  zipOf(rep("}", 3*mb), nil),
		"lists":         zipOf(rep("]", 3*mb), nil),
		"marks":         zipOf(rep("(", 3*mb), nil),
		"tuples":        zipOf(")"+rep("\x85", 3*mb), nil),
		"nones":         zipOf("("+rep("N", 3*mb)+"t", nil),
		"doubled":       zipOf("]"+rep("2a", 3*mb/2), nil),
		"memo":          zipOf("N"+rep("\x94", 3*mb), nil),
		"memo far":      zipOf("N"+rep("r\xff\xff\xff\xff", mb), nil),
		"strings":       zipOf(rep(str(rep("a", 1000)), 8000), nil),
		"globals":       zipOf(rep(gl("torch", "Size"), mb/2), nil),
		"copies":        zipOf("]("+rep("N", 30000)+"eq\x000"+rep(gl("builtins", "list")+"h\x00\x85R", 4000), nil),
		"self":          zipOf("]q\x00h\x00a", nil),
		"self in dict":  zipOf("}q\x00"+str("a")+"h\x00s", nil),
		"laughs":        zipOf(lists, nil),
		"wide view":     zipOf(view(1<<32), one),
		"widest view":   zipOf(view(1<<60), one),
		"many views":    zipOf(many, map[string][]byte{"0": make([]byte, 4*mb)}),
		"bomb":          bomb.Bytes(),
		"pickle bomb":   deflated.Bytes(),
		"declared size": legacyOf("}"+str("w")+tensorOf(storageRef("FloatStorage", "0", big8(1<<40)), "K\x00", big8(1<<40), "K\x01")+"s", "]"+str("0")+"a", binary.LittleEndian.AppendUint64(nil, 1<<40)),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f, err := readBytes(b, nil)
		if err == nil {
			if _, err = loadAll(f); err == nil {
				_, err = f.StateDict("")
			}
		}
		runtime.ReadMemStats(&after)
		used := after.TotalAlloc - before.TotalAlloc
		t.Logf("%-14s %8d bytes, %4d MB allocated: %v", name, len(b), used/mb, err)
		if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
			t.Errorf("%s: %v", name, err)
		}
		if used > 256_000_000 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(b))
		}
	}
}

func TestLimits(t *testing.T) {
	for name, opt := range map[string]*Options{
		"pickle": {MaxPickleBytes: 100}, "opcodes": {MaxOpcodes: 10}, "stack": {MaxStack: 3}, "memo": {MaxMemo: 3},
		"depth": {MaxDepth: 1}, "tensors": {MaxTensors: 3}, "rank": {MaxRank: 1}, "bytes": {MaxTensorBytes: 100},
	} {
		for _, kind := range []string{"zip", "legacy"} {
			b, err := os.ReadFile(filepath.Join("testdata", "checkpoint_"+kind+".pth"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := readBytes(b, opt)
			if err == nil {
				_, err = loadAll(f)
			}
			if err == nil {
				t.Errorf("%s: the limit of %s was not kept", kind, name)
			}
		}
	}
}
