package torchpt

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// The instructions of pickle protocols 0 to 5. Source: Lib/pickletools.py of
// CPython documents each of them.
const (
	opMark            = '('
	opStop            = '.'
	opPop             = '0'
	opPopMark         = '1'
	opDup             = '2'
	opFloat           = 'F'
	opInt             = 'I'
	opBinInt          = 'J'
	opBinInt1         = 'K'
	opLong            = 'L'
	opBinInt2         = 'M'
	opNone            = 'N'
	opPersID          = 'P'
	opBinPersID       = 'Q'
	opReduce          = 'R'
	opString          = 'S'
	opBinString       = 'T'
	opShortBinString  = 'U'
	opUnicode         = 'V'
	opBinUnicode      = 'X'
	opAppend          = 'a'
	opBuild           = 'b'
	opGlobal          = 'c'
	opDict            = 'd'
	opEmptyDict       = '}'
	opAppends         = 'e'
	opGet             = 'g'
	opBinGet          = 'h'
	opInst            = 'i'
	opLongBinGet      = 'j'
	opList            = 'l'
	opEmptyList       = ']'
	opObj             = 'o'
	opPut             = 'p'
	opBinPut          = 'q'
	opLongBinPut      = 'r'
	opSetItem         = 's'
	opTuple           = 't'
	opEmptyTuple      = ')'
	opSetItems        = 'u'
	opBinFloat        = 'G'
	opProto           = 0x80
	opNewObj          = 0x81
	opExt1            = 0x82
	opExt2            = 0x83
	opExt4            = 0x84
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opNewTrue         = 0x88
	opNewFalse        = 0x89
	opLong1           = 0x8a
	opLong4           = 0x8b
	opBinBytes        = 'B'
	opShortBinBytes   = 'C'
	opShortBinUnicode = 0x8c
	opBinUnicode8     = 0x8d
	opBinBytes8       = 0x8e
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opNewObjEx        = 0x92
	opStackGlobal     = 0x93
	opMemoize         = 0x94
	opFrame           = 0x95
	opByteArray8      = 0x96
	opNextBuffer      = 0x97
	opReadOnlyBuffer  = 0x98
)

func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		v, err := m.src.byte()
		if err == nil && v > 5 {
			err = m.errorf("is of protocol %d; 0 to 5 are known", v)
		}
		return err
	case opFrame:
		_, err := m.src.uint(8) // framing only speeds up Python's reader
		return err
	case opMark:
		return m.mark()
	case opPop:
		if len(m.marks) > 0 && len(m.stack) == m.floor() {
			m.marks = m.marks[:len(m.marks)-1]
			return nil
		}
		_, err := m.pop()
		return err
	case opPopMark:
		_, err := m.popMark()
		return err
	case opDup:
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.push(v, 0)
	case opNone:
		return m.push(nil, 0)
	case opNewTrue:
		return m.push(true, 0)
	case opNewFalse:
		return m.push(false, 0)
	case opEmptyDict:
		return m.push(&Dict{}, costObject)
	case opEmptyList:
		return m.push(&List{}, costObject)
	case opEmptySet:
		return m.push(&Set{}, costObject)
	case opEmptyTuple:
		return m.push(Tuple(nil), costScalar)
	case opGlobal, opStackGlobal, opInst, opObj, opReduce, opNewObj, opNewObjEx, opBuild,
		opPersID, opBinPersID, opExt1, opExt2, opExt4, opNextBuffer, opReadOnlyBuffer:
		return m.stepObject(op)
	case opGet, opBinGet, opLongBinGet, opPut, opBinPut, opLongBinPut, opMemoize:
		return m.stepMemo(op)
	case opTuple, opTuple1, opTuple2, opTuple3, opList, opDict, opFrozenSet,
		opAppend, opAppends, opAddItems, opSetItem, opSetItems:
		return m.stepContainer(op)
	}
	return m.stepScalar(op)
}

