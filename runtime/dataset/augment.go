package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Augmentation says how pictures are changed at random while a model is trained on them; train.Options.Augment takes it.
// [Augment] begins one, and each method returns a copy with one more kind of change:
//
//	dataset.Augment().Flip(dataset.Horizontally).Crop(4)
//
// A picture is first moved, by Flip, Rotate, Scale, Crop and Shift together and with one interpolation at most. Then
// its colours change, then come Noise and Erase, at last Mixup. The order of the calls does not count, and a method that
// is called again replaces what it said before.
//
// What is drawn for a picture is a function of the seed, the epoch, the number of its row and the kind of change. So no
// bit depends on how many goroutines read or on whether a training was interrupted, and adding a change leaves
// the draws of the others as they were.
//
// Pictures are columns of float32 or bytes of shape [C H W], or of other shapes with [Augmentation.Shape]. The methods do
// not panic: a mistake is kept, and Err and every use return it.
type Augmentation struct {
	columns []string // as named; none for all pictures
	shape   []int    // C, H and W of columns that do not say so, nil for none
	spread  spread
	changes []change        // in the order of kinds
	more    []*Augmentation // of other columns: see And
	err     error
}

// spread is how the draws of several columns are related.
type spread string

const (
	apart    spread = "apart"
	together spread = "together"
)

// change is one kind of change with its settings. It also is a mover, a painter or the [mixup].
type change interface {
	kind() string  // the name in the text form
	text() string  // the settings there, as its kind's parser reads them
	changes() bool // whether it changes anything
	// fits says what is wrong with pictures of this size, "" for nothing.
	fits(p picture) string
}

// mover is a change of place.
type mover interface {
	change
	// move adds itself to m for draws from k.
	move(k random.Key, p picture, m *move)
}

// painter is a change of values.
type painter interface {
	change
	// paint changes the values of a picture, for draws from k. Errors: values that it does not take.
	paint(k random.Key, p picture, v values) error
}

// kinds are all kinds of changes, in the order in which a picture goes through them, and how their settings are read.
var kinds = []struct {
	name  string
	parse func(settings string) (change, error)
}{
	{"shift", parsed("the pixels", parseCount, newShift)},
	{"crop", parsed("the padding", parseCount, newCrop)},
	{"flip", parseFlip},
	{"rotate", parsed("the degrees", parseNumber, newRotate)},
	{"scale", parsed("the greatest change of the factor", parseNumber, newScale)},
	{"jitter", parseJitter},
	{"noise", parsed("the standard deviation", parseNumber, newNoise)},
	{"erase", parsed("the probability", parseNumber, newErase)},
	{"timeshift", parseTimeShift},
	{"timemask", parseTimeMask},
	{"gain", parseGain},
	{"hiss", parseHiss},
	{"mixup", parseMixup},
}

// picture is the size of pictures.
type picture struct {
	channels, height, width int
	bytes                   bool // of uint8 from 0 to 255, not of float32 from 0 to 1
}

func (p picture) String() string { return fmt.Sprintf("[%d %d %d]", p.channels, p.height, p.width) }

// values are those of one picture, [C H W] in a row. One of the slices is nil.
type values struct {
	f32 []float32
	u8  []uint8
}

// Augment begins an augmentation of the named columns or, if none is named, of every column of pictures. It changes
// nothing by itself.
func Augment(columns ...string) *Augmentation {
	a := &Augmentation{columns: slices.Clone(columns)}
	for i, c := range columns {
		switch {
		case c == "":
			return a.wrong("Augment: column %d has no name", i)
		case slices.Contains(columns[:i], c):
			return a.wrong("Augment: column %q is named twice", c)
		}
	}
	return a
}

// Shape says that pictures have these channels, height and width in columns whose own shape does not say so, such as f32[784]
// with Shape(1, 28, 28). Errors: a dimension that is not positive, or too many values.
func (a *Augmentation) Shape(channels, height, width int) *Augmentation {
	dims := []int{channels, height, width}
	if err := checkColumns([]Column{{Name: "pictures", DType: F32, Shape: dims}}); err != nil {
		return a.wrong("Shape: every dimension must be positive, with at most %d values in all, got %v", maxWidth, dims)
	}
	return a.with(func(a *Augmentation) { a.shape = dims })
}

// Apart gives each column draws of its own: for two views of a picture, which [Table.Views] makes columns of.
func (a *Augmentation) Apart() *Augmentation {
	return a.with(func(a *Augmentation) { a.spread = apart })
}

