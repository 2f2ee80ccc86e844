package onnximport

import (
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Limits bounds what a file may ask for. A zero field means its default.
type Limits struct {
	Bytes    int64 // of the file, and of all external data together; 2 GiB - 1
	Nodes    int   // of the file; 16384
	Edges    int   // inputs times outputs, added over the nodes; 262144
	Elements int64 // of any value, each open length counted as 1; 1<<30
	Folded   int   // elements of integer values computed while reading; 1<<20

	// Lengths is the capacity of open lengths other than the batch, by their names in
	// the file, overriding what the file itself says. The graph keeps it.
	Lengths map[string]int
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1<<31 - 1
	}
	if l.Nodes <= 0 {
		l.Nodes = 1 << 14
	}
	if l.Edges <= 0 {
		l.Edges = 1 << 18
	}
	if l.Elements <= 0 {
		l.Elements = 1 << 30
	}
	if l.Folded <= 0 {
		l.Folded = 1 << 20
	}
	return l
}

// The memory that decoding takes beside the bytes themselves: an empty message
// takes 2 bytes in a file and hundreds in memory.
const (
	baseWeight   = 24 << 20
	messageBytes = 400 // of the largest wire types, with the pointer to it
	fieldBytes   = 48  // of a string or byte slice in a list that grows
	scalarBytes  = 16  // of a number in a list that grows
)

// wire describes the fields of a message type that hold messages, and those that
// hold packed integers.
type wire struct {
	messages map[uint32]*wire
	packed   map[uint32]bool
}

// schema returns the message types reachable from a ModelProto.
func schema() *wire {
	leaf := &wire{}
	dim, shape := &wire{}, &wire{}
	shape.messages = map[uint32]*wire{1: dim}
	typ := &wire{}
	element := &wire{messages: map[uint32]*wire{1: typ, 2: typ}} // sequence, optional, map
	tensorType := &wire{messages: map[uint32]*wire{2: shape}}
	typ.messages = map[uint32]*wire{1: tensorType, 4: element, 5: element, 8: tensorType, 9: element}
	info := &wire{messages: map[uint32]*wire{2: typ, 4: leaf}}
	tensor := &wire{messages: map[uint32]*wire{3: leaf, 13: leaf, 16: leaf}, packed: map[uint32]bool{1: true, 5: true, 7: true, 11: true}}
	sparse := &wire{messages: map[uint32]*wire{1: tensor, 2: tensor}, packed: map[uint32]bool{3: true}}
	graph := &wire{}
	attr := &wire{messages: map[uint32]*wire{5: tensor, 6: graph, 10: tensor, 11: graph, 14: typ, 15: typ, 22: sparse, 23: sparse},
		packed: map[uint32]bool{8: true}}
	pair := &wire{packed: map[uint32]bool{2: true}}
	sharded := &wire{messages: map[uint32]*wire{2: leaf}}
	sharding := &wire{messages: map[uint32]*wire{3: pair, 4: sharded}, packed: map[uint32]bool{2: true}}
	device := &wire{messages: map[uint32]*wire{2: sharding}}
	node := &wire{messages: map[uint32]*wire{5: attr, 9: leaf, 10: device}}
	annotation := &wire{messages: map[uint32]*wire{2: leaf}}
	graph.messages = map[uint32]*wire{1: node, 5: tensor, 11: info, 12: info, 13: info, 14: annotation, 15: sparse, 16: leaf}
	training := &wire{messages: map[uint32]*wire{1: graph, 2: graph, 3: leaf, 4: leaf}}
	function := &wire{messages: map[uint32]*wire{7: node, 9: leaf, 11: attr, 12: info, 14: leaf}}
	return &wire{messages: map[uint32]*wire{7: graph, 8: leaf, 14: leaf, 20: training, 25: function, 26: leaf}}
}

// maxDepth bounds messages within messages.
const maxDepth = 100

// weigh returns an error if decoding data would take more memory than its size
// justifies.
func weigh(data []byte) error {
	s := scale{left: baseWeight + int64(len(data))}
	return s.message(data, schema(), 1)
}

type scale struct{ left int64 }

func (s *scale) take(n int64) error {
	if s.left -= n; s.left < 0 {
		return errors.New("decoding it would take far more memory than its size: it has too many small parts")
	}
	return nil
}

func (s *scale) message(b []byte, w *wire, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("its messages are nested more than %d deep", maxDepth)
	}
	if err := s.take(messageBytes); err != nil {
		return err
	}
	for len(b) > 0 {
		f, rest, err := onnxpb.NextField(b)
		if err != nil {
			return err
		}
		cost := int64(scalarBytes)
		if f.Bytes {
			cost = fieldBytes
			if sub := w.messages[f.Number]; sub != nil {
				if err := s.message(f.Data, sub, depth+1); err != nil {
					return err
				}
				cost = 0
			} else if w.packed[f.Number] {
				cost += 8 * int64(len(f.Data))
			}
		}
		if err := s.take(cost); err != nil {
			return err
		}
		b = rest
	}
	return nil
}
