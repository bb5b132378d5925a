package dataset

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/transform"
)

// TestRealDataSets opens real data sets as they are, checks them, and holds the loader's promise on
// them.
func TestRealDataSets(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 15,000 pictures")
	}
	root := filepath.Join(testkit.Data(t), "train")
	for _, c := range []struct {
		path, layout, augment string
		classes, train, val   int
		r                     transform.Recipe
		epoch                 int // batches that are compared
	}{
		{"tiny-imagenet-50x250.zip", "split folders in zip", "small", 50, 12500, 2500, transform.Recipe{Width: 64}, 6},
		{"flowers", "split folders", "light", 5, 250, 75, transform.Recipe{Width: 160}, 8},
	} {
		t.Run(c.path, func(t *testing.T) {
			at := filepath.Join(root, c.path)
			if _, err := os.Stat(at); err != nil {
				t.Skipf("no test data: %v", err)
			}
			d, err := Open(at, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if d.Layout != c.layout || len(d.Classes) != c.classes || len(d.Train) != c.train || len(d.Val) != c.val || d.DerivedVal || !slices.IsSorted(d.Classes) {
				t.Fatalf("%s, %d classes, %d + %d", d.Layout, len(d.Classes), len(d.Train), len(d.Val))
			}
			if c.classes == 50 && (d.Labels == nil || d.Classes[0] != "n01443537" || d.Labels[0] != "goldfish, Carassius auratus") {
				t.Errorf("%s is %q", d.Classes[0], d.Labels)
			}
			a, err := transform.ParseAugment(c.augment)
			if err != nil {
				t.Fatal(err)
			}
			run := func(workers, from int) (out []string) {
				l, err := NewLoader(d.Train, c.classes, &LoaderOptions{Batch: 32, Recipe: c.r, Augment: a, Shuffle: true, Workers: workers, Strict: true})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if err := l.Seek(3, from); err != nil {
					t.Fatal(err)
				}
				for range c.epoch - from {
					b, err := l.Next(t.Context())
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, digest(b))
				}
				return out
			}
			want := run(1, 0)
			if got := run(3, 0); !slices.Equal(got, want) {
				t.Error("other batches with 3 workers")
			}
			if got := run(2, 4); !slices.Equal(got, want[4:]) {
				t.Error("other batches after a resumption")
			}
			r, err := Check(t.Context(), d, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Errors != 0 || r.Readable != r.Pictures {
				t.Errorf("%d errors, %d of %d readable", r.Errors, r.Readable, r.Pictures)
			}
			t.Logf("%d warnings, %d notes in %.1f s", r.Warnings, r.Notes, r.Seconds)
		})
	}
}
