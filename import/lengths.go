package onnximport

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// ownProducer is what files of Lamina say that they were written by: an open length of
// theirs may have an expression for a name, as 4*N.
const ownProducer = "lamina"

// capacityKey begins the keys of metadata_props that have the capacity of a length.
const capacityKey = "lamina.length."

// openLengths gives the open lengths of the inputs their symbols: the batch, that of
// axis 0, and others by the names they have in the file.
type openLengths struct {
	batch string            // the batch's first name in the file
	inner map[string]bool   // names that some input has on another axis than 0
	names map[string]ir.Dim // by the name in the file
	file  map[ir.Dim]string // the name in the file, "" if it has none
	taken map[string]bool   // names of symbols
	own   bool              // the file is one of Lamina's
}

// look finds out which names are the batch's. In a file of Lamina's that is N, unless the
// batch is frozen.
func (l *openLengths) look(inputs []*onnxpb.ValueInfoProto, wanted func(name string) bool, own bool) {
	l.inner, l.names, l.file, l.taken, l.own = map[string]bool{}, map[string]ir.Dim{}, map[ir.Dim]string{}, map[string]bool{ir.Batch: true}, own
	var first []string // names on axis 0
	for _, p := range inputs {
		port, _, err := portOf(p)
		if err != nil || !wanted(p.Name) {
			continue // reported where it is read
		}
		for axis, n := range port.Dims {
			sym := port.Syms[axis]
			if d, ok := ir.ParseDim(sym); ok && own && d.Has(ir.Batch) {
				l.batch = ir.Batch
			}
			switch {
			case n >= 0 || sym == "" || own && !named(sym):
			case axis > 0:
				l.inner[sym] = true
			default:
				first = append(first, sym)
			}
		}
	}
	if l.batch != "" {
		return
	}
	if i := slices.IndexFunc(first, func(sym string) bool { return !l.inner[sym] }); i >= 0 {
		l.batch = first[i]
	} else if len(first) > 0 {
		l.batch = first[0]
	}
}

// of returns an open length of an input. On axis 0 it is the batch, under whatever name,
// as exporters have that number unknown lengths, unless the name is that of another
// length elsewhere; a length without a name is one of its own.
func (l *openLengths) of(input string, axis int, sym string) (ir.Dim, error) {
	if d, ok := l.names[sym]; ok && sym != "" {
		return d, nil
	}
	d, whole := ir.Rows(), true
	switch {
	case sym == l.batch && sym != "":
	case l.own && sym != "" && !named(sym):
		d, _ = ir.ParseDim(sym)
		whole = false
	case axis == 0 && !l.inner[sym] && !(l.own && l.batch == ir.Batch && sym != ""):
	case sym == "":
		d = ir.Of(l.symbol(fmt.Sprintf("%s_%d", input, axis)))
	default:
		d = ir.Of(l.symbol(sym))
	}
	if whole && d != ir.Rows() {
		if n := len(l.taken) - 1; n > ir.MaxFree {
			return d, fmt.Errorf("the length of axis %d is open, one of more than %d besides the batch: fix others when exporting", axis, ir.MaxFree)
		}
	}
	if sym != "" {
		l.names[sym] = d
	}
	if _, named := l.file[d]; !named {
		l.file[d] = sym
	}
	return d, nil
}

// named reports whether a length has a name of its own, and is not an expression.
func named(sym string) bool {
	d, ok := ir.ParseDim(sym)
	return !ok || !d.Symbolic() || d == ir.Of(sym)
}

// symbol makes a name of the file a name of a length that no other has.
func (l *openLengths) symbol(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_':
			b.WriteRune(r)
		case r >= '0' && r <= '9':
			if i == 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
		if b.Len() >= 40 {
			break
		}
	}
	name := b.String()
	for i := 2; name == "" || l.taken[name]; i++ {
		name = b.String() + "_" + strconv.Itoa(i)
	}
	l.taken[name] = true
	return name
}

// name returns what the file calls a length.
func (l *openLengths) name(d ir.Dim) string {
	if d == ir.Rows() {
		return l.batch
	}
	if s := l.file[d]; s != "" {
		return s
	}
	return d.String()
}

// bound gives the graph's lengths the capacities that the file says, and those that the
// caller gives by their names in the file or in the graph.
func (l *openLengths) bound(g *ir.Graph, meta []*onnxpb.StringStringEntryProto, given map[string]int) {
	used := g.Symbols()
	put := func(name string, n int) {
		if d, ok := l.names[name]; ok && d == ir.Of(d.String()) {
			name = d.String()
		}
		if name != ir.Batch && slices.Contains(used, name) && n > 0 {
			g.Capacity = g.Capacity.With(name, n)
		}
	}
	for _, e := range meta {
		if name, ok := strings.CutPrefix(e.Key, capacityKey); ok {
			if n, err := strconv.Atoi(e.Value); err == nil {
				put(name, n)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		put(name, given[name])
	}
}
