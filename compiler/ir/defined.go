package ir

import (
	"slices"
	"strconv"
	"strings"
	"unique"
)

// maxTerms is the greatest number of terms of a defined length.
const maxTerms = 4

// maxConstant bounds the numbers of a definition, so that computing with them
// does not overflow.
const maxConstant = 1 << 40

// maxDefinition bounds the text of a definition, and with it the work of computing
// one that is made of others.
const maxDefinition = 256

// definition is the length floor((the sum of the terms + add) / div). A symbol
// that is only a name has div 0.
type definition struct {
	terms    [maxTerms]Dim // in order, coefficients positive, unused ones at the end
	add, div int
}

func (f *definition) list() []Dim {
	n := 0
	for n < maxTerms && f.terms[n].n != 0 {
		n++
	}
	return f.terms[:n]
}

// Length is a defined length: floor((the sum of Terms + Add) / Div). Name is its
// definition, as it stands in shapes.
type Length struct {
	Name     string
	Terms    []Dim
	Add, Div int
}

// Sum returns a+b: N+N is 2*N, and what is no product is a defined length, as
// (T+1). ok is false when the definition would have too many terms.
func Sum(a, b Dim) (d Dim, ok bool) { return combine(a, b, 1) }

// Sub returns a-b if that is a length for every value of the symbols.
func Sub(a, b Dim) (d Dim, ok bool) {
	if d, ok = combine(a, b, -1); !ok {
		return d, false
	}
	n, ok := d.TryAt(ones)
	return d, ok && n >= 0
}

// Affine returns floor((d+add)/div) + plus: the lengths of strided layers. ok is
// false for a div below 1 and numbers that are too large.
func Affine(d Dim, add, div, plus int) (Dim, bool) {
	shift, ok := times(plus, div)
	if !ok || div < 1 || div > maxConstant {
		return Dim{}, false
	}
	p := linear(d)
	p.add += add + shift
	return p.dim(div)
}

// Fix returns the length where the named one is n; ok is false above the range of
// int.
func (d Dim) Fix(name string, n int) (out Dim, ok bool) {
	out = Fixed(d.n)
	for _, s := range d.factors() {
		f := Dim{n: 1, of: [maxFactors]symbol{s}}
		if m := s.h.Value(); m.def.div == 0 && m.name == name {
			f = Fixed(n)
		} else if f.Has(name) {
			p := polynomial{add: m.def.add}
			for _, t := range m.def.list() {
				if t, ok = t.Fix(name, n); !ok {
					return Dim{}, false
				}
				p.plus(linear(t), 1)
			}
			if f, ok = p.dim(m.def.div); !ok {
				return Dim{}, false
			}
		}
		if out, ok = Mul(out, f); !ok {
			return Dim{}, false
		}
	}
	return out, true
}

// Definition returns how a length is defined by others; ok is false for a name and
// for a product.
func (d Dim) Definition() (l Length, ok bool) {
	if unit, times := d.Unit(); unit != d || times != Fixed(1) || !d.Symbolic() || !d.of[0].defined() {
		return Length{}, false
	}
	m := d.of[0].h.Value()
	return Length{Name: m.name, Terms: slices.Clone(m.def.list()), Add: m.def.add, Div: m.def.div}, true
}

// polynomial is a sum of products with coefficients of any sign, and a number.
type polynomial struct {
	terms []Dim
	add   int
}

// linear returns d as a sum: sums that were defined are taken apart.
func linear(d Dim) polynomial {
	if !d.Symbolic() {
		return polynomial{add: d.n}
	}
	list := d.factors()
	for i, s := range list {
		def := s.h.Value().def
		if def.div != 1 {
			continue
		}
		rest := Dim{n: d.n}
		copy(rest.of[:], list[:i])
		copy(rest.of[i:], list[i+1:])
		var p polynomial
		for _, t := range append(slices.Clone(def.list()), Fixed(def.add)) {
			product, ok := Mul(rest, t)
			if !ok {
				return polynomial{terms: []Dim{d}}
			}
			p.plus(linear(product), 1)
		}
		return p
	}
	return polynomial{terms: []Dim{d}}
}

