//go:build !linux

package cpu

// Used tells nothing outside Linux.
func Used() (u Usage, ok bool) { return u, false }
