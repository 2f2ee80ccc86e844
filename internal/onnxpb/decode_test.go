package onnxpb_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// wrap returns n levels of messages, each in the fields of path in turn, inside
// the fields of head. Field numbers are those of onnx.proto3.
func wrap(n int, head, path []byte) []byte {
	var tags []byte // outermost first
	tags = append(tags, head...)
	for i := range n {
		tags = append(tags, path[i%len(path)])
	}
	buf := make([]byte, len(tags)*(1+binary.MaxVarintLen64))
	at := len(buf)
	for i := len(tags) - 1; i >= 0; i-- {
		var v [binary.MaxVarintLen64]byte
		k := binary.PutUvarint(v[:], uint64(len(buf)-at))
		at -= k
		copy(buf[at:], v[:k])
		at--
		buf[at] = tags[i]<<3 | 2
	}
	return buf[at:]
}

func TestUnmarshalModel(t *testing.T) {
	want := sample()
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnxpb.UnmarshalModel(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	w := want.Graph.Initializer[0]
	if b, err = w.Marshal(); err != nil {
		t.Fatal(err)
	}
	tensor, err := onnxpb.UnmarshalTensor(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, tensor); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLimits(t *testing.T) {
	const million = 1 << 20
	for name, c := range map[string]struct {
		b    []byte
		want string // "" is no error
	}{
		"graphs in attributes": {wrap(3*million, []byte{7}, []byte{1, 5, 6}), "deep"},
		"graph lists":          {wrap(3*million, []byte{7}, []byte{1, 5, 11}), "deep"},
		"sequences":            {wrap(3*million, []byte{7, 11, 2}, []byte{4, 1}), "deep"},
		"maps":                 {wrap(3*million, []byte{7, 11, 2}, []byte{5, 2}), "deep"},
		"optionals":            {wrap(3*million, []byte{7, 11, 2}, []byte{9, 1}), "deep"},
		"a few levels":         {wrap(90, []byte{7}, []byte{1, 5, 6}), ""},
		"empty nodes":          {append(append([]byte{7<<3 | 2}, binary.AppendUvarint(nil, 10*million)...), bytes.Repeat([]byte{1<<3 | 2, 0}, 5*million)...), "messages"},
		"group":                {[]byte{1<<3 | 3, 1<<3 | 4}, "malformed"},
		"length past the end":  {[]byte{7<<3 | 2, 200, 1}, "malformed"},
		"huge length":          {append([]byte{7<<3 | 2}, bytes.Repeat([]byte{255}, 9)...), "malformed"},
		"field number of 64 bits": {append([]byte{7<<3 | 2 | 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, // 7 when cut to 32
			append(binary.AppendUvarint(nil, uint64(len(wrap(3*million, nil, []byte{1, 5, 6})))), wrap(3*million, nil, []byte{1, 5, 6})...)...), "deep"},
	} {
		_, err := onnxpb.UnmarshalModel(c.b)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func FuzzUnmarshalModel(f *testing.F) {
	b, err := sample().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(wrap(120, []byte{7}, []byte{1, 5, 6}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnxpb.UnmarshalModel(b)
		if err != nil {
			return
		}
		again, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := onnxpb.UnmarshalModel(again); err != nil {
			t.Errorf("what was decoded does not decode again: %v", err)
		}
	})
}
