package onnxpb

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Limits of what UnmarshalModel and UnmarshalTensor decode. The generated code
// has none: a file of 20 MB can nest deep enough to exhaust the stack, which no
// recover catches, and an empty message takes 2 bytes in a file and hundreds in
// memory.
const (
	MaxDepth    = 100     // messages within messages; protobuf's own default in C++
	MaxMessages = 1 << 22 // messages in all
)

// UnmarshalModel decodes a model that may be hostile. It returns an error if b
// is malformed or exceeds MaxDepth or MaxMessages, before it allocates for b.
func UnmarshalModel(b []byte) (*ModelProto, error) {
	m := new(ModelProto)
	if err := unmarshal(b, m); err != nil {
		return nil, NotModel(b, err)
	}
	return m, nil
}

// UnmarshalTensor decodes a tensor, as ONNX test sets store them, under the
// same limits. That dims and data agree is the caller's to check.
func UnmarshalTensor(b []byte) (*TensorProto, error) {
	t := new(TensorProto)
	if err := unmarshal(b, t); err != nil {
		return nil, notA("tensor", b, err)
	}
	return t, nil
}

func unmarshal(b []byte, to interface{ Unmarshal([]byte) error }) error {
	s := scanner{left: MaxMessages}
	if err := s.scan(b, schema()[reflect.TypeOf(to).Elem()], 1); err != nil {
		return err
	}
	return to.Unmarshal(b)
}

// message maps the numbers of the fields that hold messages to their types.
type message map[int32]*messageType

type messageType struct{ fields message }

// schema describes every message type, from the tags of the generated structs.
var schema = sync.OnceValue(func() map[reflect.Type]*messageType {
	all := map[reflect.Type]*messageType{}
	describe(reflect.TypeFor[ModelProto](), all)
	return all
})

func describe(t reflect.Type, all map[reflect.Type]*messageType) *messageType {
	if m := all[t]; m != nil {
		return m
	}
	m := &messageType{fields: message{}}
	all[t] = m
	structs := []reflect.Type{t}
	if w, ok := reflect.New(t).Interface().(interface{ XXX_OneofWrappers() []any }); ok {
		for _, v := range w.XXX_OneofWrappers() {
			structs = append(structs, reflect.TypeOf(v).Elem())
		}
	}
	for _, s := range structs {
		for i := range s.NumField() {
			f := s.Field(i)
			ft := f.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			tag := strings.Split(f.Tag.Get("protobuf"), ",")
			if len(tag) < 2 || ft.Kind() != reflect.Pointer || ft.Elem().Kind() != reflect.Struct {
				continue
			}
			if n, err := strconv.ParseInt(tag[1], 10, 32); err == nil {
				m.fields[int32(n)] = describe(ft.Elem(), all)
			}
		}
	}
	return m
}

// scanner walks over encoded messages without decoding them. What it does not
// understand is an error, so that nothing reaches the generated code unseen.
type scanner struct {
	left int // messages that may still come
}

func (s *scanner) scan(b []byte, m *messageType, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("its messages are nested more than %d deep", MaxDepth)
	}
	if s.left--; s.left < 0 {
		return fmt.Errorf("it has more than %d messages", MaxMessages)
	}
	for len(b) > 0 {
		f, rest, err := NextField(b)
		if err != nil {
			return err
		}
		if sub := m.fields[int32(f.Number)]; sub != nil && f.Bytes {
			if err := s.scan(f.Data, sub, depth+1); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}
