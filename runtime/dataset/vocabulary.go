package dataset

import "math/rand/v2"

// vocabulary is the numbers of texts. Short ones, as most categories are, are kept as whole words and found without
// looking at a map: by open addressing, from a place that is another in each vocabulary, so that no file can be made of
// texts that collide.
type vocabulary struct {
	seed uint64
	keys []uint64 // 0 is none; as many as a power of two
	ids  []int64
	n    int              // keys in use
	long map[string]int64 // texts that are no key
}

func newVocabulary() *vocabulary {
	const first = 4
	return &vocabulary{seed: rand.Uint64(), keys: make([]uint64, first), ids: make([]int64, first)}
}

// shortText is a text of 1 to 7 bytes and its length as a word, 0 for others.
func shortText(b []byte) uint64 {
	const most = 7
	if len(b) > most {
		return 0
	}
	k := uint64(len(b)) << (8 * most)
	for i, c := range b {
		k |= uint64(c) << (8 * i)
	}
	return k
}

// find is the place of a key, or the free one for it.
func (v *vocabulary) find(k uint64) int {
	h := (k ^ v.seed) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	mask := len(v.keys) - 1
	for i := int(h>>32) & mask; ; i = (i + 1) & mask {
		if v.keys[i] == k || v.keys[i] == 0 {
			return i
		}
	}
}

// get is the number of a text.
func (v *vocabulary) get(b []byte) (int64, bool) {
	if k := shortText(b); k != 0 {
		i := v.find(k)
		return v.ids[i], v.keys[i] == k
	}
	id, ok := v.long[string(b)]
	return id, ok
}

// put gives a text that has none a number.
func (v *vocabulary) put(b []byte, id int64) {
	k := shortText(b)
	if k == 0 {
		if v.long == nil {
			v.long = map[string]int64{}
		}
		v.long[string(b)] = id
		return
	}
	if 2*v.n >= len(v.keys) {
		keys, ids := v.keys, v.ids
		v.keys, v.ids = make([]uint64, 2*len(keys)), make([]int64, 2*len(keys))
		for i, k := range keys {
			if k != 0 {
				at := v.find(k)
				v.keys[at], v.ids[at] = k, ids[i]
			}
		}
	}
	i := v.find(k)
	v.keys[i], v.ids[i] = k, id
	v.n++
}
