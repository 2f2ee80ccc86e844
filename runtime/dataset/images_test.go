package dataset

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/random"
)

// painted is a picture with values of its own in each pixel and channel.
func painted(h, w, seed int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p.SetNRGBA(x, y, color.NRGBA{uint8(7*x + seed), uint8(11*y + 3*seed), uint8(x*y + seed), 255})
		}
	}
	return p
}

func greyImage(h, w, seed int) *image.Gray {
	p := image.NewGray(image.Rect(0, 0, w, h))
	for i := range p.Pix {
		p.Pix[i] = uint8(5*i + seed)
	}
	return p
}

func pngOf(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folderOfFiles writes files below a new folder.
func folderOfFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pets is a folder of two classes, five pictures of 6 by 5 pixels in colour.
func pets(t testing.TB) (dir string, want [][]uint8) {
	t.Helper()
	files := map[string][]byte{}
	for i, name := range []string{"cat/a.png", "cat/b.PNG", "cat/deep/c.png", "dog/a.png", "dog/b.png"} {
		p := painted(6, 5, 20*i)
		files[name] = pngOf(t, p)
		want = append(want, chw(p))
	}
	return folderOfFiles(t, files), want
}

// chw is a picture in colour as [3 h w].
func chw(p image.Image) []uint8 {
	b := p.Bounds()
	out := make([]uint8, 3*b.Dx()*b.Dy())
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := color.NRGBAModel.Convert(p.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			for k, v := range []uint8{c.R, c.G, c.B} {
				out[(k*b.Dy()+y)*b.Dx()+x] = v
			}
		}
	}
	return out
}

