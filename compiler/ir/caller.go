package ir

import (
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Here returns where the user wrote the call under way: the first frame whose
// function is not inside, and the next one after it. inside tells the functions
// of the package that asks by their full names.
func Here(inside func(function string) bool) Pos {
	var pcs [32]uintptr
	return PosOf(pcs[:runtime.Callers(2, pcs[:])], inside)
}

// PosOf is Here of a call stack that runtime.Callers gave.
func PosOf(stack []uintptr, inside func(function string) bool) Pos {
	var p Pos
	for _, f := range Frames(stack, inside) {
		if p.Made.IsZero() {
			p.Made = f
		} else {
			if f != p.Made {
				p.From = f
			}
			break
		}
	}
	return p
}

// Frames returns the frames of a call stack that are not inside, the innermost
// first, down to what calls main or a test.
func Frames(stack []uintptr, inside func(function string) bool) []Frame {
	if len(stack) == 0 {
		return nil
	}
	var out []Frame
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "":
		case strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "testing."):
			return out
		case !inside(f.Function):
			out = append(out, Frame{File: f.File, Line: f.Line, Pkg: packageOf(f.Function)})
		}
	}
	return out
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
