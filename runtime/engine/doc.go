// Package engine executes plans: it binds each step to a kernel, runs the phases
// with a few workers, and keeps what outlives a run in a [Store]. A [Net] is a
// trained function that can be called.
//
// The results of a run have the same bits for any number of workers, any grain
// of the tasks and any number of rows: every element of a result is one chain of
// operations whose order depends on none of these.
package engine
