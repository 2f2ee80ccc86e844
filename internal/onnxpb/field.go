package onnxpb

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that bytes are no encoded message.
var ErrMalformed = errors.New("the bytes are malformed or cut short")

// Field is a field of an encoded message, of which nothing is copied.
type Field struct {
	Number uint32 // the generated code cuts numbers to 32 bits, too
	Bytes  bool   // Data is what a length stands before: bytes, text, a message or packed numbers
	Data   []byte // otherwise the encoded number
}

// NextField returns the first field of an encoded message, and what follows it. The
// message must not be empty.
//
// Errors: ErrMalformed, also for a group, of which ONNX has none.
func NextField(b []byte) (f Field, rest []byte, err error) {
	tag, n := binary.Uvarint(b)
	if n <= 0 {
		return f, nil, ErrMalformed
	}
	f.Number, f.Bytes = uint32(tag>>3), tag&7 == 2
	b = b[n:]
	var size uint64
	switch tag & 7 {
	case 0: // varint
		if _, n = binary.Uvarint(b); n <= 0 {
			return f, nil, ErrMalformed
		}
		size = uint64(n)
	case 1: // 64 bits
		size = 8
	case 2: // length and bytes
		if size, n = binary.Uvarint(b); n <= 0 {
			return f, nil, ErrMalformed
		}
		b = b[n:]
	case 5: // 32 bits
		size = 4
	default:
		return f, nil, ErrMalformed
	}
	if size > uint64(len(b)) {
		return f, nil, ErrMalformed
	}
	f.Data = b[:size:size]
	return f, b[size:], nil
}
