//go:build amd64 && !noasm

package simd

import "testing"

// TestCaches reads what CPUID leaf 4 says on an Intel CPU and AMD's on one of theirs.
func TestCaches(t *testing.T) {
	kind := func(level, kind, threads int) uint32 { return uint32(kind | level<<5 | (threads-1)<<14) }
	shape := func(ways, line int) uint32 { return uint32((ways-1)<<22 | line - 1) }
	for _, cpu := range []struct {
		name       string
		leaf       [][3]uint32
		l1, l2, l3 Cache
	}{
		{"Sapphire Rapids, two threads a core", [][3]uint32{{kind(1, 1, 2), shape(12, 64), 63}, {kind(1, 2, 2), shape(8, 64), 63}, {kind(2, 3, 2), shape(16, 64), 2047}, {kind(3, 3, 128), shape(15, 64), 114687}, {}},
			Cache{48 << 10, 12, 1}, Cache{2 << 20, 16, 1}, Cache{105 << 20, 15, 64}},
		{"Zen 4, one thread a core", [][3]uint32{{kind(1, 1, 1), shape(8, 64), 63}, {kind(1, 2, 1), shape(8, 64), 63}, {kind(2, 3, 1), shape(8, 64), 2047}, {kind(3, 3, 8), shape(16, 64), 32767}, {}},
			Cache{32 << 10, 8, 1}, Cache{1 << 20, 8, 1}, Cache{32 << 20, 16, 8}},
		{"nothing", [][3]uint32{{}}, Cache{}, Cache{}, Cache{}},
	} {
		l1, l2, l3 := caches(func(sub uint32) (a, b, c uint32) { return cpu.leaf[sub][0], cpu.leaf[sub][1], cpu.leaf[sub][2] })
		if l1 != cpu.l1 || l2 != cpu.l2 || l3 != cpu.l3 {
			t.Errorf("%s: %+v, %+v, %+v", cpu.name, l1, l2, l3)
		}
	}
	endless := func(uint32) (a, b, c uint32) { return ^uint32(0), ^uint32(0), ^uint32(0) }
	caches(endless)
	if l1, _, _ := caches(nil); l1 != (Cache{}) {
		t.Error("caches of a CPU that describes none")
	}
}
