package dataset

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// pictures returns n pictures x of a size, with values of a stream, bytes if asked for, and labels y.
func pictures(t testing.TB, n int, bytes bool, dims ...int) *Table {
	t.Helper()
	d := Data{Column: Column{Name: "x", DType: F32, Shape: dims}}
	y := Data{Column: Column{Name: "y", DType: I64}, I64: make([]int64, n)}
	if bytes {
		d.DType = U8
	}
	for i := range n * d.Width() {
		v := random.New(3).Float32(uint64(i))
		if bytes {
			d.U8 = append(d.U8, uint8(256*v))
		} else {
			d.F32 = append(d.F32, v)
		}
	}
	for i := range y.I64 {
		y.I64[i] = int64(i % 3)
	}
	tab, err := NewTable(d, y)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// moveOf is move, written for one pixel and in float64.
func moveOf(m move, p picture, src func(c, y, x int) float64, c, y, x int) float64 {
	qx, qy := min(max(x-m.shiftX, 0), p.width-1)+m.cropX, min(max(y-m.shiftY, 0), p.height-1)+m.cropY
	if qx < 0 || qx >= p.width || qy < 0 || qy >= p.height {
		return 0
	}
	if m.flipX {
		qx = p.width - 1 - qx
	}
	if m.flipY {
		qy = p.height - 1 - qy
	}
	cx, cy := float64(p.width-1)/2, float64(p.height-1)/2
	dx, dy := float64(qx)-cx, float64(qy)-cy
	u, v := cx+(m.cos*dx-m.sin*dy)/m.scale, cy+(m.sin*dx+m.cos*dy)/m.scale
	sum := 0.0
	for j := range p.height {
		for i := range p.width {
			sum += src(c, j, i) * max(0, 1-math.Abs(u-float64(i))) * max(0, 1-math.Abs(v-float64(j)))
		}
	}
	return sum
}

// A moved picture is the one that a formula for one pixel gives, of every kind of move and alone and together.
func TestMoves(t *testing.T) {
	k := random.New(1)
	for trial := range uint64(400) {
		draw := func(i, n uint64) int { return int(k.Derive(trial).Uint64N(i, n)) }
		p := picture{channels: 1 + draw(0, 3), height: 1 + draw(1, 9), width: 1 + draw(2, 9)}
		m := unmoved()
		which := draw(3, 16)
		if which&1 != 0 {
			m.shiftX, m.shiftY = draw(4, 5)-2, draw(5, 5)-2
		}
		if which&2 != 0 {
			m.cropX, m.cropY = draw(6, 5)-2, draw(7, 5)-2
		}
		if which&4 != 0 {
			m.flipX, m.flipY = draw(8, 2) == 1, draw(9, 2) == 1
		}
		if which&8 != 0 {
			(&rotate{180}).move(k.Derive(trial, 1), p, &m)
			(&scale{0.5}).move(k.Derive(trial, 2), p, &m)
		}
		n := p.channels * p.height * p.width
		f, b := make([]float32, n), make([]uint8, n)
		for i := range n {
			f[i], b[i] = k.Float32(uint64(i)), uint8(draw(uint64(i)+100, 256))
		}
		at := func(c, y, x int) int { return (c*p.height+y)*p.width + x }
		f0, b0, w := slices.Clone(f), slices.Clone(b), &moving{}
		m.apply(p, values{f32: f}, w)
		m.apply(p, values{u8: b}, w)
		for c := range p.channels {
			for y := range p.height {
				for x := range p.width {
					i := at(c, y, x)
					want := moveOf(m, p, func(c, y, x int) float64 { return float64(f0[at(c, y, x)]) }, c, y, x)
					if d := math.Abs(float64(f[i]) - want); d > 1e-3 || !m.turned && d != 0 {
						t.Fatalf("%v, %+v: channel %d, line %d, column %d is %v, not %v", p, m, c, y, x, f[i], want)
					}
					want = moveOf(m, p, func(c, y, x int) float64 { return float64(b0[at(c, y, x)]) }, c, y, x)
					if d := math.Abs(float64(b[i]) - want); d > 2.6 || !m.turned && d != 0 { // 1/2 rounded, and 1/256 of 255 in each direction
						t.Fatalf("%v, %+v: channel %d, line %d, column %d is %v, not %v", p, m, c, y, x, b[i], want)
					}
				}
			}
		}
	}
}

// Turns by right angles, and a scale of 1, give the very pixels.
func TestTurnsByRightAngles(t *testing.T) {
	p := picture{channels: 1, height: 5, width: 5}
	src := pictures(t, 1, false, 1, 5, 5).F32("x")
	for quarter := range 4 {
		m := unmoved()
		m.turned = true
		m.sin, m.cos = math.Sincos(float64(quarter) * math.Pi / 2)
		got := slices.Clone(src)
		m.apply(p, values{f32: got}, &moving{})
		want := slices.Clone(src)
		for range quarter {
			from := slices.Clone(want)
			for y := range 5 {
				for x := range 5 {
					want[y*5+x] = from[x*5+4-y]
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d quarters: got %v, want %v", quarter, got, want)
		}
	}
}

// all is every kind of change.
func all() *Augmentation {
	return Augment().Shift(1).Crop(2).Flip(Horizontally, Vertically).Rotate(20).Scale(0.2).ColorJitter(0.3, 0.4, 0.5).Noise(0.1).Erase(0.5).Mixup(0.5)
}

// augmented returns what rows become, by row, in an epoch from a step on.
func augmented(t *testing.T, src Source, a *Augmentation, size, epoch, step int) map[int]string {
	t.Helper()
	b := batches(t, src, size, true)
	if err := b.Augment(a, key); err != nil {
		t.Fatal(err)
	}
	if err := b.Seek(epoch, step); err != nil {
		t.Fatal(err)
	}
	got := map[int]string{}
	for {
		batch, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		for k, row := range batch.Index {
			one := batch.Part(k, k+1)
			s := ""
			for _, c := range src.Columns() {
				for _, v := range one.F32(c.Name) {
					s += fmt.Sprintf("%08x", math.Float32bits(v))
				}
				s += fmt.Sprintf("%x %d ", one.U8(c.Name), one.I64(c.Name))
			}
			got[row] = s
		}
	}
}

// manyRows serves a table in batches, by code that is not the reader's.
type manyRows struct{ plain }

func (m manyRows) Rows(index []int, dst Rows) error {
	for k, i := range index {
		if err := m.Row(i, dst.Row(k)); err != nil {
			return err
		}
	}
	return nil
}

// What becomes of a row is a function of the seed, the epoch and the row: it depends neither on who reads, nor how many of
// them there are, nor on batches, nor on where reading began.
func TestAugmentedRows(t *testing.T) {
	for _, bytes := range []bool{false, true} {
		tab := pictures(t, 150, bytes, 3, 6, 7)
		want := augmented(t, tab, all(), 32, 4, 0)
		same := func(t *testing.T, got map[int]string) {
			t.Helper()
			for row, s := range got {
				if s != want[row] {
					t.Fatalf("row %d: got\n%s\nwant\n%s", row, s, want[row])
				}
			}
		}
		t.Run("others", func(t *testing.T) {
			if same(t, augmented(t, tab, all(), 32, 4, 0)); len(want) != 150 {
				t.Fatalf("%d rows", len(want))
			}
			changed := 0
			for row, s := range augmented(t, tab, all(), 32, 5, 0) {
				if s != want[row] {
					changed++
				}
			}
			if changed != 150 {
				t.Errorf("in the next epoch %d of 150 rows are others", changed)
			}
		})
		for name, src := range map[string]Source{"table": tab, "rows": plain{tab}, "batches": manyRows{plain{tab}}} {
			for _, processors := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s, %d processors", name, processors), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
					same(t, augmented(t, src, all(), 32, 4, 0))
					same(t, augmented(t, src, all(), 7, 4, 0))
					same(t, augmented(t, src, all(), 150, 4, 0))
					if got := augmented(t, src, all(), 7, 4, 9); len(got) != 150-63 {
						t.Fatalf("%d rows are left", len(got))
					} else {
						same(t, got)
					}
				})
			}
		}
		if before := pictures(t, 150, bytes, 3, 6, 7); !slices.Equal(before.F32("x"), tab.F32("x")) || !slices.Equal(before.U8("x"), tab.U8("x")) {
			t.Error("the table itself was changed")
		}
	}
	// A selection is augmented by its own numbers.
	tab := pictures(t, 50, false, 1, 6, 7)
	some := tab.Select([]int{7, 3, 49, 3})
	copied, err := Collect(plain{some})
	if err != nil {
		t.Fatal(err)
	}
	got, want := augmented(t, some, Augment().Shift(3).Mixup(1), 3, 0, 0), augmented(t, copied, Augment().Shift(3).Mixup(1), 3, 0, 0)
	for row := range want {
		if got[row] != want[row] || len(got) != 4 {
			t.Errorf("row %d of a selection: got %s, want %s", row, got[row], want[row])
		}
	}
}

