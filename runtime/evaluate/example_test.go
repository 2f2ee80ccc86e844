package evaluate_test

import (
	"context"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
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

// What each column adds to a score that was trained with labels: the gradient of the score times the column, which for a score
// that is linear in the columns adds up to the score. It ships beside the score in one file. Here the label is whether one column
// is greater than another, and a third has no bearing on it.
func Example_contributions() {
	key := random.New(1)
	i := uint64(0)
	rows := dataset.From(make([]struct{}, 400), func(_ struct{}, row dataset.Row) {
		a, b, c := key.Normal(3*i), key.Normal(3*i+1), key.Normal(3*i+2)
		i++
		row.F32("x", float32(100+10*a), float32(b), float32(c/10))
		y := int64(0)
		if a > b {
			y = 1
		}
		row.I64("y", y)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}}, dataset.Column{Name: "y", DType: dataset.I64})

	scaled := spec.Input("x", 3).Then(spec.Standardise())
	logits, y := scaled.Then(spec.Dense(2).Named("head").NoBias()), spec.Labels("y", 2)
	fit, err := train.Fit(context.Background(), spec.NewModel("greater", spec.CrossEntropy(logits, y)), rows, train.Options{Optimizer: optim.Adam(5e-2), Epochs: 10, Batch: 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	// How much more the second class has than the first.
	score := spec.Sub(logits.Then(spec.Slice(0, 1, 2)), logits.Then(spec.Slice(0, 0, 1))).Then(spec.Sum(0)).Named("score")
	out, err := fit.Net(score, spec.GradientTimesInput(score, scaled).Named("contributions")).Over(context.Background(), rows)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, c := out.F32("score"), out.F32("contributions")
	apart, adds := 0.0, make([]float64, 3)
	for r := range s {
		sum := 0.0
		for k := range adds {
			sum += float64(c[3*r+k])
			adds[k] += math.Abs(float64(c[3*r+k]))
		}
		apart = max(apart, math.Abs(float64(s[r])-sum))
	}
	fmt.Println("they add up to the score:", apart < 1e-4)
	fmt.Println("the third column adds little:", adds[2] < adds[0]/5 && adds[2] < adds[1]/5)
	// Output:
	// they add up to the score: true
	// the third column adds little: true
}
