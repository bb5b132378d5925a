package kernel_test

import (
	"fmt"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// BenchmarkDepthwiseLayout runs the depthwise layers of MobileNet V1 as they
// are, NHWC, and laid out in blocks of 16 channels: a block is a picture of 16
// channels of its own, whose pixels are one cache line apart.
func BenchmarkDepthwiseLayout(b *testing.B) {
	for _, l := range []struct{ side, channels, stride int }{
		{112, 32, 1}, {112, 64, 2}, {56, 128, 1}, {56, 128, 2}, {28, 256, 1}, {28, 256, 2}, {14, 512, 1}, {14, 512, 2}, {7, 1024, 1},
	} {
		for _, block := range []int{l.channels, 16} {
			s := same(1, l.side, l.side, block, block, 3, l.stride, block)
			k := kernel.SelectConv(&s, "")
			var parts []layer
			for range l.channels / block {
				parts = append(parts, newLayer(s, k, 1))
			}
			layout := "nhwc"
			if block == 16 {
				layout = "blocks"
			}
			b.Run(fmt.Sprintf("%dx%dx%d/stride=%d/layout=%s", l.side, l.side, l.channels, l.stride, layout), func(b *testing.B) {
				for b.Loop() {
					for i := range parts {
						for t := range parts[i].k.Tasks(&parts[i].a.ConvShape) {
							parts[i].k.Run(parts[i].a, t, parts[i].scratch[0])
						}
					}
				}
				b.ReportMetric(float64(len(parts))*macs(&s)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}