// row returns one column of one row of an augmented source.
func row(t *testing.T, src Source, a *Augmentation, epoch, row int, column string) []float32 {
	t.Helper()
	b, err := NewBatches(src, src.Len(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Augment(a, key); err != nil {
		t.Fatal(err)
	}
	b.Epoch(epoch)
	batch, _, err := b.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(batch.Part(row, row+1).F32(column))
}

// A change leaves the draws of the others as they were, and columns are moved alike or apart.
func TestDrawsOfChanges(t *testing.T) {
	tab := pictures(t, 4, false, 1, 9, 9)
	moved := row(t, tab, Augment().Flip(Horizontally).Shift(4), 0, 1, "x")
	erased := row(t, tab, Augment().Erase(1).Shift(4).Flip(Horizontally), 0, 1, "x")
	gone := 0
	for i, v := range erased {
		if v == 0 {
			gone++
		} else if v != moved[i] {
			t.Fatalf("with Erase the picture is moved elsewhere: %v, %v", erased, moved)
		}
	}
	if gone == 0 || gone > 81*2/5 {
		t.Errorf("%d of 81 pixels are erased", gone)
	}
	views := tab.Views("x", "a", "b")
	a := Augment().Shift(4)
	if x, y := row(t, views, a.Together(), 0, 1, "a"), row(t, views, a.Together(), 0, 1, "b"); !slices.Equal(x, y) {
		t.Errorf("together: %v, %v", x, y)
	}
	if x, y := row(t, views, a.Apart(), 0, 1, "a"), row(t, views, a.Apart(), 0, 1, "b"); slices.Equal(x, y) {
		t.Errorf("apart, but alike: %v", x)
	}
}

// The draws have the distributions that the documentation says.
func TestDistributions(t *testing.T) {
	const n = 20000
	k := random.New(11)
	p := picture{channels: 1, height: 20, width: 30}
	near := func(what string, got, want, within float64) {
		t.Helper()
		if !(math.Abs(got-want) <= within) {
			t.Errorf("%s is %v, not %v", what, got, want)
		}
	}
	counts, flips, angles, factors, wide, erased := map[[2]int]int{}, 0, 0.0, 0.0, 0, 0
	share, extreme, partners := 0.0, 0, map[int]int{}
	for i := range uint64(n) {
		m := unmoved()
		(&shift{2}).move(k.Derive(i, 0), p, &m)
		counts[[2]int{m.shiftX, m.shiftY}]++
		(&flip{x: true}).move(k.Derive(i, 1), p, &m)
		if m.flipX {
			flips++
		}
		(&rotate{30}).move(k.Derive(i, 2), p, &m)
		angle := math.Atan2(m.sin, m.cos) * 180 / math.Pi
		if math.Abs(angle) > 30.0001 || m.flipY {
			t.Fatalf("%+v", m)
		}
		if angles += angle; math.Abs(angle) > 15 {
			wide++
		}
		if (&scale{0.5}).move(k.Derive(i, 3), p, &m); m.scale < 0.5 || m.scale > 1.5 {
			t.Fatalf("%+v", m)
		}
		factors += m.scale
		v := values{f32: slices.Repeat([]float32{1}, 600)}
		if err := (&erase{0.25}).paint(k.Derive(i, 4), p, v); err != nil {
			t.Fatal(err)
		}
		gone := 0
		for _, x := range v.f32 {
			if x == 0 {
				gone++
			}
		}
		if gone > 0 {
			if erased++; gone < 5 || gone > 230 {
				t.Fatalf("%d of 600 pixels are erased", gone)
			}
		}
		other, s := (&mixup{alpha: 0.2}).draw(k.Derive(i, 5), 10)
		if share += float64(s); s < 0.1 || s > 0.9 {
			extreme++
		}
		partners[other]++
	}
	if len(counts) != 25 || len(partners) != 10 {
		t.Errorf("%d shifts, %d partners", len(counts), len(partners))
	}
	for s, c := range counts {
		near(fmt.Sprint("the number of shifts ", s), float64(c), n/25., 6*math.Sqrt(n/25.))
	}
	near("the flips", float64(flips), n/2., 3*math.Sqrt(n))
	near("the mean angle", angles/n, 0, 0.6)
	near("the angles above half", float64(wide), n/2., 3*math.Sqrt(n))
	near("the mean factor", factors/n, 1, 0.01)
	near("the share of erased pictures", float64(erased)/n, 0.25, 0.015)
	near("the mean share", share/n, 0.5, 0.015)
	near("shares below 0.1 and above 0.9", float64(extreme)/n, 0.6708, 0.02) // of Beta(0.2, 0.2), by numeric integration
}

// Colours change as a formula in float64 says, and noise has its deviation.
func TestPaint(t *testing.T) {
	k := random.New(5)
	p := picture{channels: 3, height: 4, width: 5}
	x := pictures(t, 1, false, 3, 4, 5).F32("x")
	got := slices.Clone(x)
	if err := (&jitter{0.6, 0.7, 0.8}).paint(k, p, values{f32: got}); err != nil {
		t.Fatal(err)
	}
	b, c, s := 1+(2*k.Float64(0)-1)*0.6, 1+(2*k.Float64(1)-1)*0.7, 1+(2*k.Float64(2)-1)*0.8
	shade := func(v []float64, i int) float64 { return 0.299*v[i] + 0.587*v[20+i] + 0.114*v[40+i] }
	want, mean := make([]float64, 60), 0.0
	for i := range want {
		want[i] = b * float64(x[i])
	}
	for i := range 20 {
		mean += shade(want, i) / 20
	}
	for i := range want {
		want[i] = mean + c*(want[i]-mean)
	}
	for i := range 20 {
		g := shade(want, i)
		for _, at := range []int{i, 20 + i, 40 + i} {
			want[at] = min(max(g+s*(want[at]-g), 0), 1)
		}
	}
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > 1e-5 {
			t.Fatalf("value %d is %v, not %v", i, got[i], want[i])
		}
	}
	half := slices.Repeat([]float32{0.5}, 10000)
	bytes := slices.Repeat([]uint8{128}, 10000)
	p = picture{channels: 1, height: 100, width: 100}
	for _, v := range []values{{f32: half}, {u8: bytes}} {
		if err := (&noise{0.1}).paint(k, p, v); err != nil {
			t.Fatal(err)
		}
	}
	deviation, both := 0.0, 0.0
	for i := range half {
		deviation += math.Pow(float64(half[i])-0.5, 2)
		both += math.Abs(float64(bytes[i]) - 255*float64(half[i]) - 0.5)
	}
	if d := math.Sqrt(deviation / 10000); math.Abs(d-0.1) > 0.003 {
		t.Errorf("the deviation is %v", d)
	}
	if both/10000 > 0.5 {
		t.Errorf("the noise of bytes is another: %v", both/10000)
	}
	for _, ends := range []values{{f32: []float32{0, 1, 0, 1}}, {u8: []uint8{0, 255, 0, 255}}} {
		if err := (&noise{1}).paint(k, picture{channels: 1, height: 2, width: 2}, ends); err != nil {
			t.Fatal(err)
		}
		for _, x := range ends.f32 {
			if x < 0 || x > 1 {
				t.Errorf("noise leaves the range: %v", ends.f32)
			}
		}
	}
}

// Mixup mixes pictures and the named columns by one share, with the other row as it is augmented itself.
func TestMixup(t *testing.T) {
	const n = 60
	x, y := make([]float32, n*4), make([]int64, n)
	for i := range y {
		y[i] = int64(i % 3)
		copy(x[4*i:], []float32{float32(y[i]) / 2, float32(y[i]) / 2, float32(y[i]) / 2, float32(y[i]) / 2})
	}
	tab, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{1, 2, 2}}, F32: x}, Data{Column: Column{Name: "y", DType: I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	hot := tab.OneHot("y", 3, "t")
	a := Augment().Mixup(0.8, "t").Flip(Horizontally)
	for _, err := range []error{a.Check(hot), a.Check(hot, "x", "t"), Augment().Flip(Vertically).Check(hot, "x", "y")} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := a.Check(hot, "x", "y", "t"); err == nil || !strings.Contains(err.Error(), `but column "y", which is read too, would be that of one of them: name it in Mixup`) {
		t.Errorf("got %v", err)
	}
	b := batches(t, hot, 16, true)
	if err := b.Augment(a, key); err != nil {
		t.Fatal(err)
	}
	mixed := 0
	for range 4 {
		batch, _, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for k := range batch.Rows {
			p, v, label := batch.F32("t")[3*k:3*k+3], batch.F32("x")[4*k], batch.I64("y")[k]
			if math.Abs(float64(p[0]+p[1]+p[2]-1)) > 1e-6 || math.Abs(float64(p[1]/2+p[2]-v)) > 1e-6 {
				t.Fatalf("row %d: probabilities %v, picture %v", batch.Index[k], p, v)
			}
			if label != y[batch.Index[k]] {
				t.Fatal("the label was changed")
			}
			if p[label] < 1 {
				mixed++
			}
		}
	}
	if mixed < 20 {
		t.Errorf("%d rows of 60 are mixtures of two classes", mixed)
	}
}

// The other row of a mixture is that row as it is augmented in the same epoch.
func TestMixtureOfAugmented(t *testing.T) {
	const n, epoch = 40, 3
	for _, bytes := range []bool{false, true} {
		tab := pictures(t, n, bytes, 1, 5, 5)
		read := func(a *Augmentation) (x []float32) {
			b, err := NewBatches(tab, n, key, false)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.Augment(a, key); err != nil {
				t.Fatal(err)
			}
			b.Epoch(epoch)
			batch, _, err := b.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			x = slices.Clone(batch.F32("x"))
			for _, v := range batch.U8("x") {
				x = append(x, float32(v))
			}
			return x
		}
		moved := Augment().Crop(2).Flip(Vertically).Erase(0.5)
		alone, got := read(moved), read(moved.Mixup(1))
		within := 1e-6
		if bytes {
			within = 0.5001
		}
		others := 0
		for row := range n {
			other, share := (&mixup{alpha: 1}).draw(key.DeriveString("mixup").Derive(epoch, uint64(row)), n)
			if other != row {
				others++
			}
			for i := range 25 {
				want := float64(share)*float64(alone[25*row+i]) + (1-float64(share))*float64(alone[25*other+i])
				if d := math.Abs(float64(got[25*row+i]) - want); d > within {
					t.Fatalf("pixel %d of row %d, mixed with %d, is %v, not %v", i, row, other, got[25*row+i], want)
				}
			}
		}
		if others < 30 {
			t.Errorf("%d rows are mixed with another", others)
		}
	}
}

// Every mistake is told, with the line where it was made.
func TestAugmentMistakes(t *testing.T) {
	tab := pictures(t, 4, false, 1, 6, 7)
	flat := tab.Reshape("x", 42)
	for name, c := range map[string]struct {
		a    *Augmentation
		src  Source
		want []string
	}{
		"shift":           {Augment().Shift(-1), tab, []string{"dataset: Shift: the pixels must be from 0 to 1048576, got -1"}},
		"the first stays": {Augment().Shift(-1).Crop(-2), tab, []string{"Shift"}},
		"crop":            {Augment().Crop(-2), tab, []string{"dataset: Crop: the pixels must be from 0 to 1048576, got -2"}},
		"angle":           {Augment().Rotate(-15), tab, []string{"dataset: Rotate: the degrees must be from 0 to 180, got -15"}},
		"no angle":        {Augment().Rotate(math.NaN()), tab, []string{"Rotate", "got NaN"}},
		"scale":           {Augment().Scale(1), tab, []string{"Scale", "from 0 to 0.9, got 1"}},
		"no flip":         {Augment().Flip(), tab, []string{"Flip: it needs a direction"}},
		"flip":            {Augment().Flip("x"), tab, []string{"Flip", `["x"]`}},
		"flip twice":      {Augment().Flip(Vertically, Vertically), tab, []string{"each once"}},
		"brightness":      {Augment().ColorJitter(2, 0, 0), tab, []string{"ColorJitter: the brightness must be from 0 to 1, got 2"}},
		"contrast":        {Augment().ColorJitter(0, -1, 0), tab, []string{"ColorJitter: the contrast must be from 0 to 1, got -1"}},
		"probability":     {Augment().Erase(1.5), tab, []string{"Erase: the probability must be from 0 to 1, got 1.5"}},
		"noise":           {Augment().Noise(-1), tab, []string{"Noise: the standard deviation must be from 0 to 1, got -1"}},
		"alpha":           {Augment().Mixup(2), tab, []string{"Mixup: alpha must be from 0 to 1, got 2"}},
		"mixed twice":     {Augment().Mixup(1, "t", "t"), tab, []string{`Mixup: column 1 is "t"`}},
		"shape":           {Augment().Shape(0, 2, 2), tab, []string{"Shape: every dimension must be positive"}},
		"columns twice":   {Augment("x", "x"), tab, []string{`Augment: column "x" is named twice`}},
		"nothing":         {Augment(), tab, []string{"it changes nothing"}},
		"nothing left":    {Augment().Shift(2).Shift(0), tab, []string{"it changes nothing"}},
		"nil":             {nil, tab, []string{"the augmentation is nil"}},
		"of nil":          {(*Augmentation)(nil).Shift(2), tab, []string{"begin with dataset.Augment()"}},
		"no pictures":     {Augment().Shift(2), flat, []string{"no column is one of pictures", "x f32[42], y i64[]", "Shape"}},
		"not a picture":   {Augment("x").Shift(2), flat, []string{`column "x" is f32[42], but pictures are [C H W]; Shape`}},
		"another shape":   {Augment("x").Shape(1, 6, 6).Shift(2), flat, []string{"f32[42], which is not [1 6 6] values"}},
		"labels":          {Augment("y").Shift(2), tab, []string{`column "y" is i64[], but pictures are f32 or u8`}},
		"no column":       {Augment("z").Shift(2), tab, []string{`there is no column "z"; the columns are x f32[1 6 7], y i64[]`}},
		"far shift":       {Augment().Shift(6), tab, []string{`column "x", pictures of [1 6 7]: Shift: 6 pixels are not less than the height 6 and the width 7`}},
		"far crop":        {Augment().Crop(8), tab, []string{"Crop: 8 pixels"}},
		"grey saturation": {Augment().ColorJitter(0, 0, 0.5), tab, []string{"saturation is of pictures with three channels"}},
		"two columns":     {Augment().Shift(2), tab.Views("x", "a", "b"), []string{`columns "a" and "b" are both pictures: say Apart()`, "Together()"}},
		"mixed labels":    {Augment().Mixup(1, "y"), tab, []string{`column "y" is i64[], and only f32 can be mixed; labels as probabilities are Table.OneHot("y", …)`}},
		"mixed pictures":  {Augment().Mixup(1, "x"), tab, []string{"mixed anyway"}},
		"mixed nothing":   {Augment().Mixup(1, "z"), tab, []string{`Mixup: there is no column "z"`}},
		"long":            {Augment().Rotate(3), pictures(t, 1, true, 1, 1, maxSide+1), []string{"at most 16384 pixels"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.a.Check(c.src)
			b, err2 := NewBatches(c.src, 2, key, true)
			if err2 != nil {
				t.Fatal(err2)
			}
			if e := b.Augment(c.a, key); err == nil || e == nil || e.Error() != err.Error() {
				t.Fatalf("got %v, and from Batches %v", err, e)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q", err, want)
				}
			}
		})
	}
	sizes, err := NewTable(Data{Column: Column{Name: "a", DType: F32, Shape: []int{1, 2, 2}}, F32: make([]float32, 4)},
		Data{Column: Column{Name: "b", DType: F32, Shape: []int{1, 2, 3}}, F32: make([]float32, 6)})
	if err != nil {
		t.Fatal(err)
	}
	if err := Augment().Shift(1).Together().Check(sizes); err == nil || !strings.Contains(err.Error(), `column "a" has [1 2 2] and "b" has [1 2 3]`) {
		t.Errorf("got %v", err)
	}
	// Values that are no pictures' are found when they are read.
	for want, v := range map[string][]float32{"from -1 to 3": {0, 3, -1, 0}, "from -0.5 to 1": {1, -0.5, 0, 0}, "from 0 to 1.0000001": {0, 0, 1.0000001, 0}, "": {1, 0, float32(math.Copysign(0, -1)), 0}} {
		two, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{1, 2, 2}}, F32: append([]float32{0, 0, 0, 1}, v...)})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []*Augmentation{Augment().Noise(0.1), Augment().ColorJitter(0.1, 0.1, 0)} {
			b := batches(t, two, 2, true)
			if err := b.Augment(a, key); err != nil {
				t.Fatal(err)
			}
			_, _, err := b.Next(t.Context())
			if want == "" && err == nil {
				continue
			}
			if err == nil || want == "" || !strings.Contains(err.Error(), `row 1: column "x"`) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %v, want %q", a, err, want)
			}
		}
	}
}

