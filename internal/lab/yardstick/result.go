package yardstick

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Result is a measured cell.
type Result struct {
	Name      string             `json:"name"`
	Metric    string             `json:"metric"`
	Value     float64            `json:"value"` // the median of Values
	Published Maybe              `json:"published"`
	Target    Maybe              `json:"target"`
	More      bool               `json:"more,omitempty"`    // whether more is better
	Reached   *bool              `json:"reached,omitempty"` // whether Value is at most Target, or with More at least
	Seeds     int                `json:"seeds"`
	Std       float64            `json:"std"`    // of Values, 0 for one
	WallS     float64            `json:"wall_s"` // of one seed, training and measuring: the median
	Values    []float64          `json:"values"` // by seed
	Also      map[string]float64 `json:"also,omitempty"`
	AlsoPub   map[string]float64 `json:"also_published,omitempty"`
	WallPub   float64            `json:"wall_s_published,omitempty"`
	Differs   string             `json:"differs,omitempty"` // from what was published, and what was shortened
	Settings  json.RawMessage    `json:"settings"`
	Data      string             `json:"data"`
	Machine   string             `json:"machine"`
	Date      string             `json:"date"`
}

// Maybe is a number that there may be none of: 0 is none, null in JSON.
type Maybe float64

// MarshalJSON writes the number or null.
func (m Maybe) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(float64(m))
}

// declare takes over what the cell says of itself: a kept result is compared with
// what is published and aimed at now.
func (r *Result) declare(c Cell) {
	r.Metric, r.Published, r.Target, r.AlsoPub, r.WallPub, r.Differs = c.Metric, Maybe(c.Published), Maybe(c.Target), c.Also, c.Seconds, c.Differs
	r.More, r.Reached = c.More, nil
	if c.Target > 0 {
		reached := r.Value == c.Target || (r.Value > c.Target) == c.More
		r.Reached = &reached
	}
}

// Load reads the results kept in a folder, by cell; none if there is no folder.
//
// Errors: a file that cannot be read or is no list of results.
func Load(dir string) (map[string]Result, error) {
	all := map[string]Result{}
	for _, r := range Rows() {
		path := filepath.Join(dir, r.Name+".json")
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("yardstick: %w", err)
		}
		var list []Result
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("yardstick: %s is no list of results: %w; delete it to measure its cells again", path, err)
		}
		for _, x := range list {
			for _, c := range r.Cells {
				if c.Name == x.Name {
					x.declare(c)
				}
			}
			all[x.Name] = x
		}
	}
	return all, nil
}

// save puts a result among those of its row, as they are in the folder now, in the
// order of the cells.
func save(dir string, r Result) error {
	all, err := Load(dir)
	if err != nil {
		return err
	}
	all[r.Name] = r
	row, list := RowOf(r.Name), []Result{}
	for _, c := range Find(row) {
		if x, ok := all[c.Name]; ok {
			list = append(list, x)
		}
	}
	raw, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, row+".json"), append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("yardstick: %w", err)
	}
	return nil
}

// same reports whether a kept result is of this cell as it is now, on these data.
func (r Result) same(c Cell, data string) bool {
	var compact json.RawMessage
	if json.Unmarshal(r.Settings, &compact) != nil {
		return false
	}
	return r.Data == data && r.Seeds == c.Seeds && sameJSON(compact, c.Settings())
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, errP := json.Marshal(x)
	q, errQ := json.Marshal(y)
	return errP == nil && errQ == nil && slices.Equal(p, q)
}
