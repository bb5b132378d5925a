package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mobilenet-go/mobilenet/transform"
)

func items(t testing.TB, n int) []Item {
	t.Helper()
	f := files{}
	for i := range n {
		f[fmt.Sprintf("%c/%02d.jpg", 'a'+i%3, i)] = photo(t, uint64(i))
	}
	d, err := ScanFS(f.fs(), &Options{ValFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	return d.Train
}

// digest is everything of a batch as text, its floats by their bits.
func digest(b *Batch) string {
	h := uint64(14695981039346656037)
	for _, v := range slices.Concat(b.X, b.Targets, b.Weights) {
		h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
	}
	return fmt.Sprint(b.Epoch, b.Index, b.N, b.Labels, b.Items, h)
}

// batches runs a loader from a place to the end of some epochs.
func batches(t interface{ Fatal(...any) }, l *Loader, epoch, batch, until int) []string {
	defer l.Close()
	if err := l.Seek(epoch, batch); err != nil {
		t.Fatal(err)
	}
	var out []string
	for epoch < until {
		b, err := l.Next(context.Background())
		if errors.Is(err, io.EOF) {
			epoch++
			out = append(out, "end")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, digest(b))
	}
	return out
}

var small = transform.Recipe{Width: 16, Shorter: 18}

// TestSameBatches holds the loader's promise: workers, cache, prefetch and the place where reading
// begins change nothing.
func TestSameBatches(t *testing.T) {
	all := items(t, 23)
	rapid.Check(t, func(rt *rapid.T) {
		o := LoaderOptions{
			Batch:   rapid.IntRange(2, 9).Draw(rt, "batch"),
			Recipe:  small,
			Shuffle: rapid.Bool().Draw(rt, "shuffle"), DropLast: rapid.Bool().Draw(rt, "drop"),
			Seed:   rapid.Uint64().Draw(rt, "seed"),
			Shrink: rapid.SampledFrom([]int{0, 17}).Draw(rt, "shrink"),
			Augment: rapid.SampledFrom([]transform.Augment{{}, {Crop: transform.CropInception, Flip: 0.5, Mixup: 0.3, CutMix: 1},
				{Crop: transform.CropPad, Flip: 0.5, RandOps: 2, Hue: 0.1, Contrast: 0.3, Erase: 0.5}}).Draw(rt, "augment"),
			Smoothing: 0.1, Workers: 1,
		}
		o.Balanced = o.Shuffle && rapid.Bool().Draw(rt, "balanced")
		make := func(o LoaderOptions) *Loader {
			l, err := NewLoader(all, 3, &o)
			if err != nil {
				rt.Fatal(err)
			}
			return l
		}
		want := batches(rt, make(o), 0, 0, 2)
		p := o
		p.Workers = rapid.SampledFrom([]int{2, 5}).Draw(rt, "workers")
		p.CacheBytes = rapid.SampledFrom([]int64{-1, 9000, 0}).Draw(rt, "cache")
		p.Prefetch = rapid.IntRange(1, 4).Draw(rt, "prefetch")
		l := make(p)
		if got := batches(rt, l, 0, 0, 2); !slices.Equal(got, want) {
			rt.Fatalf("%d workers, cache %d: other batches", p.Workers, p.CacheBytes)
		}
		skip := rapid.IntRange(0, l.Batches()).Draw(rt, "resume")
		if got := batches(rt, make(p), 0, skip, 2); !slices.Equal(got, want[skip:]) {
			rt.Fatalf("resumed at batch %d: other batches", skip)
		}
		if o.Shuffle && len(want) > 2 && want[0] == want[l.Batches()+1] {
			rt.Fatal("two epochs are equal")
		}
	})
}

// TestEpochVisits counts what an epoch visits.
func TestEpochVisits(t *testing.T) {
	all := items(t, 23) // 8, 8 and 7 of the classes
	for _, c := range []struct {
		o    LoaderOptions
		want int
	}{
		{LoaderOptions{Batch: 11}, 23},                                 // the one at the end is kept
		{LoaderOptions{Batch: 11, Shuffle: true}, 22},                  // and left out of training
		{LoaderOptions{Batch: 10, Shuffle: true}, 23},                  // three at the end are kept
		{LoaderOptions{Batch: 10, Shuffle: true, DropLast: true}, 20},  //
		{LoaderOptions{Batch: 100, Shuffle: true, DropLast: true}, 23}, // the only batch is kept
		{LoaderOptions{Batch: 6, Shuffle: true, Balanced: true}, 23},
	} {
		c.o.Recipe = small
		l, err := NewLoader(all, 3, &c.o)
		if err != nil {
			t.Fatal(err)
		}
		seen, class := map[int]int{}, map[int]int{}
		for {
			b, err := l.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.o.Shuffle && b.N < 2 {
				t.Errorf("%+v: a batch of %d", c.o, b.N)
			}
			for i, it := range b.Items {
				seen[it]++
				class[b.Labels[i]]++
			}
		}
		l.Close()
		total := class[0] + class[1] + class[2]
		if total != c.want || !c.o.Balanced && len(seen) != c.want {
			t.Errorf("batch %d: %d pictures, %d different, want %d", c.o.Batch, total, len(seen), c.want)
		}
		if c.o.Balanced && max(class[0], class[1], class[2])-min(class[0], class[1], class[2]) > 1 {
			t.Errorf("balanced classes: %v", class)
		}
	}
}

// TestBadPictures: training puts another of the class in the place, validation gives it no weight,
// strict loaders stop and say which.
func TestBadPictures(t *testing.T) {
	f := twoClasses(t, "", 6)
	f["cat/03.jpg"] = []byte("\xff\xd8\xff nonsense")
	f["dog/05.jpg"] = nil
	d, err := ScanFS(f.fs(), &Options{ValFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	run := func(o LoaderOptions) (weight float32, bad []Bad, err error) {
		o.Recipe, o.Batch = small, 5
		l, err := NewLoader(d.Train, 2, &o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for {
			b, err := l.Next(t.Context())
			if err != nil {
				if err == io.EOF {
					err = nil
				}
				return weight, l.Bad(), err
			}
			for i, w := range b.Weights {
				weight += w
				if d.Train[b.Items[i]].Class != b.Labels[i] {
					t.Error("a substitute of another class")
				}
				if strings.Contains(d.Train[b.Items[i]].Name, "t/03") && o.Shuffle {
					t.Error("the bad picture is in a training batch")
				}
			}
		}
	}
	w, bad, err := run(LoaderOptions{})
	if w != 10 || len(bad) != 2 || err != nil || bad[0].Name != "cat/03.jpg" || bad[1].Name != "dog/05.jpg" {
		t.Errorf("validation: weight %v, bad %v, %v", w, bad, err)
	}
	w, bad, err = run(LoaderOptions{Shuffle: true})
	if w != 12 || len(bad) != 2 || err != nil {
		t.Errorf("training: weight %v, bad %v, %v", w, bad, err)
	}
	if _, _, err = run(LoaderOptions{Strict: true}); err == nil || !strings.HasPrefix(err.Error(), "cat/03.jpg: unsupported JPEG") {
		t.Errorf("strict: %v", err)
	}
	for name := range f {
		if strings.HasPrefix(name, "cat/") {
			f[name] = []byte("not a picture")
		}
	}
	if d, err = ScanFS(f.fs(), &Options{ValFraction: -1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err = run(LoaderOptions{Shuffle: true}); err == nil || !strings.Contains(err.Error(), "others of its class") {
		t.Errorf("a class without a readable picture: %v", err)
	}
}

func TestLoaderRefuses(t *testing.T) {
	all := items(t, 4)
	for _, c := range []struct {
		items []Item
		o     LoaderOptions
		says  string
	}{
		{nil, LoaderOptions{}, "no pictures"},
		{all[:1], LoaderOptions{Shuffle: true}, "one picture only"},
		{all, LoaderOptions{Shuffle: true, Batch: 1}, "batches of one"},
		{all, LoaderOptions{Batch: -1}, "batch of -1"},
		{all, LoaderOptions{Balanced: true}, "needs Shuffle"},
		{all, LoaderOptions{Smoothing: 1}, "smoothing"},
		{all, LoaderOptions{ClassWeights: []float32{1}}, "1 class weights"},
		{all, LoaderOptions{Augment: transform.Augment{Flip: 2}}, "flip"},
		{[]Item{{Name: "x", Class: 3}}, LoaderOptions{}, "class 3"},
	} {
		if _, err := NewLoader(c.items, 3, &c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.says)
		}
	}
}

// TestCancel: a cancelled wait comes back at once, loses no batch, and Close leaves no goroutine.
func TestCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	gate := make(chan struct{})
	inner := items(t, 6)
	var slow []Item
	for _, it := range inner {
		slow = append(slow, NewItem(it.Name, it.Class, func() (io.ReadCloser, error) { <-gate; return it.Open() }))
	}
	l, err := NewLoader(slow, 3, &LoaderOptions{Batch: 3, Recipe: small, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a cancelled wait: %v", err)
	}
	cancel()
	close(gate)
	b, err := l.Next(t.Context())
	if err != nil || b.Index != 0 {
		t.Fatalf("after a cancelled wait: %v, %v", b, err)
	}
	l.Close()
	l.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// TestCachedEpochDecodesNothing, and takes next to no memory for a picture.
func TestCachedEpochDecodesNothing(t *testing.T) {
	l, err := NewLoader(items(t, 24), 3, &LoaderOptions{Batch: 8, Recipe: small, Shuffle: true, Workers: 1,
		Augment: transform.Augment{Crop: transform.CropPad, Flip: 0.5, Contrast: 0.2}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	epoch := func() {
		for {
			if _, err := l.Next(t.Context()); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	epoch()
	epoch()
	decoded := l.Decoded()
	allocs := testing.AllocsPerRun(5, epoch)
	if decoded != 24 || l.Decoded() != 24 {
		t.Errorf("decoded %d, then %d, want 24 once", decoded, l.Decoded())
	}
	if allocs > 24 {
		t.Errorf("%v allocations in an epoch of 24 pictures", allocs)
	}
}

// TestMixedWeights: a mixed sample weighs what its parts weigh.
func TestMixedWeights(t *testing.T) {
	all := items(t, 12)
	w := []float32{1, 3, 10}
	l, err := NewLoader(all, 3, &LoaderOptions{Batch: 12, Recipe: small, Shuffle: true, Seed: 4, ClassWeights: w, Smoothing: 0.1, Augment: transform.Augment{Mixup: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := l.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	mixed := 0
	for i := range b.N {
		parts := make([]float64, 3)
		want := 0.0
		for c := range parts {
			parts[c] = (float64(b.Targets[3*i+c]) - 0.1/3) / 0.9
			want += parts[c] * float64(w[c])
		}
		if math.Abs(float64(b.Weights[i])-want) > 1e-4 {
			t.Errorf("parts %.3f weigh %v, want %.4f", parts, b.Weights[i], want)
		}
		if slices.Max(parts) < 0.999 {
			mixed++
		}
	}
	if mixed == 0 {
		t.Error("nothing was mixed")
	}
}
