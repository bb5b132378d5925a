//go:build !amxemu && !(linux && amd64)

package cpu

// tilesAllowed: how to ask for tile registers is known for Linux alone.
func tilesAllowed() bool { return false }

func tileBytes() bool { return false }
