package ir

import (
	"encoding/binary"
	"strconv"
)

// Text returns element i as the text form has it, and AppendText reads it back.
func (t *Tensor) Text(i int) string {
	switch {
	case t.DType == Bool:
		return strconv.FormatBool(t.Bool[i])
	case t.DType == U64:
		return strconv.FormatUint(uint64(t.Int(i)), 10)
	case t.DType.Integer():
		return strconv.FormatInt(t.Int(i), 10)
	}
	return strconv.FormatFloat(t.At(i), 'g', -1, 64) // a float64 holds every float exactly
}

// AppendText appends the element that a word of the text form stands for; the
// shape stays. Errors: a word that is no element of the dtype.
func (t *Tensor) AppendText(word string) error {
	switch d := t.DType; {
	case d == Bool:
		x, err := strconv.ParseBool(word)
		t.Bool = append(t.Bool, x)
		return err
	case d.Signed():
		x, err := strconv.ParseInt(word, 10, 8*d.Size())
		t.appendInt(uint64(x))
		return err
	case d.Integer():
		x, err := strconv.ParseUint(word, 10, 8*d.Size())
		t.appendInt(x)
		return err
	}
	x, err := strconv.ParseFloat(word, 64)
	switch t.DType {
	case F32:
		t.F32 = append(t.F32, float32(x))
	case F64:
		t.F64 = append(t.F64, x)
	default:
		t.Raw = append(t.Raw, 0, 0)
		t.Set(t.Len()-1, x)
	}
	return err
}

// appendInt appends the low bits of x.
func (t *Tensor) appendInt(x uint64) {
	if t.DType == I64 {
		t.I64 = append(t.I64, int64(x))
		return
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], x)
	t.Raw = append(t.Raw, b[:t.DType.Size()]...)
}

// reserve makes room for n elements in a tensor of none.
func (t *Tensor) reserve(n int) {
	room := NewTensor(t.DType, n)
	t.F32, t.F64, t.I64, t.Bool, t.Raw = room.F32[:0], room.F64[:0], room.I64[:0], room.Bool[:0], room.Raw[:0]
}
