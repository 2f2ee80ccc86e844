// Package evaluate says how good a trained function is on labelled rows: accuracy and
// the table of confusions of a classifier, and of a linear probe and the nearest
// neighbours on the codes of an encoder that stays as it is.
//
// All is computed in float64, in the order of the rows, with the same result at any
// time.
package evaluate
