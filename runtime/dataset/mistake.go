package dataset

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// with returns a table without rows that remembers a mistake, as method: rule, and the line outside this package
// where it was made.
func (t *Table) with(format string, a ...any) *Table {
	method, rule, _ := strings.Cut(fmt.Sprintf(format, a...), ": ")
	e := &ir.Error{Op: "dataset: " + method, Rule: rule}
	e.Made, e.From = position()
	return &Table{cols: t.cols, err: e}
}

// position returns the first frame outside this package, and the frame that called it unless that is not the user's.
func position() (made, from ir.Frame) {
	const inside = "github.com/lamina-ml/lamina/runtime/dataset."
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "" || strings.HasPrefix(f.Function, inside):
		case strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "testing."):
			return made, from
		case made.IsZero():
			made = frame(f)
		default:
			return made, frame(f)
		}
	}
	return made, from
}

// frame keeps the import path: the function's name up to the first dot after the last slash.
func frame(f runtime.Frame) ir.Frame {
	pkg := f.Function
	slash := strings.LastIndexByte(pkg, '/') + 1
	if dot := strings.IndexByte(pkg[slash:], '.'); dot >= 0 {
		pkg = pkg[:slash+dot]
	}
	return ir.Frame{File: f.File, Pkg: pkg, Line: f.Line}
}
