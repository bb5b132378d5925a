package weights_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
	"github.com/mobilenet-go/mobilenet/weights"
)

func ExampleOpen() {
	set, err := weights.Open("../internal/format/torchpt/testdata/checkpoint_legacy.pth", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Source.Format, set.Source.StateDict, set.Source.Stripped, set.Metadata["checkpoint.epoch"])
	t := set.Get("features.0.weight")
	fmt.Println(t.Name, t.DType, t.Shape)
	// Output:
	// torch-legacy state_dict module. 18
	// features.0.weight float32 [4,3,3,3]
}

// A network built by hand meets a checkpoint through a name map, which is data.
func ExampleBind() {
	set, err := weights.Open("../internal/format/torchpt/testdata/checkpoint_zip.pth", nil)
	if err != nil {
		log.Fatal(err)
	}
	names, err := weights.ReadNameMap(strings.NewReader(`{
		"stem.weight": "features.0.weight",
		"classifier.weight": "classifier.weight",
		"classifier.bias": "classifier.bias"}`))
	if err != nil {
		log.Fatal(err)
	}
	tensors, report, err := weights.Bind([]weights.Wanted{
		{Name: "stem.weight", Shape: tensor.Shape{4, 3, 3, 3}},
		{Name: "classifier.weight", Shape: tensor.Shape{2, 4, 1, 1}},
		{Name: "classifier.bias", Shape: tensor.Shape{3}},
	}, set, names, nil)
	fmt.Println(len(tensors), err)
	fmt.Print(report)
	// Output:
	// 2 ../internal/format/torchpt/testdata/checkpoint_zip.pth: the weights do not fit the network: 2 applied, 1 mismatched (classifier.bias: want [3], got [2]), 4 unused (features.1.weight, features.1.bias, features.1.running_mean, ...)
	// 2 applied, 0 missing, 1 mismatched, 4 unused, 1 ignored
	// mismatched  classifier.bias: want [3], classifier.bias has [2]: shape [2]
	// unused      features.1.weight [4]
	// unused      features.1.bias [4]
	// unused      features.1.running_mean [4]
	// unused      features.1.running_var [4]
	// ignored     features.1.num_batches_tracked
}
