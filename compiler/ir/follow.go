package ir

// Follower is an op of one operand and one result that says how a slice of the operand
// moves through it, so that its result can be kept as the operand changes: an update
// that changes some rows of a parameter makes what follows of them again, tile by tile.
// Follow returns the part of the result that the indices of that axis of the operand
// decide, or false where that is no slice. The op must not draw random numbers, nor
// depend on lengths that its operand does not have.
type Follower interface {
	Follow(in []Type, axis int) (Track, bool)
}

// Track says where the elements that one index i of an axis of an operand decides are in
// the result, an axis of n indices: those with the index i of Axis, or n-1-i if Mirrored
// is set. With Groups of m indices each, index i is at i%m*Groups + i/m: one of each group in
// turn. With a Block they have the index i/Block of Axis, and i%Block of the last axis,
// whose length Block is: panels; or of the axes Rest, the digits of i%Block by their lengths,
// whose product Block is: tiles. No other index decides any of them, and every element of the
// result that depends on the operand at all is one of some index.
type Track struct {
	Axis     int
	Mirrored bool
	Groups   int
	Block    int
	Rest     Axes
}

// Slices reports whether what a slice of the operand decides is a slice of Axis.
func (t Track) Slices() bool { return t.Block == 0 && t.Groups == 0 }

// In returns which index decides the element of the result with these coordinates, of n.
func (t Track) In(at []int, out []int, n int) int {
	i := at[t.Axis]
	switch {
	case t.Mirrored:
		return n - 1 - i
	case t.Groups > 0:
		return i%t.Groups*(n/t.Groups) + i/t.Groups
	case t.Block == 0:
		return i
	}
	for _, axis := range t.rest(len(out)) {
		i = i*out[axis] + at[axis]
	}
	return i
}

// rest returns the axes that hold what Axis does not of an index.
func (t Track) rest(rank int) []int {
	if t.Rest.Len > 0 {
		return t.Rest.Slice()
	}
	return []int{rank - 1}
}

// Follow returns how an axis of the operand of op moves through it, if a slice of the
// operand is a slice of its result, of the lengths that these types have.
func Follow(op Op, in, out []Type, axis int) (Track, bool) {
	f, ok := op.(Follower)
	if !ok || len(in) != 1 || len(out) != 1 || axis < 0 || axis >= in[0].Rank() || in[0].Shape.Symbolic() || out[0].Shape.Symbolic() ||
		Draws(op) || len(Sizes(op)) > 0 || ShapeOnly(op) || ByParts(op) {
		return Track{}, false
	}
	t, ok := f.Follow(in, axis)
	return t, ok && t.fits(in[0].Shape[axis].Length(), out[0].Shape)
}

// fits reports whether each of n indices has a part of the result of its own.
func (t Track) fits(n int, out Shape) bool {
	last := len(out) - 1
	switch {
	case t.Axis < 0 || t.Axis > last:
		return false
	case t.Groups != 0:
		return t.Groups > 0 && t.Block == 0 && !t.Mirrored && out[t.Axis].Length() == n && n%t.Groups == 0
	case t.Block == 0:
		return out[t.Axis].Length() == n
	}
	block, seen := 1, map[int]bool{t.Axis: true}
	for _, axis := range t.rest(len(out)) {
		if axis < 0 || axis > last || seen[axis] {
			return false
		}
		seen[axis] = true
		block *= out[axis].Length()
	}
	return t.Block > 0 && !t.Mirrored && block == t.Block && out[t.Axis].Length() == (n+t.Block-1)/t.Block
}
