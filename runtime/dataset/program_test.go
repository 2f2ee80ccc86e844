package dataset_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
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
	_, _, line, _ = runtime.Caller(0)
	a := dataset.Augment().Flip(dataset.Horizontally).
		Erase(2)
	want = fmt.Sprintf("program_test.go:%d: dataset: Erase: the probability must be from 0 to 1, got 2", line+2)
	if got := a.Shift(-1).Err().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
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

// A CSV file of readings, a weight and a class: weight becomes w, class y, and the rest x.
func ExampleCSV() {
	dir, err := os.MkdirTemp("", "csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "readings.csv")
	if err := os.WriteFile(path, []byte("speed,heat,weight,class\n1,20,0.5,0\n3,20,1,-1\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	t, err := dataset.CSV(path, dataset.CSVOptions{
		Label:  "class",
		Groups: []dataset.CSVGroup{{Name: "w", Fields: []string{"weight"}}, {Name: "x", Rest: true}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Columns(), t.F32("x"), t.I64("y"))
	// Output: [w f32[1] x f32[2] y i64[]] [1 20 3 20] [0 -1]
}

// Moments become constants of the model, which ship in its file: the program that uses it
// gives rows as they are.
func ExampleTable_Moments() {
	rows := dataset.From([][]float32{{1, 20}, {3, 20}}, func(r []float32, row dataset.Row) { row.F32("x", r...) })
	mean, deviation, err := rows.Moments("x")
	if err != nil {
		fmt.Println(err)
		return
	}
	x := spec.Input("x", 2)
	standard := spec.Div(spec.Sub(x, spec.Data([]int{2}, mean)), spec.Data([]int{2}, deviation))
	fmt.Println(mean, deviation, standard.Type(), standard.Err())
	// Output: [2 20] [1 1] f32[N 2] <nil>
}

// TestMoments are of the rows that a table shows, and of many digits; a feature that never
// moves is centred exactly.
func TestMoments(t *testing.T) {
	rows := dataset.From(make([]struct{}, 1000), func() func(struct{}, dataset.Row) {
		i := 0
		return func(_ struct{}, row dataset.Row) {
			row.F32("x", 1e4+float32(i%2), 0.1, float32(i))
			row.I64("y", 1)
			i++
		}
	}())
	mean, deviation, err := rows.Select([]int{0, 1, 4, 3}).Moments("x")
	if want := "[10000.5 0.10000000149011612 2] [0.5 1 1.5811388300841898]"; err != nil || fmt.Sprint(mean, deviation) != want {
		t.Errorf("got %v %v, %v, want %s", mean, deviation, err, want)
	}
	if mean, deviation, err = rows.Moments("x"); err != nil || mean[1] != float64(float32(0.1)) || deviation[1] != 1 || math.Abs(mean[0]-10000.5) > 1e-9 || math.Abs(deviation[0]-0.5) > 1e-9 {
		t.Errorf("got %v %v, %v", mean, deviation, err)
	}
	for _, name := range []string{"y", "z"} {
		if _, _, err := rows.Moments(name); err == nil || !strings.Contains(err.Error(), "no column \""+name+" f32\"") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := rows.Head(0).Moments("x"); err == nil || !strings.Contains(err.Error(), "Head") {
		t.Errorf("got %v", err)
	}
}

func ExampleTable_Balanced() {
	few := dataset.Digits().Train.Balanced("y", 600, 1)
	fmt.Println(few.Len(), few.Err())
	// Output: 600 <nil>
}

// Two classes of small pictures in folders, and their moments, by which a model standardizes its input.
func ExampleImages() {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for i, name := range []string{"bright/a.png", "bright/b.png", "dark/a.png", "dark/b.png"} {
		picture := image.NewGray(image.Rect(0, 0, 4, 4))
		for k := range picture.Pix {
			picture.Pix[k] = uint8(200 - 60*i)
		}
		var b bytes.Buffer
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(png.Encode(&b, picture), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
			fmt.Println(err)
			return
		}
	}
	pictures, err := dataset.Images(dir, dataset.ImageOptions{Height: 2, Width: 2, Bytes: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pictures.Len(), pictures.Columns(), pictures.Classes(), pictures.Labels())
	mean, deviation, err := dataset.ChannelMoments(pictures, "x")
	fmt.Printf("mean %.3f, deviation %.3f, %v\n", mean, deviation, err)
	balanced := pictures.Balanced("y", 2, 1)
	fmt.Println(balanced.Labels(), balanced.Err())
	fmt.Println(strings.Contains(fmt.Sprint(pictures.Balanced("y", 3, 1).Err()), "program_test.go:"))
	// Output:
	// 4 [x u8[1 2 2] y i64[]] [bright dark] [0 0 1 1]
	// mean [0.431], deviation [0.263], <nil>
	// [0 1] <nil>
	// true
}
