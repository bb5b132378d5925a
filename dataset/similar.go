package dataset

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// look is what two pictures are compared by: a difference hash (is each cell of a 9x9 grid clearly
// brighter than the one to its left, than the one above) and a thumbnail of 16x16 greys.
type look struct {
	hash  [2]uint64
	thumb [256]uint8
	mean  float32
	dev   float32 // of the thumbnail; small for flat pictures, whose hash is noise
}

// clearly is the difference, in thousandths of a grey level, that counts as brighter: in even areas the
// rest is the noise of compression.
const clearly = 2000

func lookAt(m *imageio.Image, rs *imageio.Resizer) (l look, err error) {
	var cells [3 * 9 * 9]byte
	grid := imageio.Image{W: 9, H: 9, Pix: cells[:]}
	if err := rs.ResizeCrop(&grid, m, 9, 9, 0, 0, imageio.Box); err != nil {
		return l, err
	}
	grey := func(p []byte) int { return 299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) }
	at := func(x, y int) int { return grey(cells[3*(9*y+x):]) }
	for y := range 8 {
		for x := range 8 {
			if at(x+1, y) > at(x, y)+clearly {
				l.hash[0] |= 1 << (8*y + x)
			}
			if at(x, y+1) > at(x, y)+clearly {
				l.hash[1] |= 1 << (8*y + x)
			}
		}
	}
	var pix [3 * 256]byte
	small := imageio.Image{W: 16, H: 16, Pix: pix[:]}
	if err := rs.ResizeCrop(&small, m, 16, 16, 0, 0, imageio.Box); err != nil {
		return l, err
	}
	sum, squares := 0, 0
	for i := range l.thumb {
		v := grey(pix[3*i:]) / 1000
		l.thumb[i] = uint8(v)
		sum, squares = sum+v, squares+v*v
	}
	mean := float64(sum) / 256
	l.mean, l.dev = float32(mean), float32(math.Sqrt(max(0, float64(squares)/256-mean*mean)))
	return l, nil
}

func distance(a, b *look) int {
	return bits.OnesCount64(a.hash[0]^b.hash[0]) + bits.OnesCount64(a.hash[1]^b.hash[1])
}

// Thresholds of near duplicates beside the distance.
const (
	minDeviation   = 4    // of the greys: flatter pictures are not compared
	minCorrelation = 0.98 // of the thumbnails
	maxBrightness  = 48   // between the means
)

// alike is the second opinion on two pictures whose hashes are close.
func alike(a, b *look) bool {
	if d := a.mean - b.mean; d > maxBrightness || d < -maxBrightness {
		return false
	}
	dot := 0
	for i, v := range a.thumb {
		dot += int(v) * int(b.thumb[i])
	}
	cov := float64(dot)/256 - float64(a.mean)*float64(b.mean)
	return cov >= minCorrelation*float64(a.dev)*float64(b.dev)
}

// band is one of eight 16-bit parts of a hash. Of two hashes at most 7 bits apart one band at least is
// equal.
func (l *look) band(i int) uint16 { return uint16(l.hash[i/4] >> (16 * (i % 4))) }

// maxBucket bounds the pictures that one is compared with in a band, so that a data set of thousands of
// nearly equal hashes does not take forever.
const maxBucket = 4096

// nearPairs calls found for the pairs of looks within a distance, each once.
func nearPairs(looks []*look, within int, found func(i, j int)) {
	order := make([]int, len(looks))
	for b := range 8 {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int {
			return cmp.Or(cmp.Compare(looks[i].band(b), looks[j].band(b)), cmp.Compare(i, j))
		})
		for n, i := range order {
			for _, j := range order[n+1 : min(len(order), n+1+maxBucket)] {
				if looks[i].band(b) != looks[j].band(b) {
					break
				}
				if distance(looks[i], looks[j]) > within || metBefore(looks[i], looks[j], b) || !alike(looks[i], looks[j]) {
					continue
				}
				found(i, j)
			}
		}
	}
}

// metBefore reports that the two meet in an earlier band as well.
func metBefore(a, b *look, band int) bool {
	for i := range band {
		if a.band(i) == b.band(i) {
			return true
		}
	}
	return false
}

