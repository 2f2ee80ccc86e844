package optim_test

import (
	"strings"
	"testing"

	. "github.com/lamina-ml/lamina/runtime/optim"
)

// TestEarlyMomentum works updates out by hand: μ is 0.5 in the first two epochs and 0.75 after them.
func TestEarlyMomentum(t *testing.T) {
	o := SGD(1).Momentum(0.75).EarlyMomentum(0.5, 2)
	if err := o.Err(); err != nil {
		t.Fatal(err)
	}
	w, slots := []float32{0}, [][]float32{{0}}
	// u = 1, 1.5, 2.125, 2.59375; w = -Σu
	for i, want := range []float32{-1, -2.5, -4.625, -7.21875} {
		o.Update(Step{LR: 1, T: int64(i + 1), Epoch: i}, w, []float32{1}, slots)
		if w[0] != want {
			t.Errorf("after epoch %d: w is %v, want %v", i, w[0], want)
		}
	}
	d := o.Describe().(Description)
	if d.Options["early_momentum"] != 0.5 || d.Options["early_epochs"] != 2 {
		t.Errorf("it describes itself as %+v", d)
	}
	for _, c := range []struct {
		o    Optimizer
		want string
	}{
		{SGD(1).EarlyMomentum(0.5, 5), "early_test.go:"},
		{SGD(1).EarlyMomentum(0.5, 5), "EarlyMomentum needs a momentum"},
		{SGD(1).Momentum(0.9).EarlyMomentum(1, 5), "early momentum must be in [0, 1), got 1"},
		{SGD(1).Momentum(0.9).EarlyMomentum(0.5, 0), "positive number of epochs, got 0"},
	} {
		if err := c.o.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
