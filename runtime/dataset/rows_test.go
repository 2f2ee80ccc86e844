package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// many is a table that gives many rows at once, whole columns or row by row.
type many struct {
	plain
	byRow bool
	how   string // what goes wrong at row 22
	calls *atomic.Int64
}

func (m many) Row(int, Row) error { panic("it is asked for one row") }

func (m many) Rows(index []int, dst Rows) error {
	if m.calls != nil {
		m.calls.Add(1)
	}
	at := slices.Index(index, 22)
	if at < 0 || m.how == "" {
		return m.good(index, dst)
	}
	switch m.how {
	case "error":
		return errors.New("row 22: the sensor is off")
	case "panic":
		panic("the sensor is gone")
	case "column":
		dst.F32("z")
	case "type":
		dst.I64("x")
	case "no column":
		for k := range index {
			if row := dst.Row(k); k == at {
				row.F32("x", 1, 2)
			} else {
				m.t.Row(index[k], row)
			}
		}
	case "no row":
		for k := range index {
			if k != at {
				m.t.Row(index[k], dst.Row(k))
			}
		}
	case "twice":
		m.good(index, dst)
		dst.Row(at).I64("y", 1)
		dst.Row(at)
	case "width":
		dst.Row(at).F32("x", 1)
	case "infinite":
		m.good(index, dst)
		dst.F32("x")[2*at+1] = float32(1 / (1 - float64(dst.Len()/dst.Len())))
	}
	return nil
}

func (m many) good(index []int, dst Rows) error {
	if m.byRow {
		for k, i := range index {
			if err := m.t.Row(i, dst.Row(k)); err != nil {
				return err
			}
		}
		return dst.Err()
	}
	x, y := dst.F32("x"), dst.I64("y")
	for k, i := range index {
		copy(x[2*k:2*k+2], m.t.F32("x")[2*i:])
		y[k] = m.t.I64("y")[i]
	}
	return nil
}

// processors runs a test with several numbers of goroutines that read.
func processors(t *testing.T, f func(t *testing.T)) {
	for _, n := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			f(t)
		})
	}
}

func TestBatchSource(t *testing.T) {
	tab := numbers(t, 211, 3)
	want, err := Hash(tab)
	if err != nil {
		t.Fatal(err)
	}
	processors(t, func(t *testing.T) {
		for _, byRow := range []bool{false, true} {
			s := many{plain: plain{tab}, byRow: byRow}
			for _, size := range []int{1, 17, 64, 211, 1000} {
				b := batches(t, s, size, true)
				for epoch := range 2 {
					if err := b.Epoch(epoch); err != nil {
						t.Fatal(err)
					}
					if got := drain(t, b); !slices.Equal(got, key.Derive(uint64(epoch)).Perm(211)) {
						t.Errorf("batches of %d, epoch %d: %v", size, epoch, got)
					}
				}
			}
			if got, err := Hash(s); err != nil || got != want {
				t.Errorf("the hash is %s, %v, want %s", got, err, want)
			}
			all, err := Collect(s)
			if err != nil || !slices.Equal(all.F32("x"), tab.F32("x")) || !slices.Equal(all.I64("y"), tab.I64("y")) {
				t.Errorf("collected: %v", err)
			}
		}
	})
}

// A large batch is read by all processors.
func TestBatchSourceIsDivided(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var calls atomic.Int64
	b := batches(t, many{plain: plain{numbers(t, 64, 3)}, calls: &calls}, 64, true)
	if drain(t, b); calls.Load() != 4 {
		t.Errorf("a batch of 64 rows was read by %d calls, want 4", calls.Load())
	}
}

func TestBatchSourceErrors(t *testing.T) {
	for how, parts := range map[string][]string{
		"error":     {"row 22", "the sensor is off"},
		"panic":     {"panicked", "the sensor is gone"},
		"column":    {`no column "z"`, "x f32[2], y i64[]"},
		"type":      {`"x" is f32[2], got i64`},
		"no column": {"row 22", `"y" was not written`},
		"no row":    {"row 22", `"x" was not written`},
		"twice":     {"row 22 was written twice"},
		"width":     {"row 22", "2 wide, got 1"},
		"infinite":  {"row 22", `"x" has +Inf at 1`},
	} {
		t.Run(how, func(t *testing.T) {
			processors(t, func(t *testing.T) {
				b := batches(t, many{plain: plain{numbers(t, 200, 3)}, how: how, byRow: how == "twice"}, 20, false)
				n := 0
				var err error
				for ok := true; ok; n++ {
					if _, ok, err = b.Next(t.Context()); err != nil {
						break
					}
				}
				wantError(t, err, parts...)
				if n != 1 || b.Position().Step != 1 {
					t.Errorf("the error came at batch %d, position %+v; want 1", n, b.Position())
				}
			})
		})
	}
}

func TestBatchSourceGoesOnAfterCancel(t *testing.T) {
	processors(t, func(t *testing.T) {
		b := batches(t, many{plain: plain{numbers(t, 500, 3)}}, 40, false)
		for range 20 {
			b.Epoch(0)
			ctx, cancel := context.WithCancel(t.Context())
			b.Next(ctx)
			cancel()
			if got := drain(t, b); len(got) != 460 || got[0] != 40 {
				t.Fatalf("after another context's end the rows are %v", got)
			}
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			b.Epoch(1)
			if _, ok, err := b.Next(ctx); ok || !errors.Is(err, context.Canceled) {
				t.Fatalf("after cancel: %v, %v", ok, err)
			}
		}
	})
}

