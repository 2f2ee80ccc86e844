package dataset

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared returns a file of the data sets in LAMINA_DATASETS, for benchmarks that READMEs have the figures of.
func shared(b *testing.B, name ...string) string {
	dir := os.Getenv("LAMINA_DATASETS")
	if dir == "" {
		b.Skip("LAMINA_DATASETS is not set")
	}
	return filepath.Join(append([]string{dir}, name...)...)
}

// BenchmarkFlights reads and infers the flights from New York in 2013, by the time of processors.
func BenchmarkFlights(b *testing.B) {
	path := shared(b, "table", "flights.csv.gz")
	options := []InferOption{Category.Of("carrier", "tailnum", "origin", "dest")}
	schema, err := Infer(b.Context(), path, options...)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("CSV", func(b *testing.B) {
		began, n := spent(b), 0
		for b.Loop() {
			rows, err := schema.CSV(path)
			if err != nil || rows.Len() != 336776 {
				b.Fatal(rows.Len(), err)
			}
			n++
		}
		b.ReportMetric((spent(b)-began)/float64(n), "cpu-s/read")
	})
	b.Run("Infer", func(b *testing.B) {
		began, n := spent(b), 0
		for b.Loop() {
			if _, err := Infer(b.Context(), path, options...); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric((spent(b)-began)/float64(n), "cpu-s/read")
	})
}

// unpacked has the first test pictures of CIFAR-10 as JPEG files, in folders by class.
func unpacked(b *testing.B, archive string, most int) string {
	f, err := os.Open(archive)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	dir, n := b.TempDir(), 0
	for r := tar.NewReader(z); n < most; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "test/")
		if !ok || !filepath.IsLocal(name) || h.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		to, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(to, r); err != nil {
			b.Fatal(err)
		}
		if err := to.Close(); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n < most {
		b.Fatalf("%s has %d test pictures, fewer than %d", archive, n, most)
	}
	return dir
}

// BenchmarkImages reads pictures of CIFAR-10, which are JPEG files of 32 by 32, by the time of processors.
func BenchmarkImages(b *testing.B) {
	archive := shared(b, "cifar10", "cifar10-jpeg.tar.gz")
	dir := unpacked(b, archive, 10000)
	rate := func(name string, pictures func(b *testing.B) int) {
		b.Run(name, func(b *testing.B) {
			began, n := spent(b), 0
			for b.Loop() {
				n += pictures(b)
			}
			b.ReportMetric(float64(n)/(spent(b)-began), "pictures/cpu-s")
		})
	}
	list := func(b *testing.B, o ...ImageOptions) *Pictures {
		p, err := Images(dir, o...)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	rate("list", func(b *testing.B) int { return list(b).Len() })
	p := list(b)
	rate("batches", func(b *testing.B) int {
		batches, err := NewBatches(p, 128, key, true)
		if err != nil {
			b.Fatal(err)
		}
		defer batches.Close()
		n := 0
		for {
			batch, ok, err := batches.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				return n
			}
			n += batch.Rows
		}
	})
	scaled := list(b, ImageOptions{Height: 28, Width: 28})
	collect := func(b *testing.B, src Source, err error) int {
		if err != nil {
			b.Fatal(err)
		}
		t, err := Collect(src)
		if err != nil {
			b.Fatal(err)
		}
		return t.Len()
	}
	rate("collect", func(b *testing.B) int { return collect(b, scaled, nil) })
	rate("archive", func(b *testing.B) int {
		t, err := ImageArchive(archive, "train")
		return collect(b, t, err)
	})
}
