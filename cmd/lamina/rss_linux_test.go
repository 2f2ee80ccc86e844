package main

import (
	"os"
	"syscall"
)

// maxRSS is the most memory a process that ended had, in bytes.
func maxRSS(p *os.ProcessState) int64 { return p.SysUsage().(*syscall.Rusage).Maxrss << 10 }
