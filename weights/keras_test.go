package weights

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func unpack(tb testing.TB, path string) []byte {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func readBytes(b []byte, opt *Options) (*Set, error) {
	return Read("file", bytes.NewReader(b), int64(len(b)), opt)
}

func TestKeras2(t *testing.T) {
	s, err := readBytes(unpack(t, "testdata/keras2.h5.gz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	// In the layers' order, by the layers' names, a model inside by its own.
	if want := []string{"Conv1/kernel", "bn_Conv1/gamma", "predictions/kernel", "predictions/bias"}; !slices.Equal(s.Names(), want) {
		t.Errorf("names %q", s.Names())
	}
	if s.Source.Format != HDF5 || s.Metadata[KerasVersion] != "2.4.0" || !strings.Contains(s.Metadata[KerasConfig], "Functional") {
		t.Errorf("%v, metadata %q", s.Source.Format, s.Metadata)
	}
	if v := values(t, s.Get("predictions/kernel")); v[9] != 9 {
		t.Errorf("values %v", v)
	}
}

func TestKeras3(t *testing.T) {
	s, err := readBytes(unpack(t, "testdata/keras3.weights.h5.gz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`batch_normalization/gamma batch_normalization/beta batch_normalization/moving_mean batch_normalization/moving_variance
		batch_normalization_1/gamma batch_normalization_1/beta batch_normalization_1/moving_mean batch_normalization_1/moving_variance
		conv2d/kernel conv2d_1/kernel conv2d_2/kernel conv2d_10/kernel dense/kernel dense/bias depthwise_conv2d/depthwise_kernel`)
	if !slices.Equal(s.Names(), want) {
		t.Errorf("names %q", s.Names())
	}
	// With its configuration, the same by the layers' names and order.
	s, err = Open("testdata/model.keras", nil)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Fields(`stem/kernel stem_bn/gamma stem_bn/beta stem_bn/moving_mean stem_bn/moving_variance dw/depthwise_kernel
		dw_bn/gamma dw_bn/beta dw_bn/moving_mean dw_bn/moving_variance pw_1/kernel pw_2/kernel pw_10/kernel head/kernel head/bias`)
	if !slices.Equal(s.Names(), want) {
		t.Errorf("names %q", s.Names())
	}
	if v := values(t, s.Get("dw_bn/moving_mean")); v[0] != 120 {
		t.Errorf("moving mean %v", v)
	}
	if s.Source.Format != KerasZip || s.Metadata[KerasVersion] != "3.8.0" {
		t.Errorf("%v, metadata %q", s.Source.Format, s.Metadata)
	}
}

func TestSnakeCase(t *testing.T) {
	for class, want := range map[string]string{
		"Conv2D": "conv2d", "DepthwiseConv2D": "depthwise_conv2d", "ReLU": "re_lu", "BatchNormalization": "batch_normalization",
		"GlobalAveragePooling2D": "global_average_pooling2d", "Dense": "dense", "InputLayer": "input_layer", "LeakyReLU": "leaky_re_lu",
	} {
		if got := snakeCase(class); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
}

// TestPlainHDF5 reads a file that Keras did not write by its paths.
func TestPlainHDF5(t *testing.T) {
	s, err := readBytes(unpack(t, "../internal/format/hdf5/testdata/chunks.h5.gz"), nil)
	if err != nil || s.Get("both") == nil || s.Len() != 12 {
		t.Errorf("%d tensors, %v", s.Len(), err)
	}
	for _, l := range []Limits{{MaxTensorBytes: 100}, {MaxRank: 2}} {
		if _, err := readBytes(unpack(t, "../internal/format/hdf5/testdata/chunks.h5.gz"), &Options{Limits: l}); err == nil {
			t.Errorf("%+v was not kept", l)
		}
	}
	if _, err := readBytes(unpack(t, "testdata/keras2.h5.gz"), &Options{Limits: Limits{MaxTensors: 3}}); err == nil || !strings.Contains(err.Error(), "limit of 3") {
		t.Error(err)
	}
}

// TestRealKeras reads the Keras files of the data folder by their layers.
func TestRealKeras(t *testing.T) {
	for file, want := range map[string]struct {
		tensors     int
		first, last string
	}{
		"models/cls/mobilenet_v1_0.25_224_keras.h5":         {137, "conv1/kernel", "conv_preds/bias"},
		"models/cls/flowers_mobilenet_v2_0.35_224_fft.h5":   {262, "conv2d/kernel", "dense/bias"},
		"models/det/st_ssd_mobilenet_v1_0.25_192_person.h5": {249, "conv1/kernel", "batch_normalization_8/moving_variance"},
	} {
		s, err := Open(dataFile(t, file), nil)
		if err != nil {
			t.Fatal(err)
		}
		names := s.Names()
		if len(names) != want.tensors || names[0] != want.first || names[len(names)-1] != want.last || s.Metadata[KerasVersion] != "2.8.0" {
			t.Errorf("%s: %d tensors from %s to %s, version %s", file, len(names), names[0], names[len(names)-1], s.Metadata[KerasVersion])
		}
	}
}

func FuzzReadKeras(f *testing.F) {
	b, err := os.ReadFile("testdata/model.keras")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(unpack(f, "testdata/keras2.h5.gz"))
	f.Add(unpack(f, "testdata/keras3.weights.h5.gz"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Set{}
		o := (&Options{Limits: Limits{MaxTensorBytes: 1 << 20, MaxTensors: 1000}}).withDefaults()
		if len(b) > 4 && b[0] == 'P' {
			_, _ = s.readKerasZip(bytes.NewReader(b), int64(len(b)), &o)
			return
		}
		_, _ = s.readHDF5(bytes.NewReader(b), int64(len(b)), &o)
	})
}
