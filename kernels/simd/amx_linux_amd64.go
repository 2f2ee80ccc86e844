//go:build !noasm

package simd

import (
	"fmt"
	"syscall"
	"unsafe"
)

// amxPermission asks Linux to save the tiles of this process's threads, and returns why it does not, or nothing.
//
// Linux wants to be asked (arch_prctl, from 5.16 on), since the state is large. Threads inherit the permission, programs
// that are executed do not. It is refused where an alternate signal stack is too small for the state.
func amxPermission() string {
	const getPermission, requestPermission, tileData = 0x1022, 0x1023, 18 // <asm/prctl.h>, <asm/fpu/types.h>
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0); errno != 0 {
		return fmt.Sprintf("the kernel refused permission for AMX: %v", errno)
	}
	var mask uint64
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, getPermission, uintptr(unsafe.Pointer(&mask)), 0); errno != 0 {
		return fmt.Sprintf("the kernel does not tell whether AMX is permitted: %v", errno)
	}
	if mask>>tileData&1 == 0 {
		return "the kernel granted permission for AMX, but does not save its tiles"
	}
	return ""
}
