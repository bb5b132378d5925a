package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/internal/hub"
)

// pulled is a line of JSON of `mobilenet pull`.
type pulled struct {
	Name string `json:"name"`
	*hub.Result
	Error string `json:"error,omitempty"`
}

func (a *app) pull() *cobra.Command {
	return &cobra.Command{
		Use:   "pull NAME...",
		Short: "Download published weights and verify them",
		Long: `Download published weights into the caches of Hugging Face's and PyTorch's own
libraries, and verify them. What is there already is verified and not fetched
again; a download that broke is continued. This is the only verb that uses the
network. Names: mobilenet ls.

Environment: HF_HOME, HF_HUB_CACHE, TORCH_HOME (where), HF_ENDPOINT (another
hub), HF_TOKEN, HF_HUB_OFFLINE, HTTPS_PROXY, NO_PROXY.`,
		Example: `  mobilenet pull mobilenetv3_large_100.ra_in1k
  mobilenet classify --model mobilenetv3_large_100.ra_in1k photo.jpg`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no name: `mobilenet ls` lists what can be pulled")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var entries []*hub.Entry
			for _, name := range args { // before the first byte is fetched
				e, err := findPublished(name)
				if err != nil {
					return err
				}
				entries = append(entries, e)
			}
			meter := &meter{w: a.stderr, on: !a.json && isTerminal(a.stderr)}
			client, err := newHub(func(o *hub.Options) { o.Progress = meter.show })
			if err != nil {
				return err
			}
			failed := false
			for _, e := range entries {
				r, err := client.Pull(c.Context(), e)
				meter.end()
				if err != nil && c.Context().Err() != nil {
					return err
				}
				failed = failed || err != nil
				if err := a.reportPull(e, r, err); err != nil {
					return err
				}
			}
			if failed {
				return errReported
			}
			return nil
		},
	}
}

func (a *app) reportPull(e *hub.Entry, r *hub.Result, err error) error {
	if err != nil {
		a.complain(err)
	} else if r.Warning != "" {
		a.say("note: %s: %s", e.Name, r.Warning)
	}
	switch {
	case a.json:
		out := pulled{Name: e.Name, Result: r}
		if err != nil {
			out.Error = err.Error()
		}
		return a.object(out)
	case err != nil:
		return nil
	}
	how := "downloaded"
	if r.Cached {
		how = "already here"
	}
	return a.print(fmt.Sprintf("%s  %s, verified, %s: %s\n", e.Name, size(r.Bytes), how, clean(r.Path)))
}

// meter draws the progress of one download after the other.
type meter struct {
	w   io.Writer
	on  bool
	bar *progressbar.ProgressBar
}

func (m *meter) show(p hub.Progress) {
	if !m.on {
		return
	}
	total := p.Total
	if total == 0 {
		total = -1
	}
	if m.bar == nil {
		m.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(m.w),
			progressbar.OptionSetDescription(p.Name),
			progressbar.OptionSetWidth(24),
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionEnableColorCodes(false),
		)
	}
	_ = m.bar.Set64(p.Done) // decoration
}

func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Finish()
		m.bar = nil
	}
}
