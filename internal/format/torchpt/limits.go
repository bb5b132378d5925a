package torchpt

// Options bound and steer reading; nil and the zero value are the defaults. A
// limit of zero or less means its default.
type Options struct {
	MaxPickleBytes int64 // one pickle, and the memory its values may take; default 64 MiB
	MaxOpcodes     int   // instructions of one pickle; default 16 M
	MaxStack       int   // values on the pickle machine's stack; default 1 M
	MaxMemo        int   // values the pickle remembers; default 1 M
	MaxDepth       int   // nesting of the object tree; default 64
	MaxTensors     int   // default 65536
	MaxRank        int   // default 16
	MaxTensorBytes int64 // storages and materialised tensors together; default 2 GiB
	// MaxRatio bounds the bytes of tensors made from a byte of the file, beyond
	// a first 64 MiB: strided views and compressed entries can claim more than
	// the file holds. Default 8.
	MaxRatio int64
	// SkipChecksum accepts zip entries whose CRC-32 is wrong, as PyTorch writes
	// them after torch.serialization.set_crc32_options(False).
	SkipChecksum bool
}

const freeBytes = 64 << 20

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def64 := func(p *int64, v int64) {
		if *p <= 0 {
			*p = v
		}
	}
	def64(&out.MaxPickleBytes, 64<<20)
	def(&out.MaxOpcodes, 16<<20)
	def(&out.MaxStack, 1<<20)
	def(&out.MaxMemo, 1<<20)
	def(&out.MaxDepth, 64)
	def(&out.MaxTensors, 65536)
	def(&out.MaxRank, 16)
	def64(&out.MaxTensorBytes, 2<<30)
	def64(&out.MaxRatio, 8)
	return out
}
