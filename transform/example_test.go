package transform_test

import (
	"encoding/json"
	"fmt"

	"github.com/mobilenet-go/mobilenet/transform"
)

// A recipe is named or spelled, and either way prints whole.
func ExampleParse() {
	for _, s := range []string{"torchvision-v2", "tf,order=bgr", "resize=squash,crop=320x240,range=0..1"} {
		r, err := transform.Parse(s, 0)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r)
	}
	_, err := transform.Parse("torchvision,filter=bilinar", 0)
	fmt.Println(err)
	// Output:
	// resize=232,crop=224,filter=bilinear,range=imagenet
	// resize=256,crop=224,filter=bilinear,range=-1..1,order=bgr
	// resize=squash,crop=320x240,filter=bilinear,range=0..1
	// transform: filter=bilinar: not one of bilinear, bicubic, nearest, box, hamming, lanczos, tf-bilinear, tf-bilinear-antialias, tf-bilinear-legacy, tf-bilinear-align, tf-nearest, tf-nearest-legacy, tf-area (did you mean "bilinear"?)
}

// In JSON a recipe is one string.
func ExampleRecipe_MarshalText() {
	b, err := json.Marshal(map[string]transform.Recipe{"preprocessing": transform.Default(transform.SourceTFLite, 1001, 192)})
	fmt.Println(string(b), err)
	// Output:
	// {"preprocessing":"resize=219,crop=192,filter=bilinear,range=-1..1"} <nil>
}

// A pipeline turns pictures of any size into a network's input.
func ExamplePipeline() {
	white := &transform.Image{W: 640, H: 480, Pix: make([]byte, 640*480*3)}
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	r, err := transform.Named("tf", 192)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := transform.NewPipeline(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	input := make([]float32, p.Len())
	if err := p.Apply(white, input); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(input), input[0], input[len(input)-1])
	// Output:
	// 110592 1 1
}
