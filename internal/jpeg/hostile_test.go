package jpeg

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// cosines is the inverse transform by its definition, without 128.
func cosines(c, q *[64]int16) (out [64]float64) {
	for y := range 8 {
		for x := range 8 {
			sum := 0.0
			for v := range 8 {
				for u := range 8 {
					s := float64(c[8*v+u]) * float64(q[8*v+u]) / 4
					if u == 0 {
						s /= math.Sqrt2
					}
					if v == 0 {
						s /= math.Sqrt2
					}
					sum += s * math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
				}
			}
			out[8*y+x] = sum
		}
	}
	return out
}

// try decodes by every implementation in every mode and checks what must hold for any bytes.
func try(t testing.TB, name string, data []byte) {
	t.Helper()
	small := Options{MaxPixels: 1 << 15, MaxMemory: 16 << 20}
	for _, mode := range []Mode{Tolerant, Normal, Strict} {
		for _, scale := range []int{1, 4} {
			o := small
			o.Mode, o.Scale = mode, scale
			c, err := DecodeConfig(data)
			if err == nil && int64(c.Width)*int64(c.Height) > o.MaxPixels {
				return
			}
			one, res, err := decodeAll(t, data, o)
			o.Generic = true
			two, res2, err2 := decodeAll(t, data, o)
			if res != res2 || (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(one, two) {
				t.Fatalf("%s mode %d 1/%d: implementations differ: %+v %v, %+v %v", name, mode, scale, res, err, res2, err2)
			}
			if err == nil {
				if res.Coverage < 0 || res.Coverage > 1 || mode == Strict && (!res.Complete || res.Damage != 0) {
					t.Fatalf("%s mode %d: %+v", name, mode, res)
				}
				continue
			}
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrLimit) {
				t.Fatalf("%s: error of no class: %v", name, err)
			}
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("%s: %q", name, err)
			}
		}
	}
}

// Small files cut at every length, and with every byte spoiled, are decoded or refused.
func TestCutAndSpoiled(t *testing.T) {
	n := 0
	for i, g := range goldens(t) {
		if len(g.data) > 1200 {
			continue
		}
		n++
		step := 3
		if testing.Short() {
			step = 17
		}
		for at := i % step; at < len(g.data); at += step {
			try(t, g.name+" cut", g.data[:at:at])
			spoiled := bytes.Clone(g.data)
			spoiled[at] ^= []byte{0xff, 1, 0x80, 0x10}[at%4]
			try(t, g.name+" spoiled", spoiled)
		}
	}
	if n == 0 {
		t.Error("nothing tried")
	}
}

// The shorter the file, the less it covers, and tolerant mode always has an answer once a scan began.
func TestCoverage(t *testing.T) {
	for _, g := range goldens(t) {
		if strings.Contains(g.name, "cut") {
			continue
		}
		first := bytes.Index(g.data, []byte{0xff, mSOS}) + 2
		first += int(g.data[first])<<8 | int(g.data[first+1])
		last := 0.0
		for at := first; at < len(g.data); at += 1 + len(g.data)/50 {
			_, res, err := decodeAll(t, g.data[:at:at], Options{Mode: Tolerant})
			if err != nil || res.Coverage < last {
				t.Errorf("%s cut at %d: %+v after coverage %.3f (%v)", g.name, at, res, last, err)
			}
			last = res.Coverage
		}
	}
}

