package jpeg

import (
	"bytes"
	"fmt"
	stdjpeg "image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

// photo is the largest real photo at hand, 2.5 megapixels.
func photo(b *testing.B) []byte {
	data, err := os.ReadFile(filepath.Join(dataDir(b), "images", "imagenet-samples", "n03843555_oil_filter.JPEG"))
	if err != nil {
		b.Skip(err)
	}
	return data
}

// BenchmarkDecode is in megabytes of RGB a second; image/jpeg stops at Y, Cb, Cr.
func BenchmarkDecode(b *testing.B) {
	data := photo(b)
	c, err := DecodeConfig(data)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 3*c.Width*c.Height)
	for _, impl := range []string{"best", "go"} {
		for _, scale := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("scale=%d/impl=%s", scale, impl), func(b *testing.B) {
				b.SetBytes(int64(len(dst)))
				for b.Loop() {
					if _, err := DecodeInto(dst, data, &Options{Scale: scale, Generic: impl == "go"}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("scale=1/impl=image_jpeg", func(b *testing.B) {
		b.SetBytes(int64(len(dst)))
		for b.Loop() {
			if _, err := stdjpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTransform(b *testing.B) {
	for _, impl := range []string{"best", "go"} {
		k := bestKernels(impl == "go")
		var q [64]int16
		for i := range q {
			q[i] = 9
		}
		dst := make([]byte, 64)
		for _, f := range []struct {
			name string
			f    func(dst []byte, pitch int, blk, q *[64]int16)
		}{{"8", k.idct8}, {"4", k.idct4}, {"2", k.idct2}} {
			b.Run("size="+f.name+"/impl="+impl, func(b *testing.B) {
				var blk [64]int16
				for b.Loop() {
					blk[0], blk[1], blk[2], blk[16], blk[17], blk[33] = 50, 3, -4, 2, -1, 1
					f.f(dst, 8, &blk, &q)
				}
			})
		}
	}
}
