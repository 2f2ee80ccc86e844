package dataset

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded is steps of recordings of these lengths: x f32[2] = step, -step; b u8[] = step; y i64[]; and recording.
func recorded(t testing.TB, lengths ...int) *Table {
	t.Helper()
	n := 0
	var r []int64
	for i, l := range lengths {
		r = append(r, slices.Repeat([]int64{int64(i)}, l)...)
		n += l
	}
	b := make([]uint8, n)
	for i := range b {
		b[i] = uint8(i)
	}
	more, err := NewTable(Data{Column: Column{Name: "b", DType: U8}, U8: b}, Data{Column: Column{Name: "recording", DType: I64}, I64: r})
	if err != nil {
		t.Fatal(err)
	}
	return numbers(t, n, 7).Join(more)
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Windows are held to a plain way to cut them, from every kind of source, in both layouts, padded or not, by any number of
// goroutines.
func TestWindows(t *testing.T) {
	lengths := []int{9, 4, 5, 12, 3}
	steps := recorded(t, lengths...)
	of, err := NewTable(Data{Column: Column{Name: "exercise", DType: I64}, I64: []int64{3, 1, 4, 1, 5}},
		Data{Column: Column{Name: "weight", DType: F32, Shape: []int{2}}, F32: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}})
	if err != nil {
		t.Fatal(err)
	}
	backwards, err := Collect(plain{of.Select([]int{4, 3, 2, 1, 0})})
	if err != nil {
		t.Fatal(err)
	}
	mixedUp := backwards.Select([]int{4, 3, 2, 1, 0}) // the same rows, elsewhere in memory
	for _, c := range []struct {
		length, stride int
		starts         []int // by hand
		recordings     []int64
	}{
		{4, 2, []int{0, 2, 4, 9, 13, 18, 20, 22, 24, 26, 30}, []int64{0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 4}},
		{4, 4, []int{0, 4, 9, 13, 18, 22, 26, 30}, []int64{0, 0, 1, 2, 3, 3, 3, 4}},
		{3, math.MaxInt, []int{0, 9, 13, 18, 30}, []int64{0, 1, 2, 3, 4}},
		{1, 7, []int{0, 7, 9, 13, 18, 25, 30}, []int64{0, 0, 1, 2, 3, 3, 4}},
		{12, 1, []int{0, 9, 13, 18, 30}, []int64{0, 1, 2, 3, 4}},
	} {
		for _, first := range []bool{false, true} {
			var x []float32
			var b []uint8
			var y, e []int64
			var w []float32
			for i, s := range c.starts {
				has := c.length
				end := 0
				for _, l := range lengths[:c.recordings[i]+1] {
					end += l
				}
				has = min(has, end-s)
				at := func(step, channel int) float32 {
					if step >= has {
						return 0
					}
					return float32(s+step) * float32(1-2*channel)
				}
				if first {
					for ch := range 2 {
						for step := range c.length {
							x = append(x, at(step, ch))
						}
					}
				} else {
					for step := range c.length {
						x = append(x, at(step, 0), at(step, 1))
					}
				}
				for step := range c.length {
					if step < has {
						b, y = append(b, uint8(s+step)), append(y, int64((s+step)%7))
					} else {
						b, y = append(b, 0), append(y, 0)
					}
				}
				r := int(c.recordings[i])
				e, w = append(e, of.I64("exercise")[r]), append(w, of.F32("weight")[2*r:2*r+2]...)
			}
			processors(t, func(t *testing.T) {
				for name, src := range sources(steps) {
					for _, of := range []Source{of, mixedUp, plain{of}} {
						s := Windows(src, WindowOptions{Length: c.length, Stride: c.stride, Recording: "recording", Of: of, ChannelsFirst: first, Pad: true, Log: quietLog()})
						if s.Err() != nil {
							t.Fatal(s.Err())
						}
						shape := "x f32[" + numText(c.length) + " 2]"
						if first {
							shape = "x f32[2 " + numText(c.length) + "]"
						}
						if got := columnNames(s.Columns()); got != shape+", y i64["+numText(c.length)+"], b u8["+numText(c.length)+"], recording i64[], exercise i64[], weight f32[2]" {
							t.Fatal(got)
						}
						got, err := Collect(s)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.Equal(got.F32("x"), x) || !slices.Equal(got.U8("b"), b) || !slices.Equal(got.I64("y"), y) ||
							!slices.Equal(got.I64("recording"), c.recordings) || !slices.Equal(got.I64("exercise"), e) || !slices.Equal(got.F32("weight"), w) {
							t.Errorf("%s: windows of %d every %d, channels first %v: other values\n%v\n%v", name, c.length, c.stride, first, got.F32("x"), x)
						}
						h, err := Hash(s)
						if want, werr := got.Hash(); err != nil || werr != nil || h != want {
							t.Errorf("%s: the hash is %s, %v, and collected %s", name, h, err, want)
						}
						if v, _, err := s.integers("exercise"); err != nil || !slices.Equal(v, e) {
							t.Errorf("the recordings' column is %v, %v", v, err)
						}
						if v, _, err := s.integers("recording"); err != nil || !slices.Equal(v, c.recordings) {
							t.Errorf("the recordings are %v, %v", v, err)
						}
					}
				}
			})
		}
	}
}

