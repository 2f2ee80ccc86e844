package engine

import "github.com/lamina-ml/lamina/runtime/dataset"

// Rows identifies rows.
type Rows struct {
	Rows       int                  `json:"rows"`
	Hash       string               `json:"hash"`                 // of the rows
	Chosen     []int                `json:"chosen,omitempty"`     // their numbers in a table, if they were chosen from one
	Columns    []string             `json:"columns,omitempty"`    // names
	Unlabelled []dataset.Unlabelled `json:"unlabelled,omitempty"` // what Unlabel did to them
	Mix        []Part               `json:"mix,omitempty"`        // the sources, if batches have rows of two
	Concat     []Rows               `json:"concat,omitempty"`     // the sources, if the rows of one come behind those of another
	Generator  string               `json:"generator,omitempty"`  // what made the rows, if they were not read: a text form of package synthetic
}

// Part is one of the sources of a mix.
type Part struct {
	Count int `json:"count"` // rows of each batch
	Rows
}

// RowsOf identifies the rows of a source. hash gives the hash of a source; nil is dataset.Hash.
//
// Errors: those of hash.
func RowsOf(src dataset.Source, hash func(dataset.Source) (string, error)) (Rows, error) {
	if hash == nil {
		hash = dataset.Hash
	}
	r := Rows{Rows: src.Len(), Chosen: dataset.Chosen(src), Unlabelled: dataset.Unlabellings(src), Generator: dataset.GeneratorOf(src)}
	for _, c := range src.Columns() {
		r.Columns = append(r.Columns, c.Name)
	}
	for _, p := range dataset.Parts(src) {
		part, err := RowsOf(p.Source, nil)
		if err != nil {
			return r, err
		}
		r.Mix = append(r.Mix, Part{p.Rows, part})
	}
	for _, s := range dataset.Concatenated(src) {
		part, err := RowsOf(s, nil)
		if err != nil {
			return r, err
		}
		r.Concat = append(r.Concat, part)
	}
	var err error
	r.Hash, err = hash(src)
	return r, err
}
