// Package evaluate measures how good a trained function is on labelled rows: the
// accuracy and confusion matrix of a classifier, and those of a linear probe and of
// nearest neighbours on the codes of a frozen encoder.
//
// Everything is computed in float64, in the order of the rows, so the result is
// always the same.
package evaluate
