package synthetic

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// all is one of each kind, with options that differ from their defaults.
func all() map[string]*Rows {
	return map[string]*Rows{
		"shapes":  Shapes(40, 3, ShapeOptions{Height: 20, Width: 24, Noise: 0.1}),
		"strokes": Strokes(40, 3, StrokeOptions{Glyphs: 7, Planes: true}),
		"waves":   Waves(40, 3, WaveOptions{Channels: 2, Length: 50, Alone: true, Drift: 0.5}),
		"table": Tables(40, 3, TableOptions{Normal: 3, Uniform: 1, Shared: 0.5, Categories: []int{3, 5}, Target: "2*x1 - x2^2 + sin(3*x4) + 1.5*[c1=2]",
			Noise: 0.3, Cuts: []float64{-1, 0.5}, Missing: 0.2, Holes: "x2: [x1>1]; x3: [c2=0]"}),
	}
}

func collect(t *testing.T, src dataset.Source) *dataset.Table {
	t.Helper()
	d, err := dataset.Collect(src)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func hash(t *testing.T, src dataset.Source) string {
	t.Helper()
	h, err := dataset.Hash(src)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestBits: rows have these bits, on every machine and from every set of kernels. The record of a training names rows by their text
// form, so a change here makes trainings on generated rows impossible to reproduce.
func TestBits(t *testing.T) {
	want := map[string]string{
		"shapes":  "2fa3197d591660b1",
		"strokes": "2cfa06f079f9e318",
		"waves":   "1d4320161d13275c",
		"table":   "30a20c9a9c6ea050",
	}
	for name, r := range all() {
		if got := hash(t, r)[:16]; got != want[name] {
			t.Errorf("%s: the rows have the hash %s, want %s", name, got, want[name])
		}
	}
}

// TestRowsAlone: a row depends on its number and the seed alone, not on the order in which rows are asked for, on how many there are,
// or on goroutines.
func TestRowsAlone(t *testing.T) {
	for name, r := range all() {
		whole := collect(t, r)
		longer := *r
		longer.n = 1000
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for k := range 40 {
					i := (k*7 + g*5) % 40
					one, err := dataset.Collect(dataset.All(&longer).Select([]int{i}))
					if err != nil {
						t.Error(err)
						return
					}
					want := whole.Select([]int{i})
					if h, err := one.Hash(); err != nil || h != must(want.Hash()) {
						t.Errorf("%s: row %d differs when it is read alone: %v", name, i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if other := *r; true {
			other.seed++
			again, err := Parse(other.String())
			if err != nil {
				t.Fatal(err)
			}
			if hash(t, again) == hash(t, r) {
				t.Errorf("%s: another seed gives the same rows", name)
			}
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// TestText: the text form gives the same rows, and says all that decides them.
func TestText(t *testing.T) {
	for name, r := range all() {
		again, err := Parse(r.String())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again.String() != r.String() || hash(t, again) != hash(t, r) {
			t.Errorf("%s: %q became %q", name, r, again)
		}
		few := r.Without("factors")
		again, err = Parse(few.String())
		if err != nil || hash(t, again) != hash(t, few) || len(few.Columns()) != len(r.Columns())-1 {
			t.Errorf("%s without factors: %q, %v", name, few, err)
		}
		last := r.Columns()[len(r.Columns())-2].Name
		named := few.Rename(last, "z")
		if again, err = Parse(named.String()); err != nil || hash(t, again) != hash(t, named) || hash(t, named) == hash(t, few) || hash(t, named) != must(collect(t, few).Rename(last, "z").Hash()) {
			t.Errorf("%s with another name: %q, %v", name, named, err)
		}
		if want := collect(t, r).Without("factors"); must(want.Hash()) != hash(t, few) {
			t.Errorf("%s: leaving factors out changes the other columns", name)
		}
		source, err := r.Stream().Source(t.Context())
		if err != nil || source != r.String() {
			t.Errorf("%s: its stream comes from %q, %v", name, source, err)
		}
	}
	r := all()["table"]
	dir := t.TempDir()
	for range 2 { // the second time it is there already
		spooled, err := dataset.Spool(t.Context(), dir+"/rows", r.Stream())
		if err != nil {
			t.Fatal(err)
		}
		if hash(t, spooled) != hash(t, r) {
			t.Error("rows that were spooled are others")
		}
	}
	got := Tables(5, 1, TableOptions{Normal: 2, Target: "x1 - 2 * x2"}).String()
	if want := "table rows=5 seed=1 normal=2 uniform=0 shared=0 categories= target=x1-2*x2 noise=0 cuts=0 missing=0 holes="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	zero := Strokes(5, 1, StrokeOptions{Turn: Exactly(0), Wobble: Exactly(0)})
	again, err := Parse(zero.String())
	if err != nil || again.String() != zero.String() || !strings.Contains(zero.String(), "turn=-0..0") {
		t.Errorf("%q, %v", zero, err)
	}
	if plain, err := Parse("strokes rows=5 turn=0 wobble=0 seed=1"); err != nil || hash(t, plain) != hash(t, zero) {
		t.Errorf("%v", err)
	}
}

// TestNoAllocation: a row takes no memory but its own.
func TestNoAllocation(t *testing.T) {
	for name, r := range all() {
		for _, src := range []*Rows{r, r.Without("factors")} {
			batches := func(rows int) float64 {
				index := make([]int, rows)
				for i := range index {
					index[i] = i % 40
				}
				sel := dataset.All(src).Select(index)
				return testing.AllocsPerRun(5, func() {
					if err := dataset.Each(t.Context(), sel, rows, func(dataset.Batch) error { return nil }); err != nil {
						t.Fatal(err)
					}
				})
			}
			if few, many := batches(40), batches(400); many > few+40 {
				t.Errorf("%s: 360 rows more allocate %v times more", name, many-few)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for want, err := range map[string]error{
		"the rows must be 1 to":                 Shapes(0, 1, ShapeOptions{}).Err(),
		"Height must be from 8 to 512, got 7":   Strokes(5, 1, StrokeOptions{Height: 7}).Err(),
		"Kinds must be from 1 to 5, got 6":      Shapes(5, 1, ShapeOptions{Kinds: 6}).Err(),
		"Pen must be a range from 0.1 to 64":    Strokes(5, 1, StrokeOptions{Pen: Range{3, 2}}).Err(),
		"Noise must be from 0 to 1, got NaN":    Shapes(5, 1, ShapeOptions{Noise: math.NaN()}).Err(),
		"Frequency must be a range from":        Waves(5, 1, WaveOptions{Frequency: Range{1, 65}}).Err(),
		"Channels must be from 1 to 64, got -1": Waves(5, 1, WaveOptions{Channels: -1}).Err(),
		"Normal and Uniform must be from 0":     Tables(5, 1, TableOptions{Normal: 65}).Err(),
		"c2 must have 2 to 1000 values, got 1":  Tables(5, 1, TableOptions{Categories: []int{2, 1}}).Err(),
		"there is no column x5; there are 4":    Tables(5, 1, TableOptions{Target: "x1+x5"}).Err(),
		"there is no column c1; there are 0":    Tables(5, 1, TableOptions{Target: "[c1=0]"}).Err(),
		`at ")+": more is not expected`:         Tables(5, 1, TableOptions{Target: "x1)+"}).Err(),
		"may be larger than 1e30":               Tables(5, 1, TableOptions{Target: "x1^8*x1^8*x1^8"}).Err(),
		"nested more than 20 deep":              Tables(5, 1, TableOptions{Target: strings.Repeat("(", 500)}).Err(),
		"at most 2000 letters":                  Tables(5, 1, TableOptions{Target: strings.Repeat("x1+", 1000) + "x1"}).Err(),
		"a power is from 2 to 8, got 9":         Tables(5, 1, TableOptions{Target: "x1^9"}).Err(),
		"Cuts must ascend, got [1 1]":           Tables(5, 1, TableOptions{Cuts: []float64{1, 1}}).Err(),
		`"x9:1" must be such as`:                Tables(5, 1, TableOptions{Holes: "x9:1"}).Err(),
		`no column "z"; there are`:              Shapes(5, 1, ShapeOptions{}).Without("z").Err(),
		"no column is left":                     Shapes(5, 1, ShapeOptions{}).Without("x", "y", "factors").Err(),
		`cannot be named "a,b"`:                 Shapes(5, 1, ShapeOptions{}).Rename("y", "a,b").Err(),
		`two columns are named "x"`:             Shapes(5, 1, ShapeOptions{}).Rename("y", "x").Err(),
		`Rename: no column "z"`:                 Shapes(5, 1, ShapeOptions{}).Rename("z", "y").Err(),
		"the rows are nil":                      (*Rows)(nil).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for text, want := range map[string]string{
		"":                               "is empty",
		"dots rows=3":                    `no generator is named "dots"`,
		"shapes rows":                    "must be NAME=VALUE",
		"shapes rows=1 rows=2":           "each name once",
		"shapes rows=1 colour=red":       `no option is named "colour"; there are rows, seed, height`,
		"shapes rows=many":               "rows must be a whole number",
		"shapes seed=-1":                 "seed must be a whole number that is not negative",
		"shapes noise=NaN":               "noise must be a number",
		"shapes planes=perhaps":          "planes must be true or false",
		"strokes pen=1..x":               "pen must be a number",
		"table categories=2,x":           "categories must be whole numbers",
		"table columns=numeric,target":   "columns must name each of [numeric f32[4] target f32[1] y i64[] factors f32[6]]",
		"table columns=a,b,,d":           "columns must name each of",
		"table columns=a,a,b,-":          `two columns are named "a"`,
		"table columns=-,-,-,-":          "no column is left",
		"decoded rows=3 seed=1 decoder=": "only by the program that has it",
		strings.Repeat("x", longest+1):   "at most 16384 bytes",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
	bad := Shapes(0, 1, ShapeOptions{})
	if _, err := dataset.Collect(bad); !errors.Is(err, bad.Err()) || bad.Len() != 0 || bad.Columns() != nil || bad.Generator() != "" || bad.String() != bad.Err().Error() || bad.Factors() != nil {
		t.Errorf("rows that are a mistake can be used: %v", err)
	}
}

// TestExact compares the functions that are ours with those of package math.
func TestExact(t *testing.T) {
	k := random.New(1)
	var sum, squares float64
	const n = 20000
	for i := range uint64(n) {
		x := between(-40, 40, k.Float64(i))
		sin, cos := sincos(x / (2 * math.Pi))
		if s, c := math.Sincos(x); math.Abs(sin-s) > 1e-13 || math.Abs(cos-c) > 1e-13 {
			t.Fatalf("of %v: %v %v, want %v %v", x, sin, cos, s, c)
		}
		u := 1 - k.Float64(i)
		if got, want := log(u), math.Log(u); math.Abs(got-want) > 1e-14*max(1, math.Abs(want)) {
			t.Fatalf("log(%v) is %v, want %v", u, got, want)
		}
		z := normal(k, i)
		sum, squares = sum+z, squares+z*z
	}
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 0.03 || math.Abs(variance-1) > 0.04 {
		t.Errorf("normal draws have the mean %v and the variance %v", mean, variance)
	}
	for _, u := range []float64{0x1p-53, 1} {
		if got, want := log(u), math.Log(u); math.Abs(got-want) > 1e-13 {
			t.Errorf("log(%v) is %v, want %v", u, got, want)
		}
	}
}

// TestFactors: what the columns of factors say is what is in the rows.
func TestFactors(t *testing.T) {
	t.Run("shapes", func(t *testing.T) {
		r := Shapes(300, 1, ShapeOptions{})
		d := collect(t, r)
		if fmt.Sprint(r.Factors()) != "[row column size angle contrast]" {
			t.Errorf("%v", r.Factors())
		}
		x, f := d.F32("x"), d.F32("factors")
		for i := range d.Len() {
			var mass, row, column, light float64
			for j, v := range x[i*1024:][:1024] {
				mass, light = mass+float64(v), max(light, float64(v))
				row, column = row+float64(v)*(float64(j/32)+0.5)/32, column+float64(v)*(float64(j%32)+0.5)/32
			}
			own := f[i*5:][:5]
			if math.Abs(row/mass-float64(own[0])) > 0.03 || math.Abs(column/mass-float64(own[1])) > 0.03 || math.Abs(light-float64(own[4])) > 0.01 {
				t.Errorf("row %d, a %s: its middle is %v %v and its light %v, the factors are %v", i, ShapeNames()[d.I64("y")[i]], row/mass, column/mass, light, own)
			}
			if d.I64("y")[i] == 0 { // a disc
				if area := mass / light / 1024; math.Abs(math.Sqrt(area/math.Pi)-float64(own[2])) > 0.01 {
					t.Errorf("row %d: a disc of the radius %v, the factor is %v", i, math.Sqrt(area/math.Pi), own[2])
				}
			}
		}
	})
	t.Run("waves", func(t *testing.T) {
		d := collect(t, Waves(200, 1, WaveOptions{Channels: 2, Noise: Range{0.01, 0.01}, Frequency: Range{3, 3}, Alone: true}))
		seen := map[int64]int{}
		for i := range d.Len() {
			f, y := d.F32("factors")[i*9:][:9], d.I64("y")[i]
			if seen[y]++; y > 2 {
				continue
			}
			for c := range 2 { // all are the frequency 3
				var a, b float64
				for s, v := range d.F32("x")[(i*2+c)*128:][:128] {
					sin, cos := math.Sincos(2 * math.Pi * 3 * float64(s) / 128)
					a, b = a+float64(v)*sin/64, b+float64(v)*cos/64
				}
				amplitude, phase := math.Hypot(a, b), math.Atan2(b, a)/(2*math.Pi)
				if y == 1 { // two sines, of the phase and of twice the phase
					amplitude /= math.Abs(math.Cos(math.Pi * float64(f[5+c])))
					phase -= float64(f[5+c]) / 2
				}
				if math.Abs(amplitude-float64(f[3+c])) > 0.1*amplitude && math.Abs(math.Cos(math.Pi*float64(f[5+c]))) > 0.1 {
					t.Errorf("row %d, kind %d: the amplitude is %v, the factor %v", i, y, amplitude, f[3+c])
				}
				if d := math.Abs(phase - float64(f[5+c])); y != 1 && min(math.Mod(d, 1), 1-math.Mod(d, 1)) > 0.02 {
					t.Errorf("row %d, kind %d: the phase is %v, the factor %v", i, y, phase, f[5+c])
				}
			}
		}
		if len(seen) != 5 {
			t.Errorf("kinds: %v", seen)
		}
	})
	t.Run("strokes", func(t *testing.T) {
		r := Strokes(400, 1, StrokeOptions{Glyphs: 5, Turn: Exactly(0), Slant: Exactly(0), Aspect: Range{1, 1}, Wobble: Exactly(0), Pen: Range{2, 2}, Blur: Range{1, 1}, Size: Range{0.7, 0.7}})
		d := collect(t, r)
		first := map[int64][]float32{}
		for i := range d.Len() {
			x, y := d.F32("x")[i*784:][:784], d.I64("y")[i]
			if first[y] == nil {
				first[y] = x
			}
			if !slices.Equal(x, first[y]) {
				t.Fatalf("two drawings of glyph %d differ where all that draws them is fixed", y)
			}
			var ink float32
			for j, v := range x {
				if v < 0 || v > 1 || v*255 != float32(math.Round(float64(v)*255)) {
					t.Fatalf("pixel %d is %v", j, v)
				}
				if ink += v; v > 0 && (j%28 < 2 || j%28 > 25) && (j/28 < 2 || j/28 > 25) {
					t.Errorf("row %d reaches a corner", i)
				}
			}
			if ink < 20 || ink > 400 {
				t.Errorf("row %d has the light of %v pixels", i, ink)
			}
		}
		if len(first) != 5 {
			t.Errorf("%d glyphs, want 5", len(first))
		}
	})
	t.Run("table", func(t *testing.T) {
		r := Tables(3000, 1, TableOptions{Normal: 3, Uniform: 1, Shared: 0.5, Categories: []int{3}, Target: "2*x1-x2^2+sin(3*x4)+abs(x3)*cos(x1)+1.5*[c1=2]-(x1+1)*[x4<-0.5]",
			Noise: 0.5, Cuts: []float64{-1, 0.5}, Missing: 0.2, Holes: "x2:[x1>1]"})
		d := collect(t, r)
		var noise, lost, hidden, pairs float64
		for i := range d.Len() {
			f, x := d.F32("factors")[i*6:][:6], d.F32("numeric")[i*4:][:4]
			x1, x2, x3, x4 := float64(f[2]), float64(f[3]), float64(f[4]), float64(f[5])
			want := 2*x1 - x2*x2 + math.Sin(3*x4) + math.Abs(x3)*math.Cos(x1)
			if d.I64("categorical")[i] == 4 {
				want += 1.5
			}
			if x4 < -0.5 {
				want -= x1 + 1
			}
			if math.Abs(want-float64(f[1])) > 1e-4 {
				t.Fatalf("row %d: the target without noise is %v, want %v", i, f[1], want)
			}
			y, class := float64(d.F32("target")[i]), int64(0)
			if y >= -1 {
				class++
			}
			if y >= 0.5 {
				class++
			}
			if d.I64("y")[i] != class {
				t.Errorf("row %d: class %d of %v", i, d.I64("y")[i], y)
			}
			noise += (y - want) * (y - want) / 3000
			hidden, pairs = hidden+x1*float64(f[0])/3000, pairs+x1*x2/3000
			for j, v := range x {
				if v != v {
					lost += 1.0 / 12000
				} else if v != f[2+j] {
					t.Errorf("row %d: x%d is %v, the factor %v", i, j+1, v, f[2+j])
				}
			}
			if x1 > 1 && x[1] == x[1] {
				t.Errorf("row %d: x2 is there, though x1 is %v", i, x1)
			}
		}
		if math.Abs(noise-0.25) > 0.03 || math.Abs(hidden-math.Sqrt(0.5)) > 0.06 || math.Abs(pairs-0.5) > 0.06 || lost < 0.2 || lost > 0.26 {
			t.Errorf("the noise has the variance %v, x1 goes with the hidden factor by %v and with x2 by %v, %v is missing", noise, hidden, pairs, lost)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, r := range all() {
		f.Add(r.String())
	}
	f.Add("table target=((x1 cuts=1,2 holes=x1:[x1>-3]")
	f.Add("strokes rows=3 pen=2 turn=-0..0 columns=y,x,-")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q became %q: %v", r, again, err)
		}
		if dataset.Column.Width(r.Columns()[0]) > 1<<14 {
			return
		}
		if _, err := dataset.Collect(dataset.All(r).Head(1)); err != nil {
			t.Fatalf("%q: %v", r, err)
		}
	})
}
