// Package ir is the shared language of Lamina: typed graphs of ops, with a text
// form that parses back. It imports nothing of Lamina's, and everything may
// import it.
//
// A value always has a type, so there is no untyped graph. A graph's nodes are
// in topological order at all times; Verify checks that and everything else the
// passes rely on.
//
// What an op is, it says itself: see the facets beside [Op]. README.md of package
// compiler has a table of them.
package ir
