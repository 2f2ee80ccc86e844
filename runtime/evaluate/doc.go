// Package evaluate measures how good a trained function is: the accuracy and confusion
// matrix of a classifier, and those of a linear probe and of nearest neighbours on the codes
// of a frozen encoder; how near pictures are to their originals; how well a score ranks; and
// what a compression by codes costs, beside JPEG.
//
// Everything is computed in float64, in the order of the rows, so the result is
// always the same.
package evaluate