func images(t testing.TB, dir string, o ...ImageOptions) *Pictures {
	t.Helper()
	p, err := Images(dir, o...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func collected(t testing.TB, src Source) *Table {
	t.Helper()
	all, err := Collect(src)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImages reads class folders: values, order, labels and names.
func TestImages(t *testing.T) {
	dir, want := pets(t)
	for _, name := range []string{".DS_Store", "cat/.hidden.png", ".git/x.png"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	p := images(t, dir, ImageOptions{Bytes: true})
	if got := fmt.Sprint(p.Columns()); got != "[x u8[3 6 5] y i64[]]" {
		t.Errorf("columns %s", got)
	}
	if got := p.Labels(); !slices.Equal(got, []int64{0, 0, 0, 1, 1}) || !slices.Equal(p.Classes(), []string{"cat", "dog"}) {
		t.Errorf("labels %v of %v", got, p.Classes())
	}
	if got := p.Path(2); got != filepath.Join(dir, "cat", "deep", "c.png") {
		t.Errorf("row 2 is %s", got)
	}
	all := collected(t, p)
	if got := all.U8("x"); !slices.Equal(got, slices.Concat(want...)) {
		t.Errorf("the values differ: %v", got)
	}
	if !slices.Equal(all.I64("y"), p.Labels()) || all.File("x") != dir {
		t.Errorf("labels %v, file %s", all.I64("y"), all.File("x"))
	}
	floats := collected(t, images(t, dir))
	for i, v := range floats.F32("x") {
		if b := all.U8("x")[i]; v != float32(b)/255 {
			t.Fatalf("value %d is %v of byte %d", i, v, b)
		}
	}
	standard := collected(t, images(t, dir, ImageOptions{Mean: []float64{0.5, 0.25, 0.1}, Deviation: []float64{2, 0.5, 1}}))
	for i, v := range standard.F32("x") {
		c := i / 30 % 3
		x := (float64(all.U8("x")[i])/255 - []float64{0.5, 0.25, 0.1}[c]) / []float64{2, 0.5, 1}[c]
		if v != float32(x) {
			t.Fatalf("value %d is %v, want %v", i, v, x)
		}
	}
	grey := collected(t, images(t, dir, ImageOptions{Channels: 1, Bytes: true}))
	for i, v := range grey.U8("x")[:30] {
		p := painted(6, 5, 0)
		if g := color.GrayModel.Convert(p.At(i%5, i/5)).(color.Gray).Y; v != g {
			t.Fatalf("grey pixel %d is %d, want %d", i, v, g)
		}
	}
	// Row by row it is the same.
	for i := range p.Len() {
		one := collected(t, rowByRowOf{p}.row(i))
		if !slices.Equal(one.U8("x"), want[i]) || one.I64("y")[0] != p.Labels()[i] {
			t.Errorf("row %d by itself differs", i)
		}
	}
}

// rowByRowOf hides that a source reads many rows at once.
type rowByRowOf struct{ p *Pictures }

func (r rowByRowOf) row(i int) Source {
	return rowFunc{1, r.p.Columns(), func(_ int, row Row) error { return r.p.Row(i, row) }}
}

// TestImagesWithoutLabels reads a folder of pictures, and class folders without their labels.
func TestImagesWithoutLabels(t *testing.T) {
	dir := folderOfFiles(t, map[string][]byte{"b.jpg": jpegOf(t, greyImage(8, 8, 1)), "a.png": pngOf(t, greyImage(8, 8, 0)), "notes.txt": []byte("x")})
	var log bytes.Buffer
	p := images(t, dir, ImageOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if fmt.Sprint(p.Columns()) != "[x f32[1 8 8]]" || p.Labels() != nil || p.Classes() != nil || filepath.Base(p.Path(0)) != "a.png" {
		t.Errorf("%v, labels %v of %v, first %s", p.Columns(), p.Labels(), p.Classes(), p.Path(0))
	}
	if !strings.Contains(log.String(), "notes.txt") {
		t.Errorf("it was not said that notes.txt is left out: %s", &log)
	}
	wantError(t, p.Balanced("y", 2, 1).Err(), "Balanced", `no column "y"; the columns are x f32[1 8 8]`)
	dir, _ = pets(t)
	if p := images(t, dir, ImageOptions{Unlabelled: true}); p.Len() != 5 || p.Labels() != nil || len(p.Columns()) != 1 {
		t.Errorf("%d rows, %v", p.Len(), p.Columns())
	}
}

// TestImageClasses numbers the folders of one set as those of another.
func TestImageClasses(t *testing.T) {
	one := pngOf(t, greyImage(4, 4, 0))
	dir := folderOfFiles(t, map[string][]byte{"dog/a.png": one, "ant/b.png": one})
	p := images(t, dir, ImageOptions{Classes: []string{"dog", "cat", "ant"}})
	if !slices.Equal(p.Labels(), []int64{0, 2}) || filepath.Base(p.Path(0)) != "a.png" {
		t.Errorf("labels %v, first %s", p.Labels(), p.Path(0))
	}
	for want, classes := range map[string][]string{
		"the folder ant is not among the classes dog, cat": {"dog", "cat"},
		`the class "dog" of ImageOptions.Classes`:          {"dog", "dog", "ant"},
		`the class "" of`: {"", "dog", "ant"},
	} {
		_, err := Images(dir, ImageOptions{Classes: classes})
		wantError(t, err, dir, want)
	}
	_, err := Images(folderOfFiles(t, map[string][]byte{"a.png": one}), ImageOptions{Classes: []string{"a", "b"}})
	wantError(t, err, "a.png is in no folder, which would be its class")
}

// TestImageWorkers reads the same bits with one processor and with three, in order and shuffled.
func TestImageWorkers(t *testing.T) {
	files := map[string][]byte{}
	for i := range 70 {
		b := jpegOf(t, painted(20+i%7, 31, i))
		if i%2 == 0 {
			b = pngOf(t, painted(17, 20+i%5, i))
		}
		files[fmt.Sprintf("%c/%03d.jpg", 'a'+i%3, i)] = b
	}
	p := images(t, folderOfFiles(t, files), ImageOptions{Height: 12, Width: 13, Crop: true})
	read := func(workers int) (hash string, x []float32, y []int64) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
		hash, err := Hash(p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewBatches(p, 24, random.New(3), true)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for {
			batch, ok, err := b.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return hash, x, y
			}
			x, y = append(x, batch.F32("x")...), append(y, batch.I64("y")...)
		}
	}
	hash, x, y := read(1)
	for _, workers := range []int{2, 3} {
		if h, a, b := read(workers); h != hash || !slices.Equal(a, x) || !slices.Equal(b, y) {
			t.Errorf("%d processors read other bits than one", workers)
		}
	}
	if h, err := collected(t, p).Hash(); err != nil || h != hash {
		t.Errorf("in memory the hash is %s, from the files %s (%v)", h, hash, err)
	}
}

// TestImageSelection chooses the rows that a table of the same labels chooses.
func TestImageSelection(t *testing.T) {
	files := map[string][]byte{}
	for i := range 40 {
		files[fmt.Sprintf("%c/%02d.png", 'a'+i%4, i)] = pngOf(t, greyImage(3, 3, i))
	}
	p := images(t, folderOfFiles(t, files), ImageOptions{Bytes: true})
	all := collected(t, p)
	a, b := all.Split(0.3, 7)
	c, d := p.Split(0.3, 7)
	e, f := all.SplitBy("y", 0.3, 7)
	g, h := p.SplitBy("y", 0.3, 7)
	for name, pair := range map[string]struct {
		t *Table
		p *Pictures
	}{
		"first of Split": {a, c}, "second": {b, d}, "first of SplitBy": {e, g}, "second of SplitBy": {f, h},
		"Balanced": {all.Balanced("y", 12, 3), p.Balanced("y", 12, 3)}, "Select": {all.Select([]int{5, 5, 1}), p.Select([]int{5, 5, 1})},
		"Head": {all.Head(7), p.Head(7)}, "of a choice": {e.Balanced("y", 4, 1).Select([]int{3, 0}), g.Balanced("y", 4, 1).Select([]int{3, 0})},
		"Rename": {all.Rename("x", "image").Rename("y", "class"), p.Rename("x", "image").Rename("y", "class")},
	} {
		want, err := pair.t.Hash()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Hash(pair.p); err != nil || got != want || !slices.Equal(pair.t.Rows(), pair.p.Numbers()) {
			t.Errorf("%s: rows %v, want %v (%v)", name, pair.p.Numbers(), pair.t.Rows(), err)
		}
		if labels := pair.p.Labels(); len(labels) != pair.t.Len() {
			t.Errorf("%s: labels %v", name, labels)
		}
	}
	if got := Chosen(p.Select([]int{9, 2})); !slices.Equal(got, []int{9, 2}) || Chosen(p) != nil {
		t.Errorf("chosen %v, of all %v", got, Chosen(p))
	}
	if want := "row 1: column \"x\" (of " + p.Path(2) + ")"; Place(p.Select([]int{9, 2}), 1, "x") != want {
		t.Errorf("%s, want %s", Place(p.Select([]int{9, 2}), 1, "x"), want)
	}
	for want, got := range map[string]*Pictures{
		"Select: no row 40":                      p.Select([]int{40}),
		"Head: n must be from 1 to 40":           p.Head(0),
		"Balanced: 44 rows need 11":              p.Balanced("y", 44, 1),
		`1 3 3]; one i64 a row is needed`:        p.Balanced("x", 4, 1),
		`Rename: no column "z"`:                  p.Rename("z", "x"),
		`Rename: column "x" cannot be named "y"`: p.Rename("x", "y").Head(2),
	} {
		wantError(t, got.Err(), want)
		_, err := Collect(got)
		wantError(t, err, want)
		if got.Len() != 0 || got.Labels() != nil || got.Path(0) != "" {
			t.Errorf("%s: there are rows", want)
		}
	}
	_, second := p.SplitBy("y", 1, 1)
	wantError(t, second.Err(), "SplitBy: the fraction must be between 0 and 1")
	wantError(t, (*Pictures)(nil).Err(), "the pictures are nil")
	_, err := Collect((*Pictures)(nil))
	wantError(t, err, "the pictures are nil")
}

// TestImageScale holds scaling and cropping to sums of pixels.
func TestImageScale(t *testing.T) {
	// A picture of 4 by 4 blocks becomes one pixel for each block, whose neighbours do not differ near its middle.
	p := image.NewGray(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			p.SetGray(x, y, color.Gray{uint8(2*x + 3*y)})
		}
	}
	dir := folderOfFiles(t, map[string][]byte{"a.png": pngOf(t, p)})
	half := collected(t, images(t, dir, ImageOptions{Height: 8, Width: 16, Bytes: true})).U8("x")
	for y := 1; y < 7; y++ {
		for x := 1; x < 15; x++ { // a ramp stays one: the mean of 4 by 4 pixels around (4x+1.5, 4y+1.5)
			if got, want := float64(half[y*16+x]), 2*(4*float64(x)+1.5)+3*(4*float64(y)+1.5); math.Abs(got-want) > 1 {
				t.Fatalf("pixel %d, %d is %v, want %v", y, x, got, want)
			}
		}
	}
	// Cropped to a square it is the middle: columns 16 to 47.
	square := collected(t, images(t, dir, ImageOptions{Height: 32, Width: 32, Crop: true, Bytes: true})).U8("x")
	for i, v := range square {
		if want := uint8(2*(16+i%32) + 3*(i/32)); v != want {
			t.Fatalf("pixel %d of the middle is %d, want %d", i, v, want)
		}
	}
	// At their own size, pictures are not touched; grey becomes colour by repeating.
	same := collected(t, images(t, dir, ImageOptions{Height: 32, Width: 64, Channels: 3, Bytes: true})).U8("x")
	if want := slices.Repeat(p.Pix, 3); !slices.Equal(same, want) {
		t.Error("a picture of the right size was changed")
	}
	for _, c := range []struct{ h, w, toH, toW, wantH, wantW int }{{10, 30, 5, 5, 10, 10}, {30, 10, 5, 5, 10, 10}, {1, 1000, 9, 2, 1, 1}, {7, 9, 3, 4, 6, 9}} {
		if r := middle(image.Rect(0, 0, c.w, c.h), c.toH, c.toW, upright); r.Dy() != c.wantH || r.Dx() != c.wantW || !r.In(image.Rect(0, 0, c.w, c.h)) {
			t.Errorf("the middle of %d by %d for %d by %d is %v", c.h, c.w, c.toH, c.toW, r)
		}
	}
}

// TestImageKinds reads each kind of PNG and JPEG to what the decoder says of its pixels.
func TestImageKinds(t *testing.T) {
	c := painted(9, 10, 3)
	r := c.Bounds()
	fill := func(to interface {
		image.Image
		Set(x, y int, c color.Color)
	}) image.Image {
		for y := range r.Dy() {
			for x := range r.Dx() {
				to.Set(x, y, c.At(x, y))
			}
		}
		return to
	}
	deep := image.NewRGBA64(r)
	palette := image.NewPaletted(r, color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{200, 100, 0, 255}, color.NRGBA{90, 200, 240, 255}})
	for name, p := range map[string]image.Image{
		"rgba": c, "rgba64": fill(deep), "palette": fill(palette), "grey16": fill(image.NewGray16(r)), "grey": fill(image.NewGray(r)), "cmyk": fill(image.NewCMYK(r)),
	} {
		for kind, b := range map[string][]byte{".png": pngOf(t, p), ".jpg": jpegOf(t, p)} {
			img, _, err := image.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			got := collected(t, images(t, folderOfFiles(t, map[string][]byte{"a" + kind: b}), ImageOptions{Channels: 3, Bytes: true})).U8("x")
			if !slices.Equal(got, chw(img)) {
				t.Errorf("%s%s: pixels differ", name, kind)
			}
			wide := images(t, folderOfFiles(t, map[string][]byte{"a" + kind: b})).Columns()[0].Shape[0]
			want := 3
			switch img.(type) {
			case *image.Gray, *image.Gray16:
				want = 1
			}
			if wide != want {
				t.Errorf("%s%s: %d channels, want %d", name, kind, wide, want)
			}
		}
	}
	// The luminance of a JPEG file is grey as it is.
	b := jpegOf(t, c)
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	y := img.(*image.YCbCr)
	got := collected(t, images(t, folderOfFiles(t, map[string][]byte{"a.jpg": b}), ImageOptions{Channels: 1, Bytes: true})).U8("x")
	for i, v := range got {
		if v != y.Y[i/10*y.YStride+i%10] {
			t.Fatalf("pixel %d of grey is not the luminance", i)
		}
	}
}

// TestImagesOfOthers reads files that Pillow wrote to the pixels that Pillow reads (pixels.npy, in the order of the names): a
// progressive JPEG with EXIF orientation 6, one in CMYK, a PNG with a palette, one with 16 bits.
func TestImagesOfOthers(t *testing.T) {
	dir := filepath.Join("testdata", "images")
	want, err := NPY(filepath.Join(dir, "pixels.npy"), "x")
	if err != nil {
		t.Fatal(err)
	}
	p := images(t, dir, ImageOptions{Channels: 3, Bytes: true, Log: slog.New(slog.DiscardHandler)})
	got := collected(t, p).U8("x")
	for i, v := range want.I64("x") {
		row, most := i/(3*16*24), int64(0)
		if filepath.Ext(p.Path(row)) == ".jpg" {
			most = 2 // decoders round differently
		}
		if d := int64(got[i]) - v; max(d, -d) > most {
			t.Errorf("%s: value %d is %d, want %d", p.Path(row), i%(3*16*24), got[i], v)
		}
	}
}

// TestImageBits pins the bits of what is decoded and scaled. A new version of the decoders or of the scaler that changes
// them changes the hashes in checkpoints, and belongs into the changelog.
func TestImageBits(t *testing.T) {
	dir := filepath.Join("testdata", "images")
	got, err := Hash(images(t, dir, ImageOptions{Height: 11, Width: 9, Crop: true, Channels: 3, Log: slog.New(slog.DiscardHandler)}))
	if want := "13546824fcf20341997bd73476d3ab4e7fb3daa71805e74377f44317317428dc"; err != nil || got != want {
		t.Errorf("hash %s, want %s (%v)", got, want, err)
	}
}

// TestImageTransparency wants to know what is behind transparent pixels.
func TestImageTransparency(t *testing.T) {
	p := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	p.SetNRGBA(0, 0, color.NRGBA{100, 150, 200, 255})
	p.SetNRGBA(1, 0, color.NRGBA{100, 150, 200, 0})
	dir := folderOfFiles(t, map[string][]byte{"a.png": pngOf(t, p)})
	_, err := Collect(images(t, dir))
	wantError(t, err, "a.png", "transparent pixels", "Background")
	got := collected(t, images(t, dir, ImageOptions{Background: color.NRGBA{10, 20, 30, 255}, Bytes: true})).U8("x")
	if want := []uint8{100, 10, 150, 20, 200, 30}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// exifOf is a segment with an orientation.
func exifOf(order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, e := range [][2]uint16{{0x010f, 0}, {0x0112, orientation}} {
		tiff = order.AppendUint16(order.AppendUint16(tiff, e[0]), 3)
		tiff = order.AppendUint16(order.AppendUint16(order.AppendUint32(tiff, 1), e[1]), 0)
	}
	return append([]byte("Exif\x00\x00"), order.AppendUint32(tiff, 0)...)
}

// withSegment puts a segment behind the first marker of a JPEG file.
func withSegment(b []byte, marker byte, content []byte) []byte {
	s := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(content)+2))
	return slices.Concat(b[:2], s, content, b[2:])
}

// TestEXIF turns JPEG pictures as their files say: what is stored for each orientation is upright when read.
func TestEXIF(t *testing.T) {
	const h, w = 16, 24
	upright := func(y, x int) uint8 { return uint8(40*(x/8) + 100*(y/8) + 10) } // blocks of 8 by 8, which JPEG keeps
	// Where row 0 and column 0 of what is stored are when it is looked at (EXIF 2.3, Orientation): the row and the
	// column of the upright picture that a stored pixel shows.
	stored := map[int]func(y, x int) (int, int){
		1: func(y, x int) (int, int) { return y, x },                 // top, left
		2: func(y, x int) (int, int) { return y, w - 1 - x },         // top, right
		3: func(y, x int) (int, int) { return h - 1 - y, w - 1 - x }, // bottom, right
		4: func(y, x int) (int, int) { return h - 1 - y, x },         // bottom, left
		5: func(y, x int) (int, int) { return x, y },                 // left, top
		6: func(y, x int) (int, int) { return x, w - 1 - y },         // right, top
		7: func(y, x int) (int, int) { return h - 1 - x, w - 1 - y }, // right, bottom
		8: func(y, x int) (int, int) { return h - 1 - x, y },         // left, bottom
	}
	up := image.NewGray(image.Rect(0, 0, w, h))
	for i := range up.Pix {
		up.Pix[i] = upright(i/w, i%w)
	}
	plain := jpegOf(t, up)
	for o, show := range stored {
		sh, sw := h, w
		if o >= 5 {
			sh, sw = w, h
		}
		p := image.NewGray(image.Rect(0, 0, sw, sh))
		for y := range sh {
			for x := range sw {
				p.SetGray(x, y, color.Gray{upright(show(y, x))})
			}
		}
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			b := withSegment(withSegment(jpegOf(t, p), 0xe1, exifOf(order, uint16(o))), 0xe0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"))
			dir := folderOfFiles(t, map[string][]byte{"a.jpg": b})
			for _, options := range []ImageOptions{{Bytes: true}, {}, {Channels: 3}} {
				got := collected(t, images(t, dir, options))
				if s := got.Columns()[0].Shape; s[1] != h || s[2] != w {
					t.Fatalf("orientation %d: shape %v", o, s)
				}
				x := got.F32("x")
				if options.Bytes {
					x = got.Float("x", 1.0/255).F32("x")
				}
				for i, v := range x {
					if want := float64(upright(i/w%h, i%w)); math.Abs(255*float64(v)-want) > 1.01 {
						t.Fatalf("orientation %d: pixel %d, %d is %v, want %v", o, i/w%h, i%w, 255*v, want)
					}
				}
			}
			// So is the middle, of which an odd pixel is left out on the same side.
			for _, size := range [][2]int{{8, 8}, {15, 15}, {16, 1}, {3, 24}} {
				options := ImageOptions{Height: size[0], Width: size[1], Crop: true}
				want := collected(t, images(t, folderOfFiles(t, map[string][]byte{"a.jpg": plain}), options)).F32("x")
				for i, v := range collected(t, images(t, dir, options)).F32("x") {
					if math.Abs(255*float64(v-want[i])) > 1.01 {
						t.Fatalf("orientation %d: pixel %d of %v is %v, want %v", o, i, size, 255*v, 255*want[i])
					}
				}
			}
		}
	}
	for name, content := range map[string][]byte{
		"no TIFF": []byte("Exif\x00\x00XX*\x00"), "cut short": exifOf(binary.LittleEndian, 6)[:20], "orientation 9": exifOf(binary.BigEndian, 9),
		"orientation 0": exifOf(binary.BigEndian, 0), "a directory outside": append([]byte("Exif\x00\x00II*\x00"), 0xff, 0xff, 0xff, 0xff), "XMP": []byte("http://ns.adobe.com/xap/1.0/\x00"),
	} {
		if o := jpegOrientation(bytes.NewReader(withSegment([]byte("\xff\xd8\xff\xda"), 0xe1, content))); o != 1 {
			t.Errorf("%s: orientation %d", name, o)
		}
	}
	late := withSegment([]byte("\xff\xd8\xff\xc0"), 0xc0, exifOf(binary.LittleEndian, 6))
	if o := jpegOrientation(bytes.NewReader(late)); o != 1 {
		t.Errorf("behind the frame: orientation %d", o)
	}
}

// pngHeader is a PNG file of that many pixels, without any.
func pngHeader(h, w uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	chunk = append(binary.BigEndian.AppendUint32(chunk, h), 1, 0, 0, 0, 0)
	b := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(b, chunk...), crc32.ChecksumIEEE(chunk))
}

