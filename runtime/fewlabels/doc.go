// Package fewlabels has ways to learn a task when few rows have a label: probes of codes,
// fine-tuning, and ways that also learn from rows without a label.
//
//	x := spec.Input("x", 784)
//	enc := spec.Sequential("encoder", spec.Dense(500), spec.ReLU())
//	code := x.Then(enc)
//	task := fewlabels.Task{Input: x, Code: code, Logits: code.Then(spec.Dense(10)), Encoder: enc, Label: "y", Classes: names}
//	learned, err := fewlabels.PseudoLabels{}.Train(ctx, task, few, all, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 20})
//	p, err := learned.Predict(ctx, test) // a probability for each row and class
//
// Each way is a file and names its paper. Whatever a way has to choose it chooses by the labels
// that it is given, and by no others.
package fewlabels
