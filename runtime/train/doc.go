// Package train fits a declared model to data: epochs, validation, early
// stopping, metrics, checkpoints and resume.
//
//	fit, err := train.Fit(ctx, model, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 20})
//
// Fit is New, a loop over Epochs, and Done; write that loop yourself to act
// between epochs. The trainer executes plans and knows nothing of layers.
//
// The seed determines the run: the same model, data, options and seed give the same
// bits for any number of workers, and across an interruption and a resume. With
// Options.Shards this also holds when an update is split into parts or run by the
// ranks of a Cluster.
package train
