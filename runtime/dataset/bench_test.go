package dataset

import "testing"

// BenchmarkRows reads shuffled batches of rows of 784 numbers from memory and from the page cache.
func BenchmarkRows(b *testing.B) {
	const n, width = 20000, 784
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32(i % 251)
	}
	tab, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{width}}, F32: x})
	if err != nil {
		b.Fatal(err)
	}
	f, err := OpenNPY(saved(b, []int{n, width}, x...), "x")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		name string
		src  Source
	}{{"memory", tab}, {"file", f.Source()}} {
		b.Run(c.name, func(b *testing.B) {
			batches, err := NewBatches(c.src, 256, key, true)
			if err != nil {
				b.Fatal(err)
			}
			defer batches.Close()
			rows, epoch := 0, 0
			for b.Loop() {
				batch, ok, err := batches.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					epoch++
					batches.Epoch(epoch)
					continue
				}
				if batch.F32("x") == nil {
					b.Fatal("no values")
				}
				rows += batch.Rows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkHash hashes 64 MB: all rows of a table, some of them in another order, and a file.
func BenchmarkHash(b *testing.B) {
	const n, width = 16384, 1024
	x := make([]float32, n*width)
	tab, err := NewTable(Data{Column: Column{Name: "x", DType: F32, Shape: []int{width}}, F32: x})
	if err != nil {
		b.Fatal(err)
	}
	f, err := OpenNPY(saved(b, []int{n, width}, x...), "x")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		name string
		src  Source
	}{{"table", tab}, {"selection", tab.Select(key.Perm(n))}, {"file", f.Source()}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(n * width * 4)
			for b.Loop() {
				if _, err := Hash(c.src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
