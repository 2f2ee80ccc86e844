package dataset

import (
	"fmt"
	"log/slog"
	"slices"
)

// WindowOptions says how [Windows] cuts recordings.
type WindowOptions struct {
	// Length is the number of steps in a window.
	Length int
	// Stride is the number of steps from the beginning of a window to that of the next; 0 is Length.
	Stride int
	// Recording is the column, i64[], that numbers the recording of each step. Steps of a recording follow each other. "" is one
	// recording of all steps.
	Recording string
	// Of has a row for each recording, row r for number r. Its columns, such as a label or a group to split by, are given to
	// all windows of the recording. nil is none.
	Of Source
	// ChannelsFirst makes windows f32[channels length], as convolutions want them, in place of f32[length channels].
	ChannelsFirst bool
	// Pad makes one window of a recording that is shorter than Length. After its end a column that may be Missing has NaN, which is
	// no value, and any other column 0. Without Pad such a recording is an error.
	Pad bool
	// Log is told what was padded or left out; nil means slog.Default.
	Log *slog.Logger
}

// Windows returns windows over long recordings. Each row of the source is a step, the values of all channels at one time, and a
// window is steps that follow each other within one recording: a column x f32[6] becomes x f32[128 6], a column of single
// values f32[128]. The column Recording becomes the number of the window's recording, and the columns of Of are added:
//
//	steps, err := dataset.NPZArrays("watch.npz", "x", "recording")
//	recordings, err := dataset.NPZArrays("watch.npz", "exercise", "subject")
//	windows := dataset.Windows(steps, dataset.WindowOptions{Length: 128, Stride: 64, Recording: "recording", Of: recordings})
//	training, test := windows.SplitByGroup("subject", 0.8, 1)
//
// Windows are in the order of the steps. The steps at the end of a recording that fill no window are left out. A window is
// gathered when it is needed: memory is that of the steps, and 16 bytes for each window. Windows that overlap have values in
// common, so split them by recording or by something that whole recordings have, never at random.
//
// Errors (of Err): those of the sources; a Length or Stride that is not positive; no such column as Recording; a recording that
// begins again after another one, has no row in Of, or is shorter than a window; no column of steps; a column with the name of
// one of the other source.
func Windows(steps Source, o WindowOptions) *Selection {
	w, err := windowsOf(steps, o)
	if err != nil {
		return (*Selection)(nil).failed("Windows", err)
	}
	return &Selection{all: new(int), src: w, cols: w.columns, n: len(w.starts)}
}

// windows is a source of windows.
type windows struct {
	steps     BatchSource
	given     Source // the same
	length    int
	first     bool // channels are first
	recording string

	own     []Column // of the steps
	columns []Column
	starts  []int       // the first step of each window
	number  []int64     // the recording of each, if they are numbered
	short   map[int]int // steps of the windows that are padded
	of      *Table      // of the recordings, nil for none
	scratch stock[*windowed]
}

// windowed is what one goroutine needs.
type windowed struct {
	rows  []int
	cols  []column // that the steps go to
	held  []column // memory for those that are not written to their place at once
	block *block
}

func windowsOf(steps Source, o WindowOptions) (*windows, error) {
	s := All(steps)
	if err := s.Err(); err != nil {
		return nil, &ofSource{"the steps", err}
	}
	if o.Stride == 0 {
		o.Stride = o.Length
	}
	if o.Length <= 0 || o.Stride <= 0 {
		return nil, rule(fmt.Sprintf("Length must be a positive number of steps, and Stride too or 0, got %d and %d", o.Length, o.Stride))
	}
	w := &windows{steps: s, given: steps, length: o.Length, first: o.ChannelsFirst, recording: o.Recording, own: s.cols}
	if o.Of != nil {
		var err error
		if w.of, err = Collect(o.Of); err != nil {
			return nil, &ofSource{"the recordings", err}
		}
	}
	if err := w.declare(); err != nil {
		return nil, err
	}
	return w, w.cut(s, o)
}

