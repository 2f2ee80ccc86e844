package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
)

// mutations change a file, which has at least one byte.
var mutations = []struct {
	name string
	do   func(r *rand.Rand, b []byte, all [][]byte) []byte
}{
	{"bit flips", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		for range 1 + r.IntN(8) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b
	}},
	{"byte", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		b[r.IntN(len(b))] = []byte{0, 1, '\n', '"', '{', '[', '-', 0x7f, 0x80, 0xff}[r.IntN(10)]
		return b
	}},
	{"truncation", func(r *rand.Rand, b []byte, _ [][]byte) []byte { return b[:r.IntN(len(b))] }},
	{"hole", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		at := r.IntN(len(b))
		return slices.Delete(b, at, min(len(b), at+1+r.IntN(64)))
	}},
	{"repeated part", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		part := somePart(r, b)
		return slices.Insert(b, r.IntN(len(b)), bytes.Repeat(part, 1+r.IntN(20))...)
	}},
	{"parts exchanged", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		n := 1 + r.IntN(min(len(b), 64))
		i, j := r.IntN(len(b)-n+1), r.IntN(len(b)-n+1)
		part := slices.Clone(b[i : i+n])
		copy(b[i:], b[j:j+n])
		copy(b[j:], part)
		return b
	}},
	{"noise", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		at := r.IntN(len(b))
		for i := at; i < min(len(b), at+16); i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{"tail", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		for range 1 + r.IntN(64) {
			b = append(b, byte(r.Uint32()))
		}
		return b
	}},
	{"another file's end", func(r *rand.Rand, b []byte, all [][]byte) []byte {
		other := all[r.IntN(len(all))]
		return append(b[:r.IntN(len(b))], other[r.IntN(len(other)):]...)
	}},
	{"binary number", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		var n [8]byte
		x := uint64(someNumber(r))
		if r.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(n[:], x)
		} else {
			binary.BigEndian.PutUint64(n[:], x)
		}
		size := []int{1, 2, 4, 8}[r.IntN(4)]
		at := r.IntN(min(len(b), 64)) // where headers are
		if r.IntN(2) == 0 {
			at = r.IntN(len(b))
		}
		copy(b[at:], n[:size])
		return b
	}},
	{"written number", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		return replaced(r, b, written, fmt.Sprint(someNumber(r)))
	}},
	{"odd number", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		odd := []string{"", "NaN", "-Inf", "1e400", "1e-400", "0x7fffffffffffffff", "-0", "1.5", "99999999999999999999999999", "N", "true", "null", "{}", "[]"}
		return replaced(r, b, written, odd[r.IntN(len(odd))])
	}},
	{"name", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		all := word.FindAll(b, -1)
		if len(all) == 0 {
			return b
		}
		return replaced(r, b, word, string(all[r.IntN(len(all))]))
	}},
	{"nesting", func(r *rand.Rand, b []byte, _ [][]byte) []byte {
		open := []string{"[", "{", "(", "\"", "<", "[{\"a\":"}[r.IntN(6)]
		return slices.Insert(b, r.IntN(len(b)), bytes.Repeat([]byte(open), 1+r.IntN(20000))...)
	}},
}

var (
	written = regexp.MustCompile(`-?[0-9]+`)
	word    = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9/]*`)
)

// replaced puts text in place of one match.
func replaced(r *rand.Rand, b []byte, what *regexp.Regexp, text string) []byte {
	places := what.FindAllIndex(b, 1000)
	if len(places) == 0 {
		return b
	}
	at := places[r.IntN(len(places))]
	return slices.Replace(b, at[0], at[1], []byte(text)...)
}

func someNumber(r *rand.Rand) int64 {
	list := []int64{-1, 0, 1, 2, 3, 255, 1 << 16, 1 << 20, 1<<28 + 1, math.MaxInt32, math.MinInt32, 1 << 32, 1 << 40, 1 << 62, math.MaxInt64, math.MinInt64}
	return list[r.IntN(len(list))]
}

func somePart(r *rand.Rand, b []byte) []byte {
	at := r.IntN(len(b))
	return slices.Clone(b[at:min(len(b), at+1+r.IntN(512))])
}

// mutate returns a changed copy and what was done to it: one change, or several.
func mutate(r *rand.Rand, b []byte, all [][]byte) (string, []byte) {
	b = slices.Clone(b)
	name := ""
	for {
		m := mutations[r.IntN(len(mutations))]
		b = m.do(r, b, all)
		if name += m.name; len(b) == 0 || r.IntN(3) > 0 {
			return name, b
		}
		name += ", "
	}
}
