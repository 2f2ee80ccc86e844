package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Values are means over the rows of an epoch.
type Values struct {
	Loss    float64            `json:"loss"`             // the model's whole, weighted loss
	Losses  map[string]float64 `json:"losses,omitempty"` // each loss by name, if there are several
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// Epoch is what one epoch gave.
type Epoch struct {
	Number    int     `json:"epoch"` // from 1
	Updates   int64   `json:"updates"`
	Rows      int     `json:"rows"`
	Rate      float64 `json:"learning_rate"` // at the epoch's last update
	Train     Values  `json:"train"`
	Valid     Values  `json:"valid"`     // zero unless Validated
	Validated bool    `json:"validated"` // whether there are validation rows
	Best      bool    `json:"best"`      // whether no earlier epoch was better

	// Seconds and RowsPerSecond are measured and no part of what a seed makes.
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
}

// timeless returns the epoch without what a clock measured.
func (e Epoch) timeless() Epoch {
	e.Seconds, e.RowsPerSecond = 0, 0
	return e
}

func (e *Epoch) measured() *Values {
	if e.Validated {
		return &e.Valid
	}
	return &e.Train
}

func (e *Epoch) metricNames() []string {
	var names []string
	for name := range e.measured().Metrics {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (e *Epoch) metric(name string) float64 { return e.measured().Metrics[name] }

// judged is the loss that early stopping and the best weights go by.
func (e *Epoch) judged() float64 { return e.measured().Loss }

// writeLog makes the file hold the history, whole or not at all, so that after
// a resume it is that of a run never interrupted. A file that does is left
// alone.
func writeLog(path string, history []Epoch) error {
	var b []byte
	for _, e := range history {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("train: log: %w", err)
		}
		b = append(append(b, line...), '\n')
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	return atomicfile.WriteBytes(path, b)
}
