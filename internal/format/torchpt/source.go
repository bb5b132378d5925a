package torchpt

import (
	"fmt"
	"io"
)

// source reads a pickle forwards through a small window and knows where it is,
// so that no declared length is believed before it is compared with what the
// file still holds.
type source struct {
	r    io.ReaderAt
	next int64 // offset of the byte after the window
	end  int64
	base int64 // subtracted from offsets in messages
	win  []byte
	buf  []byte
}

func newSource(r io.ReaderAt, start, end int64) *source {
	return &source{r: r, next: start, end: end, buf: make([]byte, min(64<<10, max(end-start, 0)))}
}

// pos is the offset of the next byte.
func (s *source) pos() int64 { return s.next - int64(len(s.win)) }

func (s *source) left() int64 { return s.end - s.pos() }

func (s *source) fill() error {
	n := min(int64(len(s.buf)), s.end-s.next)
	if n <= 0 {
		return fmt.Errorf("pickle ends at offset %d without STOP: truncated", s.end)
	}
	k, err := s.r.ReadAt(s.buf[:n], s.next)
	if int64(k) < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading at offset %d: %w", s.next+int64(k), err)
	}
	s.win = s.buf[:n]
	s.next += n
	return nil
}

func (s *source) byte() (byte, error) {
	if len(s.win) == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	b := s.win[0]
	s.win = s.win[1:]
	return b, nil
}

// take returns a copy of the next n bytes; limit bounds n.
func (s *source) take(n uint64, limit int64) ([]byte, error) {
	if n > uint64(max(s.left(), 0)) {
		return nil, fmt.Errorf("pickle at offset %d declares %d bytes where %d are left: truncated", s.pos(), n, max(s.left(), 0))
	}
	if n > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("pickle at offset %d declares %d bytes, over the limit of %d", s.pos(), n, limit)
	}
	out := make([]byte, n)
	for at := 0; at < len(out); {
		if len(s.win) == 0 {
			if err := s.fill(); err != nil {
				return nil, err
			}
		}
		k := copy(out[at:], s.win)
		s.win = s.win[k:]
		at += k
	}
	return out, nil
}

// uint reads a little-endian number of n bytes, at most 8.
func (s *source) uint(n int) (uint64, error) {
	v := uint64(0)
	for i := range n {
		b, err := s.byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b) << (8 * i)
	}
	return v, nil
}

// line reads up to a newline, which it drops.
func (s *source) line() (string, error) {
	const limit = 64 << 10
	start := s.pos()
	var out []byte
	for {
		b, err := s.byte()
		if err != nil {
			return "", err
		}
		if b == '\n' {
			return string(out), nil
		}
		if len(out) == limit {
			return "", fmt.Errorf("pickle at offset %d holds a line of more than %d bytes", start, limit)
		}
		out = append(out, b)
	}
}
