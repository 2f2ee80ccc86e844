package dataset

import "github.com/lamina-ml/lamina/compiler/random"

// ordered is a source that says itself which rows an epoch has, and in which order: some of them more than once, and some
// perhaps not at all. [Batches] asks it where it would shuffle; whoever goes over all rows once does not.
type ordered interface {
	Source
	epochRows() int
	batchRows() int // rows that belong together: a batch has a multiple of them
	// arrange writes the rows of an epoch, a pure function of the key and the epoch, and for each of them a turn: a
	// number that no other occurrence of the row has.
	arrange(key random.Key, epoch int, rows, turns []int)
	drawn() string
}

// orderOf returns the source, or the one that it makes cancellable, if that is ordered, else nil.
func orderOf(src Source) ordered {
	switch s := src.(type) {
	case until:
		return orderOf(s.Source)
	case untilBatch:
		return orderOf(s.Source)
	case ordered:
		return s
	}
	return nil
}

// turns are those of some rows: the epoch, or one for each row of a source that is ordered.
type turns struct {
	epoch int
	each  []int
	first int // place in each
}

func (t turns) of(k int) uint64 {
	if t.each == nil {
		return uint64(t.epoch)
	}
	return uint64(t.each[t.first+k])
}

// BatchRows returns how many rows each batch of a source has, and 0 if it may have any number of them, as that of all
// sources but a [Mixture].
func BatchRows(src Source) int {
	if o := orderOf(src); o != nil {
		return o.batchRows()
	}
	return 0
}

// Drawn returns in words how the rows of an epoch are drawn from a source, for a record of what decides a result. It is ""
// where an epoch is all rows.
func Drawn(src Source) string {
	if o := orderOf(src); o != nil {
		return o.drawn()
	}
	return ""
}
