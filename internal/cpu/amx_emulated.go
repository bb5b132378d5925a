//go:build amxemu

package cpu

// tilesAllowed holds in builds whose tile instructions something outside of
// the process executes, to test them on machines without.
func tilesAllowed() bool { return true }

func tileBytes() bool { return true }
