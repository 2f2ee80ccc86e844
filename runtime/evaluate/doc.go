// Package evaluate measures how good a trained function is: metrics of classes, of several
// labels a row, of probabilities, scores and numbers, each with an interval if wanted; linear
// probes and nearest neighbours on the codes of a frozen encoder; how near pictures are to
// their originals; and what a compression by codes costs, beside JPEG. It divides rows for a
// cross-validation, and finds what is added to a classifier after training: a temperature, and
// a threshold for rows that are unsure.
//
// Everything is computed in float64, in the order of the rows, so the result is
// always the same.
package evaluate
