package timing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Contender is something whose calls are timed.
type Contender struct {
	Name         string
	Call         func() error
	Enter, Leave func() error // before and after each sample, if there is something to do

	Samples []float64 // microseconds a call
	calls   int       // of a sample
}

// turn calls f between Enter and Leave.
func (c *Contender) turn(f func() error) error {
	if c.Enter != nil {
		if err := c.Enter(); err != nil {
			return err
		}
	}
	err := f()
	if c.Leave != nil {
		err = errors.Join(err, c.Leave())
	}
	return err
}

// Calibrate finds the calls of a sample.
func (c *Contender) Calibrate(sample time.Duration) error {
	for c.calls = 1; ; c.calls *= 2 {
		took, err := c.sample()
		if err != nil {
			return err
		}
		if took >= sample/2 || c.calls >= 1<<20 {
			c.calls = max(1, int(float64(c.calls)*float64(sample)/float64(max(took, 1))))
			return nil
		}
	}
}

// Measure takes one sample.
func (c *Contender) Measure() error {
	took, err := c.sample()
	if err == nil {
		c.Samples = append(c.Samples, float64(took.Nanoseconds())/1e3/float64(c.calls))
	}
	return err
}

func (c *Contender) sample() (time.Duration, error) {
	at := time.Now()
	for range c.calls {
		if err := c.Call(); err != nil {
			return 0, err
		}
	}
	return time.Since(at), nil
}

// sampleTime is the time of one sample, the mean of its calls.
const sampleTime = 5 * time.Millisecond

// alternate takes samples of one contender after another for a time d, with the
// peak beside each round.
func alternate(ctx context.Context, all []*Contender, d time.Duration) (peaks []float64, err error) {
	for _, c := range all {
		if err := c.turn(func() error { return c.Calibrate(sampleTime) }); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	const least = 3
	for end := time.Now().Add(d); len(peaks) < least || time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, c := range all {
			if err := c.turn(c.Measure); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		peaks = append(peaks, PeakOf(1, PeakSample/4))
	}
	return peaks, nil
}