// declare makes the columns.
func (w *windows) declare() error {
	for _, c := range w.own {
		if c.Name == w.recording {
			continue
		}
		c.Shape = append([]int{w.length}, c.Shape...)
		if w.first {
			c.Shape = append(c.Shape[1:], w.length)
		}
		w.columns = append(w.columns, c)
	}
	if len(w.columns) == 0 {
		return rule("there is no column of steps beside " + w.recording)
	}
	if w.recording != "" {
		w.columns = append(w.columns, Column{Name: w.recording, DType: I64})
	}
	if w.of != nil {
		for _, c := range w.of.Columns() {
			if slices.ContainsFunc(w.columns, func(d Column) bool { return d.Name == c.Name }) {
				return rule(fmt.Sprintf("column %q is one of steps and one of recordings: Rename one", c.Name))
			}
			w.columns = append(w.columns, c)
		}
	}
	if err := checkColumns(w.columns); err != nil {
		return rule(bare(err))
	}
	return nil
}

// cut finds the windows.
func (w *windows) cut(s *Selection, o WindowOptions) error {
	number, named := make([]int64, s.n), ""
	if w.recording != "" {
		var err error
		if number, named, err = s.integers(w.recording); err != nil {
			return err
		}
	}
	seen := map[int64]bool{}
	left := 0
	for lo, hi := 0, 0; lo < s.n; lo = hi {
		r := number[lo]
		for hi = lo + 1; hi < s.n && number[hi] == r; hi++ {
		}
		n := hi - lo
		switch {
		case seen[r]:
			return rule(fmt.Sprintf("row %d: %s is %d again, after another recording; the steps of a recording must follow each other", lo, named, r))
		case w.of != nil && (r < 0 || r >= int64(w.of.Len())):
			return rule(fmt.Sprintf("row %d: %s is %d, but there are rows for %d recordings, from 0 on", lo, named, r, w.of.Len()))
		case n < w.length && !o.Pad:
			of := "the recording"
			if named != "" {
				of = fmt.Sprintf("the recording where %s is %d", named, r)
			}
			return rule(fmt.Sprintf("row %d: %s has %d steps, fewer than the %d of a window; Pad makes a window of it, with no values or zeros after its end", lo, of, n, w.length))
		case n < w.length:
			if w.short == nil {
				w.short = map[int]int{}
			}
			w.short[len(w.starts)] = n
		}
		seen[r] = true
		for at := lo; at == lo || hi-at >= w.length; at += o.Stride {
			w.starts = append(w.starts, at)
			if w.recording != "" || w.of != nil {
				w.number = append(w.number, r)
			}
			if hi-at < o.Stride { // and at would overflow
				break
			}
		}
		if n > w.length {
			left += (n - w.length) % o.Stride
		}
	}
	w.note(o, len(seen), left)
	return nil
}

