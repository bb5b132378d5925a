package torchpt

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// dump writes a value as one line, for comparison.
func dump(v Value) string {
	list := func(vs []Value) string {
		parts := make([]string, len(vs))
		for i, x := range vs {
			parts[i] = dump(x)
		}
		return strings.Join(parts, " ")
	}
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case Bytes:
		return fmt.Sprintf("b%q", []byte(v))
	case Tuple:
		return "(" + list(v) + ")"
	case *List:
		return "[" + list(v.Items) + "]"
	case *Set:
		return "set[" + list(v.Items) + "]"
	case *BigInt:
		return fmt.Sprintf("int%x", v.Raw)
	case *Dict:
		parts := make([]string, v.Len())
		for i := range v.Keys {
			parts[i] = dump(v.Keys[i]) + ":" + dump(v.Values[i])
		}
		return "{" + strings.Join(parts, " ") + "}"
	case *Object:
		return v.Class.String() + "(" + list(v.Args) + ")" + dump(v.State)
	}
	return fmt.Sprint(v)
}

// TestProtocols reads the same values, pickled by Python in each protocol.
func TestProtocols(t *testing.T) {
	want := map[string]string{
		"ints":    "[0 1 -1 255 256 65535 65536 -2147483648 2147483648 -4611686018427387904 9223372036854775807 int0000000000000000000001]",
		"floats":  "[0.5 -1e+300 +Inf]",
		"text":    `"line\none \\ 'quoted' \"twice\" é € 😀"`,
		"tuples":  "[() (1) (1 2) (1 2 3) (1 2 3 4)]",
		"flags":   "[true false <nil>]",
		"set":     "set[7]",
		"frozen":  "set[8]",
		"bytes":   `b"\x00\xff a"`,
		"array":   `b"xyz"`,
		"args":    `argparse.Namespace(){"lr":0.1}`,
		"counter": `{"a":2 "b":1}`,
		"default": `{"a":1}`,
		"ordered": `{"k":1 2:"v"}`,
	}
	for proto := range 6 {
		name := fmt.Sprintf("testdata/values_p%d.pkl", proto)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		opt := new(Options).withDefaults()
		v, err := newMachine(newSource(bytes.NewReader(b), 0, int64(len(b))), &opt).run()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := v.(*Dict)
		for key, w := range want {
			x, _ := d.Get(key)
			if got := dump(x); got != w {
				t.Errorf("%s: %s is %s, want %s", name, key, got, w)
			}
		}
		a, _ := d.Get("tuples")
		z, _ := d.Get("again")
		if !reflect.DeepEqual(a, z) || a.(*List) != z.(*List) {
			t.Errorf("%s: the list used twice became two", name)
		}
		if c, _ := d.Get("complex"); !strings.HasSuffix(kind(c), ".complex") {
			t.Errorf("%s: the complex number is a %s", name, kind(c))
		}
		for n := range b { // cut anywhere, it is refused
			if _, err := newMachine(newSource(bytes.NewReader(b[:n]), 0, int64(n)), &opt).run(); err == nil {
				t.Errorf("%s: %d bytes of %d were accepted", name, n, len(b))
			}
		}
	}
}
