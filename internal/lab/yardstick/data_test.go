package yardstick

import (
	"math"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

func TestRotate(t *testing.T) {
	src := make([]float32, side*side)
	src[3*side+10], src[14*side+20] = 1, 0.5
	dst := make([]float32, side*side)
	rotate(dst, src, 0)
	if !slices.Equal(dst, src) {
		t.Error("a turn by 0 changes the picture")
	}
	near := func(r, q int, want float64) {
		t.Helper()
		if got := float64(dst[r*side+q]); math.Abs(got-want) > 1e-6 {
			t.Errorf("(%d, %d) is %v, want %v", r, q, got, want)
		}
	}
	rotate(dst, src, math.Pi)
	near(24, 17, 1)
	near(13, 7, 0.5)
	rotate(dst, src, math.Pi/2)
	sum := 0.0
	for _, v := range dst {
		sum += float64(v)
	}
	if math.Abs(sum-1.5) > 1e-4 {
		t.Errorf("a quarter turn leaves %v of 1.5", sum)
	}
}

// The digits are MNIST only if they are.
func TestDescribe(t *testing.T) {
	digits := few(20, 10)
	name, err := Describe(digits, "some")
	if err != nil || !regexp.MustCompile(`^some [0-9a-f]{16}, 20 rows to train and 10 to test$`).MatchString(name) {
		t.Errorf("%q, %v", name, err)
	}
	digits.Test = digits.Test.Select([]int{1, 0, 2, 3, 4, 5, 6, 7, 8, 9})
	if other, err := Describe(digits, "some"); err != nil || other == name {
		t.Errorf("other rows have the same name %q, %v", other, err)
	}
	dir := os.Getenv("LAMINA_DATA")
	if dir == "" {
		t.Skip("set LAMINA_DATA to a folder of the full MNIST")
	}
	if digits, err = dataset.MNIST(dir); err != nil {
		t.Fatal(err)
	}
	if name, err := Describe(digits, "some"); err != nil || name != keptData {
		t.Errorf("%q, %v, want %q", name, err, keptData)
	}
}

// The parts of a variation share no row, differ by nothing but what they say, and
// are the same every time.
func TestVariation(t *testing.T) {
	digits := few(200, 100)
	basic, err := variation(digits, "basic", 150, 50, 100)
	if err != nil {
		t.Fatal(err)
	}
	// Of 300 distinct digits the three parts must hold every one once.
	seen := map[string]int{}
	for _, tab := range []interface {
		F32(string) []float32
		Len() int
	}{basic.train, basic.valid, basic.test} {
		x := tab.F32("x")
		for i := range tab.Len() {
			b := make([]byte, 0, side*side)
			for _, v := range x[i*side*side:][:side*side] {
				b = append(b, byte(math.Round(float64(v)*255)))
			}
			seen[string(b)]++
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d digits in 300 rows", len(seen))
	}
	for _, name := range []string{"rot", "bg-rand"} {
		v, err := variation(digits, name, 150, 50, 100)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := variation(digits, name, 150, 50, 100)
		if a, b := v.test.F32("x"), again.test.F32("x"); !slices.Equal(a, b) || slices.Equal(a, basic.test.F32("x")) {
			t.Errorf("%s: not the same twice, or the digits as they are", name)
		}
		if !slices.Equal(v.train.I64("y"), basic.train.I64("y")) {
			t.Errorf("%s: labels moved", name)
		}
		for i, p := range v.train.F32("x") {
			if p < 0 || p > 1 || name == "bg-rand" && p < basic.train.F32("x")[i] {
				t.Fatalf("%s: pixel %d is %v", name, i, p)
			}
		}
	}
	bg, _ := variation(digits, "bg-rand", 150, 50, 100)
	mean := 0.0
	for i, v := range bg.train.F32("x") {
		if basic.train.F32("x")[i] == 0 {
			mean += float64(v)
		} else {
			mean += 0.5
		}
	}
	if mean /= float64(150 * side * side); math.Abs(mean-0.5) > 0.01 {
		t.Errorf("the background's mean is %v", mean)
	}
}

// The turns are uniform: a point of light comes to every eighth of the circle as
// often, at the distance it has. The background is uniform too.
func TestVariationIsUniform(t *testing.T) {
	const rows, each = 900, 800
	x := make([]float32, rows*side*side)
	for i := range rows {
		x[i*side*side+13*side+22] = 1
	}
	tab, err := table(x, make([]int64, rows))
	if err != nil {
		t.Fatal(err)
	}
	digits := &dataset.Split{Train: tab, Test: tab.Head(1)}
	v, err := variation(digits, "rot", each, 50, 50)
	if err != nil {
		t.Fatal(err)
	}
	turned, counts := v.train.F32("x"), [8]int{}
	for i := range each {
		var r, q, sum float64
		for j, p := range turned[i*side*side:][:side*side] {
			r, q, sum = r+float64(p)*(float64(j/side)-13.5), q+float64(p)*(float64(j%side)-13.5), sum+float64(p)
		}
		if d := math.Hypot(r, q) / sum; math.Abs(d-math.Hypot(0.5, 8.5)) > 0.6 {
			t.Fatalf("row %d: the point is %v from the centre", i, d)
		}
		counts[min(int((math.Atan2(r, q)/math.Pi+1)*4), 7)]++
	}
	for _, n := range counts { // 100 each, of a deviation of 9.4
		if n < 60 || n > 140 {
			t.Errorf("the turns come to eighths of the circle %v times", counts)
			break
		}
	}
	if v, err = variation(digits, "bg-rand", each, 50, 50); err != nil {
		t.Fatal(err)
	}
	tenths := [10]int{}
	for i, p := range v.train.F32("x") {
		if i%(side*side) != 13*side+22 {
			tenths[int(10*p)]++
		}
	}
	for _, n := range tenths {
		if want := each * (side*side - 1) / 10; math.Abs(float64(n-want)) > 0.02*float64(want) {
			t.Errorf("the background has %v pixels in tenths", tenths)
			break
		}
	}
}
