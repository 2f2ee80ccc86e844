//go:build amd64 && !noasm

package simd

// takeLines stores an element that is there into each line of rows of size bytes, stride
// bytes apart. There is at least one row, of at least one element.
//
//go:noescape
func takeLines(p *float32, rows, stride, size uintptr)
