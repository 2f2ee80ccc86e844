package synthetic

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is where a factor is drawn from, evenly: from Least to Most. The zero Range is the default of the option; Exactly gives
// one value, which may be 0.
type Range struct{ Least, Most float64 }

// Exactly is the Range of one value.
func Exactly(v float64) Range {
	if v == 0 {
		return Range{math.Copysign(0, -1), 0}
	}
	return Range{v, v}
}

// unset reports whether an option was left out.
func (r Range) unset() bool { return r.Least == 0 && r.Most == 0 && !math.Signbit(r.Least) }

func (r Range) draw(u float64) float64 { return between(r.Least, r.Most, u) }

// within fills the default in and refuses what is not from lo to hi.
func (r *Range) within(name string, byDefault Range, lo, hi float64) error {
	if r.unset() {
		*r = byDefault
	}
	if !(lo <= r.Least && r.Least <= r.Most && r.Most <= hi) {
		return fmt.Errorf("%s must be a range from %v to %v, the least first, got %v to %v", name, lo, hi, r.Least, r.Most)
	}
	return nil
}

// counted fills a default in and refuses what is not from lo to hi.
func counted(name string, v *int, byDefault, lo, hi int) error {
	if *v == 0 {
		*v = byDefault
	}
	if *v < lo || *v > hi {
		return fmt.Errorf("%s must be from %d to %d, got %d", name, lo, hi, *v)
	}
	return nil
}

// amount refuses a number that is not from 0 to most.
func amount(name string, v, most float64) error {
	if !(v >= 0 && v <= most) {
		return fmt.Errorf("%s must be from 0 to %v, got %v", name, most, v)
	}
	return nil
}

// form goes over the options of a generator: it reads those that a text has, or prints all.
type form struct {
	read  map[string]string // nil prints
	names []string
	out   []string
	err   error
}

func (f *form) fail(format string, a ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, a...)
	}
}

// option prints a value, or gives the text of one that is to be read.
func (f *form) option(name, printed string) (text string, ok bool) {
	f.names = append(f.names, name)
	if f.read == nil {
		f.out = append(f.out, name+"="+printed)
		return "", false
	}
	text, ok = f.read[name]
	delete(f.read, name)
	return text, ok
}

func (f *form) int(name string, v *int) {
	if s, ok := f.option(name, strconv.Itoa(*v)); ok {
		n, err := strconv.Atoi(s)
		if err != nil {
			f.fail("%s must be a whole number, got %.40q", name, s)
		}
		*v = n
	}
}

func (f *form) uint64(name string, v *uint64) {
	if s, ok := f.option(name, strconv.FormatUint(*v, 10)); ok {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			f.fail("%s must be a whole number that is not negative, got %.40q", name, s)
		}
		*v = n
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func (f *form) parse(name, s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		f.fail("%s must be a number, got %.40q", name, s)
		return 0
	}
	return v
}

func (f *form) float(name string, v *float64) {
	if s, ok := f.option(name, number(*v)); ok {
		*v = f.parse(name, s)
	}
}

func (f *form) span(name string, r *Range) {
	if s, ok := f.option(name, number(r.Least)+".."+number(r.Most)); ok {
		lo, hi, two := strings.Cut(s, "..")
		if !two {
			hi = lo
		}
		*r = Range{f.parse(name, lo), f.parse(name, hi)}
		if r.unset() {
			*r = Exactly(0)
		}
	}
}

func (f *form) bool(name string, v *bool) {
	if s, ok := f.option(name, strconv.FormatBool(*v)); ok {
		b, err := strconv.ParseBool(s)
		if err != nil {
			f.fail("%s must be true or false, got %.40q", name, s)
		}
		*v = b
	}
}

// text is an option without blanks.
func (f *form) text(name string, v *string) {
	if s, ok := f.option(name, *v); ok {
		*v = s
	}
}

// list is whole numbers, joined by commas.
func (f *form) list(name string, v *[]int) {
	printed := make([]string, len(*v))
	for i, n := range *v {
		printed[i] = strconv.Itoa(n)
	}
	s, ok := f.option(name, strings.Join(printed, ","))
	if !ok {
		return
	}
	*v = nil
	for n := range strings.SplitSeq(s, ",") {
		if s == "" {
			return
		}
		i, err := strconv.Atoi(n)
		if err != nil {
			f.fail("%s must be whole numbers, joined by commas, got %.40q", name, s)
		}
		*v = append(*v, i)
	}
}

// cuts is numbers, joined by commas.
func (f *form) cuts(name string, v *[]float64) {
	printed := make([]string, len(*v))
	for i, x := range *v {
		printed[i] = number(x)
	}
	s, ok := f.option(name, strings.Join(printed, ","))
	if !ok {
		return
	}
	*v = nil
	for x := range strings.SplitSeq(s, ",") {
		if s == "" {
			return
		}
		*v = append(*v, f.parse(name, x))
	}
}
