package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/dataset"
)

func (a *app) data() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Look after the pictures that a model is trained on",
		Args:  unknownVerb,
		RunE: func(c *cobra.Command, args []string) error {
			return usagef("what to do with the data is missing: use mobilenet data check")
		},
	}
	c.AddCommand(a.dataCheck())
	return c
}

func (a *app) dataCheck() *cobra.Command {
	var o dataset.CheckOptions
	var report, fixes, classes string
	c := &cobra.Command{
		Use:   "check DIR|FILE.zip|FILE.csv",
		Short: "Say what is wrong with a data set",
		Long: `Read every picture of a data set and say what is wrong: files that are corrupt,
truncated or named wrongly, tiny, huge and very long pictures, colours other than
RGB, duplicates and near duplicates, one picture under two classes or in training
and validation both, empty classes and classes with few pictures.

The data is a folder with a folder of pictures for each class; a folder with such
folders as train, val and test; a folder with a labels.csv; ImageNet's layout; a
zip file of any of these, read in place; or a CSV file of path, class and split.

Nothing is changed. The exit code is 1 if there are errors, which spoil training;
warnings and notes do not count.`,
		Example: `  mobilenet data check photos/
  mobilenet data check photos.zip --report check.html --fix-list fixes.tsv`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("give one folder, zip file or CSV file; see %s --help", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var open dataset.Options
			if classes != "" {
				list, err := dataset.ReadClasses(classes)
				if err != nil {
					return err
				}
				open.Classes = list
			}
			return a.checkData(c.Context(), args[0], &open, &o, report, fixes)
		},
	}
	f := c.Flags()
	f.StringVar(&report, "report", "", "write the findings with small pictures to this HTML file")
	f.StringVar(&fixes, "fix-list", "", "write the suggested fixes to this file: action, path, new path, reason, parted by tabs")
	f.StringVar(&classes, "class-list", "", "text or JSON file of the classes in their order")
	f.IntVar(&o.MinSide, "min-side", 32, "a picture with a shorter side is tiny")
	f.IntVar(&o.MinPerClass, "min-per-class", 20, "a class with fewer training pictures has few")
	f.IntVar(&o.NearDistance, "near", 7, "bits of 128 by which near duplicates may differ, at most 7; -1 does not search for them")
	return c
}

func (a *app) checkData(ctx context.Context, path string, open *dataset.Options, o *dataset.CheckOptions, report, fixes string) (err error) {
	// Made first, so that a wrong path costs no hour of work.
	drafts := map[string]*draft{}
	for _, name := range []string{report, fixes} {
		if name != "" {
			d, err := newDraft(name)
			if err != nil {
				return err
			}
			defer d.drop()
			drafts[name] = d
		}
	}
	d, err := dataset.Scan(path, open)
	if err != nil {
		return err
	}
	defer func() {
		if e := d.Close(); err == nil {
			err = e
		}
	}()
	bars := newProgress(a.stderr, len(d.Train)+len(d.Val)+len(d.Test), "checking")
	o.Progress = func(done, total int) { bars.step() }
	r, err := dataset.Check(ctx, d, o)
	bars.finish()
	if err != nil {
		return err
	}
	if f := drafts[report]; f != nil {
		if err := r.WriteHTML(ctx, f, d); err != nil {
			return fileError(report, err)
		}
		if err := f.keep(); err != nil {
			return err
		}
	}
	if f := drafts[fixes]; f != nil {
		if err := r.WriteFixes(f); err != nil {
			return fileError(fixes, err)
		}
		if err := f.keep(); err != nil {
			return err
		}
	}
	if a.json {
		err = a.object(r)
	} else {
		err = a.printCheck(r)
	}
	if err == nil && r.Errors > 0 {
		return errReported
	}
	return err
}

// maxPrinted is how many findings of a kind are printed.
const maxPrinted = 5

func (a *app) printCheck(r *dataset.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s pictures in %d classes, %s\n", clean(r.Root), r.Layout, count(int64(r.Pictures)), len(r.Classes), size(r.Bytes))
	if r.Readable > 0 {
		fmt.Fprintf(&b, "shorter side %d to %d pixels, median %d\n", r.Sides[0], r.Sides[2], r.Sides[1])
	}
	if n := len(r.Classes); n > 0 {
		classRange(&b, r.Classes)
	}
	last, shown := "", 0
	for _, f := range r.Findings {
		if f.Kind != last {
			last, shown = f.Kind, 0
			fmt.Fprintf(&b, "\n%s  %d %s: %s\n", bold(a.stdout, string(f.Severity)), r.Kinds[f.Kind], f.Kind, dataset.Explain(f.Kind))
		}
		switch shown++; {
		case shown <= maxPrinted:
			what := f.Path
			if what == "" {
				what = f.Class
			}
			if len(f.Others) > 0 {
				what += " and " + f.Others[0]
			}
			if len(f.Others) > 1 {
				what += fmt.Sprintf(" and %d more", len(f.Others)-1)
			}
			if what != "" {
				what += ": "
			}
			fmt.Fprintf(&b, "  %s\n", clean(what+f.Message))
		case shown == maxPrinted+1:
			fmt.Fprintf(&b, "  and %d more\n", r.Kinds[f.Kind]-maxPrinted)
		}
	}
	fmt.Fprintf(&b, "\n%d errors, %d warnings, %d notes in %.1f s\n", r.Errors, r.Warnings, r.Notes, r.Seconds)
	return a.print(b.String())
}

// classRange says how large the classes are.
func classRange(w io.Writer, classes []dataset.ClassCount) {
	least, most := classes[0], classes[0]
	var train, val, test int
	for _, c := range classes {
		if c.Train < least.Train {
			least = c
		}
		if c.Train > most.Train {
			most = c
		}
		train, val, test = train+c.Train, val+c.Val, test+c.Test
	}
	fmt.Fprintf(w, "training %d, validation %d, test %d; ", train, val, test)
	if least.Train == most.Train {
		fmt.Fprintf(w, "each class has %d training pictures\n", least.Train)
		return
	}
	fmt.Fprintf(w, "classes have %d (%s) to %d (%s) training pictures\n", least.Train, clean(least.Name), most.Train, clean(most.Name))
}
