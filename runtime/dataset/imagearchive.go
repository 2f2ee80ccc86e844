package dataset

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// maxArchived bounds how many pictures an archive may have: a byte of gzip can become one.
const maxArchived = 1 << 24

// ImageArchive reads the pictures below a folder of a tar file, plain or gzip, into memory: the rows that [Images] would
// give of that folder, with the same hash. folder is "" for all of the archive. The file is read twice, for the names
// and headers and for the pictures, so that no more memory is taken than that of the table and of the pictures in use.
// Errors: those of [Images]; the archive is damaged; a picture is a link; two files have one name; there is no such folder.
func ImageArchive(file, folder string, options ...ImageOptions) (*Table, error) {
	o, err := imageOptions(options)
	if err != nil {
		return nil, err
	}
	if folder = path.Clean("/" + folder); folder != "/" {
		folder += "/"
	}
	a := &imageArchive{file: file, folder: folder, o: o, heads: map[string]imageHead{}}
	t, err := a.table()
	if err != nil {
		return nil, &inFile{file, err}
	}
	return t.readFrom(file), nil
}

type imageArchive struct {
	file, folder string // folder begins and ends with a slash
	o            ImageOptions
	heads        map[string]imageHead // by name
}

// each calls f for the pictures in the order of the archive, and noPicture for other files.
func (a *imageArchive) each(f func(name string, size int64, r io.Reader) error, noPicture func(name string)) error {
	in, _, err := open(a.file)
	if err != nil {
		return err
	}
	defer in.Close()
	var r io.Reader = bufio.NewReaderSize(in, 1<<16)
	if head, _ := r.(*bufio.Reader).Peek(2); string(head) == "\x1f\x8b" {
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("not a gzip file: %w", err)
		}
		r = z
	}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			// Reading on to the end also checks gzip's sum.
			if _, err := io.Copy(io.Discard, r); err != nil {
				return short("what follows the archive", err)
			}
			return nil
		}
		if err != nil {
			return short("the header of a file", err)
		}
		name, in := strings.CutPrefix(path.Clean("/"+h.Name), a.folder)
		if !in || h.Typeflag == tar.TypeDir || hidden(name) {
			continue
		}
		ok, err := pictureFile(name)
		switch {
		case err != nil:
			return err
		case !ok:
			noPicture(name)
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("%s: it is a link or a device; an archive must have the pictures themselves", clip(name))
		}
		if most := maxImageFile(a.o.limit()); h.Size > most {
			return fmt.Errorf("%s: the file has %d bytes, more than the %d of a picture with MaxPixels", clip(name), h.Size, most)
		}
		if err := f(name, h.Size, t); err != nil {
			return fmt.Errorf("%s: %w", clip(name), err)
		}
	}
}

// hidden reports whether a part of a name begins with a dot.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }

// readMember reads a file of an archive to buf, which grows with what arrives.
func readMember(buf *bytes.Buffer, r io.Reader, size int64) error {
	buf.Reset()
	switch n, err := io.Copy(buf, r); {
	case err != nil:
		return short("its bytes", err)
	case n != size:
		return fmt.Errorf("truncated: it ends after %d of %d bytes", n, size)
	}
	return nil
}

func (a *imageArchive) table() (*Table, error) {
	l := &imageNames{}
	var buf bytes.Buffer
	err := a.each(func(name string, size int64, r io.Reader) error {
		if err := readMember(&buf, r, size); err != nil {
			return err
		}
		h, err := imageHeader(bytes.NewReader(buf.Bytes()), size, a.o.limit())
		if err != nil {
			return err
		}
		if _, ok := a.heads[name]; ok {
			return errors.New("two files have this name")
		}
		if len(l.names) == maxArchived {
			return fmt.Errorf("more than %d pictures", maxArchived)
		}
		a.heads[name] = h
		l.names = append(l.names, name)
		return nil
	}, func(name string) { l.others = append(l.others, name) })
	if err != nil {
		return nil, err
	}
	l.report(a.file, a.o)
	for _, name := range l.names {
		if folder, _, in := strings.Cut(name, "/"); in && (len(l.folders) == 0 || l.folders[len(l.folders)-1] != folder) {
			l.folders = append(l.folders, folder)
		}
	}
	slices.Sort(l.folders)
	l.folders = slices.Compact(l.folders)
	_, labels, err := l.arrange(a.o)
	if err != nil && a.folder != "/" {
		return nil, fmt.Errorf("folder %s: %w", strings.Trim(a.folder, "/"), err)
	}
	if err != nil {
		return nil, err
	}
	heads := make([]imageHead, len(l.names))
	rows := make(map[string]int, len(l.names))
	for i, name := range l.names {
		heads[i], rows[name] = a.heads[name], i
	}
	form, err := newImageForm(a.o, heads, func(i int) string { return clip(l.names[i]) })
	if err != nil {
		return nil, err
	}
	cols := []Column{form.column("x")}
	if labels != nil {
		cols = append(cols, Column{Name: "y", DType: I64})
	}
	if err := checkColumns(cols); err != nil {
		return nil, err
	}
	if err := checkMemory(cols, len(l.names), 1); err != nil {
		return nil, err
	}
	t := &Table{n: len(l.names), cols: makeColumns(cols, len(l.names))}
	for i, y := range labels {
		t.cols[1].i64[i] = int64(y)
	}
	return t, a.fill(&form, rows, t)
}

// fill decodes the pictures into the rows of their names, by all processors.
func (a *imageArchive) fill(form *imageForm, rows map[string]int, t *Table) error {
	type job struct {
		n, row int
		name   string
		raw    *bytes.Buffer
	}
	workers := max(runtime.GOMAXPROCS(0), 1)
	jobs, free := make(chan job), make(chan *bytes.Buffer, 2*workers)
	for range cap(free) {
		free <- new(bytes.Buffer)
	}
	var (
		mu    sync.Mutex
		bad   error
		first int // picture that bad is of, in the order of the archive
		all   sync.WaitGroup
	)
	for range workers {
		all.Go(func() {
			s := &imageScratch{}
			for j := range jobs {
				c := t.cols[0].part(j.row, j.row+1)
				err := form.decode(j.raw.Bytes(), s, c.u8, c.f32)
				free <- j.raw
				if err == nil {
					continue
				}
				mu.Lock()
				if bad == nil || j.n < first {
					bad, first = fmt.Errorf("%s: %w", clip(j.name), err), j.n
				}
				mu.Unlock()
			}
		})
	}
	n, done, stop := 0, make([]bool, t.n), errors.New("a picture is damaged")
	err := a.each(func(name string, size int64, r io.Reader) error {
		mu.Lock()
		failed := bad != nil
		mu.Unlock()
		if failed {
			return stop
		}
		row, ok := rows[name]
		if !ok || done[row] {
			return errors.New("the archive has changed since its names were read")
		}
		done[row] = true
		buf := <-free
		if err := readMember(buf, r, size); err != nil {
			return err
		}
		jobs <- job{n, row, name, buf}
		n++
		return nil
	}, func(string) {})
	close(jobs)
	all.Wait()
	switch {
	case bad != nil:
		return bad
	case err != nil:
		return err
	case n != t.n:
		return fmt.Errorf("the archive has changed since its names were read: it has %d of %d pictures", n, t.n)
	}
	return nil
}
