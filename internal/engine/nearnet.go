package engine

import (
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/arch"
)

// nearNet is a published network that a checkpoint almost fits, and what is
// between them.
type nearNet struct {
	net        *arch.Net
	wanted     int // tensors of the network
	missing    int
	mismatched []string // published names of tensors of other shapes
	surplus    []string // tensors of the file that the network has no place for
	problems   int      // all of these
}

// farMissing is how many missing tensors make a network no longer worth naming.
const farMissing = 100

// hint continues the message that no network fits: with the closest one, and
// with what to do.
func (n *nearNet) hint() string {
	const give = ": give --model, with --names if the names are its own"
	if n.net == nil {
		return give
	}
	name := n.net.Name + " of " + n.net.Dialect.Name
	if w := n.net.Options.Width; w != 0 && w != 1 {
		name += fmt.Sprintf(" with width %g", w)
	}
	var parts []string
	if n.missing > 0 {
		parts = append(parts, fmt.Sprintf("misses %d of %d tensors", n.missing, n.wanted))
	}
	if k := len(n.mismatched); k > 0 {
		parts = append(parts, fmt.Sprintf("has other shapes for %d of %d tensors (%s)", k, n.wanted, someNames(n.mismatched)))
	}
	if k := len(n.surplus); k > 0 {
		parts = append(parts, fmt.Sprintf("has no place for %s of the file (%s)", count(k, "tensor"), someNames(n.surplus)))
	}
	hint := "; the closest, " + name + " " + strings.Join(parts, " and ")
	if len(n.surplus) == n.problems {
		return hint + ": save the file without what is no part of the network, or give --model if it is another"
	}
	return hint + give
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// someNames lists up to three names.
func someNames(names []string) string {
	const limit = 3
	var out []string
	for _, s := range names[:min(len(names), limit)] {
		if len(s) > 80 {
			s = s[:80] + "..."
		}
		out = append(out, fmt.Sprintf("%q", s))
	}
	if len(names) > limit {
		out = append(out, "...")
	}
	return strings.Join(out, ", ")
}
