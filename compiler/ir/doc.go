// Package ir is the shared language of Lamina: typed graphs of ops, with a text
// form that parses back. It imports no other package of Lamina, and every package
// may import it.
//
// A value has a type from the moment it is made, so no graph is untyped. The nodes
// of a graph are in topological order at all times. Verify checks that, and
// everything else the passes rely on.
//
// A length is a [Dim]: a number times symbols, such as 4*N*T. A symbol is the batch
// N, a name that each run binds, or a length defined by others, such as (T+1). A
// defined symbol carries its definition, so equal definitions are the same symbol
// wherever they are made. A [Binding] holds the values for one run. Code that needs
// a known length asks for it (Known, Fixed, Length) and gets no number for a symbol.
//
// An op describes itself: see the facets beside [Op]. README.md of package compiler
// has a table of them.
package ir
