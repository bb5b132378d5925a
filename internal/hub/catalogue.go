package hub

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/transform"
)

//go:embed catalogue.json
var catalogueJSON []byte

// Entry is one published set of weights: where it is, what it is and how its
// accuracy was measured.
type Entry struct {
	Name      string `json:"name"`
	Alias     string `json:"alias,omitempty"`
	Publisher string `json:"publisher"`      // torchvision or timm
	Repo      string `json:"repo,omitempty"` // on the Hugging Face hub; empty for torchvision's server
	File      string `json:"file"`

	// The network: a published table with options, or a spec line.
	Arch       string  `json:"arch,omitempty"`
	Spec       string  `json:"spec,omitempty"`
	Dialect    string  `json:"dialect,omitempty"`
	Width      float64 `json:"width,omitempty"` // 0 means 1
	Resolution int     `json:"resolution"`

	Recipe  string  `json:"recipe"` // as transform.Parse reads it
	Top1    float64 `json:"top1"`   // per cent of ImageNet's validation pictures, by the publisher
	Top5    float64 `json:"top5"`
	Params  int64   `json:"params"`
	License string  `json:"license,omitempty"` // as the publisher states it

	// Also holds accuracies at other resolutions.
	Also []Accuracy `json:"also,omitempty"`
}

// Accuracy is a published measurement.
type Accuracy struct {
	Resolution int     `json:"resolution"`
	Recipe     string  `json:"recipe"`
	Top1       float64 `json:"top1"`
	Top5       float64 `json:"top5"`
}

var catalogue = sync.OnceValue(func() []Entry {
	var out []Entry
	if err := json.Unmarshal(catalogueJSON, &out); err != nil {
		panic(err) // part of the program; a test reads it
	}
	return out
})

// Catalogue lists the published weights that this program knows.
func Catalogue() []Entry { return slices.Clone(catalogue()) }

// Names lists the names in the catalogue.
func Names() []string {
	var out []string
	for _, e := range catalogue() {
		out = append(out, e.Name)
	}
	return out
}

// Find finds an entry by its name, by its alias, by a name with timm/ before
// it or, if only one begins so, by its name without what follows the dot.
func Find(name string) (*Entry, error) {
	short := strings.TrimPrefix(name, "timm/")
	var begin []Entry
	for _, e := range catalogue() {
		if e.Name == name || e.Alias == name && name != "" || e.Publisher == "timm" && e.Name == short {
			return &e, nil
		}
		if strings.HasPrefix(e.Name, short+".") {
			begin = append(begin, e)
		}
	}
	switch len(begin) {
	case 0:
		return nil, fmt.Errorf("no published weights are named %.80q", name)
	case 1:
		return &begin[0], nil
	}
	var names []string
	for _, e := range begin {
		names = append(names, e.Name)
	}
	return nil, fmt.Errorf("%q may be %s", name, strings.Join(names, " or "))
}

// Net makes the entry's network. A resolution of 0 is the entry's own.
func (e *Entry) Net(resolution int) (*arch.Net, error) {
	if resolution == 0 {
		resolution = e.Resolution
	}
	if e.Spec != "" {
		return arch.ParseSpec(fmt.Sprintf("%s res=%d", e.Spec, resolution))
	}
	return arch.New(e.Arch, arch.Options{Dialect: e.Dialect, Width: e.Width, Resolution: resolution})
}

// Preprocess is the recipe that the entry's accuracy was measured with.
func (e *Entry) Preprocess() (transform.Recipe, error) {
	return transform.Parse(e.Recipe, e.Resolution)
}

// Source is the address of the file, as people write it.
func (e *Entry) Source() string {
	if e.Repo != "" {
		return defaultEndpoint + "/" + e.Repo
	}
	return defaultTorchURL + "/" + e.File
}
