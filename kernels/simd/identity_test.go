package simd

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	cpu := func(one uint32, name string) func(leaf, sub uint32) (a, b, c, d uint32) {
		name += strings.Repeat("\x00", 48-len(name))
		return func(leaf, _ uint32) (a, b, c, d uint32) {
			switch {
			case leaf == 1:
				return one, 0, 0, 0
			case leaf == 1<<31:
				return 1<<31 + 8, 0, 0, 0
			case leaf >= 1<<31+2 && leaf <= 1<<31+4:
				word := func(i int) uint32 {
					s := name[16*int(leaf-1<<31-2)+4*i:]
					return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
				}
				return word(0), word(1), word(2), word(3)
			}
			return 0, 0, 0, 0
		}
	}
	for want, leaf := range map[string]func(leaf, sub uint32) (a, b, c, d uint32){
		"AMD EPYC 9B14 96-Core Processor (family 25, model 17)": cpu(0x00a10f11, "AMD EPYC 9B14 96-Core Processor                "),
		"Intel(R) Xeon(R) Gold (family 6, model 143)":           cpu(0x000806f8, "  Intel(R)  Xeon(R)\x1b Gold"),
		runtime.GOARCH: nil,
	} {
		if got := identify(leaf).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if got := CPU().Identity; err == nil && got.Name != "" && !strings.Contains(string(info), got.Name) {
		t.Errorf("%+v is not what the system says", got)
	}
}
