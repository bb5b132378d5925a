//go:build !linux

package main

func usage() (cpu, peak float64) { return 0, 0 }
