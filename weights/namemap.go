package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// NameMap gives the published name of canonical tensors: how a network built
// by hand meets a checkpoint. As JSON it is an object whose values are names,
// or objects where the layout is not PyTorch's:
//
//	{"stem.weight": "stage1.0.0.weight",
//	 "classifier.weight": {"name": "preds/kernel", "layout": "dense_io"}}
type NameMap map[string]Published

// Published is a tensor's name in a checkpoint and how it is stored there.
type Published struct {
	Name   string
	Layout Layout
}

type publishedJSON struct {
	Name   string `json:"name"`
	Layout Layout `json:"layout"`
}

// MarshalJSON writes the short form where the layout is PyTorch's.
func (p Published) MarshalJSON() ([]byte, error) {
	if p.Layout == AsIs {
		return json.Marshal(p.Name)
	}
	return json.Marshal(publishedJSON(p))
}

// UnmarshalJSON reads both forms.
func (p *Published) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		p.Layout = AsIs
		return json.Unmarshal(b, &p.Name)
	}
	var long publishedJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&long); err != nil {
		return err
	}
	*p = Published(long)
	return nil
}

const maxNameMapBytes = 16 << 20

// ReadNameMap reads a name map from JSON. A canonical name given twice and an
// empty published name are errors.
func ReadNameMap(r io.Reader) (NameMap, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxNameMapBytes+1))
	if err != nil {
		return nil, fmt.Errorf("name map: %w", err)
	}
	if len(b) > maxNameMapBytes {
		return nil, fmt.Errorf("name map: more than %d bytes", maxNameMapBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	fail := func(err error) (NameMap, error) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("name map: at byte %d: %w", dec.InputOffset(), err)
	}
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		if err == nil {
			err = errors.New("an object is needed")
		}
		return fail(err)
	}
	out := NameMap{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fail(err)
		}
		key, ok := tok.(string)
		if !ok {
			return fail(fmt.Errorf("%v where a name is needed", tok))
		}
		if _, dup := out[key]; dup {
			return fail(fmt.Errorf("%q occurs twice", key))
		}
		var p Published
		if err := dec.Decode(&p); err != nil {
			return fail(fmt.Errorf("%q: %w", key, err))
		}
		if key == "" || p.Name == "" {
			return fail(fmt.Errorf("%q: empty name", key))
		}
		out[key] = p
	}
	if _, err := dec.Token(); err != nil {
		return fail(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fail(errors.New("more after the object"))
	}
	return out, nil
}
