package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// openModel opens a file, or the built-in model by its name.
func openModel(path string, opt *engine.Options) (*engine.Model, error) {
	if path != builtin.Name {
		return engine.Open(path, opt)
	}
	data := builtin.Weights()
	return engine.Read(path, bytes.NewReader(data), int64(len(data)), opt)
}

// inspectModel describes a file, or the built-in model.
func inspectModel(path string, opt *engine.Options) (*engine.Inspection, error) {
	if path != builtin.Name {
		return engine.Inspect(path, opt)
	}
	data := builtin.Weights()
	return engine.InspectReader(path, bytes.NewReader(data), int64(len(data)), opt)
}

// modelSHA256 is the checksum of a file, or of the built-in model.
func modelSHA256(path string) (string, error) {
	if path != builtin.Name {
		return fileSHA256(path)
	}
	sum := sha256.Sum256(builtin.Weights())
	return hex.EncodeToString(sum[:]), nil
}

// modelName is what a line of JSON calls the model.
func (m *modelFlags) modelName(c *mobilenet.Classifier) string {
	if m.weights == builtin.Name {
		return builtin.Name
	}
	return c.Info().Name
}

// noteBuiltin tells a person that no model was named and which was taken.
func (a *app) noteBuiltin(c *mobilenet.Classifier, m *modelFlags) {
	if !m.assumed || a.json {
		return
	}
	i := c.Info()
	accuracy := ""
	if top1 := i.Metrics["top1"]; top1 > 0 {
		accuracy = fmt.Sprintf(", top-1 %.1f %% on Tiny-ImageNet", 100*top1)
	}
	a.say("note: no --weights: using the built-in model (%s, %d everyday classes%s)", i.Name, i.Classes, accuracy)
}
