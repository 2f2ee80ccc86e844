// Command gen draws the embedded digits from the four gzip files of MNIST:
//
//	go run ./runtime/dataset/digits/gen -data DIR -out runtime/dataset/digits
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

const (
	seed    = 1998
	classes = 10
	width   = 28 * 28
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", "", "folder with the four gzip files of MNIST")
	out := flag.String("out", "", "folder to write the drawn files to")
	flag.Parse()
	if *data == "" || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	files, err := generate(*data)
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(*out, name), content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// generate returns the drawn files by name.
func generate(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, part := range []struct {
		name string
		per  int // rows of each class
	}{{"train", 800}, {"t10k", 200}} {
		imageName, labelName := part.name+"-images-idx3-ubyte.gz", part.name+"-labels-idx1-ubyte.gz"
		images, err := read(filepath.Join(dir, imageName), 16)
		if err != nil {
			return nil, err
		}
		labels, err := read(filepath.Join(dir, labelName), 8)
		if err != nil {
			return nil, err
		}
		if len(images) != len(labels)*width {
			return nil, fmt.Errorf("%d bytes of pictures and %d labels", len(images), len(labels))
		}
		rows, err := draw(labels, part.per, random.New(seed).DeriveString(part.name))
		if err != nil {
			return nil, err
		}
		n := uint32(len(rows))
		pick := binary.BigEndian.AppendUint32(nil, 0x00000803)
		for _, d := range []uint32{n, 28, 28} {
			pick = binary.BigEndian.AppendUint32(pick, d)
		}
		classOf := binary.BigEndian.AppendUint32(nil, 0x00000801)
		classOf = binary.BigEndian.AppendUint32(classOf, n)
		for _, r := range rows {
			pick = append(pick, images[r*width:(r+1)*width]...)
			classOf = append(classOf, labels[r])
		}
		if files[imageName], err = compress(pick); err != nil {
			return nil, err
		}
		if files[labelName], err = compress(classOf); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// draw returns per rows of each class, ascending.
func draw(labels []byte, per int, key random.Key) ([]int, error) {
	byClass := make([][]int, classes)
	for i, l := range labels {
		if l >= classes {
			return nil, fmt.Errorf("row %d: label %d", i, l)
		}
		byClass[l] = append(byClass[l], i)
	}
	var rows []int
	for c, have := range byClass {
		if len(have) < per {
			return nil, fmt.Errorf("class %d has %d rows, %d are needed", c, len(have), per)
		}
		for _, j := range key.Derive(uint64(c)).Perm(len(have))[:per] {
			rows = append(rows, have[j])
		}
	}
	slices.Sort(rows)
	return rows, nil
}

// read unpacks a file and drops its header.
func read(path string, header int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) < header {
		return nil, fmt.Errorf("%s: %d bytes are no IDX file", path, len(b))
	}
	return b[header:], nil
}

// compress leaves name and time out of gzip's header, so that equal content gives equal bytes.
func compress(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
