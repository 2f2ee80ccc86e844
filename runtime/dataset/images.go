package dataset

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-ml/lamina/internal/regular"
)

// ImageOptions says what pictures become. The zero value leaves them at their size, which must be the same for all, in
// grey or in colour as they are, with values in [0, 1].
type ImageOptions struct {
	// Height and Width are what each picture is scaled to, bilinearly and with all of its pixels taken into account
	// where it becomes smaller. Both or neither.
	Height, Width int
	// Crop scales the middle of a picture, the largest part that has the proportions of Height and Width, in place of
	// all of it.
	Crop bool
	// Channels is 1 for grey, 3 for red, green and blue. 0 is what the pictures are, if all are alike.
	Channels int
	// Bytes makes the column one of uint8, for a model that takes pixels as they are (spec.Bytes).
	Bytes bool
	// Mean and Deviation standardize: a byte v becomes (v/255 - mean)/deviation. Each has one number for each channel;
	// nil are means of 0 and deviations of 1.
	Mean, Deviation []float64
	// Background is what is behind transparent pixels. Without it, a picture that has any is refused.
	Background color.Color
	// Unlabelled reads all pictures, whatever folders they are in, without labels.
	Unlabelled bool
	// Classes are the folders of the labels 0, 1, and so on, for example [Pictures.Classes] of the training's
	// pictures. A class may have no folder, a folder must be a class. Nil are the folders that there are, by name.
	Classes []string
	// MaxPixels is the most pixels that are decoded for one picture; 0 means 67,108,864. Decoding takes up to 24 bytes
	// a pixel for each processor.
	MaxPixels int
	// Log is told of files that are left out since they are no pictures; nil means slog.Default.
	Log *slog.Logger
}

// Pictures are pictures in files, a row for each, decoded when they are asked for, by all processors: a [BatchSource]
// that takes memory for the names of its files and for the pictures in use. [Collect] reads all of them into a [Table].
// Pictures never change: methods return others, which share the listing. They are safe for concurrent use.
type Pictures struct {
	files        *imageFiles
	rows         []int  // that these pictures show, nil for all in order
	picture, lab string // columns; lab is "" without labels
	err          error
}

// imageFiles is a folder with pictures.
type imageFiles struct {
	dir     string
	form    imageForm
	files   []imageFile
	classes []string
	labels  []int32   // of each file, nil for none
	memory  sync.Pool // of *imageScratch
}

// imageFile is a file as it was when the folder was listed.
type imageFile struct {
	name string // with slashes, from the folder on
	size int64
	time time.Time
}

// Images lists the pictures of a folder, PNG and JPEG, for reading. The folders in it are classes, numbered from 0 in
// the order of their names, and pictures may be in further folders within. If there are pictures and no folders, they have
// no labels. The columns are x, f32[C H W] or u8[C H W], and with labels y i64[]; rows are in the order of class and
// name. JPEG files that are to be turned, as EXIF says it, are; 16-bit pictures are read with 8 bits. Hidden files are left
// out, and so are those whose names end in something else than .png, .jpg or .jpeg, which is logged.
//
// All headers are read, so that what cannot become a row is told here: a picture of another size where they are not
// scaled, grey among colour, more pixels than MaxPixels, a file that is too short for its pixels. Memory for pixels is only
// taken after that. A damaged picture is found when it is decoded. Errors, which name the file: those; options that
// cannot be; no pictures; one class alone; pictures in folders and beside them; a file that cannot be read, or that has
// changed since it was listed; symbolic links to nothing, or to a folder that is read already.
func Images(dir string, options ...ImageOptions) (*Pictures, error) {
	o, err := imageOptions(options)
	if err != nil {
		return nil, err
	}
	l, err := listImages(dir)
	if err != nil {
		return nil, err
	}
	l.report(dir, o)
	f := &imageFiles{dir: dir}
	if f.classes, f.labels, err = l.arrange(o); err != nil {
		return nil, &inFile{dir, err}
	}
	f.files = make([]imageFile, len(l.names))
	heads := make([]imageHead, len(l.names))
	bad, errs := eachOf(len(l.names), func(i int) (err error) {
		f.files[i].name = l.names[i]
		heads[i], err = f.inspect(i, o.limit())
		return err
	})
	if bad != nil {
		return nil, fmt.Errorf("dataset: %w%s", bad, others(errs-1))
	}
	if f.form, err = newImageForm(o, heads, f.path); err != nil {
		return nil, err
	}
	p := &Pictures{files: f, picture: "x"}
	if f.labels != nil {
		p.lab = "y"
	}
	return p, checkColumns(p.Columns())
}

