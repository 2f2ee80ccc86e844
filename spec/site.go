package spec

import (
	"cmp"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

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
		strings.HasPrefix(function, module+"runtime/pretrain.")
}

// driver reports whether a function belongs to what calls main and tests.
func driver(function string) bool {
	return strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "testing.")
}

// pos returns the first frame outside this package and the next one after it
// that is outside too.
func (s site) pos() ir.Pos {
	var p ir.Pos
	if len(s) == 0 {
		return p
	}
	frames := runtime.CallersFrames(s)
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "" || inside(f.Function):
		case driver(f.Function):
			return p
		case p.Made.IsZero():
			p.Made = frameOf(f)
		default:
			if from := frameOf(f); from != p.Made {
				p.From = from
			}
			return p
		}
		if !more {
			return p
		}
	}
}

func frameOf(f runtime.Frame) ir.Frame {
	return ir.Frame{File: f.File, Line: f.Line, Pkg: packageOf(f.Function)}
}

// packageOf returns the import path in a symbol name, in which the last element
// of the path has its dots escaped.
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return function
	}
	pkg := function[:slash+dot]
	if pkg == "main" {
		return mainPath()
	}
	if p, err := url.PathUnescape(pkg); err == nil {
		return p
	}
	return pkg
}

// mainPath is the import path of package main, which symbols do not hold.
var mainPath = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" {
		return info.Path
	}
	return "main"
})

// trace returns every frame outside this package, the outermost first: the order
// of two traces is the order of the source.
func (s site) trace() []ir.Frame {
	var out []ir.Frame
	if len(s) == 0 {
		return out
	}
	frames := runtime.CallersFrames(s)
	for {
		f, more := frames.Next()
		if f.Function != "" && driver(f.Function) {
			break
		}
		if f.Function != "" && !inside(f.Function) {
			out = append(out, ir.Frame{File: f.File, Line: f.Line})
		}
		if !more {
			break
		}
	}
	slices.Reverse(out)
	return out
}

func compareFrames(a, b ir.Frame) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}
