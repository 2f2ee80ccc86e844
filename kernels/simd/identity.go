package simd

import (
	"fmt"
	"runtime"
	"strings"
)

// Identity is the CPU's name, family and model, for tables of measurements. Only x86-64 says them.
type Identity struct {
	Name          string // as the CPU gives it, often without what would tell two generations apart; empty where it gives none
	Family, Model int    // 0 where not known
}

// String is the name with family and model, or GOARCH where there is none.
func (i Identity) String() string {
	switch {
	case i.Name == "":
		return runtime.GOARCH
	case i.Family == 0:
		return i.Name
	}
	return fmt.Sprintf("%s (family %d, model %d)", i.Name, i.Family, i.Model)
}

// identify reads the name, family and model from CPUID's leaves 1 and 80000002 to 80000004 (Intel SDM vol. 2; AMD APM
// vol. 3); leaf is nil for a CPU without them.
func identify(leaf func(leaf, sub uint32) (eax, ebx, ecx, edx uint32)) (i Identity) {
	const extended = 1 << 31
	if leaf == nil {
		return i
	}
	a, _, _, _ := leaf(1, 0)
	i.Family, i.Model = int(a>>8&15), int(a>>4&15)
	if i.Family == 6 || i.Family == 15 {
		i.Model += int(a>>16&15) << 4
	}
	if i.Family == 15 {
		i.Family += int(a >> 20 & 255)
	}
	if most, _, _, _ := leaf(extended, 0); most < extended+4 {
		return i
	}
	var name []byte
	for n := range uint32(3) {
		a, b, c, d := leaf(extended+2+n, 0)
		for _, word := range []uint32{a, b, c, d} {
			name = append(name, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
		}
	}
	text, _, _ := strings.Cut(string(name), "\x00")
	i.Name = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }), " ")
	return i
}
