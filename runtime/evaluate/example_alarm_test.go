package evaluate_test

import (
	"fmt"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// The interval is that of the share of new rows: it depends on the number of rows that were held back and on the rate alone.
func ExampleFalseAlarmsOf() {
	scores := make([]float64, 1000)
	for i := range scores {
		scores[i] = float64(i)
	}
	alarm, err := evaluate.FalseAlarmsOf(scores, 0.01)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("above %v are between %.1f %% and %.1f %% of new rows\n", alarm.Threshold, 100*alarm.Low, 100*alarm.High)
	// Output: above 990 are between 0.5 % and 1.7 % of new rows
}
