package quant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/eval"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestRealNetworks: by default options V2 stays within one point of its float
// top-1 on the photos and V3-Small within two, calibrated on other pictures;
// one scale for all weights of a layer is refused, with and without labels.
func TestRealNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	data := testkit.Data(t)
	var pics []Picture
	paths, err := filepath.Glob(filepath.Join(data, "coco128", "val2017", "images", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		pics = append(pics, Picture{path, func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	for _, c := range []struct {
		name string
		drop float64
	}{{"v2", 0.01}, {"v3_small", 0.02}} {
		m, err := engine.Open(filepath.Join(data, "models", "cls", fmt.Sprintf("derived_mobilenet_%s_1.0_224_float_nchw.onnx", c.name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		val, err := eval.ReadSamples(filepath.Join(data, "images", "imagenet-samples"), &eval.Classes{N: m.Info.Classes(), Labels: m.Info.Labels})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Quantize(context.Background(), m, &Options{Pictures: pics, Validation: val})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v := r.Validation
		t.Logf("%s: %.2f %% in float, %.2f %% in integers on %d photos, %.2f %% of the multiply-adds in float, %.1f dB, %s, %.2f and %.2f ms",
			c.name, 100*v.FloatTop1, 100*v.Top1, v.Pictures, 100*r.FloatShare, r.SNR, r.Method, r.Speed.FloatMS, r.Speed.IntMS)
		if v.Pictures != 500 || v.FloatTop1-v.Top1 > c.drop+1e-9 || r.FloatShare > 0.1 {
			t.Errorf("%s: %+v, %.3f in float", c.name, v, r.FloatShare)
		}
		for _, labelled := range []bool{true, false} {
			opt := &Options{Pictures: pics, PerTensor: true}
			if labelled {
				opt.Validation = val
			}
			var collapsed *Collapsed
			if _, err := Quantize(context.Background(), m, opt); !errors.As(err, &collapsed) || len(collapsed.Worst) == 0 {
				t.Errorf("%s, one scale a layer: %v", c.name, err)
			}
		}
	}
}
