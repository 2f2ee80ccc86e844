package ir

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unique"
)

// Batch is the name of the batch's length, that of the first axis of a row-wise
// value.
const Batch = "N"

// maxFactors is the greatest number of symbols in one product.
const maxFactors = 4

// Dim is the length of one axis: a coefficient times symbols, N first and the
// others in order of their names: 784, N, 4*N*T, N^2. A symbol is a name, whose
// length a [Binding] gives, or is defined by others: see [Sum] and [Affine]. Equal
// dims are ==. The zero Dim is the length 0.
type Dim struct {
	n  int
	of [maxFactors]symbol // unused ones at the end
}

// symbol is a factor of a dim. It carries its meaning, so equal definitions are
// one symbol wherever they are made.
type symbol struct{ h unique.Handle[meaning] }

type meaning struct {
	name string // of a defined symbol its definition
	def  definition
}

var batch = symbol{unique.Make(meaning{name: Batch})}

// none reports whether the place of a factor is unused.
func (s symbol) none() bool { return s == symbol{} }

func (s symbol) defined() bool { return s.h.Value().def.div != 0 }

// compare orders symbols: the batch, names, definitions.
func (s symbol) compare(t symbol) int {
	switch {
	case s == t:
		return 0
	case s == batch:
		return -1
	case t == batch:
		return 1
	}
	a, b := s.h.Value(), t.h.Value()
	if a.def.div == 0 != (b.def.div == 0) {
		if a.def.div == 0 {
			return -1
		}
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// Fixed returns the dim of a known length.
func Fixed(n int) Dim { return Dim{n: n} }

// Rows is the dim of the batch axis.
func Rows() Dim { return Dim{n: 1, of: [maxFactors]symbol{batch}} }

// Of returns the dim of the length of that name, a word of letters and digits; a
// graph with another name does not verify.
func Of(name string) Dim {
	return Dim{n: 1, of: [maxFactors]symbol{{unique.Make(meaning{name: name})}}}
}

// Symbolic reports whether the length is known only at run time.
func (d Dim) Symbolic() bool { return !d.of[0].none() }

// Known returns the length if it is known before a run.
func (d Dim) Known() (n int, ok bool) { return d.n, !d.Symbolic() }

// UnknownLength is what [Dim.Length] panics with: whoever runs code of others that
// may ask for the number of a symbolic length can tell that from a bug.
type UnknownLength struct{ Dim Dim }

// Error names the length.
func (u UnknownLength) Error() string {
	return fmt.Sprintf("ir: length %v is not known before a run", u.Dim)
}

// Length returns the known length. It panics with an [UnknownLength] for a symbolic
// one: whoever means a known length must not take a wrong number for it.
func (d Dim) Length() int {
	if d.Symbolic() {
		panic(UnknownLength{d})
	}
	return d.n
}

// Valid reports whether the dim may be the length of an axis: not negative, and
// made of names that the text form reads.
func (d Dim) Valid() bool {
	if d.n < 0 || d.Symbolic() && d.n == 0 {
		return false
	}
	for _, s := range d.factors() {
		m := s.h.Value()
		if m.def.div == 0 && !plainSymbol(m.name) {
			return false
		}
		for _, t := range m.def.list() {
			if !t.Valid() {
				return false
			}
		}
	}
	return true
}

// factors returns the symbols.
func (d *Dim) factors() []symbol {
	n := 0
	for n < maxFactors && !d.of[n].none() {
		n++
	}
	return d.of[:n]
}

// Has reports whether the length depends on that of this name.
func (d Dim) Has(name string) bool {
	found := false
	d.symbols(func(s symbol) { found = found || s.h.Value().name == name })
	return found
}

// symbols calls f for every symbol the length depends on, those of definitions
// before what they define.
func (d Dim) symbols(f func(symbol)) {
	for _, s := range d.factors() {
		if s.defined() {
			def := s.h.Value().def
			for _, t := range def.list() {
				t.symbols(f)
			}
		}
		f(s)
	}
}

// Unit returns the dim as units of one symbol times a multiplier: 4*N*T is N
// times 4*T. A known length is its own unit.
func (d Dim) Unit() (unit, times Dim) {
	if !d.Symbolic() {
		return d, Fixed(1)
	}
	unit = Dim{n: 1, of: [maxFactors]symbol{d.of[0]}}
	times = Dim{n: d.n}
	copy(times.of[:], d.of[1:])
	return unit, times
}

// Mul returns a*b; ok is false for more than four symbols and above the range of
// int.
func Mul(a, b Dim) (d Dim, ok bool) {
	if a == Fixed(0) || b == Fixed(0) {
		return Fixed(0), true
	}
	if d.n, ok = times(a.n, b.n); !ok {
		return Dim{}, false
	}
	all := append(append(make([]symbol, 0, 2*maxFactors), a.factors()...), b.factors()...)
	if len(all) > maxFactors {
		return Dim{}, false
	}
	slices.SortFunc(all, symbol.compare)
	copy(d.of[:], all)
	return d, true
}

// Product returns the product of dims, 1 for none; ok as of [Mul].
func Product(dims ...Dim) (d Dim, ok bool) {
	d = Fixed(1)
	for _, e := range dims {
		if d, ok = Mul(d, e); !ok {
			return Dim{}, false
		}
	}
	return d, true
}

// Div returns a/b if that is a dim: without a remainder, whatever the symbols
// stand for.
func Div(a, b Dim) (d Dim, ok bool) {
	if b.n == 0 {
		return Dim{}, false
	}
	if a == Fixed(0) {
		return a, true
	}
	if a.n%b.n != 0 {
		return Dim{}, false
	}
	left := append(make([]symbol, 0, maxFactors), a.factors()...)
	for _, s := range b.factors() {
		i := slices.Index(left, s)
		if i < 0 {
			return Dim{}, false
		}
		left = slices.Delete(left, i, i+1)
	}
	d.n = a.n / b.n
	copy(d.of[:], left)
	return d, true
}

// String returns 784, N, 4*N*T, N^2 or, with a defined length, N*(T+1).
func (d Dim) String() string {
	if !d.Symbolic() {
		return strconv.Itoa(d.n)
	}
	var parts []string
	if d.n != 1 {
		parts = append(parts, strconv.Itoa(d.n))
	}
	list := d.factors()
	for i := 0; i < len(list); {
		k := i + 1
		for k < len(list) && list[k] == list[i] {
			k++
		}
		s := list[i].h.Value().name
		if k-i > 1 {
			s += "^" + strconv.Itoa(k-i)
		}
		parts = append(parts, s)
		i = k
	}
	return strings.Join(parts, "*")
}

// times multiplies within the range of int.
func times(a, b int) (int, bool) {
	x, y := uint64(a), uint64(b)
	if a < 0 {
		x = -x
	}
	if b < 0 {
		y = -y
	}
	hi, lo := bits.Mul64(x, y)
	if hi != 0 || lo > 1<<62 {
		return 0, false
	}
	return a * b, true
}

func plainSymbol(s string) bool {
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isLetter(s[i]) && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}
