package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// allocated returns the bytes that f takes from the heap in all, whether freed or not.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// flat makes a PNG of one colour, the most compressible honest picture there is.
func flat(t testing.TB, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// pngSized rewrites the size in a PNG's header.
func pngSized(b []byte, w, h uint32) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[16:], w)
	binary.BigEndian.PutUint32(b[20:], h)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// Files that declare more than they hold are refused before memory is taken.
func TestHugeDimensions(t *testing.T) {
	jpg := readFile(t, "jpeg_444_37x25.jpg")
	prog := readFile(t, "jpeg_progressive.jpg")
	jpegSized := func(b []byte, w, h uint16) []byte {
		b = bytes.Clone(b)
		for _, sof := range []string{"\xff\xc0", "\xff\xc2"} {
			if i := bytes.Index(b, []byte(sof)); i > 0 {
				binary.BigEndian.PutUint16(b[i+5:], h)
				binary.BigEndian.PutUint16(b[i+7:], w)
			}
		}
		return b
	}
	gifSized := bytes.Clone(readFile(t, "gif_global.gif"))
	copy(gifSized[6:], "\xff\xff\xff\xff")
	bmpSized := bytes.Clone(readFile(t, "bmp_rgb.bmp"))
	binary.LittleEndian.PutUint32(bmpSized[18:], 30000)
	binary.LittleEndian.PutUint32(bmpSized[22:], 30000)
	tifSized := bytes.Clone(readFile(t, "tiff_rgb_tiff_lzw.tif"))
	patchTIFF(tifSized, map[uint16]uint32{256: 60000, 257: 60000})
	vp8x := bytes.Clone(readFile(t, "webp_alpha.webp"))
	copy(vp8x[24:], "\xff\xff\xff\xff\xff\xff")
	vp8l := bytes.Clone(readFile(t, "webp_lossless.webp"))
	binary.LittleEndian.PutUint32(vp8l[21:], 0x0fffffff)
	vp8 := bytes.Clone(readFile(t, "webp_q90_37x25.webp"))
	i := bytes.Index(vp8, []byte("\x9d\x01\x2a"))
	copy(vp8[i+3:], "\xff\x3f\xff\x3f")
	for name, b := range map[string][]byte{
		"jpeg": jpegSized(jpg, 65535, 65535), "jpeg narrow": jpegSized(jpg, 65535, 2000),
		"jpeg middle": jpegSized(jpg, 9000, 9000), "progressive": jpegSized(prog, 6000, 6000),
		"png": pngSized(readFile(t, "png_rgb.png"), 1<<30, 1<<30), "png 30000": pngSized(readFile(t, "png_1bit.png"), 30000, 30000),
		"png 16 bit": pngSized(readFile(t, "png_rgba16.png"), 6000, 6000),
		"gif":        gifSized, "bmp": bmpSized, "tiff": tifSized, "vp8x": vp8x, "vp8l": vp8l, "vp8": vp8,
	} {
		var err error
		n := allocated(func() { _, _, err = DecodeBytes(b, nil) })
		if err == nil || n > 4<<20 {
			t.Errorf("%s: took %d bytes, error %v", name, n, err)
		}
		// Some decoders call it unsupported where an int has 32 bits.
		if errors.Is(err, ErrUnsupported) && strconv.IntSize == 64 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// patchTIFF overwrites SHORT values of a little-endian TIFF's first directory with LONG ones.
func patchTIFF(b []byte, tags map[uint16]uint32) {
	off := binary.LittleEndian.Uint32(b[4:])
	n := int(binary.LittleEndian.Uint16(b[off:]))
	for i := range n {
		e := b[int(off)+2+12*i:]
		if v, ok := tags[binary.LittleEndian.Uint16(e)]; ok {
			binary.LittleEndian.PutUint16(e[2:], 4)
			binary.LittleEndian.PutUint32(e[8:], v)
		}
	}
}

func TestLimits(t *testing.T) {
	photo := readFile(t, "jpeg_420_37x25.jpg")
	for name, c := range map[string]struct {
		data []byte
		lim  Limits
		ok   bool
	}{
		"default":           {photo, Limits{}, true},
		"bytes":             {photo, Limits{MaxBytes: 100}, false},
		"bytes, no limit":   {photo, Limits{MaxBytes: -1, MaxPixels: -1, MaxSide: -1, FreeMemory: -1}, true},
		"pixels":            {photo, Limits{MaxPixels: 37*25 - 1}, false},
		"pixels just right": {photo, Limits{MaxPixels: 37 * 25}, true},
		"side":              {photo, Limits{MaxSide: 36}, false},
		"side just right":   {photo, Limits{MaxSide: 37}, true},
		"ratio":             {photo, Limits{FreeMemory: 100, MaxPixelsPerByte: 1}, true},
		"honest flat":       {flat(t, image.NewGray(image.Rect(0, 0, 3000, 3000))), Limits{}, true},
		"bomb":              {flat(t, image.NewGray(image.Rect(0, 0, 7000, 7000))), Limits{}, false},
		"bomb, allowed":     {flat(t, image.NewGray(image.Rect(0, 0, 2000, 2000))), Limits{FreeMemory: 1, MaxPixelsPerByte: -1}, true},
		"bomb, small":       {flat(t, image.NewGray(image.Rect(0, 0, 2000, 2000))), Limits{FreeMemory: 1 << 20}, false},
	} {
		for _, r := range []io.Reader{bytes.NewReader(c.data), io.MultiReader(bytes.NewReader(c.data))} {
			_, _, err := Decode(r, &Options{Limits: c.lim})
			if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrLimit) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The memory that a header foretells bounds what decoding takes, for every kind of picture.
func TestMemoryForetold(t *testing.T) {
	const w, h = 1201, 803
	r := image.Rect(0, 0, w, h)
	nrgba, rgba, gray := image.NewNRGBA(r), image.NewRGBA(r), image.NewGray(r)
	gray16, nrgba64, rgba64 := image.NewGray16(r), image.NewNRGBA64(r), image.NewRGBA64(r)
	pal := image.NewPaletted(r, color.Palette{color.Black, color.White, color.NRGBA{9, 9, 9, 100}})
	for i := range gray.Pix {
		v := byte(i * i >> 5)
		gray.Pix[i], pal.Pix[i] = v, v%3
		copy(nrgba.Pix[4*i:], []byte{v, ^v, v / 2, v | 1})
		copy(rgba.Pix[4*i:], []byte{v, ^v, v / 2, 255})
		copy(nrgba64.Pix[8*i:], []byte{v, ^v, v / 2, v | 1, 1, 2, 3, 4})
		copy(rgba64.Pix[8*i:], []byte{v, ^v, v / 2, v | 1, 1, 2, 255, 255})
		gray16.Pix[2*i] = v
	}
	enc := func(f func(io.Writer) error) []byte {
		var buf bytes.Buffer
		if err := f(&buf); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	files := map[string][]byte{}
	for name, m := range map[string]image.Image{"nrgba": nrgba, "rgba": rgba, "gray": gray, "gray16": gray16,
		"nrgba64": nrgba64, "rgba64": rgba64, "palette": pal} {
		files["png "+name] = enc(func(w io.Writer) error { return png.Encode(w, m) })
		for cname, c := range map[string]tiff.CompressionType{"raw": tiff.Uncompressed, "deflate": tiff.Deflate} {
			files["tiff "+cname+" "+name] = enc(func(w io.Writer) error { return tiff.Encode(w, m, &tiff.Options{Compression: c}) })
		}
	}
	for name, m := range map[string]image.Image{"rgba": rgba, "gray": gray, "palette": pal, "nrgba": nrgba} {
		files["bmp "+name] = enc(func(w io.Writer) error { return bmp.Encode(w, m) })
	}
	files["gif"] = enc(func(w io.Writer) error { return gif.Encode(w, pal, nil) })
	files["jpeg 420"] = enc(func(w io.Writer) error { return jpeg.Encode(w, rgba, nil) })
	files["jpeg gray"] = enc(func(w io.Writer) error { return jpeg.Encode(w, gray, nil) })
	for name, b := range files {
		f, err := sniff(b)
		if err != nil {
			t.Fatal(name, err)
		}
		hd, err := f.header(b)
		if err != nil {
			t.Fatal(name, err)
		}
		var derr error
		n := allocated(func() { _, derr = f.decode(b) })
		if derr != nil {
			t.Errorf("%s: %v", name, derr)
		}
		const slack = 600 << 10 // tables, windows and rows
		if n > hd.memory+slack {
			t.Errorf("%s: foretold %d bytes, took %d (%.1f a pixel)", name, hd.memory, n, float64(n)/(w*h))
		}
	}
}