func numText(n int) string { return strings.Trim(Column{DType: "", Shape: []int{n}}.typ(), "[]") }

// What is made of windows is that of their values: moments, ranges, batches in any order, chosen rows.
func TestWindowsInUse(t *testing.T) {
	steps := recorded(t, 40, 25, 60)
	s := Windows(steps, WindowOptions{Length: 8, Stride: 4, Recording: "recording", ChannelsFirst: true, Log: quietLog()})
	whole := collected(t, s)
	for _, column := range []string{"x"} {
		m, d, err := ChannelMoments(s, column)
		m2, d2, err2 := ChannelMoments(whole, column)
		if err != nil || err2 != nil || !slices.Equal(m, m2) || !slices.Equal(d, d2) {
			t.Errorf("moments %v, %v; collected %v, %v; %v, %v", m, d, m2, d2, err, err2)
		}
	}
	a, err := Ranges(s)
	b, err2 := Ranges(whole)
	if err != nil || err2 != nil || len(a) != len(b) || !slices.Equal(a[0].Max, b[0].Max) {
		t.Errorf("ranges %v and %v", a, b)
	}
	training, test := s.SplitByGroup("recording", 0.6, 1)
	if err := Disjoint("recording", training, test); err != nil {
		t.Error(err)
	}
	if n := len(Chosen(training)) + len(Chosen(test)); n != s.Len() || Chosen(s) != nil {
		t.Errorf("%d windows are chosen of %d", n, s.Len())
	}
	h, err := Hash(training)
	if want, werr := whole.Select(Chosen(training)).Hash(); err != nil || werr != nil || h != want {
		t.Errorf("chosen windows are others than those of the same numbers")
	}
	batch, ok, err := batches(t, s, 7, true).Next(t.Context())
	if err != nil || !ok || !slices.Equal(batch.F32("x"), whole.Select(batch.Index).F32("x")) {
		t.Errorf("a batch has other windows: %v", err)
	}
	// One recording without a number, and steps of single values.
	one := Windows(numbers(t, 10, 3).Rename("x", "z").Select([]int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}), WindowOptions{Length: 4, Log: quietLog()})
	if got := collected(t, one); got.Len() != 2 || columnNames(one.Columns()) != "z f32[4 2], y i64[4]" || got.F32("z")[8] != 5 {
		t.Errorf("%v %v", one.Columns(), got.F32("z"))
	}
	// Padding is zero in memory that was used before.
	for _, first := range []bool{false, true} {
		short := Windows(recorded(t, 9, 2, 8, 3, 8), WindowOptions{Length: 4, Recording: "recording", ChannelsFirst: first, Pad: true, Log: quietLog()})
		whole := collected(t, short)
		used := batches(t, short, 2, true)
		for epoch := range 5 {
			if err := used.Epoch(epoch); err != nil {
				t.Fatal(err)
			}
			for batch, ok, err := used.Next(t.Context()); ok || err != nil; batch, ok, err = used.Next(t.Context()) {
				if want := whole.Select(batch.Index); err != nil || !slices.Equal(batch.F32("x"), want.F32("x")) || !slices.Equal(batch.U8("b"), want.U8("b")) || !slices.Equal(batch.I64("y"), want.I64("y")) {
					t.Fatalf("epoch %d, windows %v: other values, %v", epoch, batch.Index, err)
				}
			}
		}
	}
}

