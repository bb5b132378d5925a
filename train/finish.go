package train

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"path/filepath"
	"slices"
	"time"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/imageio"
)

// mostWrong is the number of wrong pictures in a report, thumbSide the longer
// side of their thumbnails.
const (
	mostWrong = 24
	thumbSide = 160
)

// writeReport measures the best weights, as their file holds them, and writes
// report.html.
func (r *run) writeReport(ctx context.Context, res *Result) error {
	path := res.Weights
	if res.Int8 != nil {
		path = res.Int8.Weights
	}
	m, err := engine.Open(path, &engine.Options{Threads: 1, Kernels: r.c.Kernels})
	if err != nil {
		return err
	}
	defer m.Close()
	g, err := m.GraphAt(1, r.plan.Resolution, r.plan.Resolution)
	if err != nil {
		return err
	}
	s, err := r.validate(ctx, g, true)
	if err != nil {
		return err
	}
	slices.SortStableFunc(s.wrong, func(a, b WrongPicture) int { return cmp.Compare(b.Score, a.Score) })
	s.wrong = s.wrong[:min(len(s.wrong), mostWrong)]
	byName := make(map[string]dataset.Item)
	for _, it := range r.c.Data.Val {
		byName[it.Name] = it
	}
	for i := range s.wrong {
		s.wrong[i].JPEG = thumbnail(byName[s.wrong[i].Name])
	}
	model := r.net.info.Name
	if r.plan.From != "" {
		model += " from " + filepath.Base(r.plan.From)
	}
	rep := Report{
		Title: filepath.Base(r.plan.Data), Model: model, Recipe: r.plan.Recipe, Command: r.c.Command, Made: time.Now(), Classes: r.plan.labels(),
		Epochs: r.at.History, Pictures: map[string]int{"train": r.plan.Train, "val": r.plan.Val}, Confusion: s.confusion, Wrong: s.wrong,
		Notes: slices.Concat(r.plan.Reasons, r.at.Notes),
	}
	page, err := rep.HTML()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(r.c.Dir, ReportFile), page); err != nil {
		return r.unsaved(err)
	}
	return nil
}

// thumbnail is a small JPEG of a picture, nothing for one that cannot be read.
func thumbnail(it dataset.Item) []byte {
	f, err := it.Open()
	if err != nil {
		return nil
	}
	defer f.Close()
	m, _, err := imageio.Decode(f, &imageio.Options{Mode: imageio.Tolerant, AtLeast: thumbSide})
	if err != nil {
		return nil
	}
	w, h := thumbSide, thumbSide
	if m.W > m.H {
		h = max(1, thumbSide*m.H/m.W)
	} else {
		w = max(1, thumbSide*m.W/m.H)
	}
	if m, err = imageio.Resize(m, w, h, imageio.Bilinear); err != nil {
		return nil
	}
	rgba := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		rgba.SetRGBA(i%w, i/w, color.RGBA{m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2], 255})
	}
	var out bytes.Buffer
	if jpeg.Encode(&out, rgba, &jpeg.Options{Quality: 80}) != nil {
		return nil
	}
	return out.Bytes()
}
