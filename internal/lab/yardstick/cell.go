package yardstick

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Row is a published table, or the part of it that is reproduced.
type Row struct {
	Name    string
	Source  string // where the published numbers are from
	Metric  string // what the cells' numbers are; less is better unless a cell says More
	Differs string // what is not as published: data, optimizer, epochs
	Apart   bool   // whether it has tables of its own, in README.md of this folder
	Within  bool   // whether a cell has ways that are compared with each other
	Ordered bool   // whether the order of the cells is what counts, from best to worst
	Cells   []Cell
}

// Cell is one number of a row.
type Cell struct {
	Name      string             // row/cell, or the row alone
	Metric    string             // of the row, if it has no other
	Differs   string             // of the row
	Published float64            // 0 if nothing was
	Target    float64            // ours is to be at most this, or with More at least; 0 if only the order counts
	More      bool               // whether more is better
	Data      string             // the data set, a folder below Options.Datasets; "" for the digits
	Also      map[string]float64 // further published numbers of the cell
	Seconds   float64            // published for one training, 0 if there is none
	Seeds     int                // trainings, with seeds from 0
	how       recipe
}

// Settings is what the cell's numbers depend on besides data and seed.
func (c Cell) Settings() json.RawMessage {
	raw, err := json.Marshal(c.how)
	if err != nil { // recipes are numbers and words
		return json.RawMessage(fmt.Sprintf("%q", err))
	}
	return raw
}

// Find returns the cells of a row, or the one cell, of that name; none if there is
// no such name.
func Find(name string) []Cell {
	var list []Cell
	for _, r := range Rows() {
		for _, c := range r.Cells {
			if r.Name == name || c.Name == name {
				list = append(list, c)
			}
		}
	}
	return list
}

// RowOf is the name of the row that a cell belongs to.
func RowOf(cell string) string {
	row, _, _ := strings.Cut(cell, "/")
	return row
}
