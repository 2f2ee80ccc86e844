package onnxexport

import (
	"encoding/json"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// column is one place of an input's last axis.
type column struct {
	Name   string   `json:"name"`
	Unit   string   `json:"unit,omitempty"`
	Values []string `json:"values,omitempty"`
}

// maxNamed bounds the bytes of the names that go into a file; those of a longer list are in the schema alone.
const maxNamed = 1 << 20

// Columns returns what metadata_props say of the columns of a table, under the key lamina.columns: a JSON object that has for
// each of the columns numeric, categorical, y and target, by the names that rows had in training, a list with an object for each place of its last axis. An object has a
// name, a unit where one is known, and for a category or a label the values: the id of a category is the place of its text in
// values plus 2, where 0 is a value that is not listed and 1 is a missing one; the class of a label is the place itself.
//
//	{"categorical": [{"name": "carrier", "values": ["AA", "UA"]}],
//	 "numeric": [{"name": "distance", "unit": "miles"}, {"name": "day.year"}],
//	 "y": [{"name": "late", "values": ["no", "yes"]}]}
//
// It is "" for a record without a schema, and where it would have more than a mebibyte: the schema in training.json has all.
func Columns(r engine.Record) string {
	s := r.Schema
	if s == nil {
		return ""
	}
	all := map[string][]column{}
	numbers := s.Numeric()
	for _, f := range s.Fields {
		at := s.Column(f.Kind)
		switch f.Kind {
		case dataset.Number:
			all[at], numbers = append(all[at], column{Name: f.Name, Unit: f.Unit}), numbers[1:]
		case dataset.Date:
			for n := f.Places(); n > 0; n-- {
				all[at], numbers = append(all[at], column{Name: numbers[0]}), numbers[1:]
			}
		case dataset.Category, dataset.Label:
			all[at] = append(all[at], column{Name: f.Name, Values: f.Values})
		case dataset.Target:
			all[at] = append(all[at], column{Name: f.Name, Unit: f.Unit})
		}
	}
	b, err := json.Marshal(all)
	if err != nil || len(b) > maxNamed {
		return ""
	}
	return string(b)
}
