package jpeg

import (
	"bytes"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"testing"
)

// TestLikeDjpeg makes files over sampling, progression, restart intervals,
// sizes and colour models with libjpeg-turbo's cjpeg and compares every pixel
// with its djpeg, at all four scales. It needs both programs (Debian's
// libjpeg-turbo-progs).
func TestLikeDjpeg(t *testing.T) {
	for _, tool := range []string{"cjpeg", "djpeg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs libjpeg-turbo's %s", tool)
		}
	}
	if testing.Short() {
		t.Skip("thousands of files take a minute: run without -short")
	}
	var models [][]string
	for _, s := range []string{"1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4"} {
		models = append(models, []string{"-sample", s})
	}
	models = append(models, []string{"-grayscale"}, []string{"-rgb"}, []string{"-sample", "2x2,1x2,2x1"})
	files, decodes := 0, 0
	for size := 1; size <= 40; size++ {
		for _, wh := range [][2]int{{size, size}, {size, 41 - size}} {
			ppm := pattern(wh[0], wh[1])
			for m, model := range models {
				for _, extra := range [][]string{nil, {"-progressive"}, {"-restart", "1B"}, {"-progressive", "-restart", "1"}} {
					args := append(append([]string{"-quality", strconv.Itoa(30 + (size*7+m*13)%70)}, model...), extra...)
					data := pipe(t, ppm, "cjpeg", args...)
					files++
					scale := []int{1, 2, 4, 8}[(size+m)%4]
					for _, s := range []int{1, scale} {
						compare(t, data, s, fmt.Sprintf("%d x %d %v at 1/%d", wh[0], wh[1], args, s))
						decodes++
						if scale == 1 {
							break
						}
					}
				}
			}
		}
	}
	t.Logf("%d files, %d decodes, each by every implementation", files, decodes)
}

// compare decodes with djpeg and with every implementation here.
func compare(t *testing.T, data []byte, scale int, what string) {
	t.Helper()
	args := []string{"-ppm", "-scale", fmt.Sprintf("1/%d", scale)}
	c, err := DecodeConfig(data)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if c.Color == Gray {
		args = append(args, "-rgb")
	}
	want := pixels(t, pipe(t, data, "djpeg", args...))
	w, h := c.Size(scale)
	for _, generic := range []bool{false, true} {
		got := make([]byte, 3*w*h)
		if _, err := DecodeInto(got, data, &Options{Scale: scale, Generic: generic}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s, generic %v: pixels differ", what, generic)
		}
	}
}

func pipe(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	return out.Bytes()
}

// pixels takes the samples out of a binary PPM file.
func pixels(t *testing.T, ppm []byte) []byte {
	t.Helper()
	var w, h, most int
	if _, err := fmt.Sscanf(string(ppm[:min(len(ppm), 40)]), "P6\n%d %d\n%d\n", &w, &h, &most); err != nil || most != 255 {
		t.Fatalf("no PPM file: %q", ppm[:min(len(ppm), 20)])
	}
	return ppm[len(ppm)-3*w*h:]
}

// pattern is a PPM file of waves, an edge and noise.
func pattern(w, h int) []byte {
	b := fmt.Appendf(nil, "P6\n%d %d\n255\n", w, h)
	seed := uint32(w*64 + h)
	for y := range h {
		for x := range w {
			for c := range 3 {
				seed = seed*1664525 + 1013904223
				v := 128 + 90*math.Sin(float64(x)/3+float64(c))*math.Cos(float64(y)/(4+float64(c)))
				if x > w/2 {
					v += float64(seed>>26) - 32
				}
				if y > 2*h/3 {
					v = 255 - v
				}
				b = append(b, byte(min(max(v, 0), 255)))
			}
		}
	}
	return b
}
