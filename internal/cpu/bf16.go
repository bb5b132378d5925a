package cpu

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// BF16Env names the environment variable that decides which instructions
// multiply bfloat16, where a precision asks for it: one of BF16Ways.
const BF16Env = "MOBILENET_BF16"

// BF16Ways are the values of BF16Env: what is fastest, or one thing whether it
// is fast or not, or nothing, which leaves float32.
func BF16Ways() []string { return []string{"auto", "amx", "avx512", "off"} }

// BF16Way is the environment's choice. An unknown one is an error, with
// "auto" in its place.
func BF16Way() (string, error) {
	name := strings.ToLower(strings.TrimSpace(os.Getenv(BF16Env)))
	switch {
	case name == "":
		return "auto", nil
	case !slices.Contains(BF16Ways(), name):
		return "auto", fmt.Errorf("%s=%q: want one of %s", BF16Env, name, strings.Join(BF16Ways(), ", "))
	}
	return name, nil
}

// BF16Fast reports that products of bfloat16 by vectors are faster than those
// of float32. On AMD's processors they are twice as fast; Intel's give them
// half the rate and have tiles instead.
func BF16Fast() bool { return BF16() && amd() }
