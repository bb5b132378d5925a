package main

import (
	"os"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/hub"
	"github.com/mobilenet-go/mobilenet/internal/suggest"
)

// newHub makes the client for published weights from the environment.
func newHub(change ...func(*hub.Options)) (*hub.Client, error) {
	home, _ := os.UserHomeDir() // empty where HF_HOME and TORCH_HOME have to say
	opt := hub.FromEnv(os.Getenv, home)
	for _, c := range change {
		c(&opt)
	}
	return hub.New(opt)
}

// published finds the entry of the catalogue that a --model means; nil for a
// network's name, a spec line and what nobody knows.
func published(model string) *hub.Entry {
	if model == "" || isSpec(model) {
		return nil
	}
	if _, _, err := arch.Lookup(model); err == nil {
		return nil
	}
	e, err := hub.Find(model)
	if err != nil {
		return nil
	}
	return e
}

// publishedNet is an entry's network. Its resolution may be changed, as that
// changes no weight.
func (n *netFlags) publishedNet(e *hub.Entry) (*arch.Net, error) {
	if n.Options != (arch.Options{Resolution: n.Resolution}) {
		return nil, usagef("%s is what it is: of the network's flags only --resolution goes with it", e.Name)
	}
	net, err := e.Net(n.Resolution)
	if err != nil {
		return nil, usageError{err}
	}
	return net, nil
}

// findPublished finds an entry or says what may have been meant.
func findPublished(name string) (*hub.Entry, error) {
	e, err := hub.Find(name)
	if err == nil {
		return e, nil
	}
	return nil, usagef("%w%s; `mobilenet ls` lists them", err, suggest.DidYouMean(name, hub.Names()))
}
