package mobilenet

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// Feature is a value inside the network: float32, Height x Width x Channels
// for a map, 1 x 1 x Channels for a vector, row after row.
type Feature struct {
	Name                    string
	Height, Width, Channels int
	Data                    []float32
}

// FeatureNames lists the values that Features can return, in the order in
// which the network computes them: for a network from a table the canonical
// names, as "blocks.12.expand.act" or "pool"; for TFLite and ONNX files the
// names the file gives.
func (c *Classifier) FeatureNames() ([]string, error) { return c.m.Taps() }

// Features reads a picture and returns the named values inside the network, in
// the order of the names, each as if nothing were fused around it.
func (c *Classifier) Features(ctx context.Context, picture io.Reader, names ...string) ([]Feature, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("no feature named: see FeatureNames")
	}
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return nil, fmt.Errorf("feature %q is named twice", n)
		}
	}
	data, err := imageio.ReadFile(picture, c.limits())
	if err != nil {
		return nil, err
	}
	shape := engine.Shape{Batch: 1, H: c.m.Info.H, W: c.m.Info.W, Taps: names}
	prog, err := c.m.Program(shape)
	if err != nil {
		return nil, err
	}
	g := prog.Graph()
	out := make([]Feature, len(names))
	err = c.run(ctx, c.fromFile(data, new(float64)), shape, new(Timing), func(values [][]float32) error {
		for i, v := range values {
			s := g.Node(g.Outputs[i].ID).Type.Shape
			f := Feature{Name: names[i], Height: 1, Width: 1, Channels: len(v), Data: slices.Clone(v)}
			if len(s) == 4 {
				f.Height, f.Width, f.Channels = s[1], s[2], s[3]
			}
			out[i] = f
		}
		return nil
	})
	return out, err
}

// Embed reads a picture and returns the vector that the classifier's last
// layer reads: a description of the picture for comparing it with others.
func (c *Classifier) Embed(ctx context.Context, picture io.Reader) ([]float32, error) {
	name, err := c.m.Embedding()
	if err != nil {
		return nil, err
	}
	f, err := c.Features(ctx, picture, name)
	if err != nil {
		return nil, err
	}
	return f[0].Data, nil
}
