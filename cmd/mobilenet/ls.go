package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/internal/hub"
)

// listed is a line of JSON of `mobilenet ls`.
type listed struct {
	hub.Entry
	Source string `json:"source"`
	Path   string `json:"path,omitempty"` // where it is cached
}

func (a *app) ls() *cobra.Command {
	var cached bool
	c := &cobra.Command{
		Use:   "ls [PATTERN...]",
		Short: "List the published weights and which of them are here",
		Long: `List the published weights of torchvision and timm that pull downloads, and which
of them are here already. The accuracies are the publishers', in per cent of
ImageNet's validation pictures, with the preprocessing that is named. Nothing is
asked of the network.`,
		Example: `  mobilenet ls
  mobilenet ls '*v3*' --json
  mobilenet ls --cached`,
		RunE: func(c *cobra.Command, args []string) error {
			for _, p := range args {
				if _, err := path.Match(p, ""); err != nil {
					return usagef("%q is no pattern: %w", p, err)
				}
			}
			client, err := newHub()
			if err != nil {
				return err
			}
			var list []listed
			for _, e := range hub.Catalogue() {
				at, err := client.Lookup(&e)
				if err != nil {
					at = ""
				}
				if matchesAny(args, &e) && (at != "" || !cached) {
					list = append(list, listed{e, e.Source(), at})
				}
			}
			if a.json {
				for _, l := range list {
					if err := a.object(l); err != nil {
						return err
					}
				}
				return nil
			}
			return a.print(listText(list))
		},
	}
	c.Flags().BoolVar(&cached, "cached", false, "only those that are here")
	return c
}

// matchesAny reports that a pattern, or a part of the name, means the entry.
func matchesAny(patterns []string, e *hub.Entry) bool {
	for _, p := range patterns {
		base := strings.TrimPrefix(p, "timm/")
		for _, name := range []string{e.Name, path.Base(e.Name), e.Alias} {
			if ok, _ := path.Match(base, name); ok {
				return true
			}
		}
		if !strings.ContainsAny(p, `*?[`) && strings.Contains(e.Name, base) {
			return true
		}
	}
	return len(patterns) == 0
}

func listText(list []listed) string {
	rows := [][]string{{"name", "top-1", "top-5", "params", "side", "preprocess", "here"}}
	for _, l := range list {
		here := ""
		if l.Path != "" {
			here = "yes"
		}
		rows = append(rows, []string{l.Name, fmt.Sprintf("%.2f", l.Top1), fmt.Sprintf("%.2f", l.Top5), count(l.Params), fmt.Sprint(l.Resolution), l.Recipe, here})
	}
	return table(rows)
}