// TestBadImages names the file of what cannot be read, before anything is decoded where the header tells.
func TestBadImages(t *testing.T) {
	good, colour := pngOf(t, greyImage(8, 8, 0)), pngOf(t, painted(8, 8, 0))
	photo := jpegOf(t, painted(40, 40, 0))
	cut := func(b []byte) []byte { return b[:len(b)*2/3] }
	spoilt := slices.Clone(good)
	spoilt[len(spoilt)-20] ^= 1
	frame := bytes.Index(photo, []byte{0xff, 0xc0})
	sized := func(h, w uint16) []byte {
		b := slices.Clone(photo)
		binary.BigEndian.PutUint16(b[frame+5:], h)
		binary.BigEndian.PutUint16(b[frame+7:], w)
		return b
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		o     ImageOptions
		want  []string
	}{
		"a bomb":               {map[string][]byte{"a/x.png": good, "b/bomb.png": pngHeader(60000, 60000)}, ImageOptions{}, []string{"bomb.png", "60000 by 60000 pixels", "MaxPixels"}},
		"a bomb of JPEG":       {map[string][]byte{"bomb.jpg": sized(60000, 60000)}, ImageOptions{}, []string{"bomb.jpg", "60000 by 60000 pixels", "MaxPixels"}},
		"a limit":              {map[string][]byte{"a.png": good}, ImageOptions{MaxPixels: 63}, []string{"a.png", "8 by 8 pixels, more than the 63"}},
		"short for its pixels": {map[string][]byte{"a.png": pngHeader(8000, 8000)}, ImageOptions{}, []string{"a.png: truncated: 8000 by 8000 pixels cannot come of its 33 bytes"}},
		"the same of JPEG":     {map[string][]byte{"a.jpg": sized(8000, 8000)}, ImageOptions{}, []string{"a.jpg: truncated: 8000 by 8000 pixels cannot come of its"}},
		"a header cut short":   {map[string][]byte{"a.png": good[:20]}, ImageOptions{}, []string{"a.png: truncated"}},
		"cut short":            {map[string][]byte{"a.png": cut(good)}, ImageOptions{}, []string{"a.png: damaged or cut short"}},
		"a JPEG cut short":     {map[string][]byte{"a.jpg": cut(photo)}, ImageOptions{}, []string{"a.jpg: damaged or cut short"}},
		"damaged":              {map[string][]byte{"a.png": spoilt}, ImageOptions{}, []string{"a.png: damaged"}},
		"no picture":           {map[string][]byte{"a.png": []byte("GIF89a…")}, ImageOptions{}, []string{"a.png: neither PNG nor JPEG"}},
		"no bytes":             {map[string][]byte{"a.jpg": nil}, ImageOptions{}, []string{"a.jpg", "no bytes"}},
		"another format":       {map[string][]byte{"a.gif": []byte("GIF89a…")}, ImageOptions{}, []string{"a.gif: pictures are read as PNG and JPEG"}},
		"several":              {map[string][]byte{"a.png": nil, "b.png": nil, "c.png": nil}, ImageOptions{}, []string{"a.png", "2 more files are wrong"}},
		"one class":            {map[string][]byte{"cat/a.png": good}, ImageOptions{}, []string{"one folder only, cat", "Unlabelled: true"}},
		"an empty class":       {map[string][]byte{"cat/a.png": good, "dog/.x": nil}, ImageOptions{}, []string{"the folder of class dog has no pictures"}},
		"loose pictures":       {map[string][]byte{"cat/a.png": good, "dog/b.png": good, "c.png": good}, ImageOptions{}, []string{"c.png is in no folder of a class"}},
		"sizes":                {map[string][]byte{"a.png": good, "b.png": pngOf(t, greyImage(8, 9, 0))}, ImageOptions{}, []string{"a.png is 8 pixels high and 8 wide", "b.png is 8 high and 9 wide", "Height: …, Width: …"}},
		"grey and colour":      {map[string][]byte{"a.png": good, "b.png": colour}, ImageOptions{}, []string{"a.png is grey, but", "b.png is in colour", "Channels"}},
		"nothing":              {nil, ImageOptions{}, []string{"the data are empty", "no pictures"}},
		"no pictures":          {map[string][]byte{"a.txt": good, "b.md": nil}, ImageOptions{Log: slog.New(slog.DiscardHandler)}, []string{"the data are empty", "among its 2 files"}},
		"half a size":          {nil, ImageOptions{Height: 8}, []string{"Height and Width must both be positive", "8 and 0"}},
		"a crop to nothing":    {nil, ImageOptions{Crop: true}, []string{"Crop"}},
		"two channels":         {nil, ImageOptions{Channels: 2}, []string{"Channels must be 1, 3 or 0, got 2"}},
		"means of bytes":       {nil, ImageOptions{Bytes: true, Mean: []float64{1}}, []string{"spec.Normalize"}},
		"a deviation of 0":     {nil, ImageOptions{Deviation: []float64{0}}, []string{"Deviation must be positive"}},
		"a mean of NaN":        {nil, ImageOptions{Mean: []float64{math.NaN()}}, []string{"Mean must be finite"}},
		"a negative limit":     {nil, ImageOptions{MaxPixels: -1}, []string{"MaxPixels must not be negative"}},
		"means of one":         {map[string][]byte{"a.png": colour}, ImageOptions{Mean: []float64{1}}, []string{"one number for each of 3 channels"}},
		"classes and none":     {map[string][]byte{"a.png": good}, ImageOptions{Unlabelled: true, Classes: []string{"a", "b"}}, []string{"both Classes and Unlabelled"}},
		"a row too wide":       {map[string][]byte{"a.png": good}, ImageOptions{Height: 1 << 20, Width: 1 << 20}, []string{"more than 268435456 values a row"}},
	} {
		dir := folderOfFiles(t, c.files)
		var err error
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := Images(dir, c.o)
		if err == nil {
			_, err = Collect(p)
		}
		runtime.ReadMemStats(&after)
		t.Run(name, func(t *testing.T) {
			wantError(t, err, c.want...)
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
	_, err := Images(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	_, err = Images("x", ImageOptions{}, ImageOptions{})
	wantError(t, err, "2 ImageOptions are given")
}

// TestImageFiles refuses what is no file, links that lead nowhere or back, and files that have changed.
func TestImageFiles(t *testing.T) {
	good := pngOf(t, greyImage(8, 8, 0))
	link := func(dir, to, from string) {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	dir := folderOfFiles(t, map[string][]byte{"cat/a.png": good, "dog/b.png": good})
	link(dir, filepath.Join(dir, "cat", "a.png"), "dog/linked.png")
	if p := images(t, dir); p.Len() != 3 {
		t.Errorf("%d pictures with a linked one", p.Len())
	}
	link(dir, "..", "dog/up")
	_, err := Images(dir)
	wantError(t, err, filepath.Join("dog", "up"), "once more, by a symbolic link")
	if err := os.Remove(filepath.Join(dir, "dog", "up")); err != nil {
		t.Fatal(err)
	}
	link(dir, "self.png", "dog/self.png")
	_, err = Images(dir)
	wantError(t, err, "self.png")
	if err := os.Remove(filepath.Join(dir, "dog", "self.png")); err != nil {
		t.Fatal(err)
	}
	link(dir, "gone", "dog/gone.png")
	if _, err = Images(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link to nothing: %v", err)
	}
	if _, err := Images(filepath.Join(dir, "cat", "a.png")); err == nil {
		t.Error("a file was read as a folder")
	}

	for name, change := range map[string]func(path string) error{
		"has changed": func(path string) error { return os.WriteFile(path, pngOf(t, greyImage(8, 8, 3)), 0o600) },
		"it had 83 bytes": func(path string) error { // the same, touched
			return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
		},
		"no such file":       os.Remove,
		"not a regular file": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		dir := folderOfFiles(t, map[string][]byte{"a.png": good, "b.png": good})
		p := images(t, dir)
		if err := change(filepath.Join(dir, "b.png")); err != nil {
			t.Fatal(err)
		}
		_, err := Collect(p)
		wantError(t, err, "b.png", strings.ReplaceAll(name, "83", fmt.Sprint(len(good))))
	}
	// Even a file that is as long and as old may hold another picture, and no row may have part of it.
	dir = folderOfFiles(t, map[string][]byte{"a.png": good})
	p := images(t, dir)
	path := filepath.Join(dir, "a.png")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	bomb := append(pngHeader(60000, 60000), make([]byte, len(good))...)[:len(good)]
	if err := errors.Join(os.WriteFile(path, bomb, 0o600), os.Chtimes(path, st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}
	_, err = Collect(p)
	wantError(t, err, "a.png", "60000 by 60000 pixels")
}
