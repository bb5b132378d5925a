package mobilenet_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/arch"
)

// The network of the examples is tiny and has generated weights: its answers
// mean nothing.
const tiny = "testdata/tiny.safetensors"

func Example() {
	c, err := mobilenet.Open(tiny, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	photo, err := os.Open("testdata/pictures/disc.png")
	if err != nil {
		log.Fatal(err)
	}
	defer photo.Close()
	predictions, err := c.Classify(context.Background(), photo)
	if err != nil {
		log.Fatal(err)
	}
	best := predictions[0]
	fmt.Printf("%s, %.0f %%\n", best.Label, 100*best.Score)
	// Output: generated-0 (not trained), 47 %
}

func ExampleClassifier_ClassifyFS() {
	c, err := mobilenet.Open(tiny, &mobilenet.Options{Top: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for r := range c.ClassifyFS(context.Background(), os.DirFS("testdata/pictures")) {
		if r.Err != nil {
			fmt.Println(r.Name, r.Err)
			continue
		}
		fmt.Println(r.Name, r.Predictions[0].Class)
	}
	// Output:
	// disc.png 0
	// rings.jpg 0
	// stripes.gif 2
}

func ExampleClassifier_Embed() {
	c, err := mobilenet.Open(tiny, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	photo, err := os.Open("testdata/pictures/rings.jpg")
	if err != nil {
		log.Fatal(err)
	}
	defer photo.Close()
	vector, err := c.Embed(context.Background(), photo)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(vector), "numbers describe the picture")
	// Output: 96 numbers describe the picture
}

// A network of one's own: MobileNetV1 at a quarter of the width with another
// activation, for ten classes.
func ExampleOptions() {
	table, _, err := arch.Lookup("mobilenet_v1")
	if err != nil {
		log.Fatal(err)
	}
	table.Act = arch.LeakyReLU(0.1)
	net, err := arch.Custom(table, arch.Options{Width: 0.25, Classes: 10})
	if err != nil {
		log.Fatal(err)
	}
	s, err := net.Summary()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Params, "parameters,", s.MAdds, "multiply-adds")
	// Its weights, under PyTorch's or other names, are opened with
	// mobilenet.Open(path, &mobilenet.Options{Net: net, Names: names}).

	// Output: 215642 parameters, 40776832 multiply-adds
}
