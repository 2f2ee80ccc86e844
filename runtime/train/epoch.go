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

	// GradNorm is the mean over the epoch's updates of the L2 norm of all gradients together,
	// before clipping, and GradNormMax the greatest. They are 0 if gradients were not kept:
	// see Options.GradNorm.
	GradNorm    float64 `json:"grad_norm,omitempty"`
	GradNormMax float64 `json:"grad_norm_max,omitempty"`

	// What follows is measured; the seed does not determine it.
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
	Memory        int64   `json:"memory,omitempty"`  // bytes; the most that the process has had in memory, 0 where the system does not say
	Machine       string  `json:"machine,omitempty"` // of the first epoch that a process trains: CPU, cores, system and kernels
}

// timeless returns the epoch without what was measured.
func (e Epoch) timeless() Epoch {
	e.Seconds, e.RowsPerSecond, e.Memory, e.Machine = 0, 0, 0, ""
	return e
}

// norms are those of the gradients of the epoch under way.
type norms struct {
	Sum  float64 `json:"sum,omitempty"`
	Max  float64 `json:"max,omitempty"`
	Made int64   `json:"made,omitempty"` // updates
}

func (n *norms) add(norm float64) {
	n.Sum += norm
	n.Max = max(n.Max, norm)
	n.Made++
}

func (n *norms) mean() float64 { return n.Sum / float64(max(n.Made, 1)) }

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
