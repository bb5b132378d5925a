//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package hub

import "os"

// These systems have no lock between processes that Go reaches. The checksum
// of the whole file still refuses what two writers make of one another.

func tryLock(*os.File) error { return nil }

func release(*os.File) {}
