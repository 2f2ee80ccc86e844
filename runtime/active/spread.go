package active

import (
	"context"
	"fmt"
)

// Spread chooses rows that another strategy asks about early and that are not alike: of Among rows that By orders first,
// [CoreSet] takes those to ask about. So a batch does not hold the same doubt many times. The score is that of By.
type Spread struct {
	By    Strategy // required
	Among int      // how many of its first rows are chosen from, if there are so many; 10 times the count
}

// Name is that of By, with +coreset.
func (s Spread) Name() string {
	if s.By == nil {
		return CoreSet{}.Name()
	}
	return s.By.Name() + "+" + CoreSet{}.Name()
}

// Needs says that it looks at codes besides what By does.
func (s Spread) Needs() Needs {
	n := Needs{Codes: true}
	if s.By != nil {
		n.Members = s.By.Needs().Members
	}
	return n
}

// Order implements [Strategy].
func (s Spread) Order(ctx context.Context, p *Pool, count int) ([]Pick, error) {
	if s.By == nil {
		return nil, fmt.Errorf("active: Spread.By is nil: which strategy orders the rows to choose from?")
	}
	if err := p.check(s, count); err != nil {
		return nil, err
	}
	among := s.Among
	if among == 0 {
		among = 10 * count
	}
	if among = min(among, p.Rows); among < count {
		return nil, fmt.Errorf("active: %s: %d rows cannot be chosen among %d: raise Spread.Among", s.Name(), count, among)
	}
	first, err := s.By.Order(ctx, p, among)
	if err != nil {
		return nil, err
	}
	rows, score := make([]int, len(first)), map[int]float64{}
	for i, x := range first {
		rows[i], score[x.Row] = x.Row, x.Score
	}
	picks, err := CoreSet{}.among(ctx, p, rows, count)
	for i := range picks {
		picks[i].Score = score[picks[i].Row]
	}
	return picks, err
}
