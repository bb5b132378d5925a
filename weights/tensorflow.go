package weights

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/tfckpt"
	"github.com/mobilenet-go/mobilenet/tensor"
)

const indexSuffix = ".index"

// readTF reads a TensorFlow checkpoint by its index; the values are in files
// of the same name beside it.
func (s *Set) readTF(r io.ReaderAt, size int64, o *Options) (_ []*tensor.Tensor, err error) {
	if o.Dir == "" {
		return nil, &UnsupportedFormatError{s.Source.Path, TFCheckpoint}
	}
	prefix, ok := strings.CutSuffix(filepath.Base(s.Source.Path), indexSuffix)
	if !ok {
		return nil, fmt.Errorf("the index of a TensorFlow checkpoint has to have the name it was written under, which ends in %s", indexSuffix)
	}
	var opened []*os.File
	defer func() {
		for _, f := range opened {
			f.Close()
		}
	}()
	f, err := tfckpt.Read(r, size, func(i, n int) (tfckpt.Shard, error) {
		if len(opened) >= maxShards {
			return tfckpt.Shard{}, fmt.Errorf("values in more than %d files", maxShards)
		}
		f, err := os.Open(filepath.Join(o.Dir, prefix+tfckpt.ShardName(i, n)))
		if err != nil {
			return tfckpt.Shard{}, err
		}
		opened = append(opened, f)
		st, err := f.Stat()
		switch {
		case err != nil:
			return tfckpt.Shard{}, err
		case !st.Mode().IsRegular():
			return tfckpt.Shard{}, fmt.Errorf("%s: not a regular file", f.Name())
		case st.Size() > o.Limits.MaxFileBytes:
			return tfckpt.Shard{}, fmt.Errorf("%s: %d bytes are over the limit of %d", f.Name(), st.Size(), o.Limits.MaxFileBytes)
		}
		return tfckpt.Shard{R: f, Size: st.Size()}, nil
	}, &tfckpt.Limits{MaxDataBytes: o.Limits.MaxTensorBytes, MaxTensors: o.Limits.MaxTensors, MaxRank: o.Limits.MaxRank})
	if err != nil {
		return nil, err
	}
	return f.Tensors, nil
}

const maxShards = 128 // files open at once