// The text form is read back as the same augmentation.
func TestAugmentationText(t *testing.T) {
	for want, a := range map[string]*Augmentation{
		"shift=2":       Augment().Shift(2),
		"crop=4,flip=h": Augment().Flip(Horizontally).Crop(4),
		"flip=hv":       Augment().Flip(Vertically, Horizontally),
		"shift=3":       Augment().Shift(2).Rotate(5).Shift(3).Rotate(0),
		"shift=1,crop=2,flip=hv,rotate=20,scale=0.2,jitter=0.3/0.4/0.5,noise=0.1,erase=0.5,mixup=0.5": all(),
		`mixup=0.4/t+"a,b"+"\"=",shape=1x28x28,of=x+"y z",apart`:                                      Augment("x", "y z").Mixup(0.4, "t", "a,b", `"=`).Shape(1, 28, 28).Apart(),
		"rotate=1e-07,together": Augment().Rotate(1e-7).Together(),
	} {
		if got := a.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		b, err := ParseAugmentation(want)
		if err != nil || b.String() != want {
			t.Errorf("%s is read as %v, %v", want, b, err)
		}
	}
	if a, err := ParseAugmentation(" flip = h , shift=0,  rotate=10"); err != nil || a.String() != "flip=h,rotate=10" {
		t.Errorf("got %v, %v", a, err)
	}
	if s := Augment().Shift(-1).String() + (*Augmentation)(nil).String(); s != "" {
		t.Errorf("a mistake has the text %q", s)
	}
	var only []string
	for _, a := range Augment().Shift(1).Noise(0.5).Shape(1, 2, 2).Only() {
		only = append(only, a.String())
	}
	if got := fmt.Sprint(only); got != "[shift=1,shape=1x2x2 noise=0.5,shape=1x2x2]" {
		t.Errorf("one by one they are %s", got)
	}
	for text, want := range map[string]string{
		"":                  `augmentation "": "" is not a setting`,
		"shift":             `"shift" is not a setting, which is NAME=VALUE`,
		"shift=2,":          `"" is not a setting`,
		"shift=two":         `shift: the pixels must be a whole number, got "two"`,
		"shift=-2":          "shift: the pixels must be from 0 to 1048576, got -2",
		"shift=99999999999": "must be a whole number",
		"shift=1,shift=2":   `"shift" comes twice`,
		"flop=h":            `there is no setting "flop"; settings are shift, crop, flip, rotate, scale, jitter, noise, erase, timeshift, timemask, gain, hiss, mixup, shape, of, apart and together`,
		"flip=x":            "flip: the directions are h",
		"flip=":             "flip: it needs a direction",
		"rotate=-1":         "rotate: the degrees must be from 0 to 180, got -1",
		"rotate=NaN":        "got NaN",
		"jitter=0.1":        "jitter: it is brightness/contrast/saturation",
		"jitter=0.1/x/0":    `the contrast must be a number, got "x"`,
		"jitter=0.1/0/7":    "the saturation must be from 0 to 1, got 7",
		"erase=2":           "erase: the probability must be from 0 to 1, got 2",
		"noise=":            `noise: the standard deviation must be a number, got ""`,
		"scale=5":           "scale: ",
		"crop=x":            "crop: ",
		"mixup=x":           "mixup: alpha must be a number",
		"mixup=1/":          `mixup: "" is not a column's name`,
		"mixup=1/t+t":       "mixup: column 1",
		"shape=1x2":         "shape is CxHxW",
		"shape=1x2x3x4":     "shape is CxHxW",
		"shape=1x0x3":       "every dimension must be positive",
		"shape=1xax3":       `shape must be a whole number, got "a"`,
		"of=a+a":            `column "a" is named twice`,
		`of=""`:             "column 0 has no name",
		`of="a`:             "a quotation is not closed",
		"apart=1":           `"apart=1" is not a setting`,
		"apart,together":    "it cannot be apart and together",
	} {
		a, err := ParseAugmentation(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "dataset: augmentation ") {
			t.Errorf("%q: got %v, %v, want %q", text, a, err, want)
		}
	}
}

