package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the line of JSON of `mobilenet version`.
type release struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// version comes from the build itself: the module's tag, or "devel".
func version() release {
	r := release{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		r.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Revision = s.Value
		}
	}
	return r
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.printVersion()
		},
	}
}

func (a *app) printVersion() error {
	v := version()
	if a.json {
		return a.object(v)
	}
	return a.print(fmt.Sprintf("mobilenet %s %s %s\n", v.Version, v.Platform, v.Go))
}
