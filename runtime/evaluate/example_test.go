package evaluate_test

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/evaluate"
)

func ExamplePerClass() {
	predicted := []int{0, 0, 1, 1, 2, 0}
	labels := []int{0, 0, 1, 2, 2, evaluate.None}
	r, err := evaluate.PerClass(predicted, labels, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	for k, s := range r.Classes {
		fmt.Printf("class %d: precision %.2f, recall %.2f\n", k, s.Precision, s.Recall)
	}
	fmt.Printf("accuracy %.2f, macro F1 %.2f\n", r.Accuracy, r.Macro.F1)
	// Output:
	// class 0: precision 1.00, recall 1.00
	// class 1: precision 0.50, recall 1.00
	// class 2: precision 1.00, recall 0.50
	// accuracy 0.80, macro F1 0.78
}

func ExampleBootstrap() {
	scores := []float64{0.1, 0.4, 0.35, 0.8, 0.7, 0.2, 0.9, 0.5}
	labels := []int{0, 0, 1, 1, 1, 0, 1, 0}
	positive := make([]bool, len(labels))
	for i, y := range labels {
		positive[i] = y == 1
	}
	i, err := evaluate.Bootstrap(context.Background(), len(labels), func(d evaluate.Draw) (float64, error) {
		return evaluate.AUROC(scores, positive, evaluate.Weighted(d.Counts))
	}, evaluate.BootstrapOptions{Strata: labels, Seed: 1})
	fmt.Println(i, err)
	// Output:
	// 0.875 (0.5 to 1) <nil>
}
