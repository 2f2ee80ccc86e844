package engine_test

import (
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestTimes holds the times of steps against the time of the run, and asks for
// them again.
func TestTimes(t *testing.T) {
	p := autoencoder(t, 40, 20, 5, compiler.Options{Rows: 64}).Eval
	s := engine.NewStore(p.Segments, nil)
	for _, workers := range []int{1, 3} {
		e, err := engine.New(p, s, engine.Options{Workers: workers, Profile: true})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		start := time.Now()
		if err := e.Run(engine.Feed{"x": rowsOf(64, 40)}, 64, nil); err != nil {
			t.Fatal(err)
		}
		whole := time.Since(start)
		times := e.Times(nil)
		sum := time.Duration(0)
		for _, d := range times {
			sum += d
		}
		if len(times) != len(p.Steps) || sum <= 0 || sum > time.Duration(workers)*whole {
			t.Errorf("%d workers: %d times for %d steps, %v of %v", workers, len(times), len(p.Steps), sum, whole)
		}
		for i, d := range e.Times(times) {
			if d != 0 {
				t.Errorf("step %d: %v without a run", i, d)
			}
		}
	}
	e, _ := start(t, p, 1, nil)
	if times := e.Times(nil); times != nil {
		t.Errorf("times %v that nobody asked for", times)
	}
}

// TestFiner holds the tasks of few rows against the workers.
func TestFiner(t *testing.T) {
	for _, c := range []struct{ grain, rows, workers, want, batch int }{ // batch: for rows of the batch, which are cut closer
		{128, 256, 1, 128, 128},
		{128, 256, 2, 128, 128},
		{128, 256, 3, 88, 86},
		{128, 256, 4, 64, 64},
		{32, 256, 4, 32, 32},
		{32, 256, 8, 16, 16},
		{128, 256, 8, 16, 16},
		{104, 100, 4, 104, 104},
		{64, 256, 3, 48, 44},
		{64, 256, 2, 64, 64},
		{96, 784, 2, 96, 96},
		{96, 1000, 2, 96, 96},
		{96, 1000, 4, 88, 84},
		{56, 100, 2, 56, 50},
		{56, 100, 1, 56, 100}, // a worker alone takes few rows whole
		{56, 129, 1, 48, 44},
		{8, 3, 1, 8, 8},
	} {
		a, b := engine.Finer(c.grain, c.rows, c.workers, false), engine.Finer(c.grain, c.rows, c.workers, true)
		if a != c.want || b != c.batch {
			t.Errorf("grain %d, %d rows, %d workers: %d, of the batch %d, want %d and %d", c.grain, c.rows, c.workers, a, b, c.want, c.batch)
		}
	}
}