// fieldWidth is the size of the number, or of the length, that follows op.
func fieldWidth(op byte) int {
	switch op {
	case opBinInt1, opLong1, opShortBinString, opShortBinBytes, opShortBinUnicode:
		return 1
	case opBinInt2:
		return 2
	case opBinInt, opLong4, opBinString, opBinBytes, opBinUnicode:
		return 4
	case opBinFloat, opBinBytes8, opByteArray8, opBinUnicode8:
		return 8
	}
	return 0
}

func (m *machine) stepScalar(op byte) error {
	if w := fieldWidth(op); w > 0 {
		v, err := m.src.uint(w)
		if err != nil {
			return err
		}
		switch op {
		case opBinInt1, opBinInt2:
			return m.push(int64(v), costScalar)
		case opBinInt:
			return m.push(int64(int32(v)), costScalar)
		case opBinFloat: // the one big-endian field of the format
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			return m.push(math.Float64frombits(binary.BigEndian.Uint64(b[:])), costScalar)
		case opLong1, opLong4:
			return m.long(v)
		case opShortBinBytes, opBinBytes, opBinBytes8, opByteArray8:
			return m.text(v, true)
		}
		return m.text(v, false)
	}
	switch op {
	case opInt, opLong, opFloat, opString, opUnicode:
		s, err := m.src.line()
		if err != nil {
			return err
		}
		return m.literal(op, s)
	}
	return m.errorf("holds the unknown instruction 0x%02x", op)
}

const maxIntegerBytes = 1024

// long reads n bytes of a two's complement integer.
func (m *machine) long(n uint64) error {
	b, err := m.src.take(n, maxIntegerBytes)
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return m.push(&BigInt{Raw: b}, costObject+len(b))
	}
	v := int64(0)
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	return m.push(v, costScalar)
}

// literal reads the text forms of protocol 0.
func (m *machine) literal(op byte, s string) error {
	switch op {
	case opInt, opLong:
		if op == opInt && (s == "00" || s == "01") {
			return m.push(s == "01", costScalar)
		}
		s = strings.TrimSuffix(s, "L")
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return m.push(v, costScalar)
		}
		v, ok := new(big.Int), false
		if len(s) <= maxIntegerBytes {
			v, ok = v.SetString(s, 10)
		}
		if !ok || v.Sign() < 0 {
			return m.errorf("holds the integer %s, which is not supported", printable(s))
		}
		raw := v.Bytes()
		slices.Reverse(raw)
		if raw[len(raw)-1]&0x80 != 0 {
			raw = append(raw, 0)
		}
		return m.push(&BigInt{Raw: raw}, costObject+len(raw))
	case opFloat:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return m.errorf("holds the number %s, which is not one", printable(s))
		}
		return m.push(v, costScalar)
	case opString:
		if len(s) < 2 || (s[0] != '\'' && s[0] != '"') || s[len(s)-1] != s[0] {
			return m.errorf("holds a string without quotes")
		}
		s = s[1 : len(s)-1]
	}
	v, err := unescape(s, op == opUnicode)
	if err != nil {
		return m.errorf("holds a string with a bad escape")
	}
	return m.push(v, costScalar+len(v))
}

// unescape decodes Python's backslash escapes; with unicode it knows \u and \U
// only, and other bytes are Latin-1.
func unescape(s string, unicode bool) (string, error) {
	simple := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '\'': '\'', '"': '"'}
	digits := map[byte]int{'x': 2}
	if unicode {
		simple, digits = nil, map[byte]int{'u': 4, 'U': 8}
	}
	var out strings.Builder
	literal := func(c byte) {
		if unicode {
			out.WriteRune(rune(c))
		} else {
			out.WriteByte(c)
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			literal(s[i])
			continue
		}
		c := s[i+1]
		if r, ok := simple[c]; ok {
			out.WriteByte(r)
			i++
			continue
		}
		n, ok := digits[c]
		if !ok {
			literal(s[i])
			continue
		}
		if i+2+n > len(s) {
			return "", strconv.ErrSyntax
		}
		v, err := strconv.ParseUint(s[i+2:i+2+n], 16, 32)
		if err != nil {
			return "", err
		}
		if unicode {
			out.WriteRune(rune(v))
		} else {
			out.WriteByte(byte(v))
		}
		i += 1 + n
	}
	return out.String(), nil
}
