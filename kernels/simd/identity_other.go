//go:build !amd64 || noasm

package simd

func cpuidOrNil() func(leaf, sub uint32) (eax, ebx, ecx, edx uint32) { return nil }
