//go:build !linux

package engine

func largePages(int) int { return 0 }
func askLarge([]float32) {}
