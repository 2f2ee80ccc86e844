// Package spec is the language in which a model is declared: typed values,
// layers, losses and models, as plain Go.
//
//	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
//	ae := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
//	if err := ae.Err(); err != nil { … }
//
// A layer is a recipe that owns weights, a value is typed from birth
// (f32[N 30]), a model is a name and its losses. What a layer requires is an
// argument of its constructor, what is optional is a method on its own type.
//
// What one value becomes is a layer too, so formulas are read from left to right, and
// what several become is a function:
//
//	d := spec.Sub(y, x).Then(spec.Square(), spec.Mean(0))
//
// Nothing here fails or panics while a model is declared: a mistake is kept with
// the line where it was written, and the first call that returns an error
// ([Model.Err], [Model.Graph], [GraphOf]) returns all of them, joined, each an
// [*Error].
//
// A declaration, and every value and layer connected with it, belongs to one
// goroutine at a time. Axes given by a user do not count the batch: axis 0 of
// f32[N 28 28] is the first 28; negative axes count from the end.
package spec
