//go:build amd64 && !noasm

package simd

import "encoding/binary"

func cpuidLeaf(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// xgetbv reads XCR0: the register state the operating system saves.
func xgetbv() (eax uint32)

// cpuid reads vendor and instruction sets (Intel SDM vol. 2, CPUID; vol. 1, 14.3 and 15.2 on XCR0).
func cpuid() Features {
	top, b, c, d := cpuidLeaf(0, 0)
	v := binary.LittleEndian.AppendUint32(nil, b)
	v = binary.LittleEndian.AppendUint32(v, d)
	v = binary.LittleEndian.AppendUint32(v, c)
	f := Features{Vendor: string(v), Family: family(string(v))}
	f.L1D, f.L2, f.L3 = caches(cacheLeaf(top))
	if top < 7 {
		return f
	}
	const (
		fmaBit, osxsave, avx             = 1 << 12, 1 << 27, 1 << 28 // leaf 1, ECX
		avx2Bit, f512, dq, bw, vl        = 1 << 5, 1 << 16, 1 << 17, 1 << 30, 1 << 31
		ymmState, zmmState               = 1<<1 | 1<<2, 1<<5 | 1<<6 | 1<<7
		leaf1                            = fmaBit | osxsave | avx
		leaf7                     uint32 = f512 | dq | bw | vl
	)
	_, _, c, _ = cpuidLeaf(1, 0)
	if c&leaf1 != leaf1 {
		return f
	}
	saved := xgetbv()
	_, b, _, _ = cpuidLeaf(7, 0)
	f.AVX2 = saved&ymmState == ymmState && b&avx2Bit != 0
	f.AVX512 = f.AVX2 && saved&zmmState == zmmState && b&leaf7 == leaf7
	return f
}

// cacheLeaf is where the CPU describes its caches: leaf 4, or AMD's 8000001D, which is laid out alike (Intel SDM vol. 2,
// CPUID; AMD APM vol. 3, E.4.15). It is nil where neither is.
func cacheLeaf(top uint32) func(sub uint32) (eax, ebx, ecx uint32) {
	const topologyExtensions = 1 << 22 // leaf 80000001, ECX
	leaf := uint32(4)
	if most, _, _, _ := cpuidLeaf(1<<31, 0); most >= 0x8000001d {
		if _, _, c, _ := cpuidLeaf(0x80000001, 0); c&topologyExtensions != 0 {
			leaf = 0x8000001d
		}
	}
	if leaf == 4 && top < 4 {
		return nil
	}
	return func(sub uint32) (uint32, uint32, uint32) {
		a, b, c, _ := cpuidLeaf(leaf, sub)
		return a, b, c
	}
}

// caches reads the data and unified caches of levels 1 to 3. How many cores share one is counted in threads; those of the
// first level's are one core.
func caches(leaf func(sub uint32) (eax, ebx, ecx uint32)) (l1, l2, l3 Cache) {
	if leaf == nil {
		return
	}
	const instructions, most = 2, 16
	var found [4]Cache
	var threads [4]int
	for sub := range uint32(most) {
		a, b, c := leaf(sub)
		kind, level := a&31, a>>5&7
		if kind == 0 {
			break
		}
		if kind == instructions || level < 1 || level > 3 {
			continue
		}
		ways := int(b>>22) + 1
		found[level] = Cache{Size: ways * (int(b>>12&0x3ff) + 1) * (int(b&0xfff) + 1) * (int(c) + 1), Ways: ways}
		threads[level] = int(a>>14&0xfff) + 1
	}
	for level := range found {
		if found[level].Size != 0 {
			found[level].Cores = max(1, threads[level]/max(1, threads[1]))
		}
	}
	return found[1], found[2], found[3]
}
