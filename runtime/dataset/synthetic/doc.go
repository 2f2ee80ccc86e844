// Package synthetic makes rows whose factors are known: [Shapes], [Strokes], [Waves] and [Tables], and [Decoded], the rows that a
// trained decoder makes of drawn codes. They serve to pretrain without data, to test a model where the truth is known, and to try
// a program before there are rows.
//
//	pretrain.Fit(model, synthetic.Strokes(60000, 1, synthetic.StrokeOptions{}), train.Options{…})
//
// Row i is a function of the seed and of i, so a source is read in any order, by any number of goroutines, and may be of any
// length; a shorter one is the beginning of a longer one. All arithmetic is of operations that IEEE 754 defines to the last bit,
// so rows have the same bits on every machine. No row needs memory beyond its own.
//
// What decides the rows is their text form: String prints it, [Parse] reads it, and the record of a training has it, so that
// lamina reproduce makes the rows again. The record also says what share of the rows was generated.
package synthetic
