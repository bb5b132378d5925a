package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/weights"
)

// checkpoint makes the set that a published checkpoint of the network would
// hold: the scheme's names, shapes and layouts, filled with numbers.
func checkpoint(t testing.TB, net *arch.Net, scheme string) *weights.Set {
	t.Helper()
	names, err := net.Tensors(scheme)
	if err != nil {
		t.Fatal(err)
	}
	set, err := weights.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		data := make([]float32, n.Stored.Len())
		for i, u := range testkit.Uniform(n.Published, len(data)) {
			data[i] = float32(0.5 + 0.1*u)
		}
		if err := set.Add(tensor.FromFloat32(n.Published, n.Stored, data)); err != nil {
			t.Fatal(err)
		}
	}
	set.Source.Path = "made.safetensors"
	return set
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name, dialect, scheme string
		width                 float64
		classes               int
	}{
		{"mobilenet_v2", "torchvision", "torchvision", 1, 1000},
		{"mobilenet_v2", "torchvision", "torchvision", 0.35, 1000},
		{"mobilenet_v3_large", "torchvision", "torchvision", 1, 5},
		{"mobilenet_v3_small", "torchvision", "torchvision", 0.5, 1000},
		{"mobilenet_v3_small", "timm", "timm", 0.75, 1000},
		{"mobilenet_v3_large_minimalistic", "timm", "timm", 1, 1000},
		{"mobilenet_v1", "timm", "timm", 0.25, 1000},
		{"mobilenet_v1", "keras", "keras", 0.5, 1000},
		{"mobilenet_v2", "keras", "keras", 1.4, 1000},
		{"mobilenet_v1", "slim", "hf", 0.75, 1001},
		{"mobilenet_v2", "slim", "slim", 1, 1001},
		{"mobilenet_v3_large", "slim", "slim", 1, 1001},
		{"mobilenet_edgetpu", "timm", "timm", 1, 1000},
		{"mobilenet_edgetpu_v2_m", "timm", "timm", 1, 1000},
		{"mnasnet_a1", "timm", "timm", 1, 1000},
		{"mnasnet_b1", "torchvision", "torchvision", 1, 1000},
		{"mnasnet_small", "timm", "timm", 1, 1000},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s/%g", c.name, c.dialect, c.scheme, c.width), func(t *testing.T) {
			net, err := arch.New(c.name, arch.Options{Dialect: c.dialect, Width: c.width, Classes: c.classes})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Detect(checkpoint(t, net, c.scheme), "")
			if err != nil {
				t.Fatal(err)
			}
			if got.Net.Spec() != net.Spec() || got.Scheme != c.scheme {
				t.Errorf("found %s\n by %s, want %s\n by %s", got.Net.Spec(), got.Scheme, net.Spec(), c.scheme)
			}
		})
	}
}

func TestDetectRefuses(t *testing.T) {
	net, err := arch.New("mobilenet_v3_small", arch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set := checkpoint(t, net, "torchvision")
	small, err := weights.NewSet(set.Tensors()[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	small.Source.Path = "cut.pth"
	_, err = Detect(small, "")
	if err == nil || !strings.Contains(err.Error(), "mobilenet_v3_small of torchvision misses 1 of") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(fmt.Sprint(err), "\n") {
		t.Error("the error has more than one line")
	}
}

// TestDetectNear names the network that a checkpoint almost is.
func TestDetectNear(t *testing.T) {
	net, err := arch.New("mobilenet_v2", arch.Options{Width: 0.35})
	if err != nil {
		t.Fatal(err)
	}
	extra := func(name string) *tensor.Tensor { return tensor.FromFloat32(name, tensor.Shape{1}, []float32{1}) }
	odd, err := arch.New("mobilenet_v2", arch.Options{Width: 0.6})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		net   *arch.Net
		extra []string
		want  []string
	}{
		{net, []string{"aux.weight"}, []string{
			`; the closest, mobilenet_v2 of torchvision with width 0.35 has no place for 1 tensor of the file ("aux.weight"): save the file without`}},
		{net, []string{"a", "b\n", "c", "d"}, []string{`has no place for 4 tensors of the file ("a", "b\n", "c", ...)`}},
		{odd, nil, []string{"; the closest, mobilenet_v2 of torchvision with width 0.", " has other shapes for ", "give --model"}},
	} {
		set := checkpoint(t, c.net, "torchvision")
		for _, name := range c.extra {
			if err := set.Add(extra(name)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Detect(set, "")
		for _, w := range append(c.want, "made.safetensors: the tensors' names and shapes fit no published network") {
			if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, w)
			}
		}
	}
}

// TestOpenGivenNet binds a set to a network the caller names, by whichever
// scheme the names are from.
func TestOpenGivenNet(t *testing.T) {
	net, err := arch.New("mobilenet_v3_small", arch.Options{Dialect: "keras", Resolution: 64})
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"keras", "keras_h5", "slim", "canonical", "torchvision", "timm"} {
		m, err := FromSet(checkpoint(t, net, scheme), &Options{Net: net})
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		if m.Info.Recipe.String() != "resize=73,crop=64,filter=bilinear,range=0..255" || len(m.Report.Applied) == 0 {
			t.Errorf("%s: recipe %v", scheme, m.Info.Recipe)
		}
		m.Close()
	}
	other, err := arch.New("mobilenet_v2", arch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromSet(checkpoint(t, net, "keras"), &Options{Net: other}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("another network's weights give %v", err)
	}
}

// TestBackgroundRow keeps the background row of a 1001-row head in the scores,
// also for a caller who names the network with its 1000 classes.
func TestBackgroundRow(t *testing.T) {
	wide, err := arch.New("mobilenet_v1", arch.Options{Dialect: "slim", Width: 0.25, Resolution: 32, Classes: 1001})
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := arch.New("mobilenet_v1", arch.Options{Dialect: "slim", Width: 0.25, Resolution: 32})
	if err != nil {
		t.Fatal(err)
	}
	if narrow.Options.Classes != 1000 {
		t.Fatalf("%d classes by default", narrow.Options.Classes)
	}
	set := checkpoint(t, wide, "slim")
	var scores [2][]float32
	for i, net := range []*arch.Net{wide, narrow} {
		m, err := FromSet(set, &Options{Net: net})
		if err != nil {
			t.Fatal(err)
		}
		if m.Info.Classes() != 1000 || !m.Info.Background || m.Info.Rows != 1001 {
			t.Errorf("%d classes of %d rows, background %v", m.Info.Classes(), m.Info.Rows, m.Info.Background)
		}
		if scores[i], err = m.runBytes(context.Background(), goldenPicture(32, 32)); err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	if !slices.Equal(scores[0], scores[1]) || len(scores[0]) != 1001 {
		t.Errorf("%d and %d scores, or they differ", len(scores[0]), len(scores[1]))
	}
}
