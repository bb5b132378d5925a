// Package builtin is a network that comes with the program: MobileNetV3-Small
// for 200 everyday classes (Tiny-ImageNet-200's), trained from nothing by this
// project's own trainer. Importing the package adds its weights, 3.6 MB, to a
// program.
//
// How it was trained and how well it does stands in docs/builtin.md; the
// recipes and the record of the training are in [Training].
package builtin

import (
	"bytes"
	"embed"
	"io/fs"

	"github.com/mobilenet-go/mobilenet"
)

// Name is what the model is called where a file with weights could be named.
const Name = "builtin"

//go:embed model.safetensors
var model []byte

//go:embed training
var training embed.FS

// Open opens the model. Nil options are the default; those that say what a
// file's weights are (Net, Dialect, Names) must be empty.
func Open(opt *mobilenet.Options) (*mobilenet.Classifier, error) {
	return mobilenet.Read(Name, bytes.NewReader(model), int64(len(model)), opt)
}

// Weights is the content of the model's safetensors file.
func Weights() []byte { return bytes.Clone(model) }

// Training holds the record of the training, a folder for each of its parts:
// recipe.json, plan.json, results.csv (a row for each epoch) and log.jsonl
// (the losses of the first 200 steps and of every hundredth after); and
// commands.txt, the commands that make it again.
func Training() fs.FS {
	sub, err := fs.Sub(training, "training")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
