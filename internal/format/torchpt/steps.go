package torchpt

import "strconv"

func (m *machine) stepMemo(op byte) error {
	var index uint64
	var err error
	switch op {
	case opMemoize:
		index = uint64(len(m.memo))
	case opBinGet, opBinPut:
		index, err = m.src.uint(1)
	case opLongBinGet, opLongBinPut:
		index, err = m.src.uint(4)
	case opGet, opPut:
		var s string
		if s, err = m.src.line(); err == nil {
			if index, err = strconv.ParseUint(s, 10, 32); err != nil {
				err = m.errorf("has the memo index %s, which is not a number", printable(s))
			}
		}
	}
	if err != nil {
		return err
	}
	switch op {
	case opGet, opBinGet, opLongBinGet:
		return m.get(index)
	}
	return m.put(index)
}

func (m *machine) stepContainer(op byte) error {
	switch op {
	case opTuple1, opTuple2, opTuple3:
		n := int(op-opTuple1) + 1
		t := make(Tuple, n)
		for i := n - 1; i >= 0; i-- {
			v, err := m.pop()
			if err != nil {
				return err
			}
			t[i] = v
		}
		return m.push(t, costScalar+16*n)
	case opAppend:
		v, err := m.pop()
		if err != nil {
			return err
		}
		c, err := m.top()
		if err != nil {
			return err
		}
		return m.appendTo(c, []Value{v})
	case opSetItem:
		v, err := m.pop()
		if err != nil {
			return err
		}
		k, err := m.pop()
		if err != nil {
			return err
		}
		c, err := m.top()
		if err != nil {
			return err
		}
		return m.setItems(c, []Value{k, v})
	}
	items, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case opTuple:
		return m.push(Tuple(items), costScalar)
	case opList:
		return m.push(&List{Items: items}, costObject)
	case opFrozenSet:
		return m.push(&Set{Items: items}, costObject)
	case opDict:
		d := &Dict{}
		if err := m.setItems(d, items); err != nil {
			return err
		}
		return m.push(d, costObject)
	}
	c, err := m.top()
	if err != nil {
		return err
	}
	if op == opSetItems {
		return m.setItems(c, items)
	}
	return m.appendTo(c, items)
}

// stepObject handles the instructions through which Python would import, call
// or construct something.
func (m *machine) stepObject(op byte) error {
	switch op {
	case opGlobal, opInst:
		module, err := m.src.line()
		if err != nil {
			return err
		}
		name, err := m.src.line()
		if err != nil {
			return err
		}
		g, err := m.global(module, name)
		if err != nil {
			return err
		}
		if op == opGlobal {
			return m.push(g, costObject)
		}
		args, err := m.popMark()
		if err != nil {
			return err
		}
		return m.pushCall(g, Tuple(args))
	case opStackGlobal:
		name, err := m.pop()
		if err != nil {
			return err
		}
		module, err := m.pop()
		if err != nil {
			return err
		}
		ms, ok1 := module.(string)
		ns, ok2 := name.(string)
		if !ok1 || !ok2 {
			return m.errorf("names a global by a %s and a %s", kind(module), kind(name))
		}
		g, err := m.global(ms, ns)
		if err != nil {
			return err
		}
		return m.push(g, costObject)
	case opObj:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return m.errorf("constructs an object of no class")
		}
		return m.pushCall(items[0], Tuple(items[1:]))
	case opNewObjEx:
		if _, err := m.pop(); err != nil { // keyword arguments: nothing allow-listed has any
			return err
		}
		fallthrough
	case opReduce, opNewObj:
		args, err := m.pop()
		if err != nil {
			return err
		}
		fn, err := m.pop()
		if err != nil {
			return err
		}
		t, ok := args.(Tuple)
		if !ok {
			return m.errorf("calls %s with a %s for its arguments", kind(fn), kind(args))
		}
		return m.pushCall(fn, t)
	case opBuild:
		state, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.build(v, state)
	case opBinPersID:
		id, err := m.pop()
		if err != nil {
			return err
		}
		if m.persist == nil {
			return m.errorf("refers to a storage where none can be")
		}
		v, err := m.persist(id)
		if err != nil {
			return m.errorf("%v", err)
		}
		return m.push(v, costTensor)
	case opPersID:
		return m.errorf("refers to a storage by text, which no checkpoint does")
	case opExt1, opExt2, opExt4:
		return m.errorf("names a global through the extension registry: refused, nothing was run")
	}
	return m.errorf("takes an out-of-band buffer, which a file cannot have")
}

func (m *machine) pushCall(fn Value, args Tuple) error {
	g, ok := fn.(Global)
	if !ok {
		return m.errorf("calls a %s: refused, nothing was run", kind(fn))
	}
	v, err := m.call(g, args)
	if err != nil {
		return err
	}
	return m.push(v, costObject)
}
