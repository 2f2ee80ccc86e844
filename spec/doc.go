// Package spec is the language in which a model is declared: typed values, layers,
// losses and models, as plain Go.
//
//	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
//	ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
//	if err := ae.Err(); err != nil { … }
//
// A layer is a recipe that owns weights. A value has a type from the moment it is
// made (f32[N 30]). A model is a name and its losses. What a layer requires is an
// argument of its constructor; what is optional is a method on its type.
//
// A function of one value is a layer too, so formulas read from left to right. A
// function of several values is a Go function:
//
//	d := spec.Sub(y, x).Then(spec.Square(), spec.Mean(0))
//
// Nothing here fails or panics while a model is declared. A mistake is kept with the
// line where it was written, and the first call that returns an error ([Model.Err],
// [Model.Graph], [GraphOf]) returns all mistakes, joined, each as an [*Error].
//
// A declaration, with every value and layer connected to it, belongs to one
// goroutine at a time. Axes given by a user do not count the batch: axis 0 of
// f32[N 28 28] is the first 28. Negative axes count from the end.
package spec
