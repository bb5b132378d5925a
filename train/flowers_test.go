package train

import (
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestFlowers fine-tunes published weights on real photos with the default
// recipe, cut short: 0.73 is what a plain linear probe gives.
func TestFlowers(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of training")
	}
	data := testkit.Data(t)
	d, err := dataset.Open(filepath.Join(data, "train", "flowers"), nil)
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	r := mustRun(t, &Config{
		Data: d, From: filepath.Join(data, "models", "cls", "mobilenet_v1_0.25_224_keras.h5"), Epochs: 2, Dir: filepath.Join(t.TempDir(), "run"),
	})
	if r.Best.ValTop1 < 0.76 {
		t.Errorf("%.4f of the validation photos, want 0.76", r.Best.ValTop1)
	}
	if r.Epochs[0].Stage != "head" {
		t.Errorf("the first stage is %q", r.Epochs[0].Stage)
	}
}
