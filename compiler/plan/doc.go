// Package plan defines the compiler's output: flat data that says which steps run
// on which buffers, in which phases, and nothing else. A plan has no pointers into
// a graph. It can be printed ([Format], [Explain]) and checked ([Verify]).
//
// A plan is a list of phases with a barrier after each. A phase is a set of groups
// that do not depend on each other. A group is a list of steps that share a
// partition of one axis-0 length: a task runs all steps of the group on its slice
// of that length, so tasks need not wait for each other. One worker runs the tail
// of a phase after the barrier.
package plan
