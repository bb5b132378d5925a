package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/transform"
)

// profile is what timm's own code says of a network (testdata/timm_profile.py).
type profile struct {
	Params         int64
	Tensors        int
	Digest         string
	Eps            float64
	Resolution     int
	CropPct        float64 `json:"crop_pct"`
	Interpolation  string
	Mean, Std      [3]float64
	TestResolution int     `json:"test_resolution"`
	TestCropPct    float64 `json:"test_crop_pct"`
}

func profiles(t *testing.T) map[string]profile {
	b, err := os.ReadFile("testdata/timm.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]profile
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCatalogueNetworks builds every entry's network: its parameters, the names
// and shapes of its tensors and its epsilon are those of the publisher's code.
func TestCatalogueNetworks(t *testing.T) {
	seen := map[string]bool{}
	prof := profiles(t)
	for _, e := range Catalogue() {
		for _, n := range []string{e.Name, e.Alias} {
			if n != "" && seen[n] {
				t.Errorf("%s is there twice", n)
			}
			seen[n] = true
		}
		net, err := e.Net(0)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if net.Options.Resolution != e.Resolution || net.Options.Classes != 1000 {
			t.Errorf("%s: built for %d, %d classes", e.Name, net.Options.Resolution, net.Options.Classes)
		}
		s, err := net.Summary()
		if err != nil || s.Params != e.Params {
			t.Errorf("%s: %d parameters, published %d (%v)", e.Name, s.Params, e.Params, err)
		}
		if e.Top1 < 50 || e.Top1 > 85 || e.Top5 <= e.Top1 || e.License == "" || e.File == "" {
			t.Errorf("%s: odd facts %+v", e.Name, e)
		}
		p, ok := prof[e.Name]
		if e.Publisher != "timm" {
			if _, err := sumOfName(e.File); err != nil {
				t.Error(err)
			}
			continue
		}
		if !ok {
			t.Errorf("%s: not profiled", e.Name)
			continue
		}
		tensors, err := net.Tensors("timm")
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		var lines []string
		for _, x := range tensors {
			shape := strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(x.Stored)), " ", "x"), "[]")
			lines = append(lines, x.Published+" "+shape+"\n")
		}
		slices.Sort(lines)
		digest := sha256.Sum256([]byte(strings.Join(lines, "")))
		if hex.EncodeToString(digest[:]) != p.Digest || len(lines) != p.Tensors || p.Params != e.Params {
			t.Errorf("%s: %d tensors, and their names or shapes are not those of timm's %d", e.Name, len(lines), p.Tensors)
		}
		if net.Rules.Epsilon != p.Eps {
			t.Errorf("%s: epsilon %g, timm has %g", e.Name, net.Rules.Epsilon, p.Eps)
		}
		delete(prof, e.Name)
	}
	delete(prof, "mobilenetv3_rw.rmsp_in1k") // a convolution without bias, which no dialect has
	for name := range prof {
		t.Errorf("%s: not in the catalogue", name)
	}
}

// TestCatalogueRecipes computes every recipe from timm's settings.
func TestCatalogueRecipes(t *testing.T) {
	prof := profiles(t)
	same := func(name string, got string, res int, crop float64, p profile) {
		r, err := transform.Parse(got, res)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		want := transform.Recipe{Width: res, Height: res, Shorter: int(math.Floor(float64(res) / crop)), Filter: transform.Bicubic}
		if p.Interpolation == "bilinear" {
			want.Filter = transform.Bilinear
		}
		switch p.Mean {
		case [3]float64{0.5, 0.5, 0.5}:
			want.Range = transform.RangeSigned
		case [3]float64{}:
			want.Range = transform.RangeUnit
		}
		if r != want.Resolved() {
			t.Errorf("%s at %d: %v, timm's settings are %v", name, res, r, want.Resolved())
		}
	}
	for _, e := range Catalogue() {
		if _, err := e.Preprocess(); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		p, ok := prof[e.Name]
		if !ok {
			continue
		}
		if e.Resolution != p.Resolution {
			t.Errorf("%s: resolution %d, timm has %d", e.Name, e.Resolution, p.Resolution)
		}
		same(e.Name, e.Recipe, p.Resolution, p.CropPct, p)
		if (p.TestResolution != 0) != (len(e.Also) == 1) {
			t.Errorf("%s: %d further results", e.Name, len(e.Also))
			continue
		}
		for _, a := range e.Also {
			same(e.Name, a.Recipe, p.TestResolution, p.TestCropPct, p)
			if a.Resolution != p.TestResolution || a.Top1 <= e.Top1 {
				t.Errorf("%s: odd further result %+v", e.Name, a)
			}
		}
	}
	v2, err := Find("torchvision/mobilenet_v2")
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := v2.Preprocess(); v2.Top1 != 72.154 || r.Shorter != 232 || r.Filter != transform.Bilinear {
		t.Errorf("torchvision's default V2 is %+v", v2)
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"mobilenetv2_100.ra_in1k":                     "mobilenetv2_100.ra_in1k",
		"timm/mobilenetv2_100.ra_in1k":                "mobilenetv2_100.ra_in1k",
		"mobilenetv2_100":                             "mobilenetv2_100.ra_in1k",
		"torchvision/mobilenet_v3_large":              "torchvision/mobilenet_v3_large.IMAGENET1K_V2",
		"torchvision/mobilenet_v2.IMAGENET1K_V1":      "torchvision/mobilenet_v2.IMAGENET1K_V1",
		"mobilenetv3_large_100":                       `"mobilenetv3_large_100" may be mobilenetv3_large_100.miil_in21k_ft_in1k or mobilenetv3_large_100.ra4_e3600_r224_in1k or mobilenetv3_large_100.ra_in1k`,
		"mobilenetv3":                                 `no published weights are named "mobilenetv3"`,
		"":                                            `no published weights are named ""`,
		"timm/":                                       `no published weights are named "timm/"`,
		"../../etc/passwd":                            `no published weights are named "../../etc/passwd"`,
		"torchvision/torchvision/mobilenet_v2":        `no published weights are named "torchvision/torchvision/mobilenet_v2"`,
		"mobilenetv3_rw.rmsp_in1k":                    `no published weights are named "mobilenetv3_rw.rmsp_in1k"`,
		"timm/torchvision/mobilenet_v2.IMAGENET1K_V1": `no published weights are named "timm/torchvision/mobilenet_v2.IMAGENET1K_V1"`,
	} {
		e, err := Find(name)
		got := fmt.Sprint(err)
		if err == nil {
			got = e.Name
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if len(Names()) != len(Catalogue()) || len(Names()) < 30 {
		t.Errorf("%d names", len(Names()))
	}
}

func TestSource(t *testing.T) {
	for name, want := range map[string]string{
		"mobilenetv2_140":                        "https://huggingface.co/timm/mobilenetv2_140.ra_in1k",
		"torchvision/mobilenet_v2.IMAGENET1K_V1": "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
	} {
		if e, err := Find(name); err != nil || e.Source() != want {
			t.Errorf("%s: %v %v", name, e.Source(), err)
		}
	}
}
