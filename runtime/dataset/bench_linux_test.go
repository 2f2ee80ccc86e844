package dataset

import (
	"fmt"
	"syscall"
	"testing"
)

// spent returns the seconds of processors that the process has had.
func spent(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkAugment augments shuffled batches of pictures from memory. It counts by the processor's time, which other work
// on the machine does not change.
func BenchmarkAugment(b *testing.B) {
	for _, size := range [][]int{{1, 28, 28}, {3, 32, 32}} {
		for _, bytes := range []bool{false, true} {
			tab := pictures(b, 4096, bytes, size...)
			for _, text := range []string{"shift=2,crop=4,flip=h", "crop=4,flip=h", "rotate=15,scale=0.1", "jitter=0.2/0.2/0", "noise=0.1", "erase=0.5", "crop=4,flip=h,mixup=0.4"} {
				kind := "f32"
				if bytes {
					kind = "u8"
				}
				b.Run(fmt.Sprintf("%dx%dx%d/%s/%s", size[0], size[1], size[2], kind, text), func(b *testing.B) {
					a, err := ParseAugmentation(text)
					if err != nil {
						b.Fatal(err)
					}
					batches, err := NewBatches(tab, 256, key, true)
					if err != nil {
						b.Fatal(err)
					}
					if err := batches.Augment(a, key); err != nil {
						b.Fatal(err)
					}
					defer batches.Close()
					rows, epoch, began := 0, 0, spent(b)
					for b.Loop() {
						batch, ok, err := batches.Next(b.Context())
						if err != nil {
							b.Fatal(err)
						}
						if !ok {
							epoch++
							batches.Epoch(epoch)
						}
						rows += batch.Rows
					}
					b.ReportMetric(float64(rows)/(spent(b)-began), "pictures/cpu-s")
				})
			}
		}
	}
}
