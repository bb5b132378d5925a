package torchpt

import (
	"bytes"
	"strings"
	"testing"
)

// TestBarePickle gives the pickles that Python's pickle.dumps writes, of every
// protocol, to the check that a file without PyTorch's wrapping gets.
func TestBarePickle(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		// pickle.dumps of an object whose __reduce__ is (os.system, ("true",)).
		{"protocol 0", "cposix\nsystem\np0\n(Vtrue\np1\ntp2\nRp3\n.", "posix.system"},
		{"protocol 1", "cposix\nsystem\nq\x00(X\x04\x00\x00\x00trueq\x01tq\x02Rq\x03.", "posix.system"},
		{"protocol 2", "\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.", "os.system"},
		{"protocol 4", "\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.", "posix.system"},
		{"instance", "(ios\nsystem\n.", "os.system"},
		{"in a dictionary", "\x80\x03}q\x00X\x01\x00\x00\x00aq\x01cbuiltins\neval\nq\x02s.", "builtins.eval"},
		{"plain data", "\x80\x03}q\x00X\x01\x00\x00\x00aq\x01K\x01s.", "holds no tensors"},
		{"text dictionary", "(dp0\nVa\np1\nI1\ns.", "holds no tensors"},
		{"cut", "\x80\x03}q\x00X\xff\xff", "torch: "},
		{"storage", "\x80\x02X\x01\x00\x00\x00aQ.", "does not hold"},
	} {
		if !IsPickle([]byte(c.data)) {
			t.Errorf("%s: not recognised", c.name)
		}
		err := CheckPickle(bytes.NewReader([]byte(c.data)), int64(len(c.data)), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, other := range []string{"", "c", "computer", "PK\x03\x04", "\x80\x09zz", "(hello)", "<html>", "class,path\n"} {
		if IsPickle([]byte(other)) {
			t.Errorf("%q is taken for a pickle", other)
		}
	}
}
