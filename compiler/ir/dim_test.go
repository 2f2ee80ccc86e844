package ir

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// must returns a dim that can be made.
func must(d Dim, ok bool) Dim {
	if !ok {
		panic("no dim")
	}
	return d
}

func TestDimForms(t *testing.T) {
	n, T, u := Rows(), Of("T"), Of("U")
	mul := func(a ...Dim) Dim { return must(Product(a...)) }
	for want, d := range map[string]Dim{
		"784":             Fixed(784),
		"0":               mul(Fixed(0), n),
		"N":               n,
		"4*N":             mul(n, Fixed(4)),
		"4*N*T":           mul(T, Fixed(2), n, Fixed(2)),
		"N^2":             mul(n, n),
		"3*N^2*T":         mul(n, T, n, Fixed(3)),
		"T*U":             mul(u, T),
		"2*N ":            must(Sum(n, n)),
		"(T+1)":           must(Sum(T, Fixed(1))),
		"(T+1) ":          must(Sum(Fixed(1), T)),
		"(N+T)":           must(Sum(T, n)),
		"(T+U+3)":         must(Sum(must(Sum(u, Fixed(3))), T)),
		"T":               must(Sub(must(Sum(T, Fixed(1))), Fixed(1))),
		"T ":              must(Sub(must(Sum(T, u)), u)),
		"((T+1)/2)":       must(Affine(T, -1, 2, 1)),
		"((T+3)/4)":       must(Affine(must(Affine(T, -1, 2, 1)), -1, 2, 1)),
		"(T/2)":           must(Affine(T, 0, 2, 0)),
		"T  ":             must(Affine(mul(T, Fixed(2)), 1, 2, 0)),
		"N*(T+1)":         mul(must(Sum(T, Fixed(1))), n),
		"N*(T+1) ":        must(Sum(mul(n, T), n)),
		"2*(T+1)":         must(Sum(mul(Fixed(2), T), Fixed(2))),
		"2*(T+1) ":        must(Sum(must(Sum(T, Fixed(1))), must(Sum(Fixed(1), T)))),
		"((T/2)+U)":       must(Sum(u, must(Affine(T, 0, 2, 0)))),
		"((T/2)+1)":       must(Affine(must(Affine(T, 0, 2, 0)), 0, 1, 1)),
		"(((N+T+2)/3)-1)": must(Affine(must(Sum(n, T)), -1, 3, 0)),
		"(T+1)^2":         mul(must(Sum(T, Fixed(1))), must(Sum(T, Fixed(1)))),
		"(N*U+T)":         must(Sum(T, mul(n, u))),
		"13":              must(Affine(Fixed(28), -4, 2, 1)),
		"((2*T+1)/3)":     must(Affine(mul(T, Fixed(2)), 1, 3, 0)),
		"(2*N+T)":         must(Sum(must(Sum(n, T)), n)),
		"N*(T+U)":         must(Sum(mul(n, T), mul(n, u))),
		"(T-2)":           must(Affine(T, -2, 1, 0)),
		"4*(T+1)*N":       Fixed(1), // refused below
		"N*(2*T+1)*U":     Fixed(1),
		"N*U*(2*T+1)":     mul(must(Affine(mul(T, Fixed(2)), 1, 1, 0)), n, u),
		"(((T+1)/2)+U":    Fixed(1),
	} {
		text := strings.TrimSpace(want)
		back, ok := ParseDim(text)
		if d == Fixed(1) {
			if ok {
				t.Errorf("%q is read as %v", text, back)
			}
			continue
		}
		if got := d.String(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
		if !ok || back != d {
			t.Errorf("%s is read back as %v", text, back)
		}
	}
	for _, text := range []string{"", "N*4", "T*N", "N*N", "1*N", "0*N", "04", "+3", "-3", "(T)", "(1+T)", "(T+1", "T+1", "((T+1))", "(T/1)", "N^1", "N^9", "(T-0)", "(T+1)*N",
		"99999999999999999999", "4611686018427387905*N*4", "(T/0)", strings.Repeat("(", 20) + "T", "(2*T/2)", "N*T*U*V*W"} {
		if d, ok := ParseDim(text); ok {
			t.Errorf("%q is read as %v", text, d)
		}
	}
	if d := Of("a b"); d.Valid() {
		t.Error("a name of two words is valid")
	}
}

func TestDimRefuses(t *testing.T) {
	n, T := Rows(), Of("T")
	four := must(Product(n, n, n, n))
	if _, ok := Mul(four, T); ok {
		t.Error("five factors are a dim")
	}
	if _, ok := Mul(Fixed(1<<40), Fixed(1<<40)); ok {
		t.Error("an overflow is a dim")
	}
	long, ok := T, true
	for i := 0; ok; i++ {
		if i > 100 {
			t.Fatalf("%v is a dim", long)
		}
		var square Dim
		if square, ok = Mul(long, T); ok {
			if square, ok = Sum(square, n); ok {
				long, ok = Affine(square, 1, 3, 0)
			}
		}
	}
	for _, c := range [][2]Dim{{T, n}, {T, Fixed(2)}, {Fixed(3), T}, {Fixed(1), Fixed(2)}} {
		if d, ok := Sub(c[0], c[1]); ok {
			t.Errorf("%v less %v is %v", c[0], c[1], d)
		}
	}
	for _, c := range [][2]Dim{{T, n}, {T, Fixed(2)}, {Fixed(3), T}, {Fixed(1), Fixed(0)}, {Fixed(5), Fixed(2)}} {
		if d, ok := Div(c[0], c[1]); ok {
			t.Errorf("%v by %v is %v", c[0], c[1], d)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the known length of a symbol is a number")
		}
	}()
	T.Length()
}

// TestDimUnbound: a name that nothing binds has no length.
func TestDimUnbound(t *testing.T) {
	if n, ok := Of("T").TryAt(RowsOf(1)); ok {
		t.Errorf("T is %d with one row", n)
	}
	if err := CheckBinding(RowsOf(3), Of("T")); err == nil || !strings.Contains(err.Error(), "T is not bound") {
		t.Errorf("got %v", err)
	}
	if err := CheckBinding(RowsOf(3).With("T", 1), must(Affine(Of("T"), -2, 1, 0))); err == nil || !strings.Contains(err.Error(), "(T-2) is -1") {
		t.Errorf("got %v", err)
	}
	if err := CheckBinding(RowsOf(3).With("T", 0), Of("T")); err == nil {
		t.Error("a length of 0 is bound")
	}
}

// TestDimAlgebra: what the algebra makes has the value of what it stands for, at
// every binding, and is read back from its text.
func TestDimAlgebra(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	type pair struct {
		d Dim
		f func(b Binding) int
	}
	known := []pair{{Fixed(0), func(Binding) int { return 0 }}, {Fixed(3), func(Binding) int { return 3 }}, {Rows(), Binding.Rows}}
	for _, name := range []string{"T", "U"} {
		known = append(known, pair{Of(name), func(b Binding) int { n, _ := b.Of(name); return n }})
	}
	made := 0
	for range 20000 {
		a, b := known[r.IntN(len(known))], known[r.IntN(len(known))]
		p, q, s := r.IntN(9)-4, 1+r.IntN(4), r.IntN(5)
		var c pair
		var ok bool
		switch r.IntN(5) {
		case 0:
			c.d, ok = Mul(a.d, b.d)
			c.f = func(x Binding) int { return a.f(x) * b.f(x) }
		case 1:
			c.d, ok = Sum(a.d, b.d)
			c.f = func(x Binding) int { return a.f(x) + b.f(x) }
		case 2:
			c.d, ok = Sub(a.d, b.d)
			c.f = func(x Binding) int { return a.f(x) - b.f(x) }
		case 3:
			c.d, ok = Affine(a.d, p, q, s)
			c.f = func(x Binding) int { return floor(a.f(x)+p, q) + s }
		case 4:
			if c.d, ok = Div(a.d, b.d); ok {
				c.f = func(x Binding) int {
					if b.f(x) == 0 { // and so is a
						return c.d.At(x)
					}
					return a.f(x) / b.f(x)
				}
			}
		}
		if !ok {
			continue
		}
		made++
		for range 5 {
			x := RowsOf(1+r.IntN(9)).With("U", 1+r.IntN(9)).With("T", 1+r.IntN(9))
			if got, ok := c.d.TryAt(x); !ok || got != c.f(x) {
				t.Fatalf("%v is %d with %v, want %d (of %v and %v)", c.d, got, x, c.f(x), a.d, b.d)
			}
		}
		if back, ok := ParseDim(c.d.String()); c.d.Valid() && (!ok || back != c.d) {
			t.Fatalf("%v is read back as %v, %v", c.d, back, ok)
		}
		unit, times := c.d.Unit()
		if whole := must(Mul(unit, times)); whole != c.d {
			t.Fatalf("%v is %v times %v", c.d, unit, times)
		}
		if len(known) < 60 && len(c.d.String()) < 40 && c.d.Valid() {
			known = append(known, c)
		}
	}
	if made < 8000 {
		t.Errorf("only %d dims were made", made)
	}
}

func TestBinding(t *testing.T) {
	a := RowsOf(3).With("U", 2).With("T", 5)
	if b := RowsOf(1).With("T", 1).With("U", 2).With("T", 5).With("N", 3); a != b {
		t.Errorf("%v is not %v", a, b)
	}
	if got := a.String(); got != "N = 3, T = 5, U = 2" {
		t.Errorf("got %s", got)
	}
	if got := must(Product(Rows(), Of("T"), Of("U"))).At(a); got != 30 {
		t.Errorf("N*T*U is %d", got)
	}
}

func TestGraphLengths(t *testing.T) {
	g, err := Parse("g (f32[N T 4] x, f32[N (T+1) ((T+U+1)/2)] y) => (x) {}", byName)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Symbols(); !slices.Equal(got, []string{"N", "T", "U"}) {
		t.Errorf("names are %v", got)
	}
	list := g.Lengths()
	if len(list) != 2 || list[0].Name != "(T+1)" || list[0].Add != 1 || list[1].Div != 2 || len(list[1].Terms) != 2 {
		t.Errorf("defined lengths are %+v", list)
	}
	if g.Value("y").Type.Shape[1] != must(Sum(Of("T"), Fixed(1))) {
		t.Error("equal definitions are two symbols")
	}
}

// TestCapacity: the text form keeps the capacity of a length, and refuses what is none.
func TestCapacity(t *testing.T) {
	text := func(s string) string {
		return "g (f32[N T 4] x) => (x)" + s + " {\n}\n"
	}
	g, err := Parse(text(" lengths (T = 12, U = 3)"), byName)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := g.Clone()
	if n, _ := h.Capacity.Of("T"); n != 12 || Text(h) != text(" lengths (T = 12, U = 3)") {
		t.Errorf("T is %d in\n%s", n, Text(h))
	}
	for _, s := range []string{"T = 0", "T = -1", "T = 012", "T = x", "N = 4", "T+1 = 4", "(T+1) = 4", "T = 4, T = 5", "T", "A = 1, B = 1, C = 1, D = 1, E = 1, F = 1, G = 1"} {
		if _, err := Parse(text(" lengths ("+s+")"), byName); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
}

// TestFix puts a number in the place of a name, also inside definitions, and Definition
// tells what a length is made of.
func TestFix(t *testing.T) {
	n, T := Rows(), Of("T")
	next := must(Affine(must(Mul(n, T)), 1, 2, 1)) // floor((N*T+1)/2) + 1
	for _, c := range []struct {
		d    Dim
		name string
		by   int
		want string
	}{
		{n, "N", 3, "3"}, {T, "N", 3, "T"}, {must(Product(Fixed(2), n, n, T)), "N", 3, "18*T"},
		{must(Sum(T, n)), "N", 4, "(T+4)"}, {must(Sum(T, n)), "T", 4, "(N+4)"}, {must(Sum(T, Fixed(1))), "T", 4, "5"},
		{next, "N", 2, "(T+1)"}, {next, "T", 3, must(Affine(must(Mul(n, Fixed(3))), 1, 2, 1)).String()}, {next, "U", 3, next.String()},
	} {
		if d, ok := c.d.Fix(c.name, c.by); !ok || d.String() != c.want {
			t.Errorf("%v with %s = %d is %v, want %s", c.d, c.name, c.by, d, c.want)
		}
	}
	if _, ok := must(Mul(Fixed(1<<40), n)).Fix("N", 1<<40); ok {
		t.Error("a length above the range of int")
	}
	if l, ok := must(Affine(T, 1, 2, 0)).Definition(); !ok || l.Div != 2 || l.Add != 1 || len(l.Terms) != 1 || l.Terms[0] != T {
		t.Errorf("%+v %v", l, ok)
	}
	for _, d := range []Dim{Fixed(4), T, must(Mul(T, n)), must(Mul(Fixed(2), must(Sum(T, n))))} {
		if _, ok := d.Definition(); ok {
			t.Errorf("%v has a definition", d)
		}
	}
}
