// Command mobilenet classifies pictures with the MobileNet family and looks
// after its weights. `mobilenet help` lists the verbs.
//
// Exit codes: 0 when all went well; 1 for bad data (a picture, a model, a data
// set), after everything else was done; 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends the work in order, a second one the process.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// app is what the verbs share: the streams and the flags of all of them.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	begin          time.Time // of the command
}

// usageError is a mistake in the command line: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errReported ends a verb with exit code 1 when every failure has been
// reported already.
var errReported = errors.New("reported")

// run is the program without its process: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, begin: time.Now()}
	root := a.root()
	root.SetArgs(append([]string{}, args...))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return 1
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(stderr, "mobilenet: interrupted")
		return 1
	}
	a.complain(err)
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// complain prints an error as one line.
func (a *app) complain(err error) { fmt.Fprintln(a.stderr, "mobilenet: "+clean(err.Error())) }

func (a *app) root() *cobra.Command {
	var showVersion bool
	root := &cobra.Command{
		Use:   "mobilenet",
		Short: "Classify pictures with the MobileNet family, in pure Go",
		Long: `Classify pictures with MobileNet V1, V2, V3, MobileNetEdgeTPU and MnasNet from
PyTorch, safetensors, TFLite and ONNX weights, with the answers of the framework
the weights came from; or with the model that comes with the program.`,
		Example: `  mobilenet classify photo.jpg
  mobilenet classify --weights model.safetensors photo.jpg
  mobilenet classify --weights model.onnx --json holiday/ 'scans/*.png'
  mobilenet inspect model.pth
  mobilenet summary v3_large --width 0.75`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          func(c *cobra.Command, args []string) error { return unknownVerb(c, args) },
		RunE: func(c *cobra.Command, args []string) error {
			if showVersion {
				return a.printVersion()
			}
			return c.Help()
		},
		PersistentPreRunE: func(c *cobra.Command, args []string) error { return flagRanges(c.Flags()) },
	}
	root.Flags().BoolVar(&showVersion, "version", false, "print the version")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.classify(), a.eval(), a.summary(), a.inspect(), a.data(), a.train(), a.quantize(), a.convert(), a.verify(), a.compare(), a.bench(), a.ls(), a.pull(), a.env(), a.version())
	root.SetHelpCommand(help())
	// Cobra's own verb, held to the same exit codes.
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil && c != root {
		c.Short = "Write a script that completes commands for a shell"
		c.Args = unknownVerb
		c.RunE = func(c *cobra.Command, args []string) error {
			return usagef("for which shell? use mobilenet completion bash, zsh, fish or powershell")
		}
	}
	return root
}

func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Explain a verb",
		RunE: func(c *cobra.Command, args []string) error {
			verb, rest, err := c.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			if err := unknownVerb(verb, rest); err != nil {
				return err
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

// unknownVerb turns what is left over after the verbs into an error with a
// suggestion.
func unknownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			verbs = append(verbs, sub.Name())
		}
	}
	return usagef("unknown verb %q%s: use one of %s", args[0], suggest.DidYouMean(args[0], verbs), strings.Join(verbs, ", "))
}

// flagRanges refuses a flag that is given as 0, which unset means a default, and
// more threads than there may be.
func flagRanges(f *pflag.FlagSet) error {
	for _, name := range []string{"width", "resolution", "classes", "output-stride", "threads"} {
		flag := f.Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		switch v, err := strconv.ParseFloat(flag.Value.String(), 64); {
		case err != nil:
		case v <= 0:
			return usagef("--%s %s: give a number above 0", name, flag.Value)
		case name == "threads" && v > engine.MaxThreads:
			return usagef("--threads %s: give at most %d", flag.Value, engine.MaxThreads)
		}
	}
	return nil
}

// flagError explains a flag that could not be parsed.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%w; see %s --help", err, c.CommandPath())
	}
	if c.HasAvailableSubCommands() {
		// With a mistyped verb its flags are unknown too; the verb is the
		// mistake to name.
		for _, arg := range c.Flags().Args() {
			return unknownVerb(c, []string{arg})
		}
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return usagef("unknown flag -%s; see %s --help", name, c.CommandPath())
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	return usagef("unknown flag --%s%s; see %s --help", name, suggest.DidYouMean("--"+name, known), c.CommandPath())
}