// Any text is read to an augmentation whose text gives it again, or refused.
func FuzzAugmentation(f *testing.F) {
	for _, s := range []string{all().String(), "shift=2,flip=h,crop=4", `mixup=0.4/"a,\"b"+c,of="+",apart`, "shape=3x32x32,together", "rotate=1e-300", "scale=0x1p-3", `of="\xff"`} {
		f.Add(s)
	}
	tab := pictures(f, 3, true, 3, 4, 5)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAugmentation(text)
		if err != nil {
			return
		}
		s := a.String()
		if s == "" {
			return // it changes nothing
		}
		b, err := ParseAugmentation(s)
		if err != nil || b.String() != s {
			t.Fatalf("%q is %q, which is read as %v, %v", text, s, b, err)
		}
		if a.Check(tab) == nil {
			augmented(t, tab, a, 2, 0, 0)
		}
	})
}

// Batches that are augmented allocate nothing once they have memory.
func TestAugmentedBatchesDoNotAllocate(t *testing.T) {
	tab := pictures(t, 4000, false, 3, 6, 7).OneHot("y", 3, "t")
	for name, src := range map[string]Source{"table": tab, "selection": tab.Select(key.Perm(4000))} {
		b := batches(t, src, 8, true)
		if err := b.Augment(all().Mixup(0.5, "t"), key); err != nil {
			t.Fatal(err)
		}
		next := func() {
			if _, ok, err := b.Next(t.Context()); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		for range 50 {
			next()
		}
		if n := testing.AllocsPerRun(300, next); n >= 1 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
	}
}

func TestViewsAndOneHot(t *testing.T) {
	tab := pictures(t, 6, false, 1, 2, 2)
	v := tab.Select([]int{5, 1}).Views("x", "a", "b")
	if got := newWriter(v.cols).names(); got != "a f32[1 2 2], b f32[1 2 2], y i64[]" {
		t.Errorf("the views are %s", got)
	}
	if !slices.Equal(v.F32("a"), tab.Select([]int{5, 1}).F32("x")) || !slices.Equal(v.F32("a"), v.F32("b")) {
		t.Error("the views have other values")
	}
	few := tab.Select([]int{4, 3, 0}) // labels 1, 0, 0 of 0, 1, 2
	if got := few.OneHot("y", 2, "t").F32("t"); !slices.Equal(got, []float32{0, 1, 1, 0, 1, 0}) {
		t.Errorf("got %v", got)
	}
	for want, bad := range map[string]*Table{
		`Views: no column "z"`:              tab.Views("z", "a"),
		"needs the names":                   tab.Views("x"),
		"column 0 has no name":              tab.Views("x", ""),
		`two columns are named "y"`:         tab.Views("x", "y"),
		`OneHot: no column "x i64[]"`:       tab.OneHot("x", 3, "t"),
		"label 2 is not from 0 to 1":        tab.OneHot("y", 2, "t"),
		`cannot be named "x"`:               tab.OneHot("y", 3, "x"),
		"every dimension must be positive":  tab.OneHot("y", 0, "t"),
		`more than 268435456 values a row`:  tab.OneHot("y", math.MaxInt, "t"),
		`OneHot: the new column cannot be `: tab.OneHot("y", 3, ""),
	} {
		if bad.Err() == nil || !strings.Contains(bad.Err().Error(), want) {
			t.Errorf("got %v, want %q", bad.Err(), want)
		}
	}
	if bad := tab.Head(-1); bad.Views("x", "a") != bad || bad.OneHot("y", 3, "t") != bad {
		t.Error("a mistake does not stay")
	}
}
