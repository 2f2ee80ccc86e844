package onnximport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// outside reads tensors that lie in files beside the model. The root keeps every
// path, and every symbolic link on it, inside the model's folder.
type outside struct {
	root *os.Root // nil for a model that comes as bytes
	left int64    // bytes that may still be read
}

// read returns the want bytes of a tensor that lies outside the model.
func (o *outside) read(p *onnxpb.TensorProto, want int64) ([]byte, error) {
	if o.root == nil {
		return nil, errors.New("lies outside the file: open the model by its path, in the folder that holds its data")
	}
	at := map[string]string{}
	for _, e := range p.ExternalData {
		if _, twice := at[e.Key]; twice {
			return nil, fmt.Errorf("has the external_data key %s twice", quote(e.Key))
		}
		at[e.Key] = e.Value
	}
	location := filepath.FromSlash(at["location"])
	if !filepath.IsLocal(location) {
		return nil, fmt.Errorf("lies in %s, which is not inside the model's folder", quote(at["location"]))
	}
	offset, err := number(at, "offset", 0)
	if err != nil {
		return nil, err
	}
	length, err := number(at, "length", want)
	if err != nil {
		return nil, err
	}
	if length != want {
		return nil, fmt.Errorf("has %d bytes in %s but its shape needs %d", length, quote(at["location"]), want)
	}
	if o.left -= want; o.left < 0 {
		return nil, errors.New("together with the others lies outside the file with more bytes than the limit")
	}
	// Opening what is not a file, such as a pipe, may wait for ever.
	info, err := o.root.Stat(location)
	if err != nil {
		return nil, fmt.Errorf("lies in %s: %w", quote(at["location"]), pathless(err))
	}
	if !info.Mode().IsRegular() || offset > info.Size() || want > info.Size()-offset {
		return nil, fmt.Errorf("lies at bytes %d to %d of %s, which is no file of that length", offset, offset+want, quote(at["location"]))
	}
	f, err := o.root.Open(location)
	if err != nil {
		return nil, fmt.Errorf("lies in %s: %w", quote(at["location"]), pathless(err))
	}
	defer f.Close()
	b := make([]byte, want)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, want), b); err != nil {
		return nil, fmt.Errorf("lies in %s: %w", quote(at["location"]), pathless(err))
	}
	return b, nil
}

func number(at map[string]string, key string, otherwise int64) (int64, error) {
	s, ok := at[key]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("has the external_data %s %s, which is no length", key, quote(s))
	}
	return n, nil
}

// pathless drops the path of an error that is told with its own.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
