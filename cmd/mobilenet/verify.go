package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// verified is the line of JSON of `mobilenet verify`.
type verified struct {
	File          string             `json:"file"`
	OK            bool               `json:"ok"`
	SHA256        string             `json:"sha256"`
	Hash          string             `json:"hash"`   // "ok", "wrong" or "unknown"
	Golden        string             `json:"golden"` // "ok", "wrong" or "none"
	GoldenError   float64            `json:"golden_error"`
	Network       string             `json:"network"`
	Dialect       string             `json:"dialect,omitempty"`
	Params        int64              `json:"params"`
	Recipe        string             `json:"recipe"`
	RecipeGuessed bool               `json:"recipe_guessed"`
	Labels        []string           `json:"labels"` // the first few
	LabelCount    int                `json:"label_count"`
	License       string             `json:"license,omitempty"`
	Source        string             `json:"source,omitempty"`
	Metrics       map[string]float64 `json:"metrics,omitempty"`
	Notes         []string           `json:"notes,omitempty"`
}

// unreadable is the line of JSON for a file that could not be checked.
type unreadable struct {
	File  string `json:"file"`
	OK    bool   `json:"ok"` // false
	Error string `json:"error"`
}

// verifyTolerance is the distance, in relative L2, that scores may have from
// the recorded ones: another instruction set adds in another order, another
// precision rounds.
func verifyTolerance(m *engine.Model) float64 {
	switch string(m.Precision().Precision) {
	case "bf16":
		return 0.1
	case "bf16x3":
		return 2e-4
	}
	return 1e-4
}

func (a *app) verify() *cobra.Command {
	var m modelFlags
	var sum string
	c := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check that weights are whole and give the scores they should",
		Long: `Check a model file: its SHA-256 against --sha256 or against the one in its name
(mobilenet_v2-b0353104.pth), and the scores it gives for the golden picture it
carries. Show what a wrong answer would come from: network, preprocessing and
labels.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no file to verify: name one")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if sum != "" && len(args) != 1 {
				return usagef("--sha256 belongs to one file, %d are named", len(args))
			}
			if sum != "" && !regexp.MustCompile(`^[0-9a-fA-F]{6,64}$`).MatchString(sum) {
				return usagef("--sha256 %q: give 6 to 64 hexadecimal digits", sum)
			}
			opt, err := m.engineOptions()
			if err != nil {
				return err
			}
			used, asAsked := engine.ResolvePrecision(opt.Precision, opt.Kernels)
			a.warnPrecision(opt.Precision, used, asAsked)
			bad := false
			for _, file := range args {
				v, err := verify(c.Context(), file, strings.ToLower(sum), opt)
				if c.Context().Err() != nil {
					return c.Context().Err()
				}
				if err != nil {
					bad = true
					if err := a.unverified(file, fileError(file, err)); err != nil {
						return err
					}
					continue
				}
				bad = bad || !v.OK
				if err := a.reportVerified(v); err != nil {
					return err
				}
			}
			if bad {
				return errReported
			}
			return nil
		},
	}
	m.register(c, false, true)
	registerPrecision(c.Flags(), &m.precision)
	c.Flags().StringVar(&sum, "sha256", "", "the file's SHA-256, or its beginning")
	return c
}

// hashInName is the beginning of the SHA-256 that PyTorch's hub puts into the
// names of its files.
var hashInName = regexp.MustCompile(`-([0-9a-f]{8,64})\.[a-z]+$`)

func verify(ctx context.Context, file, sum string, opt *engine.Options) (*verified, error) {
	model, err := openModel(file, opt)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	i := &model.Info
	v := &verified{
		File: file, Hash: "unknown", Golden: "ok", Network: i.Name, Dialect: i.Dialect, Params: i.Params,
		Recipe: i.Recipe.String(), RecipeGuessed: i.RecipeGuessed, Labels: i.Labels[:min(3, len(i.Labels))], LabelCount: len(i.Labels),
		License: i.License, Source: i.Source, Metrics: i.Metrics, Notes: i.Notes,
	}
	if v.SHA256, err = modelSHA256(file); err != nil {
		return nil, err
	}
	if match := hashInName.FindStringSubmatch(filepath.Base(file)); sum == "" && match != nil {
		sum = match[1]
	}
	if sum != "" {
		v.Hash = "wrong"
		if strings.HasPrefix(v.SHA256, sum) {
			v.Hash = "ok"
		}
	}
	v.GoldenError, err = model.CheckGolden(ctx)
	switch {
	case errors.Is(err, engine.ErrNoGolden):
		v.Golden = "none"
	case err != nil:
		return nil, err
	case !(v.GoldenError <= verifyTolerance(model)):
		v.Golden = "wrong"
	}
	if !(v.GoldenError <= math.MaxFloat64) {
		v.GoldenError = math.MaxFloat64 // JSON has no word for NaN or infinity
	}
	v.OK = v.Hash != "wrong" && v.Golden != "wrong"
	return v, nil
}

// unverified reports a file that could not be checked.
func (a *app) unverified(file string, err error) error {
	if !a.json {
		a.complain(err)
		return nil
	}
	return a.object(unreadable{File: file, Error: clean(err.Error())})
}

func (a *app) reportVerified(v *verified) error {
	if a.json {
		return a.object(v)
	}
	hash := map[string]string{
		"ok": "as expected", "wrong": "WRONG: the file is not the one that was published", "unknown": "nothing to compare it with",
	}[v.Hash]
	golden := map[string]string{
		"ok": fmt.Sprintf("reproduced to %.1g", v.GoldenError), "wrong": fmt.Sprintf("WRONG by %.2g: the weights were changed after the file was made", v.GoldenError),
		"none": "the file carries none; mobilenet convert makes one that does",
	}[v.Golden]
	recipe := v.Recipe
	if v.RecipeGuessed {
		recipe += " (guessed: the file does not say)"
	}
	labels := "none"
	if v.LabelCount > 0 {
		labels = fmt.Sprintf("%d: %s, ...", v.LabelCount, strings.Join(v.Labels, "; "))
	}
	verdict := "ok"
	if !v.OK {
		verdict = "WRONG"
	}
	rows := [][]string{
		{"network", clean(v.Network + " " + v.Dialect)}, {"sha256", v.SHA256 + ", " + hash}, {"golden output", golden},
		{"preprocessing", clean(recipe)}, {"labels", clean(labels)},
	}
	for _, n := range v.Notes {
		rows = append(rows, []string{"note", clean(n)})
	}
	for i := range rows {
		rows[i][0] = "  " + rows[i][0]
	}
	return a.print(clean(v.File) + ": " + verdict + "\n" + table(rows))
}
