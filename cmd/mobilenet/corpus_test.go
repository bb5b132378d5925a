package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// hostile is a file that means harm, or is damaged.
type hostile struct {
	name    string
	picture bool // else a model
	says    string
	make    func() ([]byte, error)
}

// hostileFiles is the corpus: files of every format that are cut short, empty,
// of unbelievable size, of another type than they say, or malicious. None of
// them may be accepted, and says is part of the message where it matters.
func hostileFiles() []hostile {
	var out []hostile
	model := func(name, says string, make func() ([]byte, error)) {
		out = append(out, hostile{name, false, says, make})
	}
	picture := func(name string, make func() ([]byte, error)) {
		out = append(out, hostile{name, true, "", make})
	}
	text := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }

	model("empty", "", text(""))
	model("text", "not a checkpoint", text("These are not the weights you are looking for.\n"))
	model("noise", "", func() ([]byte, error) { return noise(1 << 16), nil })
	model("hdf5", "", text("\x89HDF\r\n\x1a\n"+strings.Repeat("\x00", 600)))
	model("tfcheckpoint", "", text(strings.Repeat("\x00", 48)+"\x57\xfb\x80\x8b\x24\x75\x47\xdb"))

	// safetensors
	for _, part := range []int{7, 9, 100, 4096, 60000, -1} {
		model(fmt.Sprintf("safetensors-cut%d", part), "", func() ([]byte, error) { return cut(tiny, part) })
	}
	model("safetensors-length", "", text("\xff\xff\xff\xff\xff\xff\xff\x7f{\"a\":1}"))
	for name, header := range map[string]string{
		"garbage":  `{"a":{{{`,
		"dims":     `{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`,
		"dims63":   `{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}}`,
		"negative": `{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`,
		"offsets":  `{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,9000000000000]}}`,
		"overlap":  `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
		"twice":    `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}`,
		"dtype":    `{"a":{"dtype":"Q99","shape":[1],"data_offsets":[0,4]}}`,
		"escapes":  `{"\u001b[31m\n\u0007":{"dtype":"Q99","shape":[1],"data_offsets":[0,4]}}`,
		"deep":     strings.Repeat(`{"a":`, 200000),
		"stranger": `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
		"width":    own(`"mobilenet.spec":"name=x stem_c16 ir_c16 width=1e9"`),
		"input":    own(`"mobilenet.spec":"name=x stem_c16 ir_c16 res=100000000"`),
		"classes":  own(`"mobilenet.spec":"name=x stem_c16 ir_c16 classes=2000000000"`),
		"repeats":  own(`"mobilenet.spec":"name=x stem_c16 ir_r2000000000_c16"`),
		"graph":    own(`"mobilenet.graph":"{\"nodes\":[{\"name\":\"i\",\"op\":\"input\",\"shape\":[1,1000000,1000000,3]}],\"inputs\":[0],\"outputs\":[{\"name\":\"o\",\"id\":0}]}"`),
		"recipe":   own(`"mobilenet.spec":"name=x stem_c16 ir_c16","mobilenet.preprocess":"crop=1000000000"`),
		"version":  `{"__metadata__":{"format":"mobilenet","mobilenet.version":"999"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
	} {
		model("safetensors-"+name, "", func() ([]byte, error) { return header64(header, 4), nil })
	}
	model("safetensors-many", "", func() ([]byte, error) {
		var b strings.Builder
		for i := range 200000 {
			fmt.Fprintf(&b, `,"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
		}
		return header64("{"+b.String()[1:]+"}", 0), nil
	})
	for name, size := range map[string]int{"fat": 15 << 20, "obese": 90 << 20} {
		model("safetensors-"+name, "", func() ([]byte, error) {
			return header64(`{"__metadata__":{"a":"`+strings.Repeat("x", size)+`"}}`, 4), nil
		})
	}
	model("safetensors-keys", "", func() ([]byte, error) {
		var b strings.Builder
		for i := range 1_200_000 {
			fmt.Fprintf(&b, `,"%x":""`, i)
		}
		return header64(`{"__metadata__":{`+b.String()[1:]+`}}`, 4), nil
	})
	model("safetensors-labels", "", func() ([]byte, error) {
		return header64(own(`"mobilenet.spec":"name=x stem_c16 ir_c16","mobilenet.labels":"[`+strings.Repeat(`\"\",`, 2<<20)+`\"\"]"`), 4), nil
	})
	model("safetensors-metrics", "", func() ([]byte, error) {
		return header64(own(`"mobilenet.spec":"name=x stem_c16 ir_c16","mobilenet.metrics":"`+strings.Repeat(`[`, 4<<20)+`"`), 4), nil
	})
	model("safetensors-shape", "", func() ([]byte, error) {
		return header64(own(`"mobilenet.graph":"{\"nodes\":[{\"op\":\"input\",\"shape\":[`+strings.Repeat(`1,`, 2<<20-100)+`1]}]}"`), 4), nil
	})
	model("safetensors-nodes", "", func() ([]byte, error) {
		return header64(own(`"mobilenet.graph":"{\"nodes\":[`+strings.Repeat(`{},`, 5<<18)+`{}]}"`), 4), nil
	})
	model("safetensors-nan", "", func() ([]byte, error) {
		b, err := os.ReadFile(tiny)
		if err != nil {
			return nil, err
		}
		head := binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint32(b[8+head+400:], math.Float32bits(float32(math.NaN())))
		return b, nil
	})

	// PyTorch
	const legacy = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02"
	const system = "cos\nsystem\nX\x09\x00\x00\x00echo here\x85R."
	model("pickle-os-system", "os.system", text(legacy+system))
	model("torch-os-system", "os.system", func() ([]byte, error) { return zipped(zip.Store, "archive/data.pkl", "\x80\x02"+system) })
	model("torch-cut", "", func() ([]byte, error) {
		b, err := zipped(zip.Store, "archive/data.pkl", "\x80\x02"+system)
		return b[:len(b)-10], err
	})
	model("pickle-cut", "", text(legacy+"}X\xff\xff"))
	model("pickle-length", "", text(legacy+"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"))
	model("pickle-deep", "", text(legacy+strings.Repeat("(", 1<<20)+strings.Repeat("t", 1<<20)+"."))
	model("pickle-lists", "", text(legacy+strings.Repeat("]", 4<<20)+"."))
	// Every level refers to the one before twice or more: walked as a tree
	// these have no end.
	model("torch-laughs", "", func() ([]byte, error) {
		p := "\x80\x02]q\x00"
		for i := range 100 {
			p += "(" + strings.Repeat("h"+string(rune(i)), 16) + "tq" + string(rune(i+1))
		}
		return zipped(zip.Store, "archive/data.pkl", p+".")
	})
	model("torch-nested", "", func() ([]byte, error) {
		p := "\x80\x02}q\x00"
		for i := range 100 {
			p += "}q" + string(rune(i+1)) + "(X\x01\x00\x00\x00ah" + string(rune(i)) + "X\x01\x00\x00\x00bh" + string(rune(i)) + "u"
		}
		return zipped(zip.Store, "archive/data.pkl", p+".")
	})
	model("torch-bomb", "", func() ([]byte, error) { return bomb("archive/data.pkl", "\x80\x02X\xff\xff\xff\x1f", 500<<20) })
	model("torch-stored-bomb", "", func() ([]byte, error) { return bomb("archive/data/0", "", 500<<20, "archive/data.pkl", "\x80\x02}.") })

	// NumPy
	model("npy-dims", "", text("\x93NUMPY\x01\x00\x76\x00"+fmt.Sprintf("%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }")))
	model("npz-bomb", "", func() ([]byte, error) {
		return bomb("a.npy", "\x93NUMPY\x01\x00\x76\x00"+fmt.Sprintf("%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (131072000,), }"), 500<<20)
	})

	// ONNX
	for name, m := range onnxFiles() {
		model("onnx-"+name, "", func() ([]byte, error) { return onnx.Marshal(m) })
	}
	model("onnx-cut", "", func() ([]byte, error) {
		b, err := onnx.Marshal(onnxFiles()["channels"])
		return b[:len(b)/2], err
	})
	model("onnx-length", "", text("\x08\x07\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))

	// TFLite
	model("tflite-head", "", text("\x00\x00\x00\x00TFL3"))
	model("tflite-offset", "", text("\xff\xff\xff\x7fTFL3"+strings.Repeat("\xff", 200)))
	model("tflite-noise", "", func() ([]byte, error) { return append([]byte("\x1c\x00\x00\x00TFL3"), noise(1<<16)...), nil })
	model("tflite-dims", "", func() ([]byte, error) { return tfliteFile(1, 1<<30, 1<<30, 3), nil })
	model("tflite-negative", "", func() ([]byte, error) { return tfliteFile(1, -5, 224, 3), nil })
	model("tflite-large", "", func() ([]byte, error) { return tfliteFile(1, 60000, 60000, 3), nil })
	model("tflite-cut", "", func() ([]byte, error) { b := tfliteFile(1, 8, 8, 3); return b[:len(b)/2], nil })

	// Pictures
	picture("picture-empty", text(""))
	picture("picture-text", text("<svg/>"))
	picture("picture-noise", func() ([]byte, error) { return noise(1 << 16), nil })
	small := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	copy(small.Pix, noise(len(small.Pix)))
	for name, encode := range map[string]func(io.Writer) error{
		"jpeg": func(w io.Writer) error { return jpeg.Encode(w, small, nil) },
		"png":  func(w io.Writer) error { return png.Encode(w, small) },
		"gif":  func(w io.Writer) error { return gif.Encode(w, small, nil) },
	} {
		for _, percent := range []int{1, 10, 50, 80} {
			picture(fmt.Sprintf("%s-cut%d", name, percent), func() ([]byte, error) {
				var b bytes.Buffer
				err := encode(&b)
				return b.Bytes()[:b.Len()*percent/100], err
			})
		}
	}
	for _, side := range []int{5000, 20000, 65500} {
		for marker, kind := range map[byte]string{0xc0: "jpeg", 0xc2: "progressive"} {
			picture(fmt.Sprintf("%s-%d", kind, side), func() ([]byte, error) {
				var b bytes.Buffer
				err := jpeg.Encode(&b, small, nil)
				sof := bytes.Index(b.Bytes(), []byte{0xff, 0xc0})
				b.Bytes()[sof+1] = marker
				binary.BigEndian.PutUint16(b.Bytes()[sof+5:], uint16(side))
				binary.BigEndian.PutUint16(b.Bytes()[sof+7:], uint16(side))
				// With its end marker a short scan counts as damage in
				// transmission, and the rest of the picture as gray.
				return b.Bytes()[:b.Len()-2], err
			})
		}
		picture(fmt.Sprintf("bmp-%d", side), func() ([]byte, error) {
			b := append([]byte("BM"), make([]byte, 52)...)
			b[10], b[14], b[26], b[28] = 54, 40, 1, 24
			binary.LittleEndian.PutUint32(b[18:], uint32(side))
			binary.LittleEndian.PutUint32(b[22:], uint32(side))
			return b, nil
		})
		picture(fmt.Sprintf("tiff-%d", side), func() ([]byte, error) { return tiffFile(side), nil })
		picture(fmt.Sprintf("gif-%d", side), func() ([]byte, error) {
			b := []byte("GIF89a\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02D\x01\x00;")
			for _, at := range []int{6, 8, 24, 26} {
				binary.LittleEndian.PutUint16(b[at:], uint16(side))
			}
			return b, nil
		})
		picture(fmt.Sprintf("png-cut-%d", side), func() ([]byte, error) { return pngFile(uint32(side), 2, 1000), nil })
	}
	picture("png-2gp", func() ([]byte, error) { return pngFile(1<<31-1, 6, 1000), nil })
	picture("png-bomb", func() ([]byte, error) { return pngFile(11000, 0, 11000*11001), nil })
	picture("webp-dims", text("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\xff\xff\xff\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	picture("webp-cut", text("RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff"))
	return out
}

var tiny = filepath.Join("..", "..", "testdata", "tiny.safetensors")

// cut is the beginning of a file; below 0 its end is missing.
func cut(path string, n int) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		n += len(b)
	}
	return b[:n], nil
}

// noise is the same bytes every time.
func noise(n int) []byte {
	b := make([]byte, n)
	seed := uint32(7)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

// header64 is a safetensors file of a header and n bytes of data.
func header64(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func own(fields string) string {
	return `{"__metadata__":{"format":"mobilenet","mobilenet.version":"1",` + fields + `},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
}

// zipped is an archive of name, content pairs.
func zipped(method uint16, pairs ...string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: pairs[i], Method: method})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, pairs[i+1]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// bomb is an archive whose first entry expands to a head and n zeros; the
// rest are name, content pairs.
func bomb(name, head string, n int64, pairs ...string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 1) })
	f, err := w.Create(name)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, n))); err != nil {
		return nil, err
	}
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.Create(pairs[i])
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, pairs[i+1]); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// pngFile is a square picture of a colour type whose data are n zeros.
func pngFile(side uint32, colour byte, n int64) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		body := append([]byte(kind), data...)
		b = append(b, body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	chunk("IHDR", append(head, 8, colour, 0, 0, 0))
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = io.Copy(w, io.LimitReader(zeros{}, n)) // to memory: cannot fail
	_ = w.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b
}

// tiffFile is a square RGB picture with four bytes of data.
func tiffFile(side int) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	tags := [][3]uint32{{256, 4, uint32(side)}, {257, 4, uint32(side)}, {258, 3, 8}, {259, 3, 1}, {262, 3, 1}, {273, 4, 8}, {277, 3, 1}, {278, 4, uint32(side)}, {279, 4, 4}}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		b = binary.LittleEndian.AppendUint16(b, uint16(t[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(t[1]))
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, t[2])
	}
	return append(b, 0, 0, 0, 0)
}

// onnxFiles are graphs that ask for too much or make no sense.
func onnxFiles() map[string]*onnx.Model {
	graph := func(input []int, nodes []onnx.Node, constants ...*tensor.Tensor) *onnx.Model {
		return &onnx.Model{IRVersion: 7, Opset: map[string]int64{"": 13}, Graph: onnx.Graph{
			Name: "g", Nodes: nodes, Initializers: constants,
			Inputs:  []onnx.ValueInfo{{Name: "x", DType: tensor.F32, HasShape: true, Shape: input}},
			Outputs: []onnx.ValueInfo{{Name: "y", DType: tensor.F32}},
		}}
	}
	node := func(op string, in ...string) onnx.Node {
		return onnx.Node{OpType: op, Inputs: in, Outputs: []string{"y"}}
	}
	dims := func(name string, v ...int64) *tensor.Tensor {
		var b []byte
		for _, n := range v {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
		}
		return &tensor.Tensor{Name: name, DType: tensor.I64, Shape: tensor.Shape{len(v)}, Data: b}
	}
	relu := []onnx.Node{node("Relu", "x")}
	fill := []onnx.Node{{OpType: "ConstantOfShape", Inputs: []string{"s"}, Outputs: []string{"c"}}, node("Add", "x", "c")}
	expand := []onnx.Node{{OpType: "ConstantOfShape", Inputs: []string{"s"}, Outputs: []string{"c"}}, node("Conv", "x", "c")}
	var chain []onnx.Node
	for i := range 60000 {
		chain = append(chain, onnx.Node{OpType: "Relu", Inputs: []string{fmt.Sprint(i)}, Outputs: []string{fmt.Sprint(i + 1)}})
	}
	chain[0].Inputs[0], chain[len(chain)-1].Outputs[0] = "x", "y"
	return map[string]*onnx.Model{
		"channels": graph([]int{1, 5, 224, 224}, relu),
		"picture":  graph([]int{1, 3, 224, 224}, relu),
		"dims":     graph([]int{1, 3, 1 << 30, 1 << 30}, relu),
		"large":    graph([]int{1, 3, 60000, 60000}, relu),
		"op":       graph([]int{1, 3, 8, 8}, []onnx.Node{node("SendMail", "x")}),
		"dangling": graph([]int{1, 3, 8, 8}, []onnx.Node{node("Add", "x", "nothing")}),
		"fill":     graph([]int{1, 3, 8, 8}, fill, dims("s", 100000, 100000)),
		"fill63":   graph([]int{1, 3, 8, 8}, fill, dims("s", math.MaxInt64, 4)),
		"filters":  graph([]int{1, 3, 8, 8}, expand, dims("s", 10000, 10000, 3, 3)),
		"reshape":  graph([]int{1, 3, 8, 8}, []onnx.Node{node("Reshape", "x", "s")}, dims("s", -1, -1)),
		"pad":      graph([]int{1, 3, 8, 8}, []onnx.Node{node("Pad", "x", "s")}, dims("s", 0, 0, 1<<40, 1<<40, 0, 0, 1<<40, 1<<40)),
		"chain":    graph([]int{1, 3, 224, 224}, chain),
		"cycle":    graph([]int{1, 3, 8, 8}, []onnx.Node{{OpType: "Add", Inputs: []string{"x", "y"}, Outputs: []string{"z"}}, node("Relu", "z")}),
	}
}

// tfliteFile is a model of one operator, a ReLU, on an input of the shape.
func tfliteFile(shape ...int32) []byte {
	b := flatbuffers.NewBuilder(512)
	ints := func(v ...int32) flatbuffers.UOffsetT {
		b.StartVector(4, len(v), 4)
		for i := len(v) - 1; i >= 0; i-- {
			b.PrependInt32(v[i])
		}
		return b.EndVector(len(v))
	}
	offsets := func(v ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		b.StartVector(4, len(v), 4)
		for i := len(v) - 1; i >= 0; i-- {
			b.PrependUOffsetT(v[i])
		}
		return b.EndVector(len(v))
	}
	value := func(name string) flatbuffers.UOffsetT {
		n, s := b.CreateString(name), ints(shape...)
		b.StartObject(8)
		b.PrependUOffsetTSlot(0, s, 0)
		b.PrependUOffsetTSlot(3, n, 0)
		return b.EndObject()
	}
	tensors := offsets(value("x"), value("y"))
	in, out := ints(0), ints(1)
	b.StartObject(9)
	b.PrependUOffsetTSlot(1, in, 0)
	b.PrependUOffsetTSlot(2, out, 0)
	operators := offsets(b.EndObject())
	b.StartObject(5)
	b.PrependUOffsetTSlot(0, tensors, 0)
	b.PrependUOffsetTSlot(1, in, 0)
	b.PrependUOffsetTSlot(2, out, 0)
	b.PrependUOffsetTSlot(3, operators, 0)
	graphs := offsets(b.EndObject())
	b.StartObject(4)
	b.PrependInt8Slot(0, 19, 0) // RELU
	b.PrependInt32Slot(3, 19, 0)
	codes := offsets(b.EndObject())
	b.StartObject(1)
	buffers := offsets(b.EndObject())
	b.StartObject(8)
	b.PrependUint32Slot(0, 3, 0)
	b.PrependUOffsetTSlot(1, codes, 0)
	b.PrependUOffsetTSlot(2, graphs, 0)
	b.PrependUOffsetTSlot(4, buffers, 0)
	b.FinishWithFileIdentifier(b.EndObject(), []byte("TFL3"))
	return b.FinishedBytes()
}
