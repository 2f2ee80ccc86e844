package page

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// render returns the page as text.
func rendered(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// ramp is a small picture.
func ramp(w, h int) image.Image {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetGray(x, y, color.Gray{uint8(255 * (x + y) / (w + h))})
		}
	}
	return m
}

// small has one of each block.
func small() *Page {
	return &Page{
		Title:   "Labels and digits",
		Verdict: []string{"Pretraining helps up to 1000 labels.", "Beyond that it makes no difference that 10 draws would show."},
		Facts:   []Fact{{"Machine", "2 cores, avx2"}, {"Seeds", "1 to 10"}, {"Seconds", Number(74.25)}, {"Memory", "212 MB"}},
		Sections: []Section{
			{Title: "The curve", Text: []string{"Errors on the test rows.", "The mean of 10 draws."}, Blocks: []Block{
				&Lines{Title: "Error", Note: "Bands are 95 % intervals.", X: Axis{Label: "labels", Log: true}, Y: Axis{Label: "error (%)", Zero: true}, Series: []Series{
					{Name: "from scratch", Points: []Point{{100, 25.8, 24.9, 26.7}, {600, 11.4, 11, 11.8}, {3000, 6, 5.9, 6.1}}, Dashed: true},
					{Name: "pretrained", Points: []Point{{100, 13.5, 12.1, 14.9}, {600, 6.3, 6, 6.6}, {3000, 3.2, 3.1, 3.3}}},
				}},
				&Bars{Title: "Seconds", Label: "seconds", Bars: []Bar{{Name: "from scratch", Value: 12.5}, {Name: "pretrained", Value: 31, Low: 28, High: 34, Strong: true}}},
			}},
			{Title: "The rest", Blocks: []Block{
				&Table{Title: "Ways", Columns: []string{"way", "error (%)"}, Rows: [][]string{{"from scratch", "25.8 ± 0.9"}, {"pretrained", "13.5 ± 1.4"}}, Strong: []int{1}},
				&Confusion{Title: "Mistakes", Classes: []string{"cat", "dog"}, Counts: [][]float64{{9, 1}, {0, 10}}, Small: true},
				&Pictures{Title: "Filters", Groups: []Group{{Name: "one", Pictures: []Picture{{Says: "a ramp", Image: ramp(2, 2)}}}}, Small: true},
				&Scatter{Title: "Codes", X: Axis{Label: "first"}, Y: Axis{Label: "second"}, Groups: []Cloud{{Name: "cat", Points: []Dot{{X: 1, Y: 2, Name: "row 7"}, {X: 2, Y: 3}}}, {Name: "dog", Points: []Dot{{X: -1, Y: 0}}}}},
				&Text{Title: "Summary", Body: "layer\tunits\ndense\t  30\n"},
				&Text{Title: "Program", Body: "graph g\n", Folded: true},
			}},
		},
		Foot: "Made by a test.",
	}
}

func TestGolden(t *testing.T) {
	got := rendered(t, small())
	path := filepath.Join("testdata", "small.html")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("the page differs from %s (-want +got); go test -update writes it anew:\n%s", path, d)
	}
	if again := rendered(t, small()); again != got {
		t.Error("the same page gives other bytes")
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	if err := small().Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != rendered(t, small()) {
		t.Errorf("the file is not the page: %v", err)
	}
	if err := (&Page{}).Write(path); err == nil {
		t.Error("a page without a title is written")
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, got) {
		t.Error("a page that cannot be made replaced the one that was there")
	}
}

var nan, inf = math.NaN(), math.Inf(1)
