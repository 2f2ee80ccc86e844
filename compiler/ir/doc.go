// Package ir is the shared language of Lamina: typed graphs of ops, with a text
// form that parses back. It imports nothing of Lamina's, and everything may
// import it.
//
// A value always has a type, so there is no untyped graph. A graph's nodes are
// in topological order at all times; Verify checks that and everything else the
// passes rely on.
//
// A length is a [Dim]: a number times symbols, as 4*N*T. A symbol is the batch N, a
// name that each run binds, or a length defined by others, as (T+1): that carries
// its definition, so equal definitions are one symbol wherever they are made. A
// [Binding] gives the values of a run. Whoever means a known length asks for it
// (Known, Fixed, Length) and gets no number for a symbol.
//
// What an op is, it says itself: see the facets beside [Op]. README.md of package
// compiler has a table of them.
package ir
