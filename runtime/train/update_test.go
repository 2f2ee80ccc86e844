package train

import (
	"math"
	"testing"
)

// TestAfterUpdate holds what the callback is told against the epochs' records.
func TestAfterUpdate(t *testing.T) {
	var got []Update
	o := options()
	o.AfterUpdate = func(u Update) { got = append(got, u) }
	r := mustFit(t, o)
	const perEpoch = 5 // 150 rows in batches of 32
	if len(got) != perEpoch*o.Epochs {
		t.Fatalf("%d calls in %d epochs of %d updates", len(got), o.Epochs, perEpoch)
	}
	for e, epoch := range r.History {
		rows, sum := 0, 0.0
		for i, u := range got[e*perEpoch:][:perEpoch] {
			if u.Number != int64(e*perEpoch+i+1) {
				t.Errorf("call %d of epoch %d is update %d", i, e+1, u.Number)
			}
			rows, sum = rows+u.Rows, sum+u.Loss*float64(u.Rows)
		}
		if rows != epoch.Rows || math.Abs(sum/float64(rows)-epoch.Train.Loss) > 1e-12*epoch.Train.Loss {
			t.Errorf("epoch %d: %d rows with loss %v, the record says %d with %v", e+1, rows, sum/float64(rows), epoch.Rows, epoch.Train.Loss)
		}
	}
	if want := bits(mustFit(t, options())); bits(r) != want {
		t.Error("the callback changed the training")
	}
}
