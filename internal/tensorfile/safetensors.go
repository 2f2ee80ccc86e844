package tensorfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// maxHeader bounds the JSON of a .safetensors file, which takes more memory than its bytes. The format's own bound is
// 100 MB.
const maxHeader = 16 << 20

// types are the element types of the format, with their bits.
var types = map[string]struct {
	bits int64
	kind kind
}{
	"F64": {64, double}, "F32": {32, single}, "F16": {16, half}, "BF16": {16, brain},
	"I64": {64, other}, "I32": {32, other}, "I16": {16, other}, "I8": {8, other},
	"U64": {64, other}, "U32": {32, other}, "U16": {16, other}, "U8": {8, other}, "BOOL": {8, other}, "C64": {64, other},
	"F8_E5M2": {8, other}, "F8_E4M3": {8, other}, "F8_E8M0": {8, other},
	"F6_E2M3": {6, other}, "F6_E3M2": {6, other}, "F4": {4, other},
}

// safetensors reads a header: its length, 8 bytes, little-endian, and a JSON object of that length with an entry for
// each tensor, whose data follow without a gap.
func safetensors(r io.ReaderAt, size int64) ([]Tensor, error) {
	var fixed [8]byte
	if size < int64(len(fixed)) {
		return nil, errors.New("neither an .npz nor a .safetensors file: it is too short")
	}
	if _, err := r.ReadAt(fixed[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(fixed[:])
	if n > uint64(size-8) || n > maxHeader {
		return nil, fmt.Errorf("neither an .npz nor a .safetensors file: as the latter it would have a header of %d bytes; it has %d, and the limit is %d", n, size, maxHeader)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, 8, int64(n)), head); err != nil {
		return nil, err
	}
	if len(head) == 0 || head[0] != '{' || !utf8.Valid(head) {
		return nil, errors.New("neither an .npz nor a .safetensors file: no JSON object follows its first 8 bytes")
	}
	p := &header{json.NewDecoder(bytes.NewReader(head))}
	p.UseNumber()
	list, err := p.tensors()
	if err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if rest := bytes.TrimRight(head[p.InputOffset():], " "); len(rest) > 0 {
		return nil, fmt.Errorf("its header: %d bytes follow the object", len(rest))
	}
	start := 8 + int64(n)
	for i := range list {
		list[i].from += start
	}
	return list, contiguous(list, start, size)
}

// contiguous refuses tensors that overlap and bytes of none.
func contiguous(list []Tensor, start, end int64) error {
	byPlace := make([]*Tensor, len(list))
	for i := range list {
		byPlace[i] = &list[i]
	}
	slices.SortFunc(byPlace, func(a, b *Tensor) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.bytes, b.bytes)) })
	at, before := start, ""
	for _, t := range byPlace {
		switch {
		case t.bytes > end-t.from:
			return fmt.Errorf("tensor %q: its data end at byte %d, but the file has %d", clip(t.Name), t.from+t.bytes, end)
		case t.from < at:
			return fmt.Errorf("tensor %q: its data overlap those of %q", clip(t.Name), clip(before))
		case t.from > at:
			return fmt.Errorf("tensor %q: the %d bytes in front of its data belong to no tensor", clip(t.Name), t.from-at)
		}
		at, before = t.from+t.bytes, t.Name
	}
	if at != end {
		return fmt.Errorf("its last %d bytes belong to no tensor", end-at)
	}
	return nil
}

// header reads the JSON token by token, so that nothing is kept that is not counted, and no key is there twice unseen.
type header struct{ *json.Decoder }

// object reads an object and calls value for each key.
func (p *header) object(value func(key string) error) error {
	if t, err := p.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("an object should be there (%v)", err)
	}
	for p.More() {
		t, err := p.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // of an object, it is one
		if err := value(key); err != nil {
			return err
		}
	}
	_, err := p.Token()
	return err
}

// skipped is an object that is not looked into.
type skipped struct{}

func (*skipped) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return errors.New("__metadata__ should be an object")
	}
	return nil
}

func (p *header) text() (string, error) {
	t, err := p.Token()
	if s, ok := t.(string); ok && err == nil {
		return s, nil
	}
	return "", fmt.Errorf("a string should be there (%v)", err)
}

// numbers reads a list of at most so many whole numbers, none of them negative.
func (p *header) numbers(most int) ([]int, error) {
	if t, err := p.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("a list should be there (%v)", err)
	}
	list := []int{}
	for p.More() {
		t, err := p.Token()
		if err != nil {
			return nil, err
		}
		x, ok := t.(json.Number)
		n, err := x.Int64()
		if !ok || err != nil || n < 0 || int64(int(n)) != n {
			return nil, fmt.Errorf("a list of whole numbers from 0 should be there, not of %s", clip(fmt.Sprint(t)))
		}
		if len(list) == most {
			return nil, fmt.Errorf("more than %d numbers", most)
		}
		list = append(list, int(n))
	}
	_, err := p.Token()
	return list, err
}

func (p *header) tensors() (list []Tensor, err error) {
	metadata := false
	err = p.object(func(name string) error {
		if name == "__metadata__" {
			if metadata {
				return errors.New("two __metadata__")
			}
			metadata = true
			return p.Decode(&skipped{})
		}
		if len(list) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		t, err := p.tensor(name)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(name), err)
		}
		list = append(list, t)
		return nil
	})
	return list, err
}

var keys = []string{"dtype", "shape", "data_offsets"}

// tensor reads an entry and holds its place against its type and shape.
func (p *header) tensor(name string) (Tensor, error) {
	t := Tensor{Name: name, order: binary.LittleEndian}
	var offsets []int
	seen := 0 // bits of the keys
	err := p.object(func(key string) (err error) {
		k := slices.Index(keys, key)
		if k >= 0 && seen&(1<<k) != 0 {
			return fmt.Errorf("two %q", key)
		}
		seen |= 1 << max(k, 0)
		switch key {
		case "dtype":
			t.Type, err = p.text()
		case "shape":
			t.Shape, err = p.numbers(maxAxes)
		case "data_offsets":
			offsets, err = p.numbers(2)
		default:
			return fmt.Errorf("it has the key %q", clip(key))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	if seen != 1<<len(keys)-1 || len(offsets) != 2 {
		return t, errors.New("it lacks dtype, shape or data_offsets of two numbers")
	}
	typ, ok := types[t.Type]
	if !ok {
		return t, fmt.Errorf("its type %q is unknown; F32, F64, F16 and BF16 can be read", clip(t.Type))
	}
	n, err := volume(t.Shape, typ.bits)
	if err != nil {
		return t, err
	}
	t.kind, t.Float = typ.kind, typ.kind != other
	if t.from, t.bytes = int64(offsets[0]), int64(offsets[1])-int64(offsets[0]); t.bytes < 0 || t.from > maxBytes || t.bytes > maxBytes {
		return t, fmt.Errorf("its data_offsets %v are not a place in a file", offsets)
	}
	if 8*t.bytes != n*typ.bits {
		return t, fmt.Errorf("its shape %v of %s is %d bytes, its data_offsets %v are %d", t.Shape, t.Type, n*typ.bits/8, offsets, t.bytes)
	}
	return t, nil
}