// note says what the windows do not show.
func (w *windows) note(o WindowOptions, recordings, left int) {
	absent := 0
	if w.of != nil {
		absent = w.of.Len() - recordings
	}
	if len(w.short)+left+absent == 0 {
		return
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	log.Info("dataset: windows", "windows", len(w.starts), "recordings", recordings, "steps left out at their ends", left,
		"recordings shorter than a window, padded", len(w.short), "recordings without steps", absent)
}

func (w *windows) Len() int                 { return len(w.starts) }
func (w *windows) Columns() []Column        { return cloneColumns(w.columns) }
func (w *windows) Row(i int, row Row) error { return oneOf(w, i, row) }

// File is the file of a column.
func (w *windows) File(column string) string {
	if w.ofSteps(column) {
		return fileOf(w.given, column)
	}
	return fileOf(w.of, column)
}

func (w *windows) ofSteps(column string) bool { return w.of == nil || w.of.find(column) == nil }

// known is a column of recordings, for which no window is gathered.
func (w *windows) known(column string) ([]int64, bool) {
	if column == w.recording && column != "" {
		return w.number, true
	}
	if w.ofSteps(column) {
		return nil, false
	}
	v, of := make([]int64, len(w.starts)), w.of.I64(column)
	for i := range v {
		v[i] = of[w.number[i]]
	}
	return v, true
}

// Rows implements [BatchSource].
func (w *windows) Rows(index []int, dst Rows) error {
	for _, c := range w.columns {
		if dst.whole(c); dst.Err() != nil {
			return dst.Err()
		}
	}
	padded := false
	if w.short != nil {
		for _, i := range index {
			_, short := w.short[i]
			padded = padded || short
		}
	}
	if err := w.read(index, dst, padded); err != nil {
		return &ofSource{"the steps", err}
	}
	if w.recording != "" {
		to := dst.b.memory(w.recording).i64
		for k, i := range index {
			to[k] = w.number[i]
		}
	}
	if w.of == nil {
		return nil
	}
	return renumbered(index, func(i int) int { return w.of.at(int(w.number[i])) }, func(rows []int) error {
		for j := range w.of.cols {
			c := &w.of.cols[j]
			gather(dst.b.memory(c.Name), c, rows)
		}
		return nil
	})
}

// read reads the steps of windows. Where they lie in a window as they are in the source, they are written there at once.
func (w *windows) read(index []int, dst Rows, padded bool) error {
	s := w.scratch.take()
	if s == nil {
		s = &windowed{cols: make([]column, len(w.own)), held: make([]column, len(w.own))}
	}
	defer w.scratch.give(s)
	s.rows = s.rows[:0]
	for _, i := range index {
		for at := range w.has(i) {
			s.rows = append(s.rows, w.starts[i]+at)
		}
	}
	if s.block == nil || len(s.block.seen) < len(s.rows) {
		s.block = newBlock(makeColumns(w.own, 0), len(s.rows))
	}
	atOnce := func(c Column) bool { return c.Name != w.recording && !padded && (!w.first || c.Width() == 1) }
	for j, c := range w.own {
		if atOnce(c) {
			s.cols[j] = *dst.b.memory(c.Name)
			s.cols[j].Column, s.cols[j].width = c, c.Width()
			continue
		}
		if s.held[j].values() < len(s.rows)*c.Width() {
			s.held[j] = makeColumn(c, len(s.rows))
		}
		s.cols[j] = s.held[j]
	}
	s.block.begin(s.rows, s.cols, 0)
	if err := w.steps.Rows(s.rows, Rows{s.block}); err != nil && s.block.err == nil {
		return err
	}
	if err := s.block.end(); err != nil {
		return err
	}
	for j, c := range w.own {
		if c.Name == w.recording || atOnce(c) {
			continue
		}
		to, from := dst.b.memory(c.Name), s.held[j]
		for k, i := range index {
			n := w.has(i)
			window, steps := to.part(k, k+1), from.part(0, n)
			none := float32(0)
			if c.Missing {
				none = noValue
			}
			lay(window.f32, steps.f32, none, c.Width(), w.length, w.first)
			lay(window.i64, steps.i64, 0, c.Width(), w.length, w.first)
			lay(window.u8, steps.u8, 0, c.Width(), w.length, w.first)
			from = from.rest(n)
		}
	}
	return nil
}

// has is the number of steps of a window that are not padding.
func (w *windows) has(i int) int {
	if n, ok := w.short[i]; ok {
		return n
	}
	return w.length
}

// rest is a column from a row on.
func (c column) rest(row int) column { return c.part(row, c.values()/c.width) }

// lay makes a window of its steps, each of so many values, with none after them.
func lay[T float32 | int64 | uint8](window, steps []T, none T, width, length int, channelsFirst bool) {
	fill := func(rest []T) {
		for i := range rest {
			rest[i] = none
		}
	}
	if !channelsFirst {
		fill(window[copy(window, steps):])
		return
	}
	for c := range width {
		if len(window) == 0 {
			return
		}
		channel := window[c*length : (c+1)*length]
		n := len(steps) / width
		for t := range n {
			channel[t] = steps[t*width+c]
		}
		fill(channel[n:])
	}
}
