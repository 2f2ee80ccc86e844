//go:build !linux && !noasm

package simd

func amxPermission() string { return "AMX is used on Linux only" }