func others(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return " (one more file is wrong)"
	}
	return fmt.Sprintf(" (%d more files are wrong)", n)
}

// eachOf calls f for 0 to n-1 by all processors, and returns the error of the least of them and how many there were.
func eachOf(n int, f func(i int) error) (first error, count int) {
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	least := n
	for range max(runtime.GOMAXPROCS(0), 1) {
		all.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				err := f(i)
				if err == nil {
					continue
				}
				mu.Lock()
				if count++; i < least {
					least, first = i, err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return first, count
}

// imageOptions returns the options, or the zero value, if they can be.
func imageOptions(options []ImageOptions) (o ImageOptions, err error) {
	if o, err = only("ImageOptions", options); err != nil {
		return o, err
	}
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("dataset: ImageOptions: "+format, a...)
	}
	switch {
	case o.Height < 0 || o.Width < 0 || (o.Height == 0) != (o.Width == 0):
		return o, wrong("Height and Width must both be positive, or 0 for pictures as they are, got %d and %d", o.Height, o.Width)
	case o.Crop && o.Height == 0:
		return o, wrong("Crop is to Height and Width, which are not given")
	case o.Channels != 0 && o.Channels != 1 && o.Channels != 3:
		return o, wrong("Channels must be 1, 3 or 0, got %d", o.Channels)
	case o.Bytes && (o.Mean != nil || o.Deviation != nil):
		return o, wrong("Bytes stay as they are, so Mean and Deviation must be nil; spec.Normalize standardizes in the model")
	case o.MaxPixels < 0:
		return o, wrong("MaxPixels must not be negative, got %d", o.MaxPixels)
	}
	for _, v := range o.Mean {
		if f := float32(v); f-f != 0 {
			return o, wrong("Mean must be finite, got %v", o.Mean)
		}
	}
	for _, v := range o.Deviation {
		if f := float32(1 / v); !(v > 0) || !(f > 0) || f-f != 0 {
			return o, wrong("Deviation must be positive and finite, got %v", o.Deviation)
		}
	}
	return o, nil
}

// only returns the one value of optional options, or the zero value.
func only[T any](name string, options []T) (o T, err error) {
	if len(options) > 1 {
		return o, fmt.Errorf("dataset: %d %s are given; one says all", len(options), name)
	}
	if len(options) == 1 {
		o = options[0]
	}
	return o, nil
}

func (o ImageOptions) limit() int64 {
	if o.MaxPixels == 0 {
		return defaultPixels
	}
	return int64(o.MaxPixels)
}

// maxImageFile is the most bytes of a file with that many pixels: 8 for each, and what else such a file has.
func maxImageFile(limit int64) int64 { return min(limit, math.MaxInt64/16)*8 + 1<<24 }

// report logs which files are left out.
func (l *imageNames) report(place string, o ImageOptions) {
	if len(l.others) == 0 {
		return
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log.Info("dataset: " + place + ": left out, since their names are not those of PNG or JPEG: " + few(l.others))
}

// newImageForm returns what pictures with these headers become. path tells the file of one.
func newImageForm(o ImageOptions, heads []imageHead, path func(i int) string) (imageForm, error) {
	f := imageForm{h: o.Height, w: o.Width, c: o.Channels, bytes: o.Bytes, crop: o.Crop, background: o.Background, limit: o.limit()}
	first, name := heads[0], map[bool]string{true: "grey", false: "in colour"}
	for i, h := range heads {
		if f.c == 0 && h.grey != first.grey {
			return f, fmt.Errorf("dataset: %s is %s, but %s is %s; ImageOptions{Channels: 1} or 3 makes them alike", path(0), name[first.grey], path(i), name[h.grey])
		}
		if f.h != 0 {
			continue
		}
		h0, w0 := first.size()
		if h, w := h.size(); h != h0 || w != w0 {
			return f, fmt.Errorf("dataset: %s is %d pixels high and %d wide, but %s is %d high and %d wide; ImageOptions{Height: …, Width: …} scales them", path(0), h0, w0, path(i), h, w)
		}
	}
	if f.c == 0 {
		if f.c = 3; first.grey {
			f.c = 1
		}
	}
	if f.h == 0 {
		f.h, f.w = first.size()
	}
	for _, v := range [][]float64{o.Mean, o.Deviation} {
		if v != nil && len(v) != f.c {
			return f, fmt.Errorf("dataset: ImageOptions: Mean and Deviation must have one number for each of %d channels, got %v and %v", f.c, o.Mean, o.Deviation)
		}
	}
	for c := range f.c {
		mean, deviation := 0.0, 1.0
		if o.Mean != nil {
			mean = o.Mean[c]
		}
		if o.Deviation != nil {
			deviation = o.Deviation[c]
		}
		f.values = append(f.values, imageValues(mean, deviation))
		if i := notFinite(f.values[c][:]); i >= 0 {
			return f, fmt.Errorf("dataset: ImageOptions: a byte of %d becomes %v with mean %v and deviation %v", i, f.values[c][i], mean, deviation)
		}
	}
	return f, nil
}

// column describes the pictures.
func (f *imageForm) column(name string) Column {
	d := F32
	if f.bytes {
		d = U8
	}
	return Column{Name: name, DType: d, Shape: []int{f.c, f.h, f.w}}
}

func (f *imageFiles) path(i int) string {
	return filepath.Join(f.dir, filepath.FromSlash(f.files[i].name))
}

// inspect reads the header of a file, and notes the file as it is.
func (f *imageFiles) inspect(i int, limit int64) (h imageHead, err error) {
	r, size, err := regular.Open(f.path(i))
	if err != nil {
		return h, err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return h, err
	}
	f.files[i].size, f.files[i].time = size, st.ModTime()
	if most := maxImageFile(limit); size > most {
		return h, fmt.Errorf("%s: the file has %d bytes, more than the %d of a picture with MaxPixels", f.path(i), size, most)
	}
	if h, err = imageHeader(r, size, limit); err != nil {
		return h, fmt.Errorf("%s: %w", f.path(i), err)
	}
	return h, nil
}

// read reads a file that is as it was when it was listed.
func (f *imageFiles) read(i int, s *imageScratch) ([]byte, error) {
	r, _, err := regular.Open(f.path(i))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := f.unchanged(i, r); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(i), err)
	}
	n := f.files[i].size
	if int64(cap(s.file)) < n {
		s.file = make([]byte, n)
	}
	raw := s.file[:n]
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(i), short("its bytes", err))
	}
	if err := f.unchanged(i, r); err != nil { // while it was read
		return nil, fmt.Errorf("%s: %w", f.path(i), err)
	}
	return raw, nil
}

