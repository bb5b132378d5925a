package hub

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Options says where files come from and where they are kept. The zero value
// of a field is its default.
type Options struct {
	CacheDir string // the Hugging Face cache, as ~/.cache/huggingface/hub
	TorchDir string // torchvision's files, as ~/.cache/torch/hub/checkpoints

	Endpoint string // of the Hugging Face hub; empty means https://huggingface.co
	TorchURL string // the folder of torchvision's files; empty means https://download.pytorch.org/models
	Token    string // sent to the endpoint alone, and only over TLS or to this machine
	Offline  bool   // never open a connection

	MaxBytes int64         // of a file; 0 means 1 GiB
	Retries  int           // attempts in a row that bring no new byte; 0 means 5
	Backoff  time.Duration // before the second attempt, doubled for each further; 0 means half a second
	Stall    time.Duration // without a byte before an attempt is given up; 0 means a minute

	// Progress is told how far a download is, ten times a second at most and
	// once at its end.
	Progress func(Progress)
	// Transport carries the requests; nil means the standard one with the
	// proxies of the environment.
	Transport http.RoundTripper
}

// Progress is how far a download is.
type Progress struct {
	Name    string
	Done    int64 // bytes on disk
	Total   int64 // bytes of the file; 0 if unknown
	Resumed int64 // bytes of Done that an earlier attempt left
	Rate    float64
}

const (
	defaultEndpoint = "https://huggingface.co"
	defaultTorchURL = "https://download.pytorch.org/models"
	maxBytes        = 1 << 30
)

// FromEnv reads the variables that Hugging Face's and PyTorch's own libraries
// read: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE,
// HF_HUB_DISABLE_IMPLICIT_TOKEN, TORCH_HOME, XDG_CACHE_HOME. home is the
// user's folder, which a leading ~ stands for.
func FromEnv(getenv func(string) string, home string) Options {
	dir := func(key string, otherwise ...string) string {
		v := getenv(key)
		switch {
		case v == "" && otherwise[0] == "":
			return ""
		case v == "":
			return filepath.Join(otherwise...)
		case v == "~" || strings.HasPrefix(v, "~/") || strings.HasPrefix(v, `~\`):
			return filepath.Join(home, v[1:])
		}
		return filepath.Clean(v)
	}
	on := func(key string) bool {
		switch strings.ToLower(getenv(key)) {
		case "1", "on", "yes", "true":
			return true
		}
		return false
	}
	fallback := home
	if fallback != "" {
		fallback = filepath.Join(home, ".cache")
	}
	cache := dir("XDG_CACHE_HOME", fallback)
	hf := dir("HF_HOME", cache, "huggingface")
	torch := dir("TORCH_HOME", cache, "torch")
	o := Options{
		CacheDir: dir("HF_HUB_CACHE", hf, "hub"),
		Endpoint: getenv("HF_ENDPOINT"),
		Token:    strings.TrimSpace(getenv("HF_TOKEN")),
		Offline:  on("HF_HUB_OFFLINE"),
	}
	if torch != "" {
		o.TorchDir = filepath.Join(torch, "hub", "checkpoints")
	}
	if on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		o.Token = "" // the files of the catalogue are public
	}
	return o
}

// withDefaults fills the options in and checks them.
func (o Options) withDefaults() (Options, error) {
	if o.CacheDir == "" || o.TorchDir == "" {
		return o, fmt.Errorf("no folder for downloaded weights: set HOME, or HF_HOME and TORCH_HOME")
	}
	if o.Endpoint == "" {
		o.Endpoint = defaultEndpoint
	}
	if o.TorchURL == "" {
		o.TorchURL = defaultTorchURL
	}
	for _, u := range []*string{&o.Endpoint, &o.TorchURL} {
		*u = strings.TrimRight(*u, "/")
		p, err := url.Parse(*u)
		if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" || p.User != nil {
			return o, fmt.Errorf("HF_ENDPOINT %q is not an address as %s", *u, defaultEndpoint)
		}
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return o, fmt.Errorf("HF_TOKEN has characters that no token has") // never printed
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = maxBytes
	}
	if o.Retries <= 0 {
		o.Retries = 5
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second / 2
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 20 * time.Second,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true, // sizes, ranges and checksums are those of the file's own bytes
		}
	}
	return o, nil
}