// TestWindowsPadWithNoValue: after the end of a short recording a column that may be missing has no values, and others have zeros,
// also in memory that was used before.
func TestWindowsPadWithNoValue(t *testing.T) {
	steps := must(NewTable(
		Data{Column: Column{Name: "x", DType: F32, Shape: []int{2}, Missing: true}, F32: []float32{1, 2, 3, noValue, 5, 6, 7, 8, 9, 10}},
		Data{Column: Column{Name: "z", DType: F32}, F32: []float32{1, 2, 3, 4, 5}},
		Data{Column: Column{Name: "recording", DType: I64}, I64: []int64{0, 0, 0, 1, 1}}))
	for first, want := range map[bool]string{
		false: "[1 2 3 NaN 5 6 7 8 9 10 NaN NaN]",
		true:  "[1 3 5 2 NaN 6 7 9 NaN 8 10 NaN]",
	} {
		w := Windows(steps, WindowOptions{Length: 3, Recording: "recording", ChannelsFirst: first, Pad: true, Log: quietLog()})
		for _, got := range []*Table{collected(t, w), collected(t, w.Select([]int{0, 1}))} {
			if x, z := fmt.Sprint(got.F32("x")), fmt.Sprint(got.F32("z")); x != want || z != "[1 2 3 4 5 0]" {
				t.Errorf("channels first %v: x is %s, z is %s", first, x, z)
			}
		}
		used := batches(t, w, 1, true)
		for epoch := range 4 {
			if err := used.Epoch(epoch); err != nil {
				t.Fatal(err)
			}
			for batch, ok, err := used.Next(t.Context()); ok || err != nil; batch, ok, err = used.Next(t.Context()) {
				whole := collected(t, w).Select(batch.Index)
				if err != nil || fmt.Sprint(batch.F32("x")) != fmt.Sprint(whole.F32("x")) {
					t.Fatalf("window %v: %v, %v", batch.Index, batch.F32("x"), err)
				}
			}
		}
	}
}

func TestWindowsAllocateNothing(t *testing.T) {
	for _, first := range []bool{false, true} {
		b := batches(t, Windows(recorded(t, 2500, 1500), WindowOptions{Length: 8, Stride: 4, Recording: "recording", ChannelsFirst: first, Log: quietLog()}), 2, true)
		for range 10 {
			b.Next(t.Context())
		}
		ctx := t.Context()
		if n := testing.AllocsPerRun(200, func() {
			if _, ok, err := b.Next(ctx); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}); n != 0 {
			t.Errorf("channels first %v: %v allocations a batch", first, n)
		}
	}
}

func TestWindowsNote(t *testing.T) {
	var out bytes.Buffer
	of, _ := NewTable(Data{Column: Column{Name: "z", DType: I64}, I64: make([]int64, 5)})
	Windows(recorded(t, 9, 2, 8), WindowOptions{Length: 4, Stride: 2, Recording: "recording", Of: of, Pad: true, Log: slog.New(slog.NewTextHandler(&out, nil))})
	for _, want := range []string{"windows=7", "recordings=3", `"steps left out at their ends"=1`, `shorter than a window, padded"=1`, `"recordings without steps"=2`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the note %s lacks %s", out.String(), want)
		}
	}
	out.Reset()
	Windows(recorded(t, 9, 8), WindowOptions{Length: 4, Stride: 3, Recording: "recording", Log: slog.New(slog.NewTextHandler(&out, nil))})
	if !strings.Contains(out.String(), `"steps left out at their ends"=3`) {
		t.Errorf("of 9 and 8 steps: %s", out.String())
	}
	out.Reset()
	Windows(recorded(t, 8, 4), WindowOptions{Length: 4, Recording: "recording", Log: slog.New(slog.NewTextHandler(&out, nil))})
	if out.Len() > 0 {
		t.Errorf("there is nothing to note: %s", out.String())
	}
}

