package train

import (
	"math"
	"time"
)

// clock measures time that never goes back, whatever the one it reads does.
type clock struct {
	read func() time.Time
	last time.Time
	sum  time.Duration
}

// elapsed is the time since the first call; a jump back counts nothing.
func (c *clock) elapsed() time.Duration {
	now := c.read()
	if d := now.Sub(c.last); !c.last.IsZero() && d > 0 && c.sum+d > 0 {
		c.sum += d
	}
	c.last = now
	return c.sum
}

// perSecond is n over the time, or 0 before any has passed.
func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// timeFor is how long n take at so many a second: 0 if that is not known.
func timeFor(n int64, perSecond float64) time.Duration {
	if n <= 0 || perSecond <= 0 {
		return 0
	}
	d := float64(n) / perSecond * float64(time.Second)
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(d)
}
