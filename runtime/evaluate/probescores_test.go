package evaluate

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// TestAffine: the scores of a probe are those of its affine function of the codes as they are.
func TestAffine(t *testing.T) {
	key := random.New(4)
	s := &Set{Dim: 3, Classes: 3}
	for i := range uint64(40) {
		s.Y = append(s.Y, int(i%3))
		s.X = append(s.X, 10+2*key.Float64(3*i)+float64(i%3), -4*key.Float64(3*i+1), 5) // the last does not vary
	}
	p, err := FitLinear(t.Context(), s, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	w, b := p.Affine()
	scores, err := p.Scores(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Y {
		for c := range 3 {
			want := b[c]
			for j, x := range s.Row(i) {
				want += x * w[j*3+c]
			}
			if got := scores[i*3+c]; math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
				t.Errorf("row %d, class %d: score %v, of the affine function %v", i, c, got, want)
			}
		}
	}
}

// TestKNNShares: of two votes each, the class of the nearer neighbour has another.
func TestKNNShares(t *testing.T) {
	known := &Set{X: []float64{0, 1, 2, 3.5, 10}, Dim: 1, Y: []int{1, 0, 0, 1, 2}, Classes: 3}
	test := &Set{X: []float64{-1, 9}, Dim: 1, Y: []int{0, 0}, Classes: 1}
	got, err := KNNShares(t.Context(), known, test, 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{2.0 / 5, 3.0 / 5, 0, 3.0 / 5, 1.0 / 5, 1.0 / 5}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-15 {
			t.Errorf("shares %v, want %v", got, want)
			break
		}
	}
	classes, err := KNN(t.Context(), known, test, 4)
	if err != nil || classes[0] != 1 || classes[1] != 0 {
		t.Errorf("classes %v, %v, want 1 and 0", classes, err)
	}
}
