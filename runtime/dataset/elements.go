package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/lamina-ml/lamina/internal/float16"
)

// littleEndian reports whether numbers in memory are as .npy files of < have them.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// memoryOf returns the bytes of numbers.
func memoryOf[T float32 | int64](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v)*int(unsafe.Sizeof(v[0])))
}

// floats converts raw floats of elem bytes. It returns the place of the first one that is finite and beyond float32,
// or -1.
func floats(dst []float32, raw []byte, elem int, order binary.ByteOrder) (over int) {
	over = -1
	switch {
	case elem == 2:
		for i := range dst {
			dst[i] = float16.Half(order.Uint16(raw[2*i:]))
		}
	case elem == 4 && littleEndian && order == binary.LittleEndian:
		copy(memoryOf(dst), raw)
	case elem == 4:
		for i := range dst {
			dst[i] = math.Float32frombits(order.Uint32(raw[4*i:]))
		}
	default:
		for i := range dst {
			v := math.Float64frombits(order.Uint64(raw[8*i:]))
			dst[i] = float32(v)
			if over < 0 && overflows(v) {
				over = i
			}
		}
	}
	return over
}

// overflows reports whether a finite number becomes infinite as float32.
func overflows(v float64) bool { return math.IsInf(float64(float32(v)), 0) && !math.IsInf(v, 0) }

// errOverflow says that a number, as it stands in the data, is beyond float32.
func errOverflow(v any) error {
	return fmt.Errorf("%v overflows float32, whose greatest number is %v; scale the data", v, float32(math.MaxFloat32))
}

// ints converts raw integers, or booleans, of elem bytes.
func ints(dst []int64, raw []byte, signed bool, elem int, order binary.ByteOrder) {
	switch {
	case elem == 1 && signed:
		for i := range dst {
			dst[i] = int64(int8(raw[i]))
		}
	case elem == 1:
		for i := range dst {
			dst[i] = int64(raw[i])
		}
	case elem == 2 && signed:
		for i := range dst {
			dst[i] = int64(int16(order.Uint16(raw[2*i:])))
		}
	case elem == 2:
		for i := range dst {
			dst[i] = int64(order.Uint16(raw[2*i:]))
		}
	case elem == 4 && signed:
		for i := range dst {
			dst[i] = int64(int32(order.Uint32(raw[4*i:])))
		}
	case elem == 4:
		for i := range dst {
			dst[i] = int64(order.Uint32(raw[4*i:]))
		}
	default:
		for i := range dst {
			dst[i] = int64(order.Uint64(raw[8*i:]))
		}
	}
}
