package spec

import (
	"cmp"
	"runtime"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// site is a call stack as program counters: cheap to take, resolved only when
// somebody reads it.
type site []uintptr

// maxStack bounds the frames kept; those of the user stand near the top.
const maxStack = 64

// callers returns the stack of the caller's caller, skip frames further up.
func callers(skip int) site {
	var pcs [maxStack]uintptr
	n := runtime.Callers(skip+3, pcs[:])
	return append(site(nil), pcs[:n]...)
}

const module = "github.com/lamina-ml/lamina/"

// inside reports whether a function belongs to the packages that declare on the
// user's behalf.
func inside(function string) bool {
	return strings.HasPrefix(function, module+"spec.") ||
		strings.HasPrefix(function, module+"spec/spectest.") ||
		strings.HasPrefix(function, module+"runtime/pretrain.") ||
		strings.HasPrefix(function, module+"runtime/train.(*Result).") || // Net
		function == module+"runtime/train.Untrained" || function == module+"runtime/train.untrained"
}

// pos returns the first frame outside and the next one after it.
func (s site) pos() ir.Pos { return ir.PosOf(s, inside) }

// trace returns every frame outside, the outermost first: the order of two
// traces is the order of the source.
func (s site) trace() []ir.Frame {
	out := ir.Frames(s, inside)
	slices.Reverse(out)
	return out
}

func compareFrames(a, b ir.Frame) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}
