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

// hostile is what names must not be able to do.
const hostile = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\" onfocus=\"alert(3)\" style=\"background:url(http://a.b/c)\" ' --> ]]> {{.}} \x00\x1b[31m\xff\u202egnp.exe javascript:alert(4)"

// TestHostile puts a hostile text wherever a text goes. The page then has the same tags
// and attributes as with a harmless one.
func TestHostile(t *testing.T) {
	made := func(s string) string {
		p := &Page{Title: s, Verdict: []string{s}, Facts: []Fact{{s, s}}, Foot: s, Sections: []Section{{Title: s, Text: []string{s}, Blocks: []Block{
			&Lines{Title: s, Note: s, X: Axis{Label: s}, Y: Axis{Label: s}, Series: []Series{Curve(s, 1, 2), Curve(s, 2, 3)}},
			&Bars{Title: s, Note: s, Label: s, Bars: []Bar{{Name: s, Value: 1, Low: 0.5, High: 2}}},
			&Table{Title: s, Note: s, Columns: []string{s, s}, Rows: [][]string{{s, s}}},
			&Confusion{Title: s, Note: s, Classes: []string{s, s}, Counts: [][]float64{{1, 0}, {2, 3}}},
			&Confusion{Title: s, Note: s, Classes: many(40, s), Counts: square(40)},
			&Pictures{Title: s, Note: s, Groups: []Group{{Name: s, Pictures: []Picture{{Says: s, Image: ramp(1, 1)}}}}},
			&Scatter{Title: s, Note: s, X: Axis{Label: s}, Y: Axis{Label: s}, Groups: []Cloud{{Name: s, Points: []Dot{{1, 2, s}}}, {Name: s, Points: []Dot{{3, 4, s}}}}},
			&Text{Title: s, Body: s},
			&Text{Title: s, Body: s, Folded: true},
		}}, {Title: s}}}
		return rendered(t, p)
	}
	bad, good := made(hostile), made("harmless")
	if got, want := skeleton(t, bad), skeleton(t, good); got != want {
		t.Errorf("a name changes the page's tags and attributes:\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
	for _, part := range []string{"<script", "onerror=alert", "\x00", "\x1b", "\u202e"} {
		if i := strings.Index(strings.ReplaceAll(bad, "&lt;script", ""), part); i >= 0 && part != "onerror=alert" {
			t.Errorf("the page has %q: %q", part, bad[max(0, i-40):i+40])
		}
	}
	if !strings.Contains(bad, "&lt;script&gt;alert(1)") {
		t.Error("the text itself is gone")
	}
}

// skeleton lists the tags of a page with the names of their attributes.
func skeleton(t *testing.T, page string) string {
	t.Helper()
	var out strings.Builder
	for rest := page; ; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			return out.String()
		}
		rest = rest[i:]
		quoted, end := false, -1
		for j := 0; j < len(rest) && end < 0; j++ {
			switch {
			case rest[j] == '"':
				quoted = !quoted
			case rest[j] == '>' && !quoted:
				end = j
			}
		}
		if end < 0 {
			t.Fatal("a tag has no end")
		}
		for j, part := range strings.Split(rest[:end], `"`) {
			if j%2 == 0 { // outside values
				out.WriteString(part)
			}
		}
		out.WriteByte('\n')
		rest = rest[end:]
	}
}

func many(n int, s string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func square(n int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, n)
		for j := range out[i] {
			out[i][j] = float64(i * j % 7)
		}
	}
	return out
}

