package dataset

import (
	"archive/zip"
	"context"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// odd is a NaN with a sign and a payload.
var odd = math.Float32frombits(0xffc12345)

var lacking = Column{Name: "x", DType: F32, Shape: []int{2}, Missing: true}

// lackingRows are three rows of which two values are missing.
func lackingRows() []float32 { return []float32{1, odd, float32(math.NaN()), 4, -5, 6} }

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestMissing: wherever rows come from, a value that is missing is the one NaN, and hashes agree.
func TestMissing(t *testing.T) {
	given := lackingRows()
	table, err := NewTable(Data{Column: lacking, F32: given})
	if err != nil {
		t.Fatal(err)
	}
	if !sameBits(given, lackingRows()) {
		t.Error("NewTable changed what it was given")
	}
	want := []float32{1, noValue, noValue, 4, -5, 6}
	raw := lackingRows()
	npy := npyFile("<f4", "False", "(3, 2)", little(raw...))
	fromFile, err := NPY(file(t, "x.npy", npy), "x", NPYOptions{Missing: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	fromArchive, err := NPZ(file(t, "x.npz", npz(t, zip.Store, map[string][]byte{"x.npy": npy})), NPYOptions{Missing: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	byRow := From([]int{0, 1, 2}, func(i int, row Row) { row.F32("x", raw[2*i], raw[2*i+1]) }, lacking)
	collected, err := Collect(batchOf{plain{table}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := OpenNPY(file(t, "x.npy", npy), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if err := rows.Missing(); err != nil {
		t.Fatal(err)
	}
	buf := make([]float32, 6)
	if _, err := rows.Read(3, buf, nil); err != nil || !sameBits(buf, want) {
		t.Errorf("NPYRows.Read: %v, %v", buf, err)
	}
	hash, err := table.Hash()
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]Source{"NewTable": table, "NPY": fromFile, "NPZ": fromArchive, "From": byRow, "Collect": collected,
		"NPYRows": rows.Source(), "Source": plain{table}, "Select": table.Select([]int{0, 1, 2})} {
		if c := src.Columns()[0]; !c.Missing {
			t.Errorf("%s: column %v is not Missing", name, c)
		}
		if h, err := Hash(src); err != nil || h != hash {
			t.Errorf("%s: hash %s, want %s: %v", name, h, hash, err)
		}
		batches, err := NewBatches(src, 2, random.New(1), false)
		if err != nil {
			t.Fatal(err)
		}
		var got []float32
		for {
			b, ok, err := batches.Next(context.Background())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !ok {
				break
			}
			got = append(got, b.F32("x")...)
		}
		if !sameBits(got, want) {
			t.Errorf("%s: %x", name, got)
		}
		ranges, err := Ranges(src)
		if err != nil || !slices.Equal(ranges[0].Min, []float64{-5, 4}) || !slices.Equal(ranges[0].Max, []float64{1, 6}) {
			t.Errorf("%s: ranges %v, %v", name, ranges, err)
		}
	}
}

// batchOf serves a source as a BatchSource does.
type batchOf struct{ Source }

func (b batchOf) Rows(index []int, dst Rows) error {
	for k, i := range index {
		if err := b.Row(i, dst.Row(k)); err != nil {
			return err
		}
	}
	return nil
}

// TestMissingMoments: means and deviations are of the values that are there.
func TestMissingMoments(t *testing.T) {
	c := Column{Name: "x", DType: F32, Shape: []int{3}, Missing: true}
	nan := float32(math.NaN())
	table, err := NewTable(Data{Column: c, F32: []float32{1, nan, nan, 3, 7, nan, nan, 7, nan}})
	if err != nil {
		t.Fatal(err)
	}
	mean, deviation, err := table.Moments("x")
	if err != nil || !slices.Equal(mean, []float64{2, 7, 0}) || !slices.Equal(deviation, []float64{1, 1, 1}) {
		t.Errorf("mean %v, deviation %v, %v", mean, deviation, err)
	}
	ranges, err := table.Ranges()
	if err != nil || !slices.Equal(ranges[0].Min, []float64{1, 7, 0}) || !slices.Equal(ranges[0].Max, []float64{3, 7, 0}) {
		t.Errorf("ranges %v, %v", ranges, err)
	}
	mean, _, err = ChannelMoments(table, "x")
	if err != nil || !slices.Equal(mean, []float64{2, 7, 0}) {
		t.Errorf("channels: mean %v, %v", mean, err)
	}
}

func TestMissingRefused(t *testing.T) {
	inf := float32(math.Inf(1))
	full := Column{Name: "x", DType: F32, Shape: []int{2}}
	_, err := NewTable(Data{Column: full, F32: lackingRows()})
	wantError(t, err, "row 0", `"x"`, "NaN at 1", "declare the column Missing")
	_, err = NewTable(Data{Column: lacking, F32: []float32{1, odd, 3, inf}})
	wantError(t, err, "row 1", `"x"`, "+Inf at 1", "or NaN for no value")
	err = From([]int{0}, func(_ int, row Row) { row.F32("x", odd, -inf) }, lacking).Err()
	wantError(t, err, "row 0", "-Inf at 1")
	_, err = Collect(batchOf{rowFunc{2, []Column{lacking}, func(i int, row Row) error { row.F32("x", odd, inf); return nil }}})
	wantError(t, err, "row 0", "+Inf at 1")
	_, err = NewTable(Data{Column: Column{Name: "y", DType: I64, Missing: true}, I64: []int64{1}})
	wantError(t, err, `"y"`, "i64[]", "cannot be Missing")
	path := file(t, "x.npy", npyFile("<f4", "False", "(3, 2)", little(lackingRows()...)))
	_, err = NPY(path, "x")
	wantError(t, err, path, "row 0", "NaN")
	_, err = NPY(path, "x", NPYOptions{Missing: []string{"z"}})
	wantError(t, err, path, `no column "z"`)
	_, err = NPY(file(t, "i.npy", npyFile("<i8", "False", "(1,)", make([]byte, 8))), "x", NPYOptions{Missing: []string{"x"}})
	wantError(t, err, "cannot be Missing")
	rows, err := OpenNPY(file(t, "i.npy", npyFile("<i8", "False", "(1,)", make([]byte, 8))), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	wantError(t, rows.Missing(), "<i8", "only among floats")
	pictures, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{1, 2, 3}, Missing: true}, F32: []float32{1, 2, 3, 4, 5, odd}})
	if err != nil {
		t.Fatal(err)
	}
	batches, err := NewBatches(pictures, 1, random.New(1), true)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, batches.Augment(Augment("x").Shift(1), random.New(1)), "may lack values")
}
