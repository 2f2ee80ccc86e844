package dataset

import (
	"fmt"
	"math"
)

// ChannelMoments returns the mean and the standard deviation of each channel of a column of pictures, [C …], over all
// rows and pixels, by which spec.Normalize or [ImageOptions] standardizes. Bytes count as v/255. Rows are read once, in
// memory that does not grow with them; there is no Bessel's correction, and missing values are passed over. A channel that
// has one value everywhere, or none, gets the deviation 1, so that it may be divided by. [Until] makes it cancellable. Errors: those of the source; no such column of
// f32[C …] or u8[C …].
func ChannelMoments(src Source, name string) (mean, deviation []float64, err error) {
	cols, err := checkSource(src)
	if err != nil {
		return nil, nil, err
	}
	at := -1
	for j, c := range cols {
		if c.Name == name && c.DType != I64 && len(c.Shape) > 0 {
			at = j
		}
	}
	if at < 0 {
		return nil, nil, fmt.Errorf("dataset: ChannelMoments: no column %q of f32[C …] or u8[C …]; the columns are %s", name, columnNames(cols))
	}
	channels := cols[at].Shape[0]
	pixels := cols[at].Width() / channels
	sum := make([]welford, channels)
	count := make([][256]int64, channels) // of bytes
	if err := scan(src, cols, func(j int, c column) {
		if j != at {
			return
		}
		for i := 0; i < len(c.f32); i += pixels {
			s := &sum[i/pixels%channels]
			for _, v := range c.f32[i : i+pixels] {
				if !isNaN(v) {
					s.add(float64(v), 1)
				}
			}
		}
		for i := 0; i < len(c.u8); i += pixels {
			n := &count[i/pixels%channels]
			for _, v := range c.u8[i : i+pixels] {
				n[v]++
			}
		}
	}); err != nil {
		return nil, nil, err
	}
	for c := range sum {
		s := &sum[c]
		for v, n := range count[c] {
			s.add(float64(v)/255, n)
		}
		d := math.Sqrt(s.squares / float64(s.n))
		if s.least == s.most {
			s.mean, d = s.least, 1
		}
		mean, deviation = append(mean, s.mean), append(deviation, d)
	}
	return mean, deviation, nil
}

// welford adds numbers up to their mean and their squared distances from it, in one pass (Welford 1962).
type welford struct {
	n             int64
	mean, squares float64
	least, most   float64
}

// add adds v, n times.
func (w *welford) add(v float64, n int64) {
	if n == 0 {
		return
	}
	if w.n == 0 {
		w.least, w.most = v, v
	}
	w.least, w.most = min(w.least, v), max(w.most, v)
	w.n += n
	d := v - w.mean
	w.mean += d * float64(n) / float64(w.n)
	w.squares += d * (v - w.mean) * float64(n)
}
