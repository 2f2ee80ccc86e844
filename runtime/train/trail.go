package train

import (
	"encoding/binary"
	"math"
)

// Trail is a fingerprint of the losses of an epoch's updates, by which a repeated training
// can tell where it departed from the first one. Each mark is four bytes, little-endian,
// which depend on the loss of every update of the epoch so far. Marks are evenly spaced,
// one per update if there are few updates, and the last one belongs to the last update.
type Trail []byte

const (
	mostMarks      = 1 << 14 // of a training
	mostEpochMarks = 1 << 10
)

// trail is that of the epoch under way.
type trail struct {
	Sum   uint32 `json:"sum,omitempty"`
	Made  int    `json:"made,omitempty"` // updates
	Marks Trail  `json:"marks,omitempty"`
}

// between returns the number of updates from one mark to the next.
func between(epochs, updates int) int {
	marks := max(1, min(mostEpochMarks, mostMarks/max(epochs, 1)))
	return (updates-1)/marks + 1
}

// add takes the sum of an update's losses in.
func (t *trail) add(loss float64, epochs, updates int, last bool) {
	const prime = 16777619 // of FNV-1a, by words
	bits := math.Float64bits(loss)
	t.Sum = ((t.Sum^uint32(bits))*prime ^ uint32(bits>>32)) * prime
	t.Sum ^= t.Sum >> 15
	if t.Made++; last || t.Made%between(epochs, updates) == 0 {
		if t.Marks == nil {
			t.Marks = make(Trail, 0, 4*((updates-1)/between(epochs, updates)+1))
		}
		t.Marks = binary.LittleEndian.AppendUint32(t.Marks, t.Sum)
	}
}

// trails joins those of all epochs, nil if one has none.
func trails(history []Epoch) []byte {
	var all []byte
	for _, e := range history {
		if len(e.Trail) == 0 {
			return nil
		}
		all = append(all, e.Trail...)
	}
	return all
}

// Parted compares the trails of two trainings with the given numbers of epochs and of
// updates per epoch. It returns the first update, from 1, at which they are known to
// differ, and the last one before it that is known to agree; false if they do not differ.
func Parted(a, b []byte, epochs, updates int) (agreed, differ int64, ok bool) {
	step := between(epochs, updates)
	inEpoch := (updates-1)/step + 1
	for i := 0; 4*i < max(len(a), len(b)); i++ {
		at := int64(i/inEpoch)*int64(updates) + int64(min((i%inEpoch+1)*step, updates))
		if 4*(i+1) > min(len(a), len(b)) || string(a[4*i:4*i+4]) != string(b[4*i:4*i+4]) {
			return agreed, at, true
		}
		agreed = at
	}
	return agreed, 0, false
}
