package kernel_test

import "syscall"

// wall maps pages of its own for a buffer, between two that may not be
// touched.
func wall(n int, atEnd bool) *walled {
	page := syscall.Getpagesize()
	size := max(1, (n+page-1)/page) * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for _, fence := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			panic(err)
		}
	}
	w := &walled{all: all[page : page+size], to: n, free: func() { syscall.Munmap(all) }}
	if atEnd {
		w.from, w.to = size-n, size
	}
	return w
}