// Together gives all columns the same draws: for a picture and another one that must stay on top of it.
func (a *Augmentation) Together() *Augmentation {
	return a.with(func(a *Augmentation) { a.spread = together })
}

// with returns a copy that set has changed; a mistake stays.
func (a *Augmentation) with(set func(*Augmentation)) *Augmentation {
	if a == nil {
		a = &Augmentation{}
		return a.wrong("Augment: the augmentation is nil; begin with dataset.Augment()")
	}
	if a.err != nil {
		return a
	}
	c := *a
	c.changes = slices.Clone(a.changes)
	set(&c)
	return &c
}

// wrong returns a copy that remembers a mistake, as method: rule, and the line outside this package where it was made.
func (a *Augmentation) wrong(format string, args ...any) *Augmentation {
	if a != nil && a.err != nil {
		return a
	}
	return &Augmentation{err: mistake(format, args...)}
}

// set puts a change in the place of what there is of its kind.
func (a *Augmentation) set(method string, c change, rule string) *Augmentation {
	if rule != "" {
		return a.wrong("%s: %s", method, rule)
	}
	return a.with(func(a *Augmentation) { a.put(c) })
}

func (a *Augmentation) put(c change) {
	place := func(name string) int {
		for i, k := range kinds {
			if k.name == name {
				return i
			}
		}
		return -1
	}
	a.changes = slices.DeleteFunc(a.changes, func(o change) bool { return o.kind() == c.kind() })
	if c.changes() {
		a.changes = append(a.changes, c)
		slices.SortFunc(a.changes, func(x, y change) int { return place(x.kind()) - place(y.kind()) })
	}
}

// Err returns the first mistake.
func (a *Augmentation) Err() error {
	if a == nil {
		return nil
	}
	return a.err
}

// String returns the text form, which [ParseAugmentation] reads, such as "crop=4,flip=h".
func (a *Augmentation) String() string {
	if a == nil || a.err != nil {
		return ""
	}
	var parts []string
	for _, c := range a.changes {
		parts = append(parts, c.kind()+"="+c.text())
	}
	if a.shape != nil {
		parts = append(parts, fmt.Sprintf("shape=%dx%dx%d", a.shape[0], a.shape[1], a.shape[2]))
	}
	if len(a.columns) > 0 {
		parts = append(parts, "of="+namesText(a.columns))
	}
	if a.spread != "" {
		parts = append(parts, string(a.spread))
	}
	text := strings.Join(parts, ",")
	for _, other := range a.more {
		text += ";" + other.String()
	}
	return text
}

// Only returns, for each change, an augmentation that makes this change alone.
func (a *Augmentation) Only() []*Augmentation {
	if a == nil || a.err != nil {
		return nil
	}
	var out []*Augmentation
	for _, c := range a.changes {
		out = append(out, a.with(func(a *Augmentation) { a.changes, a.more = []change{c}, nil }))
	}
	for _, other := range a.more {
		out = append(out, other.Only()...)
	}
	return out
}

// Check says whether the pictures of a source can be augmented so, for a training that reads the columns inputs, if they are
// named. It reads no row.
//
// Errors: that of the augmentation; it changes nothing; a column that does not exist or is not one of pictures; pictures too
// small for a change; several columns of which neither Apart nor Together is said; columns that Mixup cannot mix; an input
// that it does not mix with the pictures.
func (a *Augmentation) Check(src Source, inputs ...string) error {
	cols, err := checkSource(src)
	if err != nil {
		return err
	}
	b, err := a.bind(cols)
	if err != nil || b.mix == nil {
		return err
	}
	for _, name := range inputs {
		if !slices.Contains(b.mix.columns, name) && !slices.ContainsFunc(b.of, func(c boundColumn) bool { return c.name == name }) {
			return fmt.Errorf("dataset: Augment: Mixup mixes the pictures of two rows, but column %q, which is read too, would be that of one of them: name it in Mixup; labels are mixed as probabilities, which Table.OneHot makes", name)
		}
	}
	return nil
}

// Pictures returns the first column of a source that is augmented, and the height and width of its pictures: what is to be
// drawn of it. Errors: those of Check; pictures of neither one nor three channels.
func (a *Augmentation) Pictures(src Source) (column string, height, width int, err error) {
	cols, err := checkSource(src)
	if err != nil {
		return "", 0, 0, err
	}
	b, err := a.bind(cols)
	if err != nil {
		return "", 0, 0, err
	}
	c := b.of[0]
	if c.channels != 1 && c.channels != 3 {
		return "", 0, 0, fmt.Errorf("dataset: column %q has pictures of %v; those of one channel or of three can be shown", c.name, c.picture)
	}
	return c.name, c.height, c.width, nil
}

