package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// writeShapes is `shapes DIR N`: it writes class folders red and blue of N
// pictures each, dots of that colour on grey.
func writeShapes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shapes DIR N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for name, c := range map[string]color.RGBA{"red": {220, 30, 30, 255}, "blue": {30, 40, 220, 255}} {
		dir := filepath.Join(ts.MkAbs(args[0]), name)
		ts.Check(os.MkdirAll(dir, 0o755))
		for i := range n {
			const side = 40
			m := image.NewRGBA(image.Rect(0, 0, side, side))
			for p := range side * side {
				x, y := p%side, p/side
				v := uint8(100 + (p*7+i*31)%50)
				m.SetRGBA(x, y, color.RGBA{v, v, v, 255})
				if (x+3*i)%20 < 12 && (y+5*i)%20 < 12 {
					m.SetRGBA(x, y, c)
				}
			}
			var b bytes.Buffer
			ts.Check(png.Encode(&b, m))
			ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), b.Bytes(), 0o644))
		}
	}
}
