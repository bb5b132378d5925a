package testkit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
)

// GoldenNet is a network with generated weights (Fill) whose logits for the
// generated picture (Input) another framework has computed.
type GoldenNet struct {
	Name string // as in the golden file, as "torchvision/mobilenet_v2/width=1"
	// Net and Options make the network with arch.New.
	Net     string
	Options arch.Options
	H, W    int
	Logits  Logits
}

// Graph builds the network's training graph for one picture, without values.
func (g GoldenNet) Graph() (*graph.Graph, error) {
	n, err := arch.New(g.Net, g.Options)
	if err != nil {
		return nil, err
	}
	return n.Graph(1, g.H, g.W)
}

// Logits summarises an output vector.
type Logits struct {
	N      int
	First8 [8]float64 // the first eight, six significant digits
	Argmax int
	Mean   float64
	Std    float64 // with divisor N-1, as PyTorch's
	L2     float64
}

// goldenOptions says how this project names the networks of the golden files.
var goldenOptions = []GoldenNet{
	{Name: "torchvision/mobilenet_v2/width=1", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torchvision/mobilenet_v2/width=0.35", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision", Width: 0.35}},
	{Name: "torchvision/mobilenet_v2/width=1.4", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision", Width: 1.4}},
	{Name: "torchvision/mobilenet_v2/width=1/res=160", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision", Resolution: 160}},
	{Name: "torchvision/mobilenet_v3_large", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torchvision/mobilenet_v3_small", Net: "mobilenet_v3_small", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torchvision/mobilenet_v3_small/width=0.5", Net: "mobilenet_v3_small", Options: arch.Options{Dialect: "torchvision", Width: 0.5}},
	{Name: "timm/mobilenetv1_100", Net: "mobilenet_v1", Options: arch.Options{Dialect: "timm"}},
	{Name: "timm/mobilenetv2_100", Net: "mobilenet_v2", Options: arch.Options{Dialect: "timm"}},
	{Name: "timm/tf_mobilenetv3_large_100", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "timm_tf"}},
	{Name: "timm/tf_mobilenetv3_small_100", Net: "mobilenet_v3_small", Options: arch.Options{Dialect: "timm_tf"}},
	{Name: "timm/tf_mobilenetv3_large_075", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "timm_tf", Width: 0.75}},
	{Name: "timm/tf_mobilenetv3_small_minimal_100", Net: "mobilenet_v3_small_minimalistic", Options: arch.Options{Dialect: "timm_tf"}},
	{Name: "timm/semnasnet_100", Net: "mnasnet_a1", Options: arch.Options{Dialect: "timm"}},
	{Name: "timm/mobilenet_edgetpu_100", Net: "mobilenet_edgetpu", Options: arch.Options{Dialect: "timm"}},
}

// extraOptions lists the networks of golden_extra.json: odd sizes, dilation,
// torchvision's MnasNet and V1 with LeakyReLU.
var extraOptions = []GoldenNet{
	{Name: "torchvision/mobilenet_v2/97x161", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torchvision/mobilenet_v2/33x33", Net: "mobilenet_v2", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torchvision/mobilenet_v3_large/dilated", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "torchvision", OutputStride: 16}},
	{Name: "torchvision/mobilenet_v3_large/dilated/161x113", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "torchvision", OutputStride: 16}},
	{Name: "torchvision/mobilenet_v3_large/width=0.75/res=96", Net: "mobilenet_v3_large", Options: arch.Options{Dialect: "torchvision", Width: 0.75}},
	{Name: "torchvision/mnasnet1_0", Net: "mnasnet_b1", Options: arch.Options{Dialect: "torchvision"}},
	{Name: "torch/mobilenet_v1/width=0.25/leaky_relu", Net: "mobilenet_v1", Options: arch.Options{Dialect: "torchvision", Width: 0.25, Act: arch.LeakyReLU(0.1)}},
}

// GoldenNets reads the golden logits. Every network of the file is returned;
// one without a counterpart here is an error.
func GoldenNets() ([]GoldenNet, error) {
	return goldenFile("golden_logits.json", goldenOptions)
}

// ExtraGoldenNets reads further golden logits, made by golden_extra.py.
func ExtraGoldenNets() ([]GoldenNet, error) {
	return goldenFile("golden_extra.json", extraOptions)
}

// goldenFile joins a golden file of arch/testdata with the list of networks.
func goldenFile(name string, nets []GoldenNet) ([]GoldenNet, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return nil, fmt.Errorf("the path of this source file is unknown")
	}
	path := filepath.Join(filepath.Dir(here), "..", "..", "arch", "testdata", name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Models map[string]struct {
			Res    int
			H, W   int
			Logits Logits
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	nets = slices.Clone(nets)
	for i := range nets {
		n := &nets[i]
		m, ok := file.Models[n.Name]
		if !ok {
			return nil, fmt.Errorf("%s: no network %q", path, n.Name)
		}
		delete(file.Models, n.Name)
		n.H, n.W, n.Logits = m.H, m.W, m.Logits
		if m.Res != 0 {
			n.H, n.W = m.Res, m.Res
		}
	}
	for name := range file.Models {
		return nil, fmt.Errorf("%s: network %q has no counterpart", path, name)
	}
	return nets, nil
}
