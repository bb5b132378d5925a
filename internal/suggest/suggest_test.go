package suggest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"classify", "convert", "summary", "mobilenet_v3_large", "mobilenet_v3_small"}
	for word, want := range map[string]string{
		"clasify": "classify", "calssify": "classify", "sumary": "summary", "mobilenet_v3_lrage": "mobilenet_v3_large",
		"mobilnet_v3_smal": "mobilenet_v3_small", "xyz": "", "": "", "c": "", strings.Repeat("classify", 9): "",
	} {
		got := DidYouMean(word, known)
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistanceIsAMetric(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a)-len(b), len(b)-len(a)) {
			t.Fatalf("distance of %q and %q is %d", a, b, d)
		}
	})
}