// unchanged returns an error if an open file is not as it was when it was listed.
func (f *imageFiles) unchanged(i int, r *os.File) error {
	st, err := r.Stat()
	if err != nil {
		return err
	}
	if was := f.files[i]; st.Size() != was.size || !st.ModTime().Equal(was.time) {
		return fmt.Errorf("it has changed since the folder was listed: it had %d bytes of %s, and has %d of %s", was.size, was.time.Format(time.RFC3339Nano), st.Size(), st.ModTime().Format(time.RFC3339Nano))
	}
	return nil
}

// load writes the picture of a file to one of dst8 and dst32.
func (f *imageFiles) load(i int, dst8 []uint8, dst32 []float32) error {
	s, _ := f.memory.Get().(*imageScratch)
	if s == nil {
		s = &imageScratch{}
	}
	defer f.memory.Put(s)
	raw, err := f.read(i, s)
	if err != nil {
		return err
	}
	if err := f.form.decode(raw, s, dst8, dst32); err != nil {
		return fmt.Errorf("%s: %w", f.path(i), err)
	}
	return nil
}

// Err returns the first mistake made on the way to these pictures.
func (p *Pictures) Err() error {
	if p == nil {
		return errors.New("dataset: the pictures are nil")
	}
	return p.err
}

// Len implements [Source]; it is 0 after a mistake.
func (p *Pictures) Len() int {
	switch {
	case p.Err() != nil:
		return 0
	case p.rows != nil:
		return len(p.rows)
	}
	return len(p.files.files)
}

