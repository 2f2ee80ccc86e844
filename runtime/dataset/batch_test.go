package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/random"
)

var key = random.New(9)

// drain returns the rows of the rest of an epoch, checking the values.
func drain(t *testing.T, b *Batches) (rows []int) {
	t.Helper()
	for {
		batch, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return rows
		}
		x, y := batch.F32("x"), batch.I64("y")
		if len(x) != 2*batch.Rows || len(y) != batch.Rows || len(batch.Index) != batch.Rows {
			t.Fatalf("a batch of %d rows has %d and %d values and %d numbers", batch.Rows, len(x), len(y), len(batch.Index))
		}
		for i, r := range batch.Index {
			if x[2*i] != float32(r) || x[2*i+1] != -float32(r) || y[i] != int64(r%3) {
				t.Fatalf("row %d holds %v, %v, %v", r, x[2*i], x[2*i+1], y[i])
			}
		}
		if batch.F32("y") != nil || batch.I64("x") != nil || batch.F32("z") != nil {
			t.Fatal("values of a column that is not there")
		}
		rows = append(rows, batch.Index...)
	}
}

func batches(t *testing.T, s Source, size int, shuffle bool) *Batches {
	t.Helper()
	b, err := NewBatches(s, size, key, shuffle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBatches(t *testing.T) {
	tab := numbers(t, 50, 3)
	for name, s := range map[string]Source{"table": tab, "source": plain{tab}} {
		for _, size := range []int{1, 7, 25, 50, 1000} {
			b, inOrder := batches(t, s, size, true), batches(t, s, size, false)
			if want := (49 + size) / size; b.Steps() != want {
				t.Errorf("%d steps of %d, want %d", b.Steps(), size, want)
			}
			for epoch := range 3 {
				if err := errors.Join(b.Epoch(epoch), inOrder.Epoch(epoch)); err != nil {
					t.Fatal(err)
				}
				if got, want := drain(t, b), key.Derive(uint64(epoch)).Perm(50); !slices.Equal(got, want) {
					t.Errorf("%s, batches of %d, epoch %d: %v, want %v", name, size, epoch, got, want)
				}
				if got := drain(t, inOrder); len(got) != 50 || !slices.IsSorted(got) {
					t.Errorf("in order: %v", got)
				}
			}
			if got := b.Position(); got != (Position{2, b.Steps()}) {
				t.Errorf("position %+v after epoch 2", got)
			}
		}
	}
}

// TestParts holds parts of a batch, and parts of these, to its rows.
func TestParts(t *testing.T) {
	tab := numbers(t, 50, 3)
	for name, s := range map[string]Source{"table": tab, "source": plain{tab}, "selection": tab.Select(key.Perm(50)[:30])} {
		b, ok, err := batches(t, s, 20, true).Next(t.Context())
		if err != nil || !ok {
			t.Fatal(err)
		}
		x, y := slices.Clone(b.F32("x")), slices.Clone(b.I64("y"))
		for _, c := range [][2]int{{0, 20}, {3, 11}, {19, 20}, {5, 5}} {
			lo, hi := c[0], c[1]
			p := b.Part(1, 20).Part(max(lo, 1)-1, max(hi, 1)-1)
			lo = max(lo, 1)
			got := make([]float32, 2*(hi-lo))
			p.Gather("x", 0, hi-lo, got)
			if p.Rows != hi-lo || !slices.Equal(p.Index, b.Index[lo:hi]) || !slices.Equal(p.F32("x"), x[2*lo:2*hi]) || !slices.Equal(p.I64("y"), y[lo:hi]) || !slices.Equal(got, x[2*lo:2*hi]) {
				t.Errorf("%s: rows %d to %d are not those of the batch", name, lo, hi)
			}
		}
	}
}

// TestPartsOfBytes is TestParts of a column of bytes.
func TestPartsOfBytes(t *testing.T) {
	col := Data{Column: Column{Name: "b", DType: U8, Shape: []int{2}}}
	for i := range 20 {
		col.U8 = append(col.U8, uint8(i), uint8(2*i))
	}
	tab, err := NewTable(col)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Source{"table": tab, "source": plain{tab}} {
		b, ok, err := batches(t, s, 16, true).Next(t.Context())
		if err != nil || !ok {
			t.Fatal(err)
		}
		want := slices.Clone(b.U8("b"))
		if got := b.Part(3, 9).U8("b"); !slices.Equal(got, want[6:18]) {
			t.Errorf("%s: rows 3 to 9 are %v, want %v", name, got, want[6:18])
		}
	}
}

func TestBatchesOfASelection(t *testing.T) {
	rows := key.Perm(50)[:20]
	tab := numbers(t, 50, 3).Select(rows)
	b := batches(t, tab, 8, true)
	order := key.Derive(0).Perm(20)
	at := 0
	for {
		batch, ok, err := b.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		for i, r := range batch.Index {
			if r != order[at] || batch.F32("x")[2*i] != float32(rows[r]) {
				t.Fatalf("row %d: %v", r, batch.F32("x")[2*i])
			}
			at++
		}
	}
	if at != 20 {
		t.Errorf("%d rows", at)
	}
}

func TestResumeMidEpoch(t *testing.T) {
	s := plain{numbers(t, 50, 3)}
	whole := batches(t, s, 8, true)
	whole.Epoch(4)
	want := drain(t, whole)
	for step := range 8 {
		b := batches(t, s, 8, true)
		if err := b.Epoch(4); err != nil {
			t.Fatal(err)
		}
		for range step {
			if _, ok, err := b.Next(t.Context()); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		saved, err := json.Marshal(b.Position())
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		var p Position
		if err := json.Unmarshal(saved, &p); err != nil {
			t.Fatal(err)
		}
		fresh := batches(t, s, 8, true)
		if err := fresh.Seek(p.Epoch, p.Step); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, fresh); !slices.Equal(got, want[min(8*step, 50):]) {
			t.Errorf("resumed at step %d: %v, want %v", step, got, want[8*step:])
		}
	}
}

func TestBatchesGoOnAfterCancel(t *testing.T) {
	b := batches(t, numbers(t, 50, 3), 5, false)
	ctx, cancel := context.WithCancel(t.Context())
	first, ok, err := b.Next(ctx)
	if !ok || err != nil || first.Index[0] != 0 {
		t.Fatal(first, ok, err)
	}
	cancel()
	if _, ok, err := b.Next(ctx); ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("after cancel: %v, %v", ok, err)
	}
	if got := drain(t, b); len(got) != 45 || got[0] != 5 {
		t.Errorf("after cancel the rows are %v", got)
	}

	// The context of an earlier call ends while a later one goes on.
	b.Epoch(1)
	ctx, cancel = context.WithCancel(t.Context())
	b.Next(ctx)
	cancel()
	if got := drain(t, b); len(got) != 45 || got[0] != 5 {
		t.Errorf("after another context's end the rows are %v", got)
	}
}

// failing fails at one row, once.
type failing struct {
	plain
	at  int
	how *string
}

func (f failing) Row(i int, row Row) error {
	if i != f.at {
		return f.plain.Row(i, row)
	}
	switch *f.how {
	case "error":
		return errors.New("the sensor is off")
	case "panic":
		panic("the sensor is gone")
	case "width":
		row.F32("x", 1, 2, 3)
	case "column":
		row.F32("z", 1)
	case "missing":
		row.F32("x", 1, 2)
	default:
		return f.plain.Row(i, row)
	}
	return nil
}

func TestSourceErrors(t *testing.T) {
	how := ""
	b := batches(t, failing{plain{numbers(t, 50, 3)}, 22, &how}, 5, false)
	for what, parts := range map[string][]string{
		"error":   {"row 22", "the sensor is off"},
		"panic":   {"row 22", "panicked", "the sensor is gone"},
		"width":   {"row 22", `"x" is f32[2], 2 wide, got 3`},
		"column":  {"row 22", `no column "z"`},
		"missing": {"row 22", `"y" was not written`},
	} {
		how = what
		b.Epoch(0)
		n := 0
		var err error
		for ok := true; ok; n++ {
			if _, ok, err = b.Next(t.Context()); err != nil {
				break
			}
		}
		wantError(t, err, parts...)
		if n != 4 || b.Position().Step != 4 {
			t.Errorf("%s: the error came at batch %d, position %+v; want 4", what, n, b.Position())
		}
		how = ""
		if got := drain(t, b); len(got) != 30 || got[0] != 20 {
			t.Errorf("%s: after the error the rows are %v", what, got)
		}
	}
}

func TestNewBatchesMistakes(t *testing.T) {
	tab := numbers(t, 5, 3)
	var none *Table
	for _, c := range []struct {
		s     Source
		size  int
		parts []string
	}{
		{nil, 1, []string{"nil"}},
		{none, 1, []string{"nil"}},
		{&Table{}, 1, []string{"empty"}},
		{tab.Head(9), 1, []string{"Head"}},
		{tab, 0, []string{"positive", "0"}},
		{tab, -1, []string{"positive"}},
		{rowFunc{n: 3}, 1, []string{"no columns"}},
		{rowFunc{n: -3, cols: tab.Columns()}, 1, []string{"empty"}},
		{rowFunc{n: 1 << 40, cols: []Column{{Name: "x", DType: F32, Shape: []int{1 << 20}}}}, 1 << 30, []string{"GiB"}},
	} {
		_, err := NewBatches(c.s, c.size, key, true)
		wantError(t, err, c.parts...)
	}
	b := batches(t, tab, 2, true)
	for _, p := range []Position{{-1, 0}, {0, -1}, {0, 4}} {
		wantError(t, b.Seek(p.Epoch, p.Step), "no batch", "3 batches")
	}
	if err := b.Seek(0, 3); err != nil {
		t.Error(err)
	}
}

func TestBatchesDoNotAllocate(t *testing.T) {
	tab := numbers(t, 4000, 3)
	for name, s := range map[string]Source{"table": tab, "source": plain{tab}} {
		b := batches(t, s, 2, true)
		ctx := t.Context()
		for range 10 {
			b.Next(ctx)
		}
		if n := testing.AllocsPerRun(1000, func() {
			batch, ok, err := b.Next(ctx)
			if !ok || err != nil || batch.F32("x") == nil || batch.I64("y") == nil {
				t.Fatal(ok, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
	}
}

func TestCloseEndsTheGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	tab := numbers(t, 500, 3)
	for range 20 {
		b, err := NewBatches(tab, 2, key, true)
		if err != nil {
			t.Fatal(err)
		}
		b.Next(t.Context())
		b.Close()
		b.Close()
	}
	for range 6000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// endless says it has more rows than can be ordered.
type endless struct{ plain }

func (endless) Len() int { return math.MaxInt }

func TestTooManyRows(t *testing.T) {
	_, err := NewBatches(endless{plain{numbers(t, 5, 3)}}, 5, key, true)
	if err == nil || !strings.Contains(err.Error(), "too many to be ordered") {
		t.Errorf("got %v", err)
	}
}

func TestNilTable(t *testing.T) {
	var none *Table
	if err := none.Err(); err == nil || none.Len() != 0 {
		t.Errorf("a nil table has the error %v and %d rows", err, none.Len())
	}
	if _, err := NewBatches(none, 5, key, true); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("got %v", err)
	}
}
