// Package compiler turns a declared model, or any graph, into plans that the
// engine executes: passes on a graph, each verified, then one lowering.
//
// The pipeline is the table in passes.go, with the reasons of its order. Compile
// makes the plans of a model, CompileGraph that of a graph, Front and Gradient
// stop where export and tests take over.
package compiler