// same reports pictures with the same bytes.
func (c *checker) same() {
	byFile := map[[32]byte][]int{}
	for i := range c.all {
		if x := &c.all[i]; !x.unreadable && x.bytes > 0 {
			byFile[x.sum] = append(byFile[x.sum], i)
		}
	}
	for i := range c.all { // in the order of the names
		if group := byFile[c.all[i].sum]; len(group) > 1 && group[0] == i {
			c.group(group, "the same file", "duplicate", "leak", "conflicting-label", Error)
		}
	}
}

// near reports pictures that look the same. Of equal files of one class and part the first stands for
// all.
func (c *checker) near() {
	type key struct {
		sum   [32]byte
		class int
		split string
	}
	seen := map[key]bool{}
	var who []int
	var looks []*look
	for i := range c.all {
		x := &c.all[i]
		k := key{x.sum, x.item.Class, x.split}
		if x.err != nil || x.look.dev < minDeviation || seen[k] {
			continue
		}
		seen[k] = true
		who, looks = append(who, i), append(looks, &x.look)
	}
	parent := make([]int, len(who))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	nearPairs(looks, c.o.NearDistance, func(i, j int) {
		if c.all[who[i]].sum != c.all[who[j]].sum { // equal files are reported already
			a, b := root(i), root(j)
			parent[max(a, b)] = min(a, b)
		}
	})
	groups := make([][]int, len(who))
	for i := range who {
		r := root(i)
		groups[r] = append(groups[r], who[i])
	}
	for _, g := range groups {
		if len(g) > 1 {
			c.group(g, "pictures that look the same", "near-duplicate", "near-leak", "near-conflict", Warning)
		}
	}
}

// group reports pictures that belong together, by the worst that follows: different classes, different
// parts, or only wasted time.
func (c *checker) group(group []int, what, kindSame, kindLeak, kindConflict string, worst Severity) {
	first := &c.all[group[0]]
	var others []string
	classes, splits := map[string]bool{}, map[string]bool{}
	for _, i := range group {
		classes[c.d.Classes[c.all[i].item.Class]] = true
		splits[c.all[i].split] = true
		if i != group[0] {
			others = append(others, c.all[i].item.Name)
		}
	}
	list := func(m map[string]bool) string {
		var out []string
		for k := range m {
			out = append(out, k)
		}
		slices.Sort(out)
		if len(out) > 6 {
			out = append(out[:6], "...")
		}
		return strings.Join(out, ", ")
	}
	if len(classes) > 1 {
		f := c.about(first, kindConflict, worst, "%s in the classes %s", what, list(classes))
		f.Others = others
		for _, i := range group {
			f.Fixes = append(f.Fixes, c.fix("decide", c.all[i].item.Name, "", kindConflict+": keep it in one class"))
		}
		c.add(f)
	}
	if len(splits) > 1 {
		f := c.about(first, kindLeak, worst, "%s in %s: the measured accuracy is too good", what, list(splits))
		f.Others = others
		action := "remove"
		if worst != Error {
			action = "decide" // only alike, and perhaps not each with each
		}
		for _, i := range group {
			if c.all[i].split == "train" {
				f.Fixes = append(f.Fixes, c.fix(action, c.all[i].item.Name, "", kindLeak+": it is in "+list(splits)))
			}
		}
		if len(f.Fixes) == 0 {
			f.Fixes = []Fix{c.fix("decide", first.item.Name, "", kindLeak)}
		}
		c.add(f)
	}
	if len(classes) > 1 || len(splits) > 1 {
		return
	}
	f := c.about(first, kindSame, Warning, "%s %d times", what, len(group))
	f.Others = others
	action := "remove"
	if kindSame != "duplicate" {
		f.Message, action = fmt.Sprintf("%d %s", len(group), what), "decide"
	}
	for _, i := range group[1:] {
		f.Fixes = append(f.Fixes, c.fix(action, c.all[i].item.Name, "", fmt.Sprintf("%s of %s", kindSame, first.item.Name)))
	}
	c.add(f)
}
