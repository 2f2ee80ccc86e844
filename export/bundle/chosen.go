package bundle

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/runtime/engine"
)

// chosenRows is rows.json: the numbers of rows that phases were trained on, of which
// there may be thousands, so that training.json can be read by people.
type chosenRows struct {
	Format int          `json:"format"`
	Lists  []chosenList `json:"lists"`
}

type chosenList struct {
	Phases []string `json:"phases"` // that were trained on them, and what else names them: JSON pointers (RFC 6901) into training.json
	Rows   []int    `json:"rows"`
}

// split returns the record without its lists of rows, and these, each once.
func split(rec engine.Record) (engine.Record, chosenRows) {
	c := chosenRows{Format: Format}
	rec.Phases = eachPhase("/phases", rec.Phases, func(at string, chosen *[]int) {
		if len(*chosen) == 0 {
			return
		}
		i := slices.IndexFunc(c.Lists, func(l chosenList) bool { return slices.Equal(l.Rows, *chosen) })
		if i < 0 {
			i = len(c.Lists)
			c.Lists = append(c.Lists, chosenList{Rows: *chosen})
		}
		c.Lists[i].Phases = append(c.Lists[i].Phases, at)
		*chosen = nil
	})
	return rec, c
}

// join puts the lists back into the record.
func (c chosenRows) join(rec engine.Record) engine.Record {
	rows := map[string][]int{}
	for _, l := range c.Lists {
		for _, at := range l.Phases {
			rows[at] = l.Rows
		}
	}
	rec.Phases = eachPhase("/phases", rec.Phases, func(at string, chosen *[]int) {
		if l, ok := rows[at]; ok {
			*chosen = l
		}
	})
	return rec
}

// eachPhase returns copies of the phases, and of those from which they started, with
// their lists of rows as visit leaves them.
func eachPhase(at string, phases []engine.Phase, visit func(at string, chosen *[]int)) []engine.Phase {
	phases = slices.Clone(phases)
	for i := range phases {
		p := &phases[i]
		here := fmt.Sprintf("%s/%d", at, i)
		visit(here, &p.Chosen)
		if p.Recipe != nil {
			r := *p.Recipe
			r.Data = eachList(here+"/recipe/data", r.Data, visit)
			if r.Valid != nil {
				v := eachList(here+"/recipe/valid", *r.Valid, visit)
				r.Valid = &v
			}
			p.Recipe = &r
		}
		p.Start = slices.Clone(p.Start)
		for j := range p.Start {
			p.Start[j].Phases = eachPhase(fmt.Sprintf("%s/start/%d/phases", here, j), p.Start[j].Phases, visit)
		}
	}
	return phases
}

// eachList returns a copy of what identifies rows, with its lists of rows as visit leaves them.
func eachList(at string, r engine.Rows, visit func(at string, chosen *[]int)) engine.Rows {
	visit(at, &r.Chosen)
	r.Unlabelled = slices.Clone(r.Unlabelled)
	for i := range r.Unlabelled {
		visit(fmt.Sprintf("%s/unlabelled/%d", at, i), &r.Unlabelled[i].Kept)
	}
	r.Mix = slices.Clone(r.Mix)
	for i := range r.Mix {
		r.Mix[i].Rows = eachList(fmt.Sprintf("%s/mix/%d", at, i), r.Mix[i].Rows, visit)
	}
	r.Concat = slices.Clone(r.Concat)
	for i := range r.Concat {
		r.Concat[i] = eachList(fmt.Sprintf("%s/concat/%d", at, i), r.Concat[i], visit)
	}
	return r
}
