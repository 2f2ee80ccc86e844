package dataset

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

// tarOf is an archive of files, in the given order.
func tarOf(t testing.TB, names []string, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(files[name]))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestImageArchive reads of an archive, in whatever order it has its files, the rows of the folder that it was made of.
func TestImageArchive(t *testing.T) {
	dir, want := pets(t)
	files := map[string][]byte{"set/": nil, "set/train/": nil, "set/test/horse/x.png": []byte("not read"), "set/train/.x/y.png": nil}
	for _, name := range []string{"cat/a.png", "cat/b.PNG", "cat/deep/c.png", "dog/a.png", "dog/b.png"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files["./set/train/"+name] = b
	}
	names := slices.Sorted(maps.Keys(files))
	slices.Reverse(names)
	plain := tarOf(t, names, files)
	at := folderOfFiles(t, map[string][]byte{"a.tar": plain, "a.tar.gz": zipped(plain)})
	for _, o := range []ImageOptions{{Bytes: true}, {}, {Height: 3, Width: 4, Channels: 1}, {Unlabelled: true, Bytes: true}, {Classes: []string{"dog", "cat"}}} {
		folder, err := Hash(images(t, dir, o))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.tar", "a.tar.gz"} {
			all, err := ImageArchive(filepath.Join(at, name), "set/train", o)
			if err != nil {
				t.Fatal(err)
			}
			if h, err := all.Hash(); err != nil || h != folder || Chosen(all) != nil {
				t.Errorf("%s, %+v: hash %s, of the folder %s (%v)", name, o, h, folder, err)
			}
			if o.Bytes && !slices.Equal(all.U8("x"), slices.Concat(want...)) {
				t.Errorf("%s: the values differ", name)
			}
			if all.File("x") != filepath.Join(at, name) {
				t.Errorf("%s: from file %q", name, all.File("x"))
			}
		}
	}
}

// TestBadArchive names the file in the archive, or says what is wrong with it.
func TestBadArchive(t *testing.T) {
	good := pngOf(t, greyImage(8, 8, 0))
	spoilt := slices.Clone(good)
	spoilt[len(spoilt)-20] ^= 1
	set := func(files map[string][]byte) []byte { return zipped(tarOf(t, slices.Sorted(maps.Keys(files)), files)) }
	both := map[string][]byte{"a/x.png": good, "b/y.png": good}
	whole := set(both)
	linked := func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: "a/x.png", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), w.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}()
	big := func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "a/x.png", Typeflag: tar.TypeReg, Size: 1 << 40}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}()
	for name, c := range map[string]struct {
		b      []byte
		folder string
		want   []string
	}{
		"a bomb":           {set(map[string][]byte{"a/x.png": good, "b/y.png": pngHeader(60000, 60000)}), "", []string{"b/y.png", "60000 by 60000 pixels"}},
		"damaged":          {set(map[string][]byte{"a/x.png": good, "b/y.png": spoilt, "b/z.png": spoilt}), "", []string{"b/y.png: damaged or cut short"}},
		"sizes":            {set(map[string][]byte{"a/x.png": good, "b/y.png": pngOf(t, greyImage(4, 4, 0))}), "", []string{"a/x.png is 8 pixels high", "b/y.png is 4 high"}},
		"one class":        {whole, "a", []string{"folder a", "no labels", ""}},
		"no folder":        {whole, "c", []string{"folder c", "the data are empty", "no pictures"}},
		"a name twice":     {zipped(tarOf(t, []string{"a/x.png", "a/x.png"}, both)), "", []string{"a/x.png: two files have this name"}},
		"a link":           {linked, "", []string{"a/x.png: it is a link"}},
		"a size":           {big, "", []string{"a/x.png: the file has 1099511627776 bytes, more than"}},
		"cut short":        {whole[:len(whole)/2], "", []string{"truncated"}},
		"without its sum":  {whole[:len(whole)-6], "", []string{"truncated"}},
		"no archive":       {[]byte(strings.Repeat("not a tar file. ", 100)), "", []string{"damaged"}},
		"no gzip":          {[]byte("\x1f\x8bxxx"), "", []string{"not a gzip file"}},
		"nothing":          {nil, "", []string{"the file has no bytes"}},
		"another format":   {set(map[string][]byte{"a/x.gif": good}), "", []string{"x.gif: pictures are read as PNG and JPEG"}},
		"a folder outside": {set(map[string][]byte{"../../a/x.png": good}), "a/b", []string{"no pictures"}},
	} {
		path := filepath.Join(folderOfFiles(t, map[string][]byte{"set.tgz": c.b}), "set.tgz")
		_, err := ImageArchive(path, c.folder)
		if name == "one class" { // without folders in it, it has no labels
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { wantError(t, err, append(c.want, "set.tgz")...) })
	}
	_, err := ImageArchive("x", "", ImageOptions{Channels: 2})
	wantError(t, err, "Channels must be")
}

