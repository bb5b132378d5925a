package torchpt

import (
	"fmt"
	"slices"
)

// machine runs the instructions of one pickle. It builds inert values only:
// the instructions that call something in Python look the name up in the
// allow-list and build the value that the call would have given.
type machine struct {
	src     *source
	opt     *Options
	persist func(id Value) (Value, error)
	stack   []Value
	marks   []int
	memo    map[uint64]Value
	memory  int64 // estimate of what the values take
	tensors int
	at      int64 // offset of the current instruction
}

func newMachine(src *source, opt *Options) *machine {
	return &machine{src: src, opt: opt, memo: map[uint64]Value{}}
}

// run executes up to STOP and returns the top of the stack.
func (m *machine) run() (Value, error) {
	for n := 0; ; n++ {
		if n >= m.opt.MaxOpcodes {
			return nil, m.errorf("exceeds the limit of %d instructions", m.opt.MaxOpcodes)
		}
		m.at = m.src.pos()
		op, err := m.src.byte()
		if err != nil {
			return nil, err
		}
		if op == opStop {
			v, err := m.pop()
			if err != nil {
				return nil, err
			}
			return v, nil
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
		if m.memory > m.opt.MaxPickleBytes {
			return nil, m.errorf("builds values of more than %d bytes, the limit", m.opt.MaxPickleBytes)
		}
	}
}

// errorf describes a failure at the current instruction.
func (m *machine) errorf(format string, args ...any) error {
	return fmt.Errorf("pickle at offset %d %s", m.at-m.src.base, fmt.Sprintf(format, args...))
}

// What a value costs, rounded up: growing slices and maps hold spare room.
const (
	costScalar = 32
	costItem   = 48
	costObject = 128
	costEntry  = 224
	costTensor = 512
)

func (m *machine) push(v Value, cost int) error {
	if len(m.stack) >= m.opt.MaxStack {
		return m.errorf("exceeds the limit of %d values on its stack", m.opt.MaxStack)
	}
	m.memory += int64(cost)
	m.stack = append(m.stack, v)
	return nil
}

// floor is the height that pop may not go below.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() (Value, error) {
	if len(m.stack) <= m.floor() {
		return nil, m.errorf("takes a value from an empty stack")
	}
	v := m.stack[len(m.stack)-1]
	m.stack[len(m.stack)-1] = nil
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (Value, error) {
	if len(m.stack) <= m.floor() {
		return nil, m.errorf("looks at an empty stack")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) mark() error {
	if len(m.marks) >= m.opt.MaxStack {
		return m.errorf("exceeds the limit of %d marks", m.opt.MaxStack)
	}
	m.marks = append(m.marks, len(m.stack))
	return nil
}

// popMark returns a copy of the values above the last mark and drops both.
func (m *machine) popMark() ([]Value, error) {
	if len(m.marks) == 0 {
		return nil, m.errorf("needs a mark that is not there")
	}
	start := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := slices.Clone(m.stack[start:])
	clear(m.stack[start:])
	m.stack = m.stack[:start]
	m.memory += int64(len(items)) * 16
	return items, nil
}

func (m *machine) put(index uint64) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if _, old := m.memo[index]; !old {
		if len(m.memo) >= m.opt.MaxMemo {
			return m.errorf("remembers more than %d values, the limit", m.opt.MaxMemo)
		}
		m.memory += 96
	}
	m.memo[index] = v
	return nil
}

func (m *machine) get(index uint64) error {
	v, ok := m.memo[index]
	if !ok {
		return m.errorf("recalls value %d, which it never stored", index)
	}
	return m.push(v, 0)
}

// text pushes the next n bytes as a string or as bytes.
func (m *machine) text(n uint64, asBytes bool) error {
	b, err := m.src.take(n, m.opt.MaxPickleBytes-m.memory)
	if err != nil {
		return err
	}
	if asBytes {
		return m.push(Bytes(b), costScalar+len(b))
	}
	return m.push(string(b), costScalar+len(b))
}

func (m *machine) appendTo(v Value, items []Value) error {
	switch c := v.(type) {
	case *List:
		c.Items = append(c.Items, items...)
	case *Set:
		c.Items = append(c.Items, items...)
	default:
		return m.errorf("appends to a %s", kind(v))
	}
	m.memory += int64(len(items)) * costItem
	return nil
}

func (m *machine) setItems(v Value, items []Value) error {
	d, ok := v.(*Dict)
	if !ok {
		return m.errorf("sets an item of a %s", kind(v))
	}
	if len(items)%2 != 0 {
		return m.errorf("sets items from an odd number of values")
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	m.memory += int64(len(items)/2) * costEntry
	return nil
}

// build applies BUILD: state for an object that is on the stack.
func (m *machine) build(v, state Value) error {
	switch o := v.(type) {
	case *Object:
		o.State = state
	case *Dict:
		o.State = state
	case *Tensor: // attributes of a Parameter
	default:
		return m.errorf("sets the state of a %s", kind(v))
	}
	return nil
}
