package picture

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSheet draws eleven pictures in two lines, each with its caption below, grey and in colour.
func TestSheet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sheet.png")
	var pictures [][]float32
	var captions []string
	for i := range 11 {
		p := []float32{1, 0, 0, 1}
		if i == 10 {
			p = []float32{1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		}
		pictures, captions = append(pictures, p), append(captions, strings.Repeat("8", i%3+1))
	}
	if err := Sheet(path, 2, 2, pictures, captions); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	// The widest caption, of 21 pixels, is wider than a picture of 6.
	if b := img.Bounds(); b.Dx() != 10*27+6 || b.Dy() != 2*(6+15+6)+6 {
		t.Errorf("%v", b)
	}
	at := func(x, y int) (r, g, b uint32) { r, g, b, _ = img.At(x, y).RGBA(); return r >> 8, g >> 8, b >> 8 }
	if r, g, b := at(6+7, 6); r != 255 || g != 255 || b != 255 {
		t.Errorf("the first value is %d %d %d", r, g, b)
	}
	if r, g, b := at(6+7+3, 6); r != 0 || g != 0 || b != 0 {
		t.Errorf("the second value is %d %d %d", r, g, b)
	}
	if r, g, b := at(6+7, 6+27); r != 255 || g != 0 || b != 0 {
		t.Errorf("the picture in colour is %d %d %d", r, g, b)
	}
	ink := func(x0, y0 int) (n int) {
		for y := range captionHigh {
			for x := range 21 {
				if r, _, _ := at(x0+x, y0+y); r == 255 {
					n++
				}
			}
		}
		return n
	}
	if one, three := ink(6, 6+6), ink(6+2*27, 6+6); one == 0 || three != 3*one {
		t.Errorf("a caption of one 8 has %d white pixels, of three %d", one, three)
	}
	for _, c := range []struct {
		height   int
		pictures [][]float32
		captions []string
		want     string
	}{
		{2, pictures, captions[:3], "3 captions for 11 pictures"},
		{2, nil, nil, "nothing to draw"},
		{3, pictures[:1], captions[:1], "picture 1 has 4 values, must have 6, or 18 for colour"},
	} {
		if err := Sheet(path, c.height, 2, c.pictures, c.captions); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
