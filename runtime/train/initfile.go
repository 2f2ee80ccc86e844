package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/tensorfile"
)

// FileTensors returns the tensors of a file that another program wrote: an .npz file, as numpy.savez and
// savez_compressed write it, or a .safetensors file. Floats of 16, 32 and 64 bits can be read, including bfloat16, in
// either byte order and axis order. A parameter does not start from a tensor of another type, and the report says why.
// The file is not trusted. It is read when a training begins, and only the numbers of tensors that are asked for and have
// the parameter's shape.
//
//	old, err := train.FileTensors("weights.npz") // numpy.savez("weights.npz", **{"encoder/dense1/w": w, …})
//	train.Options{InitFrom: []train.From{{Tensors: old, Pattern: "*"}}}
//
// Tensors must have the names of parameters, as shown by Model.Summary; for other names see [Renamed].
//
// Errors: the file is missing, in another format, or damaged, with the tensor.
func FileTensors(path string) (Tensors, error) {
	f, err := tensorfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return &fileTensors{f}, nil
}

// Renamed returns tensors under the names of parameters: names maps a parameter's name to the source's. Tensors that
// names does not mention keep their names.
//
//	keras, err = train.Renamed(keras, map[string]string{"encoder/dense1/w": "dense/kernel", "encoder/dense1/b": "dense/bias"})
//
// Errors: the source has no tensor of a name that names gives; a parameter would have two.
func Renamed(src Tensors, names map[string]string) (Tensors, error) {
	if src == nil {
		return nil, fmt.Errorf("train: Renamed: it has no tensors")
	}
	all := src.Names()
	r := &renamed{src: src, from: map[string]string{}}
	moved := map[string]bool{}
	for _, to := range slices.Sorted(maps.Keys(names)) {
		from := names[to]
		if !slices.Contains(all, from) {
			return nil, fmt.Errorf("train: Renamed: the source has no tensor %q for %q; it has %s", from, to, few(strings.Join(all, ", ")))
		}
		moved[from], r.from[to] = true, from
		r.names = append(r.names, to)
	}
	for _, name := range all {
		if moved[name] {
			continue
		}
		if other, ok := r.from[name]; ok && other != name {
			return nil, fmt.Errorf("train: Renamed: the source has a tensor %q already; %q cannot be named so too", name, other)
		}
		r.names, r.from[name] = append(r.names, name), name
	}
	return r, nil
}

// loader is Tensors that reads a tensor when it is asked for, which can fail.
type loader interface {
	// load returns a tensor's shape, and its data if it has the wanted one. A tensor that is there, but holds no
	// floats, has a reason instead.
	load(name string, want []int) (x loaded, err error)
}

// loaded is what a source gives for a parameter.
type loaded struct {
	ok    bool // there is such a tensor
	shape []int
	data  []float32 // nil if the shape is not the wanted one
	why   string    // it cannot be used
}

// loadFrom asks a source for a tensor of that shape.
func loadFrom(src Tensors, name string, want []int) (loaded, error) {
	if l, ok := src.(loader); ok {
		return l.load(name, want)
	}
	shape, data, ok := src.Tensor(name)
	return loaded{ok: ok, shape: shape, data: data}, nil
}

type fileTensors struct{ file *tensorfile.File }

func (f *fileTensors) Names() []string {
	var names []string
	for _, t := range f.file.Tensors {
		names = append(names, t.Name)
	}
	return names
}

// Tensor implements [Tensors]; a tensor that cannot be read counts as missing.
func (f *fileTensors) Tensor(name string) (shape []int, data []float32, ok bool) {
	t := f.file.Tensor(name)
	if t == nil {
		return nil, nil, false
	}
	data, err := f.file.Read(name)
	return slices.Clone(t.Shape), data, err == nil
}

func (f *fileTensors) load(name string, want []int) (x loaded, err error) {
	t := f.file.Tensor(name)
	switch {
	case t == nil:
		return x, nil
	case !t.Float:
		return loaded{ok: true, why: fmt.Sprintf("its type is %s; float16, bfloat16, float32 and float64 can be read", t.Type)}, nil
	}
	x = loaded{ok: true, shape: t.Shape}
	if slices.Equal(t.Shape, want) {
		x.data, err = f.file.Read(name)
	}
	return x, err
}

type renamed struct {
	src   Tensors
	names []string
	from  map[string]string // names of the source by those here
}

func (r *renamed) Names() []string { return slices.Clone(r.names) }

func (r *renamed) Tensor(name string) (shape []int, data []float32, ok bool) {
	from, ok := r.from[name]
	if !ok {
		return nil, nil, false
	}
	return r.src.Tensor(from)
}

func (r *renamed) load(name string, want []int) (loaded, error) {
	from, ok := r.from[name]
	if !ok {
		return loaded{}, nil
	}
	return loadFrom(r.src, from, want)
}
