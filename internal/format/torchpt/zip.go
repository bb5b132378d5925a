package torchpt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
)

// readZip decodes an archive that holds data.pkl, one entry data/KEY for every
// storage, and the entry byteorder, all below one folder.
func (f *File) readZip(size int64) error {
	a, err := zipfile.Open(f.r, size, &zipfile.Limits{
		MaxEntries: 2*f.opt.MaxTensors + 64, MaxEntryBytes: f.opt.MaxTensorBytes,
		MaxTotalBytes: f.opt.MaxTensorBytes + f.opt.MaxPickleBytes, MaxRatio: f.opt.MaxRatio,
		SkipChecksum: f.opt.SkipChecksum,
	})
	if err != nil {
		return err
	}
	f.zip = a
	pkl := ""
	code := false
	for _, e := range a.Files {
		dir, base := "", e.Name
		if i := strings.LastIndexByte(e.Name, '/'); i >= 0 {
			dir, base = e.Name[:i+1], e.Name[i+1:]
		}
		switch {
		case base == "data.pkl" && strings.Count(dir, "/") <= 1:
			if pkl != "" {
				return fmt.Errorf("archive holds both %s and %s", printable(pkl), printable(e.Name))
			}
			pkl, f.prefix = e.Name, dir
		case base == "constants.pkl", strings.Contains(e.Name, "/code/"):
			code = true
		}
	}
	if pkl == "" {
		return errors.New("zip archive without data.pkl: not a checkpoint of torch.save")
	}
	entry := a.Lookup(pkl)
	if entry.UncompressedSize64 > uint64(f.opt.MaxPickleBytes) {
		return fmt.Errorf("%s has %d bytes, over the limit of %d", printable(pkl), entry.UncompressedSize64, f.opt.MaxPickleBytes)
	}
	if e := a.Lookup(f.prefix + "byteorder"); e != nil {
		if e.UncompressedSize64 > 16 {
			return fmt.Errorf("entry byteorder has %d bytes", e.UncompressedSize64)
		}
		b, err := a.Read(e)
		if err != nil {
			return err
		}
		switch order := strings.TrimSpace(string(b)); order {
		case "little":
		case "big":
			f.swap = true
		default:
			return fmt.Errorf("byte order %q is neither little nor big", order)
		}
	}
	b, err := a.Read(entry)
	if err != nil {
		return err
	}
	m := newMachine(newSource(bytes.NewReader(b), 0, int64(len(b))), &f.opt)
	m.persist = f.persistZip
	if f.Root, err = m.run(); err != nil {
		if code {
			return fmt.Errorf("a TorchScript program (torch.jit.save), which holds code; save the model's state_dict() with torch.save instead (%s: %w)", printable(pkl), err)
		}
		return fmt.Errorf("%s: %w", printable(pkl), err)
	}
	return nil
}

// persistZip resolves ("storage", type, key, location, elements).
func (f *File) persistZip(id Value) (Value, error) {
	t, ok := id.(Tuple)
	if !ok || len(t) != 5 || t[0] != "storage" {
		return nil, fmt.Errorf("refers to a %s that is not a storage", kind(id))
	}
	class, ok1 := t[1].(Global)
	key, ok2 := t[2].(string)
	elems, ok3 := t[4].(int64)
	dt, ok4 := storageDType(strings.TrimPrefix(class.Name, "_"))
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, fmt.Errorf("refers to a storage by a %s, a %s and a %s", kind(t[1]), kind(t[2]), kind(t[4]))
	}
	return f.storage(key, dt, elems, 0, elems)
}
