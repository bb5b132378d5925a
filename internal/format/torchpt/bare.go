package torchpt

import (
	"errors"
	"fmt"
	"io"
	"regexp"
)

// textPickle is how pickles of protocols 0 and 1, which have no signature,
// begin when they hold an object that somebody would take for a checkpoint: a
// global, or a mark before one, a dictionary or a list.
var textPickle = regexp.MustCompile(`^(\(?[ci][A-Za-z_][\w.]*\n[A-Za-z_]|\([dl](p\d|\n|$)|[\]}]q)`)

// IsPickle reports whether a file that begins with head looks like a bare
// pickle: one that torch.save has not wrapped.
func IsPickle(head []byte) bool {
	if IsLegacy(head) {
		return false
	}
	return len(head) >= 3 && head[0] == opProto && head[1] <= 5 || textPickle.Match(head)
}

// CheckPickle reads a bare pickle as data and says why it is no checkpoint:
// the global it names that is not on the allow-list, what is damaged, or that
// it holds none of PyTorch's tensors. It always returns an error.
func CheckPickle(r io.ReaderAt, size int64, opt *Options) error {
	o := opt.withDefaults()
	m := newMachine(newSource(r, 0, size), &o)
	m.persist = func(Value) (Value, error) {
		return nil, errors.New("torch: a bare pickle refers to storage that it does not hold")
	}
	v, err := m.run()
	if err != nil {
		return fmt.Errorf("torch: %w", err)
	}
	return fmt.Errorf("torch: a bare pickle of a %s holds no tensors: save the weights with torch.save or as safetensors", kind(v))
}
