package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/internal/engine"
)

func (a *app) summary() *cobra.Command {
	var n netFlags
	c := &cobra.Command{
		Use:   "summary NAME|SPEC|FILE",
		Short: "Count a network's parameters, multiply-adds and memory",
		Long: `Count a network's parameters, multiply-adds and memory, by layer and by kind of
layer. The network is a published one by name, one of your own as a spec line,
or the one in a file.

madds is the papers' count: the products of convolutions and fully connected
layers. ops counts every bias, batch norm, activation, addition and pooling step
as well.

Networks: ` + strings.Join(arch.Names(), ", ") + `.`,
		Example: `  mobilenet summary v2 --width 0.5
  mobilenet summary 'stem_c16 ir_r2_s2_e6_c24 ir_r3_s2_e6_c40_se0.25 head_c640 classes=10'
  mobilenet summary model.tflite --json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no network: name one of %s, or a file", strings.Join(arch.Names(), ", "))
			}
			if len(args) > 1 {
				return usagef("%d networks: name one; put a spec line in quotes", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, spec, err := n.account(args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.object(struct {
					*arch.Summary
					Spec string `json:"spec,omitempty"`
				}{s, spec})
			}
			return a.print(summaryText(s, spec))
		},
	}
	n.register(c.Flags())
	return c
}

// account counts the network that a name, a spec line or a file means, and
// gives its spec line.
func (n *netFlags) account(what string) (s *arch.Summary, spec string, err error) {
	_, statErr := os.Stat(what)
	if what == builtin.Name {
		statErr = nil
	}
	if _, _, err := arch.Lookup(what); err != nil && (statErr == nil || !isSpec(what)) && published(what) == nil {
		if errors.Is(statErr, fs.ErrNotExist) {
			if strings.ContainsAny(what, `./\`) {
				return nil, "", fmt.Errorf("%s: no such file", what)
			}
			return nil, "", usageError{err}
		}
		if n.Options != (arch.Options{}) {
			return nil, "", usagef("%s is a file, which says itself what its network is: leave the flags out", what)
		}
		m, err := openModel(what, nil)
		if err != nil {
			return nil, "", err
		}
		defer m.Close()
		s, err = m.Account()
		return s, m.Info.Spec, err
	}
	net, err := n.net(what)
	if err != nil {
		return nil, "", err
	}
	s, err = engine.Account(net)
	return s, net.Spec(), err
}

// summaryText lays a summary out for a person.
func summaryText(s *arch.Summary, spec string) string {
	rows := [][]string{{"layer", "kind", "input", "output", "k", "s", "act", "params", "madds"}}
	for _, l := range s.Layers {
		rows = append(rows, []string{clean(l.Name), l.Kind, extent(l.In), extent(l.Out), blank(l.Kernel), blank(l.Stride), l.Act, count(l.Params), count(l.MAdds)})
	}
	var b strings.Builder
	b.WriteString(table(rows))
	b.WriteString("\n")
	rows = [][]string{{"kind", "params", "weights %", "madds", "madds %"}}
	for _, k := range s.ByKind {
		rows = append(rows, []string{k.Kind, count(k.Params), fmt.Sprintf("%.2f", k.WeightsPct), count(k.MAdds), fmt.Sprintf("%.2f", k.MAddsPct)})
	}
	b.WriteString(table(rows))
	b.WriteString("\n")
	rows = [][]string{
		{"network", clean(title(s))},
		{"params", fmt.Sprintf("%d (%d with batch-norm averages, %d without batch norm)", s.Params, s.ParamsTotal, s.ParamsWithoutBN)},
		{"madds", fmt.Sprintf("%d", s.MAdds)},
		{"ops", fmt.Sprintf("%d", s.Ops)},
		{"activations", fmt.Sprintf("%s at most in one layer (%s), %s in all", size(s.ActivationPeak), clean(s.ActivationPeakLayer), size(s.ActivationSum))},
	}
	if s.ArenaBytes > 0 {
		rows = append(rows, []string{"arena", size(s.ArenaBytes) + " as planned for one picture"})
	}
	if spec != "" {
		rows = append(rows, []string{"spec", spec})
	}
	b.WriteString(table(rows))
	return b.String()
}

func title(s *arch.Summary) string {
	parts := []string{s.Name}
	if s.Dialect != "" {
		parts = append(parts, s.Dialect)
	}
	if s.Width != 0 {
		parts = append(parts, "width "+strconv.FormatFloat(s.Width, 'g', -1, 64))
	}
	if s.Classes != 0 {
		parts = append(parts, fmt.Sprintf("%d classes", s.Classes))
	}
	return strings.Join(parts, ", ")
}

func extent(e [3]int) string { return fmt.Sprintf("%dx%dx%d", e[0], e[1], e[2]) }

func blank(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
