package synthetic

import (
	"os"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/picture"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		t.Skip()
	}
	for name, r := range map[string]*Rows{"strokes": Strokes(1000, 1, StrokeOptions{Glyphs: 200}), "same": Strokes(2000, 1, StrokeOptions{Glyphs: 10}), "shapes": Shapes(100, 1, ShapeOptions{Noise: 0.03, Height: 28, Width: 28})} {
		d, err := dataset.Collect(r)
		if err != nil {
			t.Fatal(err)
		}
		x := d.F32("x")
		var lines [][][]float32
		at := map[int64]int{}
		for i := range d.Len() {
			l := i / 16
			if name == "same" {
				l = int(d.I64("y")[i])
				if at[int64(l)]++; at[int64(l)] > 16 {
					continue
				}
			}
			if l >= 12 {
				break
			}
			for len(lines) <= l {
				lines = append(lines, nil)
			}
			lines[l] = append(lines[l], x[i*784:][:784])
		}
		if err := picture.Grid(dir+"/"+name+".png", 28, 28, lines...); err != nil {
			t.Fatal(err)
		}
	}
}