func combine(a, b Dim, sign int) (Dim, bool) {
	if a.of == b.of {
		n := a.n + sign*b.n
		if n == 0 {
			return Fixed(0), true
		}
		return Dim{n: n, of: a.of}, n > 0 || !a.Symbolic()
	}
	p := linear(a)
	p.plus(linear(b), sign)
	return p.dim(1)
}

// plus adds sign*q.
func (p *polynomial) plus(q polynomial, sign int) {
	p.add += sign * q.add
	for _, t := range q.terms {
		t.n *= sign
		if i := slices.IndexFunc(p.terms, func(u Dim) bool { return u.of == t.of }); i >= 0 {
			p.terms[i].n += t.n
		} else {
			p.terms = append(p.terms, t)
		}
	}
	p.terms = slices.DeleteFunc(p.terms, func(t Dim) bool { return t.n == 0 })
}

// dim returns floor(p/div) in the one form that equal lengths have.
func (p polynomial) dim(div int) (Dim, bool) {
	for {
		if len(p.terms) == 0 {
			return Fixed(floor(p.add, div)), true
		}
		g := div
		for _, t := range p.terms {
			if t.n < 0 || t.n > maxConstant {
				return Dim{}, false
			}
			g = gcd(g, t.n)
		}
		for i := range p.terms {
			p.terms[i].n /= g
		}
		p.add, div = floor(p.add, g), div/g
		if p.add > maxConstant || p.add < -maxConstant || len(p.terms) > maxTerms {
			return Dim{}, false
		}
		t := p.terms[0]
		if div == 1 || len(p.terms) > 1 || t.n != 1 || len(t.factors()) > 1 || t.of[0].h.Value().def.div < 2 {
			break
		}
		// A quotient of a quotient is one quotient.
		inner := t.of[0].h.Value().def
		shift, ok := times(p.add, inner.div)
		if !ok || div > maxConstant/inner.div {
			return Dim{}, false
		}
		p = polynomial{terms: slices.Clone(inner.list()), add: inner.add + shift}
		div *= inner.div
	}
	if whole := floor(p.add, div); div > 1 && whole != 0 {
		// What is left of the number is less than the divisor.
		d, ok := polynomial{terms: p.terms, add: p.add - whole*div}.dim(div)
		if !ok {
			return d, false
		}
		sum := linear(d)
		sum.add += whole
		return sum.dim(1)
	}
	if len(p.terms) == 1 && p.add == 0 && div == 1 {
		return p.terms[0], true
	}
	outer := Fixed(1)
	if div == 1 {
		outer = common(p.terms, p.add)
		for i := range p.terms {
			p.terms[i], _ = Div(p.terms[i], outer)
		}
		p.add /= outer.n
		if outer != Fixed(1) {
			rest := polynomial{add: p.add} // in which a term may be a sum that was defined
			for _, t := range p.terms {
				rest.plus(linear(t), 1)
			}
			d, ok := rest.dim(1)
			if !ok {
				return Dim{}, false
			}
			return Mul(outer, d)
		}
	}
	slices.SortFunc(p.terms, func(a, b Dim) int { return strings.Compare(order(a), order(b)) })
	def := definition{add: p.add, div: div}
	copy(def.terms[:], p.terms)
	name := def.String()
	if len(name) > maxDefinition {
		return Dim{}, false
	}
	s := symbol{unique.Make(meaning{name: name, def: def})}
	return Mul(outer, Dim{n: 1, of: [maxFactors]symbol{s}})
}

// order is what terms are sorted by: the batch comes first.
func order(d Dim) string {
	if d.of[0] == batch {
		return " " + d.String()
	}
	return d.String()
}

