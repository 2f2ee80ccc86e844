//go:build amd64 && !noasm

package simd

import "encoding/binary"

func cpuidLeaf(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// xgetbv reads XCR0: the register state the operating system saves.
func xgetbv() (eax uint32)

var features = cpuid()

// cpuid reads vendor and instruction sets (Intel SDM vol. 2, CPUID; vol. 1, 14.3 and 15.2 on XCR0).
func cpuid() Features {
	top, b, c, d := cpuidLeaf(0, 0)
	v := binary.LittleEndian.AppendUint32(nil, b)
	v = binary.LittleEndian.AppendUint32(v, d)
	v = binary.LittleEndian.AppendUint32(v, c)
	f := Features{Vendor: string(v)}
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