func TestWindowsMistakes(t *testing.T) {
	steps := recorded(t, 9, 4)
	again := steps.Select([]int{0, 1, 9, 10, 2, 3})
	of := recorded(t, 1).Rename("x", "w").Rename("y", "v").Rename("b", "c").Rename("recording", "q")
	two := recorded(t, 2)
	alone, _ := NewTable(Data{Column: Column{Name: "recording", DType: I64}, I64: make([]int64, 9)})
	for want, c := range map[string]struct {
		src Source
		o   WindowOptions
	}{
		`Windows: Length must be a positive number of steps, and Stride too or 0, got 0 and 0`: {steps, WindowOptions{}},
		`got 4 and -1`:                                  {steps, WindowOptions{Length: 4, Stride: -1}},
		`got -4 and 2`:                                  {steps, WindowOptions{Length: -4, Stride: 2}},
		`Windows: the steps: the source is nil`:         {nil, WindowOptions{Length: 4}},
		`Windows: the steps: Head: n must be`:           {steps.Head(0), WindowOptions{Length: 4}},
		`Windows: the recordings: the table is nil`:     {steps, WindowOptions{Length: 4, Of: (*Table)(nil)}},
		`no column "r"; the columns are x f32[2]`:       {steps, WindowOptions{Length: 4, Recording: "r"}},
		`column "x" is f32[2]; one i64 a row is needed`: {steps, WindowOptions{Length: 4, Recording: "x"}},
		`row 4: "recording" is 0 again, after another recording; the steps of a recording must follow each other`:   {again, WindowOptions{Length: 2, Recording: "recording"}},
		`row 9: the recording where "recording" is 1 has 4 steps, fewer than the 5 of a window; Pad makes a window`: {steps, WindowOptions{Length: 5, Recording: "recording"}},
		`row 0: the recording has 13 steps, fewer than the 14 of a window`:                                          {steps, WindowOptions{Length: 14}},
		`row 9: "recording" is 1, but there are rows for 1 recordings, from 0 on`:                                   {steps, WindowOptions{Length: 2, Recording: "recording", Of: of}},
		`column "x" is one of steps and one of recordings: Rename one`:                                              {steps, WindowOptions{Length: 2, Recording: "recording", Of: two}},
		`there is no column of steps beside recording`:                                                              {alone, WindowOptions{Length: 2, Recording: "recording"}},
		`more than 268435456 values a row`:                                                                          {steps, WindowOptions{Length: math.MaxInt, Recording: "recording", Pad: true}},
		`All: the source is a mix`:                                                                                  {Mix(steps, 1, steps, 1), WindowOptions{Length: 2}},
	} {
		wantError(t, Windows(c.src, c.o).Err(), want)
	}
	// A bad row of the steps is named by its number there.
	_, err := Collect(Windows(many{plain: plain{numbers(t, 40, 3)}, how: "infinite"}, WindowOptions{Length: 4, Log: quietLog()}))
	wantError(t, err, `the steps: row 22: column "x" has +Inf at 1`)
	_, err = Collect(Windows(many{plain: plain{numbers(t, 40, 3)}, how: "error"}, WindowOptions{Length: 4, ChannelsFirst: true, Log: quietLog()}))
	wantError(t, err, `the steps: row 22: the sensor is off`)
}

// The recordings of watch.npz (seglearn): 140 of 7 exercises by 10 people.
func TestWindowsOfWatch(t *testing.T) {
	path := filepath.Join(os.Getenv("LAMINA_DATASETS"), "series", "watch.npz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("LAMINA_DATASETS has no series/watch.npz")
	}
	steps, err := NPZArrays(path, "x", "recording")
	if err != nil {
		t.Fatal(err)
	}
	recordings, err := NPZArrays(path, "exercise", "subject", "side")
	if err != nil {
		t.Fatal(err)
	}
	if steps.Len() != 244102 || recordings.Len() != 140 {
		t.Fatalf("%d steps of %d recordings", steps.Len(), recordings.Len())
	}
	s := Windows(steps, WindowOptions{Length: 128, Stride: 64, Recording: "recording", Of: recordings.Rename("exercise", "y"), ChannelsFirst: true, Log: quietLog()})
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	want := 0
	for _, v := range newClasses("", steps.Len(), func(i int) int64 { return steps.I64("recording")[i] }).rows {
		want += 1 + (len(v)-128)/64
	}
	if s.Len() != want {
		t.Errorf("%d windows, want %d", s.Len(), want)
	}
	training, test := s.SplitByGroup("subject", 0.8, 1, "y")
	if err := Disjoint("subject", training, test); err != nil || training.Err() != nil {
		t.Error(err, training.Err())
	}
	if got := float64(training.Len()) / float64(want); math.Abs(got-0.8) > 0.03 {
		t.Errorf("%v of the windows are of the training", got)
	}
	t.Logf("%d windows, %d of them for training", want, training.Len())
}
