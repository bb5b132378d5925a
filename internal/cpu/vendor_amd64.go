//go:build !purego

package cpu

// vendorID is the processor's name of twelve letters as CPUID gives it.
func vendorID() (b, d, c uint32)

// amd reports a processor by AMD: "AuthenticAMD".
func amd() bool {
	b, d, c := vendorID()
	return b == 0x68747541 && d == 0x69746e65 && c == 0x444d4163
}