// bound is an augmentation of the columns of a source.
type bound struct {
	of       []boundColumn
	movers   []mover
	painters []painter
	mix      *mixup
	mixed    []int // columns that mix mixes beside the pictures
	together bool
	more     []*bound // of other columns
}

// boundColumn is a column of pictures, and where it is.
type boundColumn struct {
	at int
	picture
	name string
}

func (a *Augmentation) bind(cols []Column) (*bound, error) {
	switch {
	case a == nil:
		return nil, fmt.Errorf("dataset: the augmentation is nil")
	case a.err != nil:
		return nil, a.err
	case len(a.changes) == 0:
		return nil, fmt.Errorf("dataset: Augment: it changes nothing: add changes, such as Shift(2), or leave the augmentation out")
	}
	b := &bound{together: a.spread == together}
	wrong := func(format string, args ...any) (*bound, error) {
		return nil, fmt.Errorf("dataset: Augment: %s; the columns are %s", fmt.Sprintf(format, args...), columnNames(cols))
	}
	if len(a.columns) == 0 {
		for i, c := range cols {
			if p, rule := a.pictureOf(c, true); rule == "" {
				b.of = append(b.of, boundColumn{i, p, c.Name})
			}
		}
		if len(b.of) == 0 {
			return wrong("no column is one of pictures, f32 or u8 [C H W]; Shape gives another column the shape of pictures, and Table.Reshape changes it")
		}
	}
	for _, name := range a.columns {
		i := slices.IndexFunc(cols, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return wrong("there is no column %q", name)
		}
		p, rule := a.pictureOf(cols[i], false)
		if rule != "" {
			return wrong("%s", rule)
		}
		b.of = append(b.of, boundColumn{i, p, name})
	}
	first := b.of[0]
	if len(b.of) > 1 {
		second := b.of[1]
		if a.spread == "" {
			return nil, fmt.Errorf("dataset: Augment: columns %q and %q are both pictures: say Apart() if each is changed by itself, as two views of one picture are, Together() if they are changed alike, as a picture and its target, or name one", first.name, second.name)
		}
		for _, c := range b.of[1:] {
			if b.together && (c.height != first.height || c.width != first.width) {
				return nil, fmt.Errorf("dataset: Augment: Together: pictures that are changed alike must have one height and width; column %q has %v and %q has %v", first.name, first.picture, c.name, c.picture)
			}
		}
	}
	for _, c := range a.changes {
		for _, col := range b.of {
			if rule := c.fits(col.picture); rule != "" {
				return nil, fmt.Errorf("dataset: Augment: column %q, pictures of %v: %s", col.name, col.picture, rule)
			}
		}
		switch c := c.(type) {
		case mover:
			b.movers = append(b.movers, c)
		case painter:
			b.painters = append(b.painters, c)
		case *mixup:
			b.mix = c
		}
	}
	if b.mix != nil {
		var rule string
		if b.mixed, rule = b.mix.of(cols, b.of); rule != "" {
			return wrong("Mixup: %s", rule)
		}
	}
	return b, a.bindMore(b, cols)
}

// pictureOf returns the size of the pictures of a column, or what is wrong with them. A column that nobody named must
// look like pictures.
func (a *Augmentation) pictureOf(c Column, unnamed bool) (picture, string) {
	p := picture{bytes: c.DType == U8}
	switch {
	case c.DType == I64:
		return p, fmt.Sprintf("column %q is %s, but pictures are f32 or u8; for whole numbers, Table.Bytes makes them u8", c.Name, c.typ())
	case c.Missing:
		return p, fmt.Sprintf("column %q may lack values, but pictures have all of them", c.Name)
	case len(c.Shape) == 3:
		p.channels, p.height, p.width = c.Shape[0], c.Shape[1], c.Shape[2]
		return p, ""
	case a.shape != nil && c.Width() == a.shape[0]*a.shape[1]*a.shape[2]:
		p.channels, p.height, p.width = a.shape[0], a.shape[1], a.shape[2]
		return p, ""
	case a.shape != nil:
		return p, fmt.Sprintf("column %q is %s, which is not %v values", c.Name, c.typ(), a.shape)
	case len(c.Shape) == 2 && !unnamed:
		p.channels, p.height, p.width = 1, c.Shape[0], c.Shape[1]
		return p, ""
	}
	return p, fmt.Sprintf("column %q is %s, but pictures are [C H W]; Shape gives it the shape of pictures, such as Shape(1, 28, 28) for 784 values", c.Name, c.typ())
}
