package main

import (
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mobilenet-go/mobilenet"
	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
	"github.com/mobilenet-go/mobilenet/transform"
	"github.com/mobilenet-go/mobilenet/weights"
)

// netFlags choose a network's table.
type netFlags struct {
	arch.Options
}

func (n *netFlags) register(f *pflag.FlagSet) {
	f.Float64Var(&n.Width, "width", 0, "multiplier of the numbers of channels (default 1)")
	f.IntVar(&n.Resolution, "resolution", 0, "side of the input picture (default 224)")
	f.IntVar(&n.Classes, "classes", 0, "number of classes (default the dialect's)")
	f.StringVar(&n.Dialect, "dialect", "", "whose way of building the network (default the network's usual)")
	f.IntVar(&n.OutputStride, "output-stride", 0, "32, 16 or 8 (default 32)")
}

// net makes the network that a name or a spec line and the flags say.
func (n *netFlags) net(model string) (*arch.Net, error) {
	var net *arch.Net
	var err error
	if e := published(model); e != nil {
		return n.publishedNet(e)
	}
	if isSpec(model) {
		if n.Options != (arch.Options{}) {
			return nil, usagef("a spec says everything itself: write width=, res=, classes=, dialect= or os= into it")
		}
		net, err = arch.ParseSpec(model)
	} else {
		net, err = arch.New(model, n.Options)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return net, nil
}

// specRow is a single row of a spec, as ir_r3_k5_s2_e3_c40.
var specRow = regexp.MustCompile(`^(cn|ds|ir|er|stem|head)(_[a-z]+[0-9.]*)+$`)

// isSpec tells a line that describes a network from a network's name.
func isSpec(s string) bool { return strings.ContainsAny(s, " =,\n\t") || specRow.MatchString(s) }

// modelFlags choose and open a model.
type modelFlags struct {
	netFlags
	model, weights, names, preprocess, labels string
	threads                                   int
	kernels, decode, precision                string
	// assumed holds when no model was named and the built-in one was taken.
	assumed bool
}

// register declares the flags. A verb that names the weights in an argument
// has no flag for them; one that does not run them has none for how.
func (m *modelFlags) register(c *cobra.Command, weightsFlag, runs bool) {
	f := c.Flags()
	m.netFlags.register(f)
	f.StringVar(&m.model, "model", "", "the network, for weights that do not say: a name as mobilenet_v2, or a spec line; or published weights from mobilenet ls")
	if weightsFlag {
		f.StringVar(&m.weights, "weights", "", "file with the weights: safetensors, PyTorch, Keras, TensorFlow, TFLite or ONNX (default builtin, the model that comes with the program)")
	}
	f.StringVar(&m.names, "names", "", "JSON file with the names of the weights, if they are no published network's")
	f.StringVar(&m.preprocess, "preprocess", "", "how pictures become input: a name or key=value,... (default the file's)")
	f.StringVar(&m.labels, "labels", "", "file with the classes' names: text, one a line, or JSON (default the file's)")
	if runs {
		registerRun(f, &m.threads, &m.kernels)
	}
	if weightsFlag && runs {
		f.StringVar(&m.decode, "decode", "", "how JPEG files are decoded: draft (faster, nearly the same), strict, or tolerant of damage (default exact)")
	}
}

func registerRun(f *pflag.FlagSet, threads *int, kernels *string) {
	f.IntVar(threads, "threads", 0, "processors to use (default all)")
	f.StringVar(kernels, "kernels", "", "kernels at most: ref (slow and obviously right), go (portable), neon, avx2, avx512 or amx (default the fastest)")
}

// options checks the flags and reads the files they name.
func (m *modelFlags) options() (*mobilenet.Options, error) {
	opt := &mobilenet.Options{Threads: m.threads, Kernels: m.kernels, Precision: mobilenet.Precision(m.precision), Preprocess: m.preprocess, Decode: mobilenet.DecodeMode(m.decode)}
	if modes := []string{"draft", "strict", "tolerant"}; m.decode != "" && !slices.Contains(modes, m.decode) {
		return nil, usagef("--decode %q%s: use draft, strict or tolerant", m.decode, suggest.DidYouMean(m.decode, modes))
	}
	if err := checkKernels(m.kernels); err != nil {
		return nil, err
	}
	if err := checkPrecision(m.precision); err != nil {
		return nil, err
	}
	if m.preprocess != "" {
		if _, err := transform.Parse(m.preprocess, 0); err != nil {
			return nil, usagef("--preprocess: %w", err)
		}
	}
	switch {
	case m.model != "":
		net, err := m.net(m.model)
		if err != nil {
			return nil, err
		}
		opt.Net = net
		if e := published(m.model); e != nil && m.preprocess == "" {
			opt.Preprocess = e.Recipe
		}
	case m.Options != (arch.Options{Dialect: m.Dialect}):
		return nil, usagef("--width, --resolution, --classes and --output-stride change a network: name it with --model")
	case m.names != "":
		return nil, usagef("--names gives the names of a network's weights: name it with --model")
	}
	if opt.Net == nil && m.Dialect != "" {
		// It still decides between dialects whose checkpoints look alike.
		if _, err := arch.DialectByName(m.Dialect); err != nil {
			return nil, usageError{err}
		}
		opt.Dialect = m.Dialect
	}
	if m.names != "" {
		f, err := os.Open(m.names)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if opt.Names, err = weights.ReadNameMap(f); err != nil {
			return nil, fileError(m.names, err)
		}
	}
	if m.labels != "" {
		var err error
		if opt.Labels, err = engine.OpenLabels(m.labels); err != nil {
			return nil, err
		}
	}
	return opt, nil
}

func checkKernels(name string) error {
	if name == "" || cpu.Rung(name) >= 0 {
		return nil
	}
	return usagef("unknown kernels %q%s: use one of %s", name, suggest.DidYouMean(name, cpu.Rungs()), strings.Join(cpu.Rungs(), ", "))
}

// need finds the weights: a file, published ones that were pulled, or, where
// nothing is named, the built-in model. Else it says what to do.
func (m *modelFlags) need() error {
	if m.weights != "" {
		return nil
	}
	if m.model == "" {
		m.weights, m.assumed = builtin.Name, true
		return nil
	}
	net, err := m.net(m.model)
	if err != nil {
		return err
	}
	if e := published(m.model); e != nil {
		client, err := newHub()
		if err == nil {
			m.weights, err = client.Lookup(e)
		}
		return err
	}
	return usagef("no weights for %s: give --weights FILE", net.Name)
}

// open opens the model for classifying.
func (m *modelFlags) open(change func(*mobilenet.Options)) (*mobilenet.Classifier, error) {
	if err := m.need(); err != nil {
		return nil, err
	}
	opt, err := m.options()
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(opt)
	}
	if m.weights == builtin.Name {
		return builtin.Open(opt)
	}
	c, err := mobilenet.Open(m.weights, opt)
	if err == nil && c.Info().Format != weights.Safetensors.String() {
		// Reading the other formats leaves a second copy of the file behind:
		// it goes back to the system before packing takes as much again.
		debug.FreeOSMemory()
	}
	return c, err
}

// note tells a person what was assumed about a model.
func (a *app) note(c *mobilenet.Classifier, file string, m *modelFlags) {
	used, asAsked := c.Precision()
	a.warnPrecision(m.precision, used, asAsked)
	if a.json {
		return
	}
	a.noteBuiltin(c, m)
	info := c.Info()
	for _, n := range info.Notes {
		a.say("note: %s: %s", file, n)
	}
	if info.RecipeGuessed {
		a.say("note: %s says nothing about preprocessing: using %s; --preprocess changes it", file, info.Recipe)
	}
}
