package optim

import "fmt"

// RampSchedule rises linearly from 0 to 1 between two updates.
type RampSchedule struct{ from, to int64 }

// Ramp returns the schedule whose factor is 0 up to update from, counted from 0, rises linearly, and is 1 from update to on:
// (u-from)/(to-from) between them, for the weight of a term that begins late (Lee 2013, where it is that of pseudo-labels). As a
// schedule of a rate it leaves out the first updates. Errors: from is negative; to is less than from.
func Ramp(from, to int64) RampSchedule { return RampSchedule{from, to} }

// Factor implements [Schedule].
func (s RampSchedule) Factor(p Progress) float64 {
	switch {
	case p.Update >= s.to:
		return 1
	case p.Update <= s.from:
		return 0
	}
	return float64(p.Update-s.from) / float64(s.to-s.from)
}

// Err returns the mistake of the declaration.
func (s RampSchedule) Err() error {
	if s.from < 0 || s.to < s.from {
		return fmt.Errorf("Ramp: it must begin at update 0 or later and not end before, got updates %d to %d", s.from, s.to)
	}
	return nil
}

// Describe returns plain data that encodes to JSON.
func (s RampSchedule) Describe() any {
	return map[string]any{"name": "ramp", "from": s.from, "to": s.to}
}
