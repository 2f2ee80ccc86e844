package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"

	"github.com/lamina-ml/lamina/runtime/engine"
)

// Values are means over the rows of an epoch.
type Values struct {
	Loss    float64        `json:"loss"`             // the model's whole, weighted loss
	Losses  engine.Metrics `json:"losses,omitempty"` // each loss by name, if there are several
	Metrics engine.Metrics `json:"metrics,omitempty"`
}

// shown returns the loss of that name, the whole loss for "" or if it is the only one.
func (v Values) shown(name string) float64 {
	if x, ok := v.Losses[name]; ok {
		return x
	}
	return v.Loss
}

// Epoch is the outcome of one epoch.
type Epoch struct {
	Number    int     `json:"epoch"` // from 1
	Updates   int64   `json:"updates"`
	Rows      int     `json:"rows"`
	Rate      float64 `json:"learning_rate"` // at the epoch's last update
	Train     Values  `json:"train"`
	Valid     Values  `json:"valid"`     // zero unless Validated
	Validated bool    `json:"validated"` // whether there are validation rows
	Best      bool    `json:"best"`      // whether no earlier epoch was better, by Options.BestBy
	Trail     Trail   `json:"trail,omitempty"`

	// Seconds and RowsPerSecond are measured; the seed does not determine them.
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

// judged is the loss that schedules go by.
func (e *Epoch) judged() float64 { return e.measured().Loss }

// lines are the epochs as the log has them, one a line.
func lines(history []Epoch) ([]byte, error) {
	var b []byte
	for _, e := range history {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("train: log: %w", err)
		}
		b = append(append(b, line...), '\n')
	}
	return b, nil
}

// parseLines reads what lines wrote.
func parseLines(b []byte) ([]Epoch, error) {
	var history []Epoch
	d := json.NewDecoder(bytes.NewReader(b))
	for d.More() {
		var e Epoch
		if err := d.Decode(&e); err != nil {
			return nil, err
		}
		history = append(history, e)
	}
	return history, nil
}
