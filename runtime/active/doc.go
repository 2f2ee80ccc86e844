// Package active chooses which rows a person should label next, takes the answers back, and lists labels that look wrong.
//
//	p, err := active.PoolOf(ctx, fit.Net(probabilities), fit.Net(code), unlabelled, labelled)
//	picks, err := active.Margin{}.Order(ctx, p, 20) // of the unlabelled rows, the 20 to ask about first
//
// A [Strategy] orders the rows of a [Pool], which has what classifiers make of them. The same pool gives the same order, on any
// number of processors; of rows that are equal the earlier comes first. A [Ranking] is a file to fill in, [Labels] is the file
// that the answers go to, and [Doubt] says which labels out-of-fold predictions contradict.
package active
