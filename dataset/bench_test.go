package dataset

import (
	"fmt"
	"io"
	"testing"

	"github.com/mobilenet-go/mobilenet/transform"
)

// BenchmarkLoader is the cost of one training picture from its file to the batch, on one worker.
func BenchmarkLoader(b *testing.B) {
	for _, c := range []struct {
		name, augment string
		side, w, h    int
		cache         int64
	}{
		{"small64", "small", 64, 64, 64, -1}, {"small64/cached", "small", 64, 64, 64, 0},
		{"photo", "inception", 224, 500, 375, -1}, {"photo/cached", "inception", 224, 500, 375, 0},
	} {
		b.Run("name="+c.name, func(b *testing.B) {
			var all []Item
			for i := range 64 {
				file := jpegOf(b, scene(uint64(i%8), c.w, c.h), 85)
				all = append(all, NewItem(fmt.Sprint(i), i%2, func() (io.ReadCloser, error) { return io.NopCloser(&reader{file}), nil }))
			}
			a, err := transform.ParseAugment(c.augment)
			if err != nil {
				b.Fatal(err)
			}
			l, err := NewLoader(all, 2, &LoaderOptions{Batch: 32, Recipe: transform.Recipe{Width: c.side}, Augment: a, Shuffle: true, Workers: 1, CacheBytes: c.cache})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			b.ReportAllocs()
			for n := 0; n < b.N; {
				batch, err := l.Next(b.Context())
				if err == io.EOF {
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				n += batch.N
			}
		})
	}
}

type reader struct{ b []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}
