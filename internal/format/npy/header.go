package npy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// parseHeader reads the Python dictionary of a header:
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
func parseHeader(s string, maxRank int) (*header, error) {
	p := &parser{s: s}
	h := &header{}
	var haveDescr, haveOrder, haveShape bool
	if !p.eat('{') {
		return nil, p.expected("'{'")
	}
	for !p.eat('}') {
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if !p.eat(':') {
			return nil, p.expected("':'")
		}
		switch {
		case key == "descr" && !haveDescr:
			haveDescr = true
			err = p.descr(h)
		case key == "fortran_order" && !haveOrder:
			haveOrder = true
			h.fortran, err = p.boolean()
		case key == "shape" && !haveShape:
			haveShape = true
			h.shape, err = p.tuple(maxRank)
		default:
			err = fmt.Errorf("unknown or repeated key %q", key)
		}
		if err != nil {
			return nil, err
		}
		if !p.eat(',') {
			if !p.eat('}') {
				return nil, p.expected("',' or '}'")
			}
			break
		}
	}
	p.space()
	if p.at < len(s) {
		return nil, p.expected("the end")
	}
	if !haveDescr || !haveOrder || !haveShape {
		return nil, errors.New("descr, fortran_order or shape is missing")
	}
	return h, nil
}

type parser struct {
	s  string
	at int
}

func (p *parser) expected(what string) error {
	rest := p.s[p.at:]
	return fmt.Errorf("at byte %d: %s is needed before %q", p.at, what, rest[:min(len(rest), 16)])
}

func (p *parser) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) eat(c byte) bool {
	p.space()
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) str() (string, error) {
	p.space()
	if p.at < len(p.s) && (p.s[p.at] == '\'' || p.s[p.at] == '"') {
		if n := strings.IndexByte(p.s[p.at+1:], p.s[p.at]); n >= 0 {
			out := p.s[p.at+1 : p.at+1+n]
			p.at += n + 2
			return out, nil
		}
	}
	return "", p.expected("a string")
}

func (p *parser) boolean() (bool, error) {
	p.space()
	for word, v := range map[string]bool{"True": true, "False": false} {
		if strings.HasPrefix(p.s[p.at:], word) {
			p.at += len(word)
			return v, nil
		}
	}
	return false, p.expected("True or False")
}

func (p *parser) tuple(maxRank int) (tensor.Shape, error) {
	if !p.eat('(') {
		return nil, p.expected("'('")
	}
	out := tensor.Shape{}
	for !p.eat(')') {
		p.space()
		start := p.at
		for p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
			p.at++
		}
		v, err := strconv.ParseInt(p.s[start:p.at], 10, 64)
		if err != nil || v > math.MaxInt {
			p.at = start
			return nil, p.expected("an extent")
		}
		if len(out) == maxRank {
			return nil, fmt.Errorf("more than %d axes", maxRank)
		}
		out = append(out, int(v))
		p.eat('L') // Python 2 wrote long integers so
		if !p.eat(',') {
			if !p.eat(')') {
				return nil, p.expected("',' or ')'")
			}
			break
		}
	}
	return out, nil
}

// descr reads the element type: byte order, kind and size.
func (p *parser) descr(h *header) error {
	p.space()
	if p.at < len(p.s) && p.s[p.at] == '[' {
		return errors.New("structured arrays are not supported")
	}
	s, err := p.str()
	if err != nil {
		return err
	}
	if s == "" {
		return errors.New("empty element type")
	}
	switch s[0] {
	case '<', '|':
	case '>':
		h.swap = true
	default:
		return fmt.Errorf("element type %q is not supported", s)
	}
	for dt := tensor.F64; dt <= tensor.Bool; dt++ {
		if code(dt) == s[1:] && code(dt) != "" {
			h.dtype = dt
			return nil
		}
	}
	return fmt.Errorf("element type %q is not supported", s)
}

// code is NumPy's kind and size of an element type, "" where it has none.
func code(dt tensor.DType) string {
	switch dt {
	case tensor.F64, tensor.F32, tensor.F16:
		return "f" + strconv.Itoa(dt.Size())
	case tensor.I64, tensor.I32, tensor.I16, tensor.I8:
		return "i" + strconv.Itoa(dt.Size())
	case tensor.U64, tensor.U32, tensor.U16, tensor.U8:
		return "u" + strconv.Itoa(dt.Size())
	case tensor.Bool:
		return "b1"
	}
	return ""
}
