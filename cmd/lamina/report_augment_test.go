package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// decoded is the picture in a PNG file.
func decoded(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// grid reads a picture of pictures: the grey value of a pixel of the one in a line and column.
func grid(t *testing.T, path string, height, width int) (lines, cols int, at func(line, col, y, x int) int) {
	t.Helper()
	img := decoded(t, path)
	const zoom = 3
	size := img.Bounds().Size()
	return (size.Y/zoom - 1) / (height + 1), (size.X/zoom - 1) / (width + 1), func(line, col, y, x int) int {
		g, _, _, _ := img.At(zoom*(1+col*(width+1)+x), zoom*(1+line*(height+1)+y)).RGBA()
		return int(g >> 8)
	}
}

// TestReportAugment draws digits: each line begins with the digit as it is, and goes on with what its change makes of it.
func TestReportAugment(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "made", "a.png")
	r := lamina(t, nil, "report", "augment", "--augment", "flip=h,erase=1", "--rows", "3,9", "--variants", "8", "--out", out)
	if r.Status != 0 || !strings.Contains(r.Stdout, "line 1  flip=h\nline 2  erase=1\nline 3  flip=h,erase=1\n") || !strings.Contains(r.Stdout, "each of 2 rows") || !strings.Contains(r.Stdout, "8 variants") {
		t.Fatalf("%+v", r)
	}
	lines, cols, at := grid(t, out, 28, 28)
	if lines != 6 || cols != 9 {
		t.Fatalf("%d lines of %d pictures", lines, cols)
	}
	digits := dataset.Digits().Train.F32("x")
	flipped, whole := 0, 0
	for line := range lines {
		digit := digits[784*[]int{3, 9}[line/3]:]
		for col := range cols {
			same, mirrored, erased := true, true, 0
			for y := range 28 {
				for x := range 28 {
					v := at(line, col, y, x)
					same = same && v == int(255*digit[28*y+x]+0.5)
					mirrored = mirrored && v == int(255*digit[28*y+27-x]+0.5)
					if v == 0 {
						erased++
					}
				}
			}
			switch {
			case col == 0 && !same:
				t.Errorf("line %d does not begin with the digit", line)
			case line%3 == 0 && mirrored:
				flipped++
			case line%3 == 0 && same:
				whole++
			case line%3 == 0:
				t.Errorf("picture %d of line %d is neither the digit nor its mirror image", col, line)
			case erased < 15:
				t.Errorf("nothing is erased in picture %d of line %d", col, line)
			}
		}
	}
	if flipped < 3 || whole < 5 {
		t.Errorf("%d are flipped and %d are not", flipped, whole)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	again := func(seed string) string {
		if r := lamina(t, nil, "report", "augment", "--augment", "flip=h,erase=1", "--rows", "3,9", "--variants", "8", "--out", out, "--seed", seed); r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if again("0") != string(before) {
		t.Error("the same seed draws something else")
	}
	if again("1") == string(before) {
		t.Error("another seed draws the same")
	}

	// Rows of the user: bytes, and one change, which takes one line.
	path := filepath.Join(dir, "bytes.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := npywrite.Write(f, []int{2, 1, 2, 3}, []uint8{0, 50, 100, 150, 200, 250, 1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, "report", "augment", "--data", "x="+path, "--augment", "crop=1", "--variants", "1", "--out", out); r.Status != 0 || !strings.Contains(r.Stdout, "1 variant of it") {
		t.Fatalf("%+v", r)
	}
	if lines, cols, at := grid(t, out, 2, 3); lines != 1 || cols != 2 || at(0, 0, 1, 2) != 250 {
		t.Errorf("%d lines of %d pictures, a pixel of %d", lines, cols, at(0, 0, 1, 2))
	}

	if r := lamina(t, nil, "report", "x"); r.Status != command.Unreadable || !strings.Contains(r.Stderr, `there is no report "x"; there are augment, label-curve, run and synthetic`) {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "report"); r.Status != 0 || !strings.Contains(r.Stdout, "augment     Draw what") {
		t.Errorf("%+v", r)
	}
	for want, args := range map[string][]string{
		`--augment: dataset: augmentation "flop=h": there is no setting "flop"; settings are shift`: {"--augment", "flop=h"},
		"--augment: dataset: Augment: it changes nothing":                                           {"--augment", "shift=0"},
		"--augment: dataset: Augment: column \"x\", pictures of [1 28 28]: Shift: 28 pixels":        {"--augment", "shift=28"},
		"saturation is of pictures with three channels":                                             {"--augment", "jitter=0/0/1"},
		"--rows: there is no row 8000; the data have rows 0 to 7999":                                {"--rows", "8000"},
		"--rows: there is no row -1":                                                                {"--rows", "-1"},
		"--rows: from 1 to 64 rows can be drawn":                                                    {"--rows", "1" + strings.Repeat(",1", 64)},
		"--variants must be from 1 to 64, got 0":                                                    {"--variants", "0"},
		"--data nothing: it must be a folder":                                                       {"--data", "nothing"},
		"unknown command \"x\"":                                                                     {"x"},
	} {
		if r := lamina(t, nil, append([]string{"report", "augment"}, args...)...); r.Status != command.Unreadable || !strings.Contains(r.Stderr, want) {
			t.Errorf("%v: %+v, want %q", args, r, want)
		}
	}
}

// TestReportAugmentPictures draws files in colour as they are, and scaled, with their colours where they belong.
func TestReportAugmentPictures(t *testing.T) {
	dir := t.TempDir()
	paint := func(name string, height, width int, c color.NRGBA) {
		t.Helper()
		img := image.NewNRGBA(image.Rect(0, 0, width, height))
		for i := range height * width {
			img.SetNRGBA(i%width, i/width, c)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	paint("pictures/cats/a.png", 6, 8, color.NRGBA{R: 200, G: 100, B: 50, A: 255})
	paint("pictures/dogs/b.png", 6, 8, color.NRGBA{R: 10, G: 20, B: 30, A: 255})
	out, folder := filepath.Join(dir, "a.png"), filepath.Join(dir, "pictures")
	draw := func(args ...string) commandtest.Result {
		return lamina(t, nil, append([]string{"report", "augment", "--data", folder, "--out", out}, args...)...)
	}
	colour := func(line, col, height, width int) color.NRGBA {
		t.Helper()
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		const zoom = 3
		return color.NRGBAModel.Convert(img.At(zoom*(1+col*(width+1)+width/2), zoom*(1+line*(height+1)+height/2))).(color.NRGBA)
	}
	if r := draw("--augment", "flip=h", "--rows", "1,0", "--variants", "2"); r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	if got := colour(0, 2, 6, 8); got != (color.NRGBA{R: 10, G: 20, B: 30, A: 255}) {
		t.Errorf("the dog is %v", got)
	}
	if got := colour(1, 0, 6, 8); got != (color.NRGBA{R: 200, G: 100, B: 50, A: 255}) {
		t.Errorf("the cat is %v", got)
	}
	if r := draw("--variants", "1", "--size", "12x16"); r.Status != 0 { // all kinds of change, Mixup too
		t.Fatalf("%+v", r)
	}
	if _, cols, _ := grid(t, out, 12, 16); cols != 2 {
		t.Errorf("a line has %d pictures of 16 pixels", cols)
	}
	if got := colour(0, 0, 12, 16); got != (color.NRGBA{R: 200, G: 100, B: 50, A: 255}) {
		t.Errorf("the cat, scaled, is %v", got)
	}
	paint("pictures/dogs/c.png", 7, 7, color.NRGBA{A: 255})
	for want, args := range map[string][]string{
		"c.png": {},
		"--size must be a height and a width, such as 64x64, got \"64\"":      {"--size", "64"},
		"--size must be a height and a width, such as 64x64, got \"6x6 and\"": {"--size", "6x6 and"},
		"--rows: there is no row 3; the data have rows 0 to 2":                {"--size", "6x6", "--rows", "3"},
		"--size is for a folder of PNG and JPEG files":                        {"--size", "6x6", "--data", ""},
		"ImageOptions": {"--size", "-6x6"},
	} {
		if r := draw(args...); r.Status != command.Unreadable || !strings.Contains(r.Stderr, want) {
			t.Errorf("%v: %+v, want %q", args, r, want)
		}
	}
}
