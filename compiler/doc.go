// Package compiler turns a declared model, or any graph, into plans that the
// engine executes. It runs passes on a graph, verifies the graph after each, and
// lowers it once.
//
// The table in passes.go is the pipeline, with the reasons for its order. Compile
// makes the plans of a model and CompileGraph the plan of a graph. Front and
// Gradient stop earlier, where export and tests take over.
package compiler
