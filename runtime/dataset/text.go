package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// plainText returns a text file as lines of UTF-8 that end in \n or \r\n, whatever it is kept as: gzip, UTF-16, lines
// that end in \r alone. Of a gzip file at most limit bytes are unpacked. The notes say what is not told by the file itself.
func plainText(r io.Reader, limit int64) (io.Reader, []string, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if head, _ := b.Peek(2); string(head) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, fmt.Errorf("not a gzip file: %w", err)
		}
		b = bufio.NewReaderSize(&bounded{z, limit, limit}, 1<<16)
	}
	head, _ := b.Peek(4)
	if what := otherFormat(head); what != "" {
		return nil, nil, errors.New("it is not text, but " + what)
	}
	var notes []string
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		b.Discard(3)
	case string(head) == "\xff\xfe\x00\x00" || string(head) == "\x00\x00\xfe\xff":
		return nil, nil, errors.New("it is UTF-32; save it as UTF-8")
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		b.Discard(2)
		b = utf8Reader(b, head[0] == 0xff)
	case len(head) == 4 && (head[0] == 0) != (head[1] == 0) && head[0] == 0 == (head[2] == 0) && head[1] == 0 == (head[3] == 0):
		notes = append(notes, "every second byte is zero, so it is read as UTF-16")
		b = utf8Reader(b, head[1] == 0)
	}
	part, _ := b.Peek(1 << 15)
	if bytes.IndexByte(part, '\r') >= 0 && bytes.IndexByte(part, '\n') < 0 {
		return &oldLines{b}, notes, nil
	}
	if bytes.IndexByte(part, 0) >= 0 {
		return nil, nil, errors.New("it is not text: it has zero bytes")
	}
	return b, notes, nil
}

// otherFormat tells files that are often taken for text by how they begin, and what to do with them; "" for others.
func otherFormat(head []byte) string {
	for begins, what := range map[string]string{
		"PAR1":             "a Parquet file, which package runtime/dataset/parquet reads, and lamina if its name ends in .parquet",
		"PK\x03\x04":       "an archive, as .npz and .xlsx files are: NPZ reads the former, and sheets are saved as CSV",
		"\x93NUM":          "an .npy file, which NPY reads",
		"\x28\xb5\x2f\xfd": "packed by zstd: unpack it, or pack it by gzip",
		"\xfd7zX":          "packed by xz: unpack it, or pack it by gzip",
		"BZh9":             "packed by bzip2: unpack it, or pack it by gzip",
	} {
		if string(head) == begins {
			return what
		}
	}
	return ""
}

// bounded is a reader of at most left bytes.
type bounded struct {
	r          io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it unpacks to more than %d GiB", b.most>>30)
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("damaged: %w", err)
	}
	return n, err
}

// oldLines makes \n of \r.
type oldLines struct{ r io.Reader }

func (o *oldLines) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	for i := range p[:n] {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// utf8Reader turns UTF-16 into UTF-8.
func utf8Reader(r *bufio.Reader, little bool) *bufio.Reader {
	u := &utf16Reader{r: r, order: binary.BigEndian}
	if little {
		u.order = binary.LittleEndian
	}
	return bufio.NewReaderSize(u, 1<<16)
}

type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	buf   []byte
	out   []byte // what of it did not fit the last read
	err   error  // told again: who looks ahead swallows the first
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		c, err := u.unit()
		if err != nil {
			return 0, err
		}
		if utf16.IsSurrogate(c) {
			next, err := u.r.Peek(2)
			if len(next) < 2 {
				if u.err = err; err == io.EOF {
					u.err = errShortText
				}
				return 0, u.err
			}
			if c = utf16.DecodeRune(c, rune(u.order.Uint16(next))); c != utf8.RuneError { // else half a character, and what follows is another
				u.r.Discard(2)
			}
		}
		u.out = utf8.AppendRune(u.buf[:0], c)
		for u.r.Buffered() >= 2 && len(u.out) < len(p) { // as much as there is
			next, _ := u.r.Peek(2)
			c := rune(u.order.Uint16(next))
			if utf16.IsSurrogate(c) {
				break
			}
			u.r.Discard(2)
			u.out = utf8.AppendRune(u.out, c)
		}
		u.buf = u.out
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

var errShortText = errors.New("truncated: it ends within a character of UTF-16")

func (u *utf16Reader) unit() (rune, error) {
	var b [2]byte
	if u.err == nil {
		if _, u.err = io.ReadFull(u.r, b[:]); u.err == io.ErrUnexpectedEOF {
			u.err = errShortText
		}
	}
	if u.err != nil {
		return 0, u.err
	}
	return rune(u.order.Uint16(b[:])), nil
}
