package ir

// Access says which part of an operand a slice [lo,hi) of output 0 along axis 0
// needs.
type Access uint8

// The kinds of access.
const (
	Whole Access = iota // everything
	Axis0               // the slice [lo,hi) of axis 0
	Axis1               // the slice [lo,hi) of axis 1: columns
)

// String returns whole, axis0 or axis1.
func (a Access) String() string {
	switch a {
	case Axis0:
		return "axis0"
	case Axis1:
		return "axis1"
	}
	return "whole"
}

// Splitter is an op whose output 0 can be made in slices along axis 0, by
// several workers or tile by tile. Split returns what a slice needs of each
// operand, or false when this node's output cannot be sliced.
type Splitter interface {
	Split(in []Type, out Type) (access []Access, ok bool)
}
