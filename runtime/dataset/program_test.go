package dataset_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

func TestMistakesNameTheLine(t *testing.T) {
	x := dataset.From([]float32{1, 2}, func(v float32, row dataset.Row) { row.F32("x", v) })
	_, _, line, _ := runtime.Caller(0)
	bad := x.Rename("x", "z").
		Head(3)
	var e *ir.Error
	if !errors.As(bad.Err(), &e) || e.Made.Line != line+2 {
		t.Fatalf("%v, want a mistake at line %d", bad.Err(), line+2)
	}
	want := fmt.Sprintf("program_test.go:%d: dataset: Head: n must be from 1 to 2, the number of rows, got 3", line+2)
	if got := bad.Rename("no", "").Err().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.HasSuffix(e.Made.Pkg, "runtime/dataset_test") {
		t.Errorf("package %s", e.Made.Pkg)
	}
}

func ExampleFrom() {
	type reading struct {
		channels [3]float32
		state    int64
	}
	readings := []reading{{[3]float32{1, 2, 3}, 0}, {[3]float32{4, 5, 6}, 1}}
	t := dataset.From(readings, func(r reading, row dataset.Row) {
		row.F32("x", r.channels[:]...)
		row.I64("y", r.state)
	})
	fmt.Println(t.Len(), t.Columns(), t.Err())
	// Output: 2 [x f32[3] y i64[]] <nil>
}

func ExampleTable_Balanced() {
	few := dataset.Digits().Train.Balanced("y", 600, 1)
	fmt.Println(few.Len(), few.Err())
	// Output: 600 <nil>
}