func TestLimits(t *testing.T) {
	var base, prog golden
	for _, g := range goldens(t) {
		switch {
		case strings.Contains(g.name, "base"):
			base = g
		case strings.Contains(g.name, "prog_"):
			prog = g
		}
	}
	px := int64(base.w) * int64(base.h)
	for name, c := range map[string]struct {
		data []byte
		o    Options
		want error
	}{
		"pixels":            {base.data, Options{MaxPixels: px - 1}, ErrLimit},
		"pixels just right": {base.data, Options{MaxPixels: px}, nil},
		"memory":            {base.data, Options{MaxMemory: 1000}, ErrLimit},
		"scans":             {prog.data, Options{MaxScans: 2}, ErrLimit},
		"scans tolerant":    {prog.data, Options{MaxScans: 2, Mode: Tolerant}, ErrLimit},
		"none":              {prog.data, Options{MaxScans: -1, MaxMemory: -1, MaxPixels: -1}, nil},
	} {
		if _, _, err := decodeAll(t, c.data, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range []Options{{Scale: 3}, {Scale: -1}, {Mode: 9}} {
		if _, err := DecodeInto(nil, base.data, &o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	if _, err := DecodeInto(make([]byte, 3*px-1), base.data, nil); err == nil {
		t.Error("a buffer too small accepted")
	}
}

// What decoding takes beside the result stays within what Config.Memory says.
func TestMemory(t *testing.T) {
	for _, g := range goldens(t) {
		c, err := DecodeConfig(g.data)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 3*c.Width*c.Height)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := DecodeInto(dst, g.data, &Options{Mode: Tolerant}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if took := int64(after.TotalAlloc - before.TotalAlloc); took > c.Memory() {
			t.Errorf("%s: took %d bytes, %d were foretold", g.name, took, c.Memory())
		}
	}
}

// Many empty scans of a large progressive picture must not take long.
func TestManyScans(t *testing.T) {
	var prog golden
	for _, g := range goldens(t) {
		if strings.Contains(g.name, "gray_prog") {
			prog = g
		}
	}
	data := bytes.Clone(prog.data)
	sof := bytes.Index(data, []byte{0xff, mSOF2})
	copy(data[sof+5:], []byte{3000 >> 8, 3000 & 255, 3000 >> 8, 3000 & 255})
	end := len(data) - 2
	sos := bytes.LastIndex(data, []byte{0xff, mSOS})
	scan := bytes.Clone(data[sos:end])
	for range 20000 {
		data = append(data, scan...)
	}
	start := time.Now()
	_, err := DecodeInto(make([]byte, 3*3000*3000), data, &Options{Mode: Tolerant})
	if took := time.Since(start); took > 2*time.Second || !errors.Is(err, ErrLimit) && err != nil {
		t.Errorf("%v: %v", took, err)
	}
}

func TestRefused(t *testing.T) {
	base := goldens(t)[0].data
	sof := bytes.Index(base, []byte{0xff, mSOF0})
	with := func(at int, b ...byte) []byte {
		c := bytes.Clone(base)
		copy(c[at:], b)
		return c
	}
	for name, c := range map[string]struct {
		data []byte
		kind error
		say  string
	}{
		"empty":       {nil, ErrMalformed, "SOI"},
		"text":        {[]byte("<html>"), ErrMalformed, "SOI"},
		"arithmetic":  {with(sof+1, 0xc9), ErrUnsupported, "arithmetic"},
		"lossless":    {with(sof+1, 0xc3), ErrUnsupported, "lossless"},
		"12 bits":     {with(sof+4, 12), ErrUnsupported, "12 bits"},
		"DNL":         {with(sof+5, 0, 0), ErrUnsupported, "DNL"},
		"no width":    {with(sof+7, 0, 0), ErrMalformed, "0x"},
		"2 component": {with(sof+3, 14, 8, 0, 9, 0, 9, 2), ErrUnsupported, "2 components"},
		"sampling":    {with(sof+11, 0x51), ErrMalformed, "5x1"},
		"ratio":       {with(sof+11, 0x31, 0, 2, 0x21), ErrUnsupported, "whole ratio"},
	} {
		err := func() error {
			_, err := DecodeInto(make([]byte, 1<<16), c.data, nil)
			return err
		}()
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode: any bytes are decoded or refused, alike by every implementation.
func FuzzDecode(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		start := time.Now()
		try(t, "fuzz", data)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
