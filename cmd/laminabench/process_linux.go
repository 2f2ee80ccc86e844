package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processStart returns when the process was started, by the system's record in
// hundredths of a second: up to 10 ms early.
func processStart() (time.Time, bool) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return time.Time{}, false
	}
	// The name, which may hold anything, ends at the last parenthesis; the field
	// after it is number 3, and the start is number 22.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var up unix.Timespec
	if len(fields) < 20 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}, false
	}
	now := time.Now()
	const perSecond = 100
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	return now.Add(time.Duration(ticks)*time.Second/perSecond - time.Duration(up.Nano())), err == nil
}

// threadTimes returns what the threads of this process have had, by their numbers.
func threadTimes() map[string]threadTime {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	times := map[string]threadTime{}
	for _, t := range threads {
		b, err := os.ReadFile("/proc/self/task/" + t.Name() + "/schedstat")
		if f := strings.Fields(string(b)); err == nil && len(f) == 3 { // ran, waited, how often
			ran, _ := strconv.ParseInt(f[0], 10, 64)
			waited, _ := strconv.ParseInt(f[1], 10, 64)
			times[t.Name()] = threadTime{time.Duration(ran), time.Duration(waited)}
		}
	}
	return times
}
