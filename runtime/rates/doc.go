// Package rates finds a learning rate for each layer: from the size of its gradients before training, or by a search.
//
// What it finds are factors that an optimizer multiplies its rate by, as groups of parameters, so they are part of what decides
// a training, of its checkpoints and of its record: nothing is measured again when a training is repeated from that.
//
//	o.Optimizer, table, err = rates.FromGradients(ctx, model, rows, o)
//
// Rates that fall from layer to layer by one factor are the optimizer's own (its method LayerDecay). [Search] compares what it
// finds with those and with one rate for all.
package rates