// TestArchiveChanges refuses an archive that has other files when its pictures are read than when its names were.
func TestArchiveChanges(t *testing.T) {
	good := pngOf(t, greyImage(8, 8, 0))
	path := filepath.Join(folderOfFiles(t, map[string][]byte{"a.tar": tarOf(t, []string{"a.png", "b.png"}, map[string][]byte{"a.png": good, "b.png": good})}), "a.tar")
	form := imageForm{h: 8, w: 8, c: 1, bytes: true, limit: 64}
	for want, names := range map[string][]string{"": {"a.png", "b.png"}, "has changed since its names were read": {"a.png", "c.png"}, "it has 2 of 3 pictures": {"a.png", "b.png", "c.png"}} {
		rows := map[string]int{}
		for i, name := range names {
			rows[name] = i
		}
		table := &Table{n: len(names), cols: makeColumns([]Column{form.column("x")}, len(names))}
		err := (&imageArchive{file: path, folder: "/"}).fill(&form, rows, table)
		if want != "" {
			wantError(t, err, want)
		} else if err != nil || !bytes.Equal(table.U8("x"), slices.Repeat(greyImage(8, 8, 0).Pix, 2)) {
			t.Errorf("unchanged, it reads %v", err)
		}
	}
}

// TestImageMemory reads many pictures in the memory that a few take.
func TestImageMemory(t *testing.T) {
	large := pngOf(t, greyImage(500, 500, 0))
	p := images(t, folderOfFiles(t, map[string][]byte{"a.png": large}), ImageOptions{Height: 4, Width: 4, Bytes: true})
	few, many := p.Select(make([]int, 4)), p.Select(make([]int, 200))
	peak := func(src Source) uint64 {
		var most uint64
		runtime.GC()
		if err := Each(t.Context(), src, 1, func(Batch) error {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return most
	}
	peak(few)
	if a, b := peak(few), peak(many); b > a+8<<20 {
		t.Errorf("4 pictures take %d bytes at most, 200 take %d", a, b)
	}
}

// imageParsers are the readers of pictures for package hostile.
func imageParsers(t testing.TB) map[string]hostile.Parser {
	photo := withSegment(jpegOf(t, painted(24, 17, 0)), 0xe1, exifOf(binary.BigEndian, 6))
	set := map[string][]byte{"a/x.png": pngOf(t, greyImage(8, 8, 0)), "b/y.jpg": jpegOf(t, greyImage(8, 8, 1))}
	path := filepath.Join(t.TempDir(), "set.tar")
	return map[string]hostile.Parser{
		"image": {
			Seeds: [][]byte{photo, pngOf(t, painted(24, 17, 0)), pngOf(t, greyImage(30, 30, 0)), jpegOf(t, greyImage(30, 30, 0))},
			Parse: func(b []byte) error { return decodeHostile(b) },
			Mend:  mendPNG,
		},
		"image archive": {
			Seeds: [][]byte{tarOf(t, slices.Sorted(maps.Keys(set)), set), zipped(tarOf(t, slices.Sorted(maps.Keys(set)), set))},
			Parse: func(b []byte) error {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := ImageArchive(path, "", hostileImages)
				return err
			},
		},
	}
}

// decodeHostile decodes a picture as a row of a folder is.
func decodeHostile(b []byte) error {
	f := imageForm{h: 5, w: 7, c: 3, crop: true, limit: 1 << 20, bytes: true}
	out := make([]uint8, f.width())
	return f.decode(b, &imageScratch{}, out, nil)
}

func FuzzImage(f *testing.F) {
	for _, s := range imageParsers(f)["image"].Seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		form := imageForm{h: 5, w: 7, c: 1 + 2*(len(b)%2), limit: 1 << 16, bytes: true}
		first, second := make([]uint8, form.width()), make([]uint8, form.width())
		s := &imageScratch{}
		err := form.decode(b, s, first, nil)
		if again := form.decode(b, s, second, nil); fmt.Sprint(err) != fmt.Sprint(again) || err == nil && !bytes.Equal(first, second) {
			t.Errorf("decoded twice it differs: %v, %v", err, again)
		}
		if err != nil && strings.Contains(err.Error(), "panicked") {
			t.Error(err)
		}
	})
}

func FuzzEXIF(f *testing.F) {
	for o := range uint16(9) {
		f.Add(withSegment([]byte("\xff\xd8\xff\xda"), 0xe1, exifOf(binary.LittleEndian, o)))
		f.Add(withSegment([]byte("\xff\xd8\xff\xda"), 0xe1, exifOf(binary.BigEndian, o)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if o := jpegOrientation(r); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
		tiffOrientation(b)
	})
}

func FuzzImageArchive(f *testing.F) {
	p := imageParsers(f)["image archive"]
	for _, s := range p.Seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		path := filepath.Join(t.TempDir(), "set.tar")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := ImageArchive(path, "", hostileImages); err == nil && all.Len() < 1 {
			t.Error("no rows and no error")
		}
	})
}

// hostileImages bounds what a hostile picture may take.
var hostileImages = ImageOptions{MaxPixels: 1 << 20, Log: slog.New(slog.DiscardHandler)}

// mendPNG makes the CRCs of the chunks of a PNG file right again.
func mendPNG(b []byte) []byte {
	for at := 8; at+12 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[at:]))
		if n < 0 || n > len(b)-at-12 {
			return b
		}
		binary.BigEndian.PutUint32(b[at+8+n:], crc32.ChecksumIEEE(b[at+4:at+8+n]))
		at += 12 + n
	}
	return b
}
