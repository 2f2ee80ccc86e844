package dataset_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// wristband is three recordings of two people, 100 steps each of 3 channels, and what is known of each recording.
func wristband() (steps, recordings *dataset.Table) {
	type step struct{ recording, at int }
	var all []step
	for i := range 300 {
		all = append(all, step{i / 100, i % 100})
	}
	steps = dataset.From(all, func(s step, row dataset.Row) {
		row.F32("x", float32(s.at), float32(s.recording), 1)
		row.I64("recording", int64(s.recording))
	})
	recordings = dataset.From([][2]int64{{4, 0}, {2, 0}, {4, 1}}, func(r [2]int64, row dataset.Row) {
		row.I64("y", r[0])
		row.I64("subject", r[1])
	})
	return steps, recordings
}

// Windows of 32 steps, every 16, of recordings of people; those of one person are kept for the test.
func ExampleWindows() {
	steps, recordings := wristband()
	windows := dataset.Windows(steps, dataset.WindowOptions{Length: 32, Stride: 16, Recording: "recording", Of: recordings, ChannelsFirst: true})
	test, training := windows.SplitGroups("subject", []int64{1})
	fmt.Println(windows.Columns(), training.Len(), test.Len(), test.Err(), dataset.Disjoint("subject", training, test))
	// Output: [x f32[3 32] recording i64[] y i64[] subject i64[]] 10 5 <nil> <nil>
}

// A hundred labels are drawn once, kept in a file, and found again.
func ExampleReadIndex() {
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "few.txt")
	rows := dataset.Digits().Train
	index, err := dataset.NewIndex(rows, rows.Stratified("y", 100, 1), "stratified by y, seed 1")
	if err == nil {
		err = dataset.WriteIndex(path, index)
	}
	if err == nil {
		index, err = dataset.ReadIndex(path)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	keep, err := index.Of(rows)
	fmt.Println(len(keep), index.Drawn, rows.Unlabel("y", rows.Select(keep)).Len() == rows.Len(), err)
	_, err = index.Of(dataset.Digits().Test.Head(10))
	fmt.Println(err != nil)
	// Output:
	// 100 stratified by y, seed 1 true <nil>
	// true
}

// Batches of 8 rows with a label and 24 without.
func ExampleMix() {
	rows := dataset.Digits().Train
	few := rows.Balanced("y", 100, 1)
	mix := dataset.Mix(few, 8, rows.Unlabel("y", nil), 24)
	fmt.Println(mix.Columns(), dataset.BatchRows(mix), mix.Err())
	// Output: [x f32[784] y i64[]] 32 <nil>
}

// Mistakes in choosing name the line of the program.
func TestMistakesInChoosingNameTheLine(t *testing.T) {
	steps, recordings := wristband()
	_, _, line, _ := runtime.Caller(0)
	one, _ := steps.SplitByGroup("recording", 2, 1)
	two, _ := dataset.All(steps).SplitAt("recording", 9)
	errs := []error{
		one.Err(), two.Err(), // at their own lines
		steps.Stratified("recording", 2, 1).Err(),
		dataset.All(steps).Unlabel("recording", dataset.All(steps)).Err(),
		dataset.Windows(steps, dataset.WindowOptions{}).Err(),
		dataset.Mix(steps, 1, recordings, 0).Err(),
		steps.Without("x", "recording").Err(),
		dataset.All(steps).GroupedBy("x").Err(),
	}
	for i, err := range errs {
		at := line + 3 + i
		if i < 2 {
			at = line + 1 + i
		}
		var e *ir.Error
		if !errors.As(err, &e) || e.Made.Line != at {
			t.Errorf("%v: want line %d", err, at)
		}
	}
}
