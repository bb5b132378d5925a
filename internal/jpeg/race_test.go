package jpeg

import (
	"bytes"
	"fmt"
	stdjpeg "image/jpeg"
	"os"
	"testing"
	"time"
)

// TestRace decodes on request and prints how long it took, for testdata/race.py, which lets Pillow
// decode the same files in between. A line of input is a scale (0: image/jpeg) and a file.
func TestRace(t *testing.T) {
	if os.Getenv("JPEG_RACE") == "" {
		t.Skip("run testdata/race.py")
	}
	files := map[string][]byte{}
	for {
		var scale int
		var name string
		if _, err := fmt.Scan(&scale, &name); err != nil {
			return
		}
		data := files[name]
		if data == nil {
			var err error
			if data, err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
			files[name] = data
		}
		var err error
		start := time.Now()
		if scale == 0 {
			_, err = stdjpeg.Decode(bytes.NewReader(data))
		} else {
			var c Config
			if c, err = DecodeConfig(data); err == nil {
				w, h := c.Size(scale)
				_, err = DecodeInto(make([]byte, 3*w*h), data, &Options{Scale: scale})
			}
		}
		if err != nil {
			t.Fatal(name, err)
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
