package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/torchpt"
	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
)

// Format is a file format that checkpoints are published in.
type Format uint8

// The formats that Sniff tells apart. Open reads Safetensors, TorchZip,
// TorchLegacy, HDF5, KerasZip, TFCheckpoint and NPZ; the others are for packages above this
// one.
const (
	Unknown Format = iota
	Safetensors
	TorchZip
	TorchLegacy
	TFLite
	ONNX
	HDF5
	TFCheckpoint // the .index file of a TensorFlow checkpoint
	NPY
	NPZ
	Zip // a zip archive of anything else
	KerasZip
	Pickle // a bare pickle, which is never read as weights
)

// String is the format's name, as "safetensors" or "torch-zip".
func (f Format) String() string {
	names := [...]string{"unknown", "safetensors", "torch-zip", "torch-legacy", "tflite", "onnx", "hdf5", "tf-checkpoint", "npy", "npz", "zip", "keras", "pickle"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// UnsupportedFormatError is returned for a file that Open does not read as a
// set of weights. Format tells a caller who can read it, if anybody.
type UnsupportedFormatError struct {
	Path   string
	Format Format
}

func (e *UnsupportedFormatError) Error() string {
	switch e.Format {
	case Unknown:
		return fmt.Sprintf("%s: not a checkpoint of a known format (safetensors, PyTorch, Keras, TensorFlow, npz)", e.Path)
	case Zip:
		return fmt.Sprintf("%s: zip archive that is no PyTorch checkpoint, .keras file or npz", e.Path)
	}
	if e.Format == TFCheckpoint {
		return fmt.Sprintf("%s: the values of a TensorFlow checkpoint are in .data files beside it: open the .index file by its path", e.Path)
	}
	return fmt.Sprintf("%s: %v files cannot be read as a set of weights", e.Path, e.Format)
}

// Sniff tells a file's format by its content. It reads a few hundred bytes,
// and the directory of a zip archive.
func Sniff(r io.ReaderAt, size int64) Format {
	head := readUpTo(r, 0, min(size, 64))
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return sniffZip(r, size)
	case torchpt.IsLegacy(head):
		return TorchLegacy
	case bytes.HasPrefix(head, []byte("\x93NUMPY")):
		return NPY
	case len(head) >= 8 && string(head[4:8]) == "TFL3":
		return TFLite
	case isHDF5(r, size):
		return HDF5
	case isSafetensors(head, size):
		return Safetensors
	case isTable(r, size):
		return TFCheckpoint
	case isONNX(head):
		return ONNX
	case torchpt.IsPickle(head):
		return Pickle
	}
	if isCutSafetensors(head) {
		return Safetensors
	}
	return Unknown
}

func readUpTo(r io.ReaderAt, off, n int64) []byte {
	if n <= 0 || off < 0 {
		return nil
	}
	b := make([]byte, n)
	k, _ := r.ReadAt(b, off)
	return b[:k]
}

// refuse is the error for a file of a format that Read does not read.
func refuse(name string, format Format, r io.ReaderAt, size int64) error {
	if format == Zip {
		_, err := zipfile.Open(r, size, nil)
		switch {
		case errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return fmt.Errorf("%s: zip archive that is truncated or damaged (%w): copy or download it again", name, errors.Unwrap(err)) // zipfile begins with "zip: " as the library does
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return &UnsupportedFormatError{name, format}
}

func sniffZip(r io.ReaderAt, size int64) Format {
	a, err := zipfile.Open(r, size, nil)
	if err != nil {
		return Zip
	}
	arrays := 0
	for _, f := range a.Files {
		if f.Name == kerasWeights {
			return KerasZip
		}
		if f.Name == "data.pkl" || strings.HasSuffix(f.Name, "/data.pkl") {
			return TorchZip
		}
		if strings.HasSuffix(f.Name, ".npy") {
			arrays++
		}
	}
	if arrays > 0 && arrays == len(a.Files) {
		return NPZ
	}
	return Zip
}

// isHDF5 looks for the signature at the start and where a user block of 512
// bytes or a larger power of two puts it.
func isHDF5(r io.ReaderAt, size int64) bool {
	const signature = "\x89HDF\r\n\x1a\n"
	for off := int64(0); off < min(size, 1<<20); {
		if string(readUpTo(r, off, int64(len(signature)))) == signature {
			return true
		}
		off = max(512, off*2)
	}
	return false
}

func isSafetensors(head []byte, size int64) bool {
	if len(head) < 10 || head[8] != '{' {
		return false
	}
	n := binary.LittleEndian.Uint64(head)
	return n >= 2 && n <= uint64(size-8)
}

// isCutSafetensors recognises, of files that are nothing else, the beginning of
// a header whose length the file does not have: its reader says so. Eight
// letters before the brace are a text.
func isCutSafetensors(head []byte) bool {
	if len(head) < 10 || head[8] != '{' || !bytes.ContainsRune([]byte("\"} \t\r\n"), rune(head[9])) {
		return false
	}
	return bytes.ContainsFunc(head[:8], func(c rune) bool { return c < ' ' || c > '~' })
}

// isTable recognises the table format of TensorFlow checkpoints by its last
// eight bytes.
func isTable(r io.ReaderAt, size int64) bool {
	tail := readUpTo(r, size-8, 8)
	return len(tail) == 8 && binary.LittleEndian.Uint64(tail) == 0xdb4775248b80fb57
}

// isONNX recognises a serialised ModelProto: it begins with its IR version,
// field 1, a small number, followed by another field of that message.
func isONNX(head []byte) bool {
	if len(head) < 3 || head[0] != 0x08 || head[1] == 0 || head[1] > 64 {
		return false
	}
	switch head[2] {
	case 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72: // producer, version, domain, doc, graph, opsets, metadata
		return true
	}
	return false
}
