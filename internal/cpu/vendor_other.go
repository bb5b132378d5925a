//go:build !amd64 || purego

package cpu

func amd() bool { return false }