func TestBatchSourceAllocatesNothing(t *testing.T) {
	for _, byRow := range []bool{false, true} {
		tab := numbers(t, 4000, 3)
		b := batches(t, many{plain: plain{tab}, byRow: byRow}, 2, true)
		for range 10 {
			b.Next(t.Context())
		}
		ctx := t.Context()
		if n := testing.AllocsPerRun(1000, func() {
			if _, ok, err := b.Next(ctx); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}); n != 0 {
			t.Errorf("by row %v: %v allocations a batch", byRow, n)
		}
	}
}

// Each type of file in any order, with neighbours and repetitions, is what NPY reads.
func TestNPYSource(t *testing.T) {
	raw := make([]byte, 480)
	for i := range raw {
		raw[i] = byte(i % 59)
	}
	for name, b := range map[string][]byte{
		"as in memory": npyFile("<f4", "False", "(20, 2, 3)", raw),
		"big-endian":   npyFile(">f4", "False", "(20, 2, 3)", raw),
		"Fortran":      npyFile("<f4", "True", "(20, 2, 3)", raw),
		"halves":       npyFile("<f2", "False", "(20, 12)", raw),
		"integers":     npyFile("<i4", "False", "(20, 6)", raw),
		"one value":    npyFile("<u2", "False", "(240,)", raw),
	} {
		path := rawFile(t, b)
		tab, err := NPY(path, "x")
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenNPY(path, "x")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		src := f.Source()
		for _, s := range []Source{src, plain2{src}} {
			if all, err := Collect(s); err != nil || !slices.Equal(all.F32("x"), tab.F32("x")) || !slices.Equal(all.I64("x"), tab.I64("x")) {
				t.Errorf("%s: in order: %v", name, err)
			}
		}
		n := tab.Len()
		b, err := NewBatches(src, 13, key, true)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		got, want := []float32{}, tab.Select(key.Derive(0).Perm(n))
		var whole []int64
		for {
			batch, ok, err := b.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got, whole = append(got, batch.F32("x")...), append(whole, batch.I64("x")...)
		}
		if !slices.Equal(got, want.F32("x")) || !slices.Equal(whole, want.I64("x")) {
			t.Errorf("%s: shuffled: %v, %v", name, got, whole)
		}
	}
}

// plain2 hides what a source can besides the three methods.
type plain2 struct{ Source }

func TestNPYSourceErrors(t *testing.T) {
	f, err := OpenNPY(saved(t, []int{3, 1}, 1, 2, 1e39), "x")
	if err != nil {
		t.Fatal(err)
	}
	src := f.Source()
	_, err = Collect(src)
	wantError(t, err, "x.npy", "row 2, value 0: 1e+39 overflows float32")
	dst := newBlock(makeColumns(src.Columns(), 2), 2)
	dst.begin([]int{2, 3}, makeColumns(src.Columns(), 2), 0)
	if err := src.Rows([]int{2, 3}, Rows{dst}); err == nil || !strings.Contains(err.Error(), "no row") {
		t.Errorf("row 3 of 3: %v", err)
	}
	f.Close()
	_, err = Collect(src)
	wantError(t, err, "x.npy", "closed")
}

// A file that becomes shorter while it is read is an error and no fault.
func TestNPYSourceBecomesShorter(t *testing.T) {
	x := make([]float32, 1<<20)
	path := saved(t, []int{1 << 10, 1 << 10}, x...)
	f, err := OpenNPY(path, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src := f.Source()
	if err := os.Truncate(path, 1<<12); err != nil {
		t.Skip(err) // of a file that is in use, on some systems
	}
	_, err = Collect(src)
	wantError(t, err, "x.npy", "shorter")
}

func TestHashEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tab := numbers(t, 1000, 3)
	for name, s := range map[string]Source{"table": tab, "selection": tab.Select([]int{3, 1}), "source": plain{tab}, "many": many{plain: plain{tab}}} {
		if h, err := Hash(Until(ctx, s)); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want, err := Hash(s); err != nil || h != want {
			t.Errorf("%s: the hash is %s, want %s", name, h, want)
		}
	}
	cancel()
	for name, s := range map[string]Source{"table": tab, "selection": tab.Select([]int{3, 1}), "source": plain{tab}, "many": many{plain: plain{tab}}} {
		if h, err := Hash(Until(ctx, s)); !errors.Is(err, context.Canceled) || h != "" {
			t.Errorf("%s: the hash is %q, %v", name, h, err)
		}
		if _, err := Ranges(Until(ctx, s)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: ranges: %v", name, err)
		}
	}
}

// Checkpoints hold hashes, so they stay what they were.
func TestHashValue(t *testing.T) {
	for rows, want := range map[int]string{1: "19ed06d717ec4cf0425b4c600bca1f112267a001c7cf92ec3bbe8b754c278f43", 1000: "0dbc98af6f3d29ea948140e774e2225a07c2f6b8eb0ccb3b6b68a772bab34da5", 300000: "94224462e86e966acb5b64ed531f1bdce36b57ebbd41a6c85cfc2022b479532f"} {
		if h, err := numbers(t, rows, 7).Hash(); err != nil || h != want {
			t.Errorf("%d rows: %s, %v, want %s", rows, h, err, want)
		}
	}
}
