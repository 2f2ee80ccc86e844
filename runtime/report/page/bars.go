package page

// Bars is a chart of horizontal bars, one below the other. It is a table at once, which
// says each value.
type Bars struct {
	Title string
	Note  string
	Label string // what the length is, with its unit: "seconds"
	Bars  []Bar
	Small bool // takes half the width where there is room for two
	// Decimals of the values, which stand below each other; 0 shows each with up to four digits.
	Decimals int
}

// Bar is one of a bar chart. Low and High are the ends of its interval; it has none if
// they are equal or not finite.
type Bar struct {
	Name      string
	Value     float64
	Low, High float64
	Strong    bool // stands out
}

const maxBars = 500 // that a page shows

type barsView struct {
	ID, Title, Note, Label string
	Rows                   []barView
	Zero                   string // where bars begin
	Small                  bool
}

type barView struct {
	Name, Value, Interval string
	From, Width           string // "" for a bar without length
	Low, High             string // "" without interval
	Strong                bool
}

func (b *Bars) view(id string) (string, any, error) {
	v := barsView{ID: id, Title: clean(b.Title), Note: clean(b.Note), Label: clean(b.Label), Small: b.Small}
	bars := b.Bars
	if len(bars) > maxBars {
		v.Note = clean(v.Note + " The first " + Number(maxBars) + " of " + count(len(bars), "bar") + ".")
		bars = bars[:maxBars]
	}
	s := span{0, 0, true}
	for _, x := range bars {
		if x.Value-x.Value == 0 {
			s.add(x.Value)
		}
		if p := x.point(); p.interval() {
			s.add(p.Low)
			s.add(p.High)
		}
	}
	if s.low == s.high {
		s.high = 1
	}
	scale := scale{low: s.low, high: s.high}
	zero := scale.at(0)
	v.Zero = place(zero)
	said := Number
	if b.Decimals > 0 {
		said = func(x float64) string { return Fixed(x, b.Decimals) }
	}
	for _, x := range bars {
		row := barView{Name: clean(x.Name), Value: said(x.Value), Strong: x.Strong}
		if x.Value-x.Value == 0 && x.Value != 0 {
			end := scale.at(x.Value)
			row.From, row.Width = place(min(zero, end)), place(max(zero, end)-min(zero, end))
		}
		if p := x.point(); p.interval() {
			row.Low, row.High = place(scale.at(p.Low)), place(scale.at(p.High))
			row.Interval = said(p.Low) + " to " + said(p.High)
		}
		v.Rows = append(v.Rows, row)
	}
	return "bars.html", v, nil
}

func (b Bar) point() Point { return Point{Y: b.Value, Low: b.Low, High: b.High} }
