package optim

import (
	"errors"
	"strings"
)

// Match reports whether pattern names the path of a layer or parameter: the whole path or a prefix of it that
// ends before a slash. In a pattern * matches any run of characters and [12a-c] matches one of those listed.
//
//	encoder        encoder, encoder/dense1/w; not encoder2
//	layer[12].*    layer1.0.conv1.weight
//
// A pattern that [CheckPattern] refuses matches nothing.
func Match(pattern, path string) bool {
	if CheckPattern(pattern) != nil {
		return false
	}
	for i := range len(path) {
		if path[i] == '/' && glob(pattern, path[:i]) {
			return true
		}
	}
	return glob(pattern, path)
}

// CheckPattern says what is wrong with a pattern: it is empty, or has a bracket that is empty or not closed.
func CheckPattern(pattern string) error {
	if pattern == "" {
		return errors.New("the pattern is empty")
	}
	for {
		i := strings.IndexByte(pattern, '[')
		if i < 0 {
			return nil
		}
		switch j := strings.IndexByte(pattern[i:], ']'); j {
		case -1:
			return errors.New("a [ has no ]")
		case 1:
			return errors.New("[] names no character")
		default:
			pattern = pattern[i+j+1:]
		}
	}
}

// glob goes back to the last star only, so its time is bounded by the product of the lengths.
func glob(p, s string) bool {
	pi, si := 0, 0
	star, mark := -1, 0
	for si < len(s) || pi < len(p) {
		if pi < len(p) {
			if p[pi] == '*' {
				star, mark = pi, si
				pi++
				continue
			}
			if si < len(s) {
				if n := one(p[pi:], s[si]); n > 0 {
					pi, si = pi+n, si+1
					continue
				}
			}
		}
		if star < 0 || mark >= len(s) {
			return false
		}
		mark++
		pi, si = star+1, mark
	}
	return true
}

// one returns the length of the pattern's first element if it matches c, else 0.
func one(p string, c byte) int {
	if p[0] != '[' {
		if p[0] == c {
			return 1
		}
		return 0
	}
	end := strings.IndexByte(p, ']')
	set := p[1:end]
	for i := 0; i < len(set); i++ {
		lo, hi := set[i], set[i]
		if i+2 < len(set) && set[i+1] == '-' {
			hi = set[i+2]
			i += 2
		}
		if lo <= c && c <= hi {
			return end + 1
		}
	}
	return 0
}
