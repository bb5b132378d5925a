package builtin_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mobilenet-go/mobilenet/builtin"
)

func Example() {
	c, err := builtin.Open(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	f, err := os.Open("../testdata/everyday/school-bus.jpg")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	predictions, err := c.Classify(context.Background(), f)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(predictions[0].Label)
	// Output: school bus
}