// at is the number of a row's file.
func (p *Pictures) at(row int) int {
	if p.rows != nil {
		return p.rows[row]
	}
	return row
}

// Columns implements [Source].
func (p *Pictures) Columns() []Column {
	if p.Err() != nil {
		return nil
	}
	cols := []Column{p.files.form.column(p.picture)}
	if p.lab != "" {
		cols = append(cols, Column{Name: p.lab, DType: I64})
	}
	return cols
}

// Row implements [Source].
func (p *Pictures) Row(i int, row Row) error {
	return p.write([]int{i}, row.F32Slice, row.I64Slice, row.U8Slice)
}

// Rows implements [BatchSource].
func (p *Pictures) Rows(index []int, dst Rows) error { return p.write(index, dst.F32, dst.I64, dst.U8) }

func (p *Pictures) write(index []int, f32 func(string) []float32, i64 func(string) []int64, u8 func(string) []uint8) error {
	if err := p.Err(); err != nil {
		return err
	}
	for _, row := range index {
		if row < 0 || row >= p.Len() {
			return fmt.Errorf("%s: there is no row %d of %d", p.files.dir, row, p.Len())
		}
	}
	if p.lab != "" {
		y := i64(p.lab)
		if y == nil {
			return nil // a mistake that is told elsewhere
		}
		for k, row := range index {
			y[k] = int64(p.files.labels[p.at(row)])
		}
	}
	var x []float32
	var z []uint8
	if p.files.form.bytes {
		z = u8(p.picture)
	} else {
		x = f32(p.picture)
	}
	if x == nil && z == nil {
		return nil // the same
	}
	n := p.files.form.width()
	for k, row := range index {
		lo, hi := k*n, (k+1)*n
		var err error
		if z != nil {
			err = p.files.load(p.at(row), z[lo:hi], nil)
		} else {
			err = p.files.load(p.at(row), nil, x[lo:hi])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Classes are the names of the labels 0, 1, and so on, nil for pictures without labels.
func (p *Pictures) Classes() []string {
	if p.Err() != nil || p.lab == "" {
		return nil
	}
	return slices.Clone(p.files.classes)
}

// Labels returns the label of each row without decoding anything, nil for pictures without labels.
func (p *Pictures) Labels() []int64 {
	if p.Err() != nil || p.lab == "" {
		return nil
	}
	y := make([]int64, p.Len())
	for i := range y {
		y[i] = int64(p.files.labels[p.at(i)])
	}
	return y
}

// Path is the file of a row, "" if there is no such row.
func (p *Pictures) Path(row int) string {
	if row < 0 || row >= p.Len() {
		return ""
	}
	return p.files.path(p.at(row))
}

// File is the folder that a column was read from, or "" if there is no such column.
func (p *Pictures) File(column string) string {
	if p.Err() != nil || column == "" || column != p.picture && column != p.lab {
		return ""
	}
	return p.files.dir
}
