package engine

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Spin says what workers do while they wait for tasks of others. A worker that keeps its
// processor reacts within a microsecond, one that gave it up within ten. No result depends
// on it.
type Spin uint8

// The choices of Options.Spin.
const (
	SpinAuto Spin = iota // SpinOn, but SpinOff with more workers than processors or under a quota of processor time
	SpinOn               // keep the processor for some microseconds, then offer it to other goroutines, then give it up
	SpinOff              // give the processor up at once
)

// spins reports whether so many workers keep their processors.
func (s Spin) spins(workers int) bool {
	if s != SpinAuto {
		return s == SpinOn
	}
	cpus := min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	return workers > 1 && workers <= cpus && quota(os.DirFS("/")) >= float64(runtime.NumCPU())
}

// quota returns the processors that the control groups of this process allow it
// on average, or infinity (Linux: cpu.max of version 2, cpu.cfs_quota_us of
// version 1). A group is bound by those it is in.
func quota(root fs.FS) float64 {
	least := math.Inf(1)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(part) != 3 {
			continue
		}
		mounts := []string{"sys/fs/cgroup"}
		if part[1] != "" {
			if !strings.Contains(","+part[1]+",", ",cpu,") {
				continue
			}
			mounts = []string{"sys/fs/cgroup/" + part[1], "sys/fs/cgroup/cpu"}
		}
		for _, m := range mounts {
			for p := path.Clean("/" + part[2]); ; p = path.Dir(p) {
				least = min(least, share(root, path.Join(m, p)))
				if p == "/" {
					break
				}
			}
		}
	}
	return least
}

// share returns the processors that the files of one control group allow.
func share(root fs.FS, dir string) float64 {
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v > 0) {
			return math.Inf(1) // "max", or -1 for none
		}
		return v
	}
	if b, err := fs.ReadFile(root, path.Join(dir, "cpu.max")); err == nil {
		if f := strings.Fields(string(b)); len(f) == 2 {
			return number(f[0]) / finiteOr(number(f[1]), 100_000)
		}
	}
	q, err1 := fs.ReadFile(root, path.Join(dir, "cpu.cfs_quota_us"))
	p, err2 := fs.ReadFile(root, path.Join(dir, "cpu.cfs_period_us"))
	if err1 != nil || err2 != nil {
		return math.Inf(1)
	}
	return number(strings.TrimSpace(string(q))) / finiteOr(number(strings.TrimSpace(string(p))), 100_000)
}

func finiteOr(v, or float64) float64 {
	if math.IsInf(v, 0) {
		return or
	}
	return v
}
