package arch_test

import (
	"fmt"
	"log"

	"github.com/mobilenet-go/mobilenet/arch"
)

func ExampleNew() {
	net, err := arch.New("mobilenet_v3_large", arch.Options{Width: 0.75, Dialect: "keras"})
	if err != nil {
		log.Fatal(err)
	}
	s, err := net.Summary()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Params, s.MAdds)
	// Output: 3993528 154560624
}

// A network of one's own: MobileNetV1 at a quarter of the width, with
// LeakyReLU and PyTorch's padding and batch norm.
func ExampleCustom() {
	ds := func(repeat, stride, out int) arch.Row {
		return arch.Row{Kind: arch.Separable, Repeat: repeat, Stride: stride, Out: out}
	}
	net, err := arch.Custom(arch.Table{
		Name: "leaky", Family: arch.V1, StemOut: 32, Act: arch.LeakyReLU(0.1),
		Rows: []arch.Row{
			ds(1, 1, 64), ds(1, 2, 128), ds(1, 1, 128), ds(1, 2, 256), ds(1, 1, 256),
			ds(1, 2, 512), ds(5, 1, 512), ds(1, 2, 1024), ds(1, 1, 1024),
		},
		Padding: arch.Symmetric, Epsilon: 1e-5,
	}, arch.Options{Width: 0.25})
	if err != nil {
		log.Fatal(err)
	}
	s, err := net.Summary()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Params, s.MAdds, s.Layers[0].Act)
	// Output: 470072 41030272 leaky_relu(0.1)
}

func ExampleParseSpec() {
	net, err := arch.ParseSpec("name=tiny dialect=timm classes=10 res=96 stem_c16_nhs ir_r2_k3_s2_e3_c24 ir_r3_k5_s2_e3_c40_se0.25_nre head_c240")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(net.Blocks), net.Features)
	fmt.Println(net.Spec())
	// Output:
	// 5 240
	// name=tiny family=v2 dialect=timm res=96 classes=10 act=r6 stem_k3_s2_c16_nhs ir_r2_k3_s2_e3_c24 ir_r3_k5_s2_e3_c40_se0.25_nre head_c240
}

func ExampleNet_Tensors() {
	net, err := arch.New("v3_small", arch.Options{})
	if err != nil {
		log.Fatal(err)
	}
	names, err := net.Tensors("torchvision")
	if err != nil {
		log.Fatal(err)
	}
	last := names[len(names)-2]
	fmt.Println(last.Canonical, last.Published, last.Shape, last.Stored)
	// Output: classifier.weight classifier.3.weight [1000,1024,1,1] [1000,1024]
}