// TestDegenerate draws what has hardly a shape. No attribute may hold a number that is not
// finite, and everything that is drawn lies within its chart.
func TestDegenerate(t *testing.T) {
	long := make([]Point, 10000)
	for i := range long {
		long[i] = Point{X: float64(i), Y: math.Sin(float64(i) / 500), Low: -2, High: 2}
	}
	var fifty []Series
	for i := range 50 {
		fifty = append(fifty, Curve("series", float64(i), float64(i+1), nan, float64(i)))
	}
	dots := make([]Dot, 10000)
	for i := range dots {
		dots[i] = Dot{X: math.Cos(float64(i)), Y: float64(i)}
	}
	for name, c := range map[string]struct {
		block Block
		most  int // bytes
		want  []string
	}{
		"no series":       {&Lines{Title: "t"}, 6e4, []string{"There is no point to draw."}},
		"empty series":    {&Lines{Series: []Series{{Name: "a"}}}, 6e4, []string{"There is no point to draw."}},
		"one point":       {&Lines{Series: []Series{Curve("a", 5)}}, 6e4, []string{`aria-label="1; a 5"`}},
		"one value":       {&Lines{Series: []Series{Curve("a", 5, 5, 5)}}, 6e4, []string{`d="M0 500L500 500L1000 500"`}},
		"not finite":      {&Lines{Series: []Series{{Name: "a", Points: []Point{{1, nan, 0, 0}, {nan, 1, 0, 0}, {2, inf, 0, 0}, {inf, 2, 0, 0}, {3, 4, nan, inf}}}}}, 6e4, []string{"4 points that have no place in the chart are left out."}},
		"all not finite":  {&Lines{Series: []Series{Curve("a", nan, nan)}}, 6e4, []string{"There is no point to draw.", "2 points"}},
		"below 0, log":    {&Lines{X: Axis{Log: true}, Y: Axis{Log: true}, Series: []Series{{Name: "a", Points: []Point{{0, 1, 0, 0}, {-1, 1, 0, 0}, {1, -1, 0, 0}, {10, 5, -1, 9}}}}}, 6e4, []string{"3 points", `aria-label="10; a 5"`}},
		"greatest floats": {&Lines{Series: []Series{Curve("a", -math.MaxFloat64, math.MaxFloat64, 5e-324)}}, 6e4, nil},
		"a gap":           {&Lines{Series: []Series{Curve("a", 1, nan, 1, 1)}}, 6e4, []string{"h0", "1 point that has no place in the chart is left out."}},
		"10,000 points":   {&Lines{Series: []Series{{Name: "a", Points: long}}}, 2e5, []string{"One in 50 of 10\u2009000 rows."}},
		"50 series":       {&Lines{Series: fifty}, 2e5, []string{"and 38 more in the table"}},
		"error bars":      {&Lines{Bars: true, Series: []Series{{Name: "a", Points: long[:3]}}}, 6e4, nil},
		"no bars":         {&Bars{}, 6e4, nil},
		"odd bars":        {&Bars{Bars: []Bar{{Value: nan}, {Value: inf}, {Value: -3}, {Value: 0}, {Value: 2, Low: nan, High: 1}}}, 6e4, []string{"not a number", "−3"}},
		"no columns":      {&Table{}, 6e4, nil},
		"ragged rows":     {&Table{Columns: []string{"a"}, Rows: [][]string{nil, {"1", "2", "3"}, {"4"}}}, 6e4, nil},
		"no classes":      {&Confusion{}, 6e4, nil},
		"no rows":         {&Confusion{Classes: []string{"a"}, Counts: [][]float64{{0}}}, 6e4, []string{"–"}},
		"100 classes":     {&Confusion{Classes: many(100, "c"), Counts: square(100)}, 6e4, []string{"The most frequent mistakes among 100 classes."}},
		"no pictures":     {&Pictures{}, 6e4, []string{"There is no picture to show."}},
		"empty group":     {&Pictures{Groups: []Group{{}}}, 6e4, nil},
		"no clouds":       {&Scatter{}, 6e4, []string{"There is no point to draw."}},
		"one dot":         {&Scatter{Groups: []Cloud{{Name: "a", Points: []Dot{{X: 1, Y: 1}}}}}, 6e4, []string{"1 point around (1, 1)"}},
		"not finite dots": {&Scatter{Groups: []Cloud{{Name: "a", Points: []Dot{{X: nan, Y: 1}, {X: 1, Y: inf}}}}}, 6e4, []string{"There is no point to draw.", "2 points"}},
		"10,000 dots":     {&Scatter{Groups: []Cloud{{Name: "a", Points: dots}}}, 4e5, []string{"One in 3 of 10\u2009000 points is drawn."}},
		"no text":         {&Text{}, 6e4, nil},
		"long text":       {&Text{Body: strings.Repeat("long ", 1<<19)}, 2e6, []string{"…"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := rendered(t, &Page{Title: "t", Sections: []Section{{Blocks: []Block{c.block}}}})
			if len(got) > c.most {
				t.Errorf("the page has %d bytes, want up to %d", len(got), c.most)
			}
			_, body, _ := strings.Cut(got, "<body>")
			for _, part := range []string{"NaN", "Inf", "ZgotmplZ", "-%", `="%`} {
				if i := strings.Index(body, part); i >= 0 {
					t.Errorf("the page has %q: %q", part, body[max(0, i-60):i+20])
				}
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	var none *Lines
	big := image.NewGray(image.Rect(0, 0, 5000, 1))
	for name, c := range map[string]struct {
		p    *Page
		want string
	}{
		"no title":          {&Page{Title: " \n"}, "needs a title"},
		"four sentences":    {&Page{Title: "t", Verdict: []string{"a", "b", "c", "d"}}, "up to 3 sentences, got 4"},
		"nil block":         {with(nil), `section "s": block 1: it is nil`},
		"typed nil":         {with(none), "block 1: it is nil"},
		"not square":        {with(&Confusion{Title: "c", Classes: []string{"a", "b"}, Counts: [][]float64{{1, 2}}}), "2 classes, but 1 rows"},
		"short row":         {with(&Confusion{Classes: []string{"a", "b"}, Counts: [][]float64{{1, 2}, {1}}}), `class "b" has 1 counts`},
		"negative count":    {with(&Confusion{Classes: []string{"a"}, Counts: [][]float64{{-1}}}), "the count -1"},
		"infinite count":    {with(&Confusion{Classes: []string{"a"}, Counts: [][]float64{{inf}}}), "finite counts"},
		"nil picture":       {with(&Pictures{Groups: []Group{{Name: "g", Pictures: []Picture{{}}}}}), `one of group "g" is nil`},
		"large picture":     {with(&Pictures{Groups: []Group{Single("", big)}}), "5000 x 1 pixels"},
		"empty picture":     {with(&Pictures{Groups: []Group{Single("", image.NewGray(image.Rectangle{}))}}), "0 x 0 pixels"},
		"too many pictures": {with(&Pictures{Groups: []Group{{Pictures: make1025(ramp(1, 1))}}}), "up to 1024 pictures"},
	} {
		err := c.p.Render(&bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func with(b Block) *Page {
	return &Page{Title: "t", Sections: []Section{{Title: "s", Blocks: []Block{b}}}}
}

func make1025(m image.Image) []Picture {
	out := make([]Picture, 1025)
	for i := range out {
		out[i].Image = m
	}
	return out
}

// TestKeepsToItself looks for what would be fetched. The only addresses are of pictures
// within the page and of its own places.
func TestKeepsToItself(t *testing.T) {
	got := rendered(t, small())
	for _, part := range []string{"http:", "https:", "=\"//", "@import", "url(", "<script", "<link rel=\"stylesheet"} {
		if i := strings.Index(got, part); i >= 0 {
			t.Errorf("the page has %q: %q", part, got[max(0, i-40):i+40])
		}
	}
	for _, part := range strings.Split(got, "href=\"")[1:] {
		if !strings.HasPrefix(part, "#") && !strings.HasPrefix(part, "data:,") {
			t.Errorf("a link goes to %q", part[:min(40, len(part))])
		}
	}
}

// TestColumnsOfNumbers: columns of numbers with intervals, marks and limits do not break within a number.
func TestColumnsOfNumbers(t *testing.T) {
	for text, want := range map[string]bool{"−2.2 (−2.2 to −2.2) ✗": true, "0.2 (0.1 to 0.3)": true, "≤ 10": true, "> 3.20": true, "4.1 ± 0.2 %": true, "never ahead": false, "✓": false, "": false} {
		if number(text) != want {
			t.Errorf("%q is a number: %v, want %v", text, !want, want)
		}
	}
}
