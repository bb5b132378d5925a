package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/eval"
)

// readSamples lists labelled pictures. What training takes beyond CSV files and
// class folders, zip files and data sets in parts, is read by package dataset:
// of those it is the validation part. done is called when the pictures are not
// needed any more.
func readSamples(path string, classes *eval.Classes) (samples []eval.Sample, done func(), err error) {
	done = func() {}
	if !inParts(path) {
		samples, err = eval.ReadSamples(path, classes)
		if err == nil && len(samples) == 0 {
			err = fmt.Errorf("%s: no picture of a class that the model knows", path)
		}
		return samples, done, err
	}
	d, err := dataset.Scan(path, &dataset.Options{ValFraction: -1})
	if err != nil {
		return nil, done, err
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	numbers, err := numbersOf(path, d.Classes, classes)
	if err != nil {
		return nil, done, err
	}
	items := d.Val
	if len(items) == 0 {
		items = d.Train
	}
	for _, it := range items {
		if n := numbers[it.Class]; n >= 0 {
			samples = append(samples, eval.Sample{Path: it.Name, Class: n, Open: it.Open})
		}
	}
	if len(samples) == 0 {
		return nil, done, fmt.Errorf("%s: no picture of a class that the model knows", path)
	}
	return samples, func() { d.Close() }, nil
}

// inParts tells a zip file, and a folder with a folder for a part.
func inParts(path string) bool {
	if strings.EqualFold(filepath.Ext(path), ".zip") {
		return true
	}
	for _, part := range []string{"val", "valid", "validation"} {
		if st, err := os.Stat(filepath.Join(path, part)); err == nil && st.IsDir() {
			return true
		}
	}
	return false
}

// numbersOf gives the network's number of each class of a data set, -1 for one
// that is left out. As many classes as the network has, of names it does not
// know, are taken in their order.
func numbersOf(path string, names []string, classes *eval.Classes) ([]int, error) {
	out := make([]int, len(names))
	for i, name := range names {
		n, err := classes.Find(name)
		switch {
		case errors.Is(err, eval.ErrUnknown):
			n = -1
		case err != nil && classes.Data == nil && len(names) == classes.N:
			for i := range out {
				out[i] = i
			}
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w; name the data's classes with --data-classes", path, err)
		}
		out[i] = n
	}
	return out, nil
}