// common returns what all terms and the number have as a factor.
func common(terms []Dim, add int) Dim {
	g := terms[0]
	for _, t := range terms[1:] {
		var of [maxFactors]symbol
		n, left := 0, slices.Clone(t.factors())
		for _, s := range g.factors() {
			if i := slices.Index(left, s); i >= 0 {
				of[n], left = s, slices.Delete(left, i, i+1)
				n++
			}
		}
		g = Dim{n: gcd(g.n, t.n), of: of}
	}
	if add != 0 {
		g = Fixed(gcd(g.n, add))
	}
	return g
}

// String returns the definition: (T+1), ((T+1)/2), (2*N+T).
func (f *definition) String() string {
	var b strings.Builder
	b.WriteByte('(')
	bare := f.div > 1 && f.add == 0 && f.terms[1].n == 0
	if f.div > 1 && !bare {
		b.WriteByte('(')
	}
	for i, t := range f.list() {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(t.String())
	}
	if f.add > 0 {
		b.WriteByte('+')
	}
	if f.add != 0 {
		b.WriteString(strconv.Itoa(f.add))
	}
	if f.div > 1 {
		if !bare {
			b.WriteByte(')')
		}
		b.WriteByte('/')
		b.WriteString(strconv.Itoa(f.div))
	}
	b.WriteByte(')')
	return b.String()
}

func gcd(a, b int) int {
	if a < 0 {
		a = -a
	}
	if b < 0 {
		b = -b
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// floor divides towards minus infinity; b is positive.
func floor(a, b int) int {
	if r := a % b; r < 0 {
		return a/b - 1
	}
	return a / b
}

// maxDepth is how deep the parser follows definitions in each other: none that has
// a text may be deeper.
const maxDepth = maxDefinition / 2

// ParseDim reads what String writes.
func ParseDim(s string) (Dim, bool) {
	if len(s) > (maxFactors+1)*maxDefinition {
		return Dim{}, false
	}
	p := dimParser{rest: s}
	d, ok := p.product()
	return d, ok && p.rest == "" && d.Valid() && d.String() == s
}

type dimParser struct {
	rest  string
	depth int
}

func (p *dimParser) accept(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *dimParser) number() (int, bool) {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(p.rest[:n])
	p.rest = p.rest[n:]
	return v, err == nil
}

func (p *dimParser) product() (Dim, bool) {
	d, ok := p.factor()
	for ok && p.accept('*') {
		var e Dim
		if e, ok = p.factor(); ok {
			d, ok = Mul(d, e)
		}
	}
	return d, ok
}

func (p *dimParser) factor() (d Dim, ok bool) {
	switch {
	case p.rest == "":
		return Dim{}, false
	case p.accept('('):
		if d, ok = p.sum(); !ok {
			return d, false
		}
	case isLetter(p.rest[0]):
		n := 1
		for n < len(p.rest) && (isLetter(p.rest[n]) || p.rest[n] >= '0' && p.rest[n] <= '9') {
			n++
		}
		d = Of(p.rest[:n])
		p.rest = p.rest[n:]
	default:
		n, ok := p.number()
		return Fixed(n), ok
	}
	if p.accept('^') {
		k, ok := p.number()
		if !ok || k < 2 || k > maxFactors {
			return d, false
		}
		one := d
		for range k - 1 {
			if d, ok = Mul(d, one); !ok {
				return d, false
			}
		}
	}
	return d, true
}

// sum reads a definition behind its parenthesis.
func (p *dimParser) sum() (d Dim, ok bool) {
	if p.depth++; p.depth > maxDepth {
		return Dim{}, false
	}
	defer func() { p.depth-- }()
	var all polynomial
	for sign, add := true, true; sign; {
		e, ok := p.product()
		if !ok || !add && e.Symbolic() {
			return d, false
		}
		if add {
			all.plus(linear(e), 1)
		} else {
			all.add -= e.n
		}
		add = p.accept('+')
		sign = add || p.accept('-')
	}
	div := 1
	if p.accept('/') {
		if div, ok = p.number(); !ok || div < 1 || div > maxConstant {
			return d, false
		}
	}
	if d, ok = all.dim(div); !ok {
		return d, false
	}
	return d, p.accept(')')
}
