package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// The layouts that are read without package time, as ISO 8601 has them.
const (
	isoDate = time.DateOnly
	isoTime = time.RFC3339
)

// datePartNames are the places that a date becomes, those of the hour last.
//
// The year is itself. The others are places on a circle, so that December is next to January: the month with the day as
// its fraction, the day of the week from Monday on, and the hour with its fraction, all as they are written, whatever the
// zone.
var datePartNames = []string{"year", "month.sin", "month.cos", "weekday.sin", "weekday.cos", "hour.sin", "hour.cos"}

const dayParts = 5 // those of a date without a time of day

// dateParts is how many of the parts a date has.
func dateParts(layout string) int {
	if hasClock(layout) {
		return len(datePartNames)
	}
	return dayParts
}

// hasClock reports whether a layout has a time of day.
func hasClock(layout string) bool {
	noon := time.Date(2001, 2, 3, 16, 5, 6, 0, time.UTC)
	return noon.Format(layout) != noon.Add(-3*time.Hour).Format(layout)
}

// checkLayout refuses what is no layout of a date.
func checkLayout(layout string) error {
	if len(layout) > 100 {
		return errors.New("its format is no layout of a date")
	}
	a, b := time.Date(2001, 2, 3, 16, 5, 6, 0, time.UTC), time.Date(2012, 11, 24, 16, 5, 6, 0, time.UTC)
	if text := b.Format(layout); text == a.Format(layout) {
		return fmt.Errorf("its format %q is no layout of a date, which shows how 2006-01-02 15:04:05 is written", clip(layout))
	} else if got, err := time.Parse(layout, text); err != nil || got.Year() != 2012 || got.Month() != 11 || got.Day() != 24 {
		return fmt.Errorf("its format %q does not tell year, month and day; it shows how 2006-01-02 15:04:05 is written", clip(layout))
	}
	return nil
}

// clock is a date and a time of day as they are written.
type clock struct {
	year, month, day     int
	hour, minute, second int
	zone                 int // seconds east of UTC
}

// parseDate reads a date that is written as layout.
func parseDate(b []byte, layout string) (clock, error) {
	switch layout {
	case isoDate:
		if c, rest, ok := dayOf(b); ok && len(rest) == 0 {
			return c, nil
		}
	case isoTime:
		if c, ok := momentOf(b); ok {
			return c, nil
		}
	default:
		t, err := time.Parse(layout, unsafe.String(unsafe.SliceData(b), len(b)))
		if err == nil {
			year, month, day := t.Date()
			_, zone := t.Zone()
			return clock{year, int(month), day, t.Hour(), t.Minute(), t.Second(), zone}, nil
		}
	}
	form := layout
	switch layout {
	case isoDate:
		form = "YYYY-MM-DD"
	case isoTime:
		form = "YYYY-MM-DD HH:MM:SS, with or without seconds and zone"
	}
	return clock{}, fmt.Errorf("%q is no date as %s", clip(string(b)), form)
}

// figures reads a number of n digits.
func figures(b []byte, n int) (v int, rest []byte, ok bool) {
	if len(b) < n {
		return 0, nil, false
	}
	for _, c := range b[:n] {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		v = 10*v + int(c-'0')
	}
	return v, b[n:], true
}

// after takes a sign off the beginning.
func after(b []byte, sign byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != sign {
		return nil, false
	}
	return b[1:], true
}

// dayOf reads YYYY-MM-DD.
func dayOf(b []byte) (c clock, rest []byte, ok bool) {
	if c.year, b, ok = figures(b, 4); !ok {
		return
	}
	if b, ok = after(b, '-'); !ok {
		return
	}
	if c.month, b, ok = figures(b, 2); !ok {
		return
	}
	if b, ok = after(b, '-'); !ok {
		return
	}
	if c.day, b, ok = figures(b, 2); !ok {
		return
	}
	return c, b, c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// momentOf reads a date and a time of day: YYYY-MM-DD, T or a blank, HH:MM, seconds and a fraction of them or not, Z, ±HH:MM,
// ±HHMM or no zone.
func momentOf(b []byte) (c clock, ok bool) {
	if c, b, ok = dayOf(b); !ok || len(b) == 0 || b[0] != 'T' && b[0] != 't' && b[0] != ' ' {
		return c, false
	}
	if c.hour, b, ok = figures(b[1:], 2); !ok {
		return
	}
	if b, ok = after(b, ':'); !ok {
		return
	}
	if c.minute, b, ok = figures(b, 2); !ok {
		return
	}
	if rest, has := after(b, ':'); has {
		if c.second, b, ok = figures(rest, 2); !ok {
			return
		}
		if rest, has := after(b, '.'); has {
			b = bytes.TrimLeft(rest, "0123456789")
			if len(b) == len(rest) {
				return c, false
			}
		}
	}
	if c.hour > 23 || c.minute > 59 || c.second > 59 {
		return c, false
	}
	if len(b) == 0 {
		return c, true
	}
	sign := 1
	switch b[0] {
	case 'Z', 'z':
		return c, len(b) == 1
	case '-':
		sign = -1
	case '+':
	default:
		return c, false
	}
	hours, b, ok := figures(b[1:], 2)
	if !ok {
		return c, false
	}
	if rest, has := after(b, ':'); has {
		b = rest
	}
	minutes, b, ok := figures(b, 2)
	c.zone = sign * (3600*hours + 60*minutes)
	return c, ok && len(b) == 0 && hours <= 23 && minutes <= 59
}

// unix is the seconds since 1970.
func (c clock) unix() int64 {
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC).Unix() - int64(c.zone)
}

// weekday is 0 for Monday (Sakamoto's rule).
func (c clock) weekday() int {
	y, m := c.year, c.month
	if m < 3 {
		y--
	}
	return (y + y/4 - y/100 + y/400 + [...]int{0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4}[m-1] + c.day + 6) % 7
}

// parts writes the parts of a date, as many as fit dst.
func (c clock) parts(dst []float32) {
	dst[0] = float32(c.year)
	month := (float64(c.month-1) + float64(c.day-1)/float64(daysIn(c.year, c.month))) / 12
	dst[1], dst[2] = circle(month)
	dst[3], dst[4] = circle(float64(c.weekday()) / 7)
	if len(dst) > dayParts {
		dst[5], dst[6] = circle(float64(3600*c.hour+60*c.minute+c.second) / (24 * 3600))
	}
}

// circle is a share of a circle, as sine and cosine.
func circle(share float64) (sin, cos float32) {
	s, c := math.Sincos(2 * math.Pi * share)
	return float32(s), float32(c)
}

// looksLikeDate reports whether a text begins as a date does.
func looksLikeDate(b []byte) bool {
	return len(b) >= len(isoDate) && b[4] == '-' && b[7] == '-' && strings.IndexByte("0123456789", b[0]) >= 0
}
